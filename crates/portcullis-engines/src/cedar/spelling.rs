//! Words after `has`: validation takes one that no schema knows for "never", which makes a `forbid` void.

use serde_json::Value;

use super::arguments::{Declared, Kind};

/// The attributes of entities and of the context, as in the schema. A test compares.
const ENTITIES: [&str; 4] = ["issuer", "name", "subject", "uri"];
const CONTEXT: [&str; 10] = [
    "actor",
    "agents",
    "arguments",
    "authentication",
    "client",
    "listing",
    "mcpVersion",
    "now",
    "scopes",
    "tenant",
];
const AUTHENTICATION: [&str; 3] = ["acr", "method", "time"];

/// The first path after a `has` in `policy` (the JSON form of one) that nothing has.
pub(super) fn unknown(policy: &Value, declared: &Declared) -> Option<String> {
    match policy {
        Value::Array(items) => items.iter().find_map(|item| unknown(item, declared)),
        Value::Object(members) => {
            let asked = members.get("has").and_then(|has| {
                let mut path = path(has.get("left")?)?;
                match has.get("attr")? {
                    Value::Array(several) => path.extend(several.iter().filter_map(Value::as_str)),
                    one => path.push(one.as_str()?),
                }
                (!is_known(&path, declared)).then(|| path.join("."))
            });
            asked.or_else(|| members.values().find_map(|value| unknown(value, declared)))
        }
        _ => None,
    }
}

/// A variable and the attributes that are taken of it.
fn path(expression: &Value) -> Option<Vec<&str>> {
    if let Some(variable) = expression.get("Var") {
        return Some(vec![variable.as_str()?]);
    }
    let dot = expression.get(".")?;
    let mut path = path(dot.get("left")?)?;
    path.push(dot.get("attr")?.as_str()?);
    Some(path)
}

fn is_known(path: &[&str], declared: &Declared) -> bool {
    match path {
        ["context", "arguments", rest @ ..] => is_declared(rest, declared),
        ["context", "authentication", name] => AUTHENTICATION.contains(name),
        ["context", "actor", name] | ["principal" | "resource", name] => ENTITIES.contains(name),
        ["context", name] => CONTEXT.contains(name),
        _ => false,
    }
}

fn is_declared(path: &[&str], declared: &Declared) -> bool {
    match path {
        [] => true,
        [name, rest @ ..] => match declared.get(*name) {
            Some(Kind::Record(members)) => is_declared(rest, members),
            Some(_) => rest.is_empty(),
            None => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use cedar_policy::SchemaFragment;

    use super::*;
    use crate::Cedar;

    fn names(record: &Value) -> BTreeSet<&str> {
        record["attributes"].as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn words_are_those_of_the_schema() {
        let (fragment, _) = SchemaFragment::from_cedarschema_str(Cedar::SCHEMA).unwrap();
        let schema = fragment.to_json_value().unwrap();
        let call = &schema["MCP"]["commonTypes"]["Call"];
        assert_eq!(names(call), BTreeSet::from(CONTEXT));
        assert_eq!(names(&call["attributes"]["authentication"]), BTreeSet::from(AUTHENTICATION));
        let entities = schema["MCP"]["entityTypes"].as_object().unwrap().values();
        let shapes = entities.filter_map(|entity| entity.get("shape"));
        let all: BTreeSet<_> = shapes.flat_map(names).collect();
        assert_eq!(all, BTreeSet::from(ENTITIES));
    }
}
