//! Which arguments policies look at, and what they are to Cedar.

use std::collections::BTreeMap;

use cedar_policy::{RestrictedExpression, SchemaFragment};
use serde_json::{Map, Value};

use super::load::fault;
use crate::ConfigError;
use crate::lookalike::may_pass_for;

/// What an argument must be.
#[derive(Debug)]
pub(super) enum Kind {
    String,
    Long,
    Bool,
    /// An IP address or range, sent as text.
    Address,
    Set(Box<Kind>),
    Record(Declared),
}

/// The members of an object that policies may look at.
pub(super) type Declared = BTreeMap<String, Kind>;

/// The arguments that `record`, a record type in the language of Cedar schemas, declares.
pub(super) fn declared(record: &str) -> Result<Declared, ConfigError> {
    let schema = format!("namespace MCP {{ type Arguments = {record}; }}");
    let (fragment, _) = SchemaFragment::from_cedarschema_str(&schema)
        .map_err(|error| fault("the type of the arguments: ", &error, None))?;
    let schema = fragment
        .to_json_value()
        .map_err(|error| fault("the type of the arguments: ", &error, None))?;
    let only = |value: &Value, key: &str| {
        value.as_object().filter(|members| members.keys().all(|name| name == key)).is_some()
    };
    let types = schema.get("MCP").and_then(|namespace| namespace.get("commonTypes"));
    let empty = |what: &str| {
        let what = schema.get("MCP").and_then(|namespace| namespace.get(what));
        what.and_then(Value::as_object).is_none_or(Map::is_empty)
    };
    let alone = only(&schema, "MCP")
        && types.is_some_and(|types| only(types, "Arguments"))
        && empty("entityTypes")
        && empty("actions");
    let record = types.and_then(|types| types.get("Arguments"));
    match record.filter(|_| alone).map(kind).transpose()? {
        Some(Kind::Record(declared)) => {
            // One that every call must have would deny the calls of all other tools, and hide all tools.
            match required(record) {
                Some(name) => Err(ConfigError::new(format!(
                    "the argument {name:?} must be optional: write `{name}?`"
                ))),
                None => Ok(declared),
            }
        }
        _ => Err(ConfigError::new("the type of the arguments is not one record")),
    }
}

fn required(record: Option<&Value>) -> Option<&String> {
    let attributes = record?.get("attributes")?.as_object()?;
    let needed = |value: &Value| value.get("required") != Some(&Value::Bool(false));
    attributes.iter().find(|(_, value)| needed(value)).map(|(name, _)| name)
}

fn kind(json: &Value) -> Result<Kind, ConfigError> {
    let text = |key: &str| json.get(key).and_then(Value::as_str).unwrap_or_default();
    let name = match text("type") {
        "EntityOrCommon" => text("name"),
        name => name,
    };
    Ok(match name {
        "String" | "__cedar::String" => Kind::String,
        "Long" | "__cedar::Long" => Kind::Long,
        "Bool" | "Boolean" | "__cedar::Bool" => Kind::Bool,
        "ipaddr" | "__cedar::ipaddr" => Kind::Address,
        "Extension" if text("name") == "ipaddr" => Kind::Address,
        "Set" => Kind::Set(Box::new(kind(json.get("element").unwrap_or(&Value::Null))?)),
        "Record" => {
            let attributes = json.get("attributes").and_then(Value::as_object);
            let attributes = attributes.into_iter().flatten();
            let members = attributes.map(|(name, json)| Ok((name.clone(), kind(json)?)));
            Kind::Record(members.collect::<Result<_, ConfigError>>()?)
        }
        other => {
            return Err(ConfigError::new(format!(
                "arguments are String, Long, Bool, ipaddr, sets or records of these, and not {other}"
            )));
        }
    })
}

/// What policies see of `sent`. `None` where an argument is not what it must be, or where a server may
/// take another one for it.
pub(super) fn of(sent: &Map<String, Value>, declared: &Declared) -> Option<RestrictedExpression> {
    if declared.keys().any(|known| sent.keys().any(|name| may_pass_for(name, known))) {
        return None;
    }
    let mut record = Vec::new();
    for (name, kind) in declared {
        if let Some(value) = sent.get(name) {
            record.push((name.clone(), kind.take(value)?));
        }
    }
    RestrictedExpression::new_record(record).ok()
}

impl Kind {
    /// No conversions: what is compared is what the server gets.
    fn take(&self, value: &Value) -> Option<RestrictedExpression> {
        Some(match self {
            Self::String => RestrictedExpression::new_string(value.as_str()?.to_owned()),
            Self::Long => RestrictedExpression::new_long(value.as_i64()?),
            Self::Bool => RestrictedExpression::new_bool(value.as_bool()?),
            Self::Address => RestrictedExpression::new_ip(value.as_str()?),
            Self::Set(kind) => {
                let items: Option<Vec<_>> =
                    value.as_array()?.iter().map(|item| kind.take(item)).collect();
                RestrictedExpression::new_set(items?)
            }
            Self::Record(declared) => of(value.as_object()?, declared)?,
        })
    }
}
