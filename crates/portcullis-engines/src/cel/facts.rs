//! What expressions look at.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use cel::objects::{Key, Map};
use cel::{Context, Env, Value};
use portcullis_core::{Actor, Principal};
use portcullis_rbac::Query;
use serde_json::Value as Json;

use crate::lookalike::may_pass_for;
use crate::usage;

/// The largest arguments that expressions look at: bytes, and values within one another.
const MAX_BYTES: usize = 64 * 1024;
const MAX_VALUES: usize = 500;

/// A CEL map of these members.
fn map<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let members = members.into_iter();
    let members = members.filter_map(|(name, value)| Some((Key::from(name), value?)));
    Value::Map(Map { map: Arc::new(members.collect::<HashMap<_, _>>()) })
}

fn texts(texts: &[String]) -> Value {
    Value::from(texts.iter().map(|text| Value::from(text.as_str())).collect::<Vec<_>>())
}

fn seconds(unix: Duration) -> Value {
    Value::Int(i64::try_from(unix.as_secs()).unwrap_or(i64::MAX))
}

/// What is known of a caller, whatever they ask.
pub(super) fn caller(principal: &Principal) -> Option<Value> {
    let actor = |actor: &Actor| {
        let issuer = actor.issuer().unwrap_or(principal.issuer());
        map([("issuer", Some(issuer.into())), ("subject", Some(actor.subject().into()))])
    };
    let agents: Vec<_> = principal.actors().iter().map(actor).collect();
    let mut room = usize::MAX;
    let claims = principal.claims().iter();
    let claims: Option<HashMap<Key, Value>> = claims
        .map(|(name, json)| Some((Key::from(name.as_str()), value(json, &mut room)?)))
        .collect();
    let claim =
        |name| principal.claims().get(name).and_then(|json| value(json, &mut { MAX_VALUES }));
    Some(map([
        ("issuer", Some(principal.issuer().into())),
        ("subject", Some(principal.subject().into())),
        ("is_client", Some(Value::Bool(principal.is_client()))),
        ("client", principal.client_id().map(Value::from)),
        ("tenant", principal.tenant().map(Value::from)),
        ("scopes", Some(texts(principal.scopes()))),
        ("groups", Some(texts(principal.groups()))),
        ("roles", Some(texts(principal.roles()))),
        ("method", Some(principal.method().into())),
        ("acr", claim("acr")),
        ("auth_time", claim("auth_time")),
        ("actor", agents.first().cloned()),
        ("agents", Some(Value::from(agents))),
        ("claims", Some(Value::Map(Map { map: Arc::new(claims?) }))),
    ]))
}

fn target(query: &Query<'_>) -> Value {
    let (kind, name) = match (usage::kind(query), query.target()) {
        (Some(kind), Some((_, name))) => (kind.as_str(), name),
        _ => ("server", query.server().unwrap_or_default()),
    };
    map([
        ("kind", Some(kind.into())),
        ("name", Some(name.into())),
        ("server", query.server().map(Value::from)),
    ])
}

/// The arguments, where there are any; `None` where they are too large, or where a server may take one
/// of them for one of `names`.
pub(super) fn arguments(query: &Query<'_>, names: &BTreeSet<String>) -> Option<Value> {
    let Some(sent) = query.arguments() else { return Some(map([])) };
    if sent.json().len() > MAX_BYTES {
        return None;
    }
    let json: Json = serde_json::from_slice(sent.json()).ok()?;
    let value = value(&json, &mut { MAX_VALUES })?;
    (!deceives(&json, names)).then_some(value)
}

fn deceives(json: &Json, names: &BTreeSet<String>) -> bool {
    match json {
        Json::Array(items) => items.iter().any(|item| deceives(item, names)),
        Json::Object(members) => members.iter().any(|(name, json)| {
            names.iter().any(|known| may_pass_for(name, known)) || deceives(json, names)
        }),
        _ => false,
    }
}

/// `json` as CEL has it; `None` where it holds more values than there is `room` for.
fn value(json: &Json, room: &mut usize) -> Option<Value> {
    *room = room.checked_sub(1)?;
    Some(match json {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => Value::Int(int),
            (None, Some(uint)) => Value::UInt(uint),
            (None, None) => Value::Float(number.as_f64()?),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => {
            let items = items.iter().map(|item| value(item, room));
            Value::from(items.collect::<Option<Vec<Value>>>()?)
        }
        Json::Object(members) => {
            let members = members.iter();
            let members =
                members.map(|(name, json)| Some((Key::from(name.as_str()), value(json, room)?)));
            Value::Map(Map { map: Arc::new(members.collect::<Option<HashMap<_, _>>>()?) })
        }
    })
}

/// Everything by its name.
pub(super) fn context(
    env: &Arc<Env>,
    caller: &Value,
    arguments: &Value,
    query: &Query<'_>,
    (method, now): (&str, Duration),
) -> Context<'static, 'static> {
    let mut context = Context::with_env(Arc::clone(env));
    context.add_variable_from_value("arguments", arguments.clone());
    context.add_variable_from_value("caller", caller.clone());
    context.add_variable_from_value("listing", query.is_listing());
    context.add_variable_from_value("method", method);
    context.add_variable_from_value("now", seconds(now));
    context.add_variable_from_value("target", target(query));
    context.add_variable_from_value("version", query.version().as_str());
    context
}
