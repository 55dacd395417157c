//! The published JSON Schema of records.
#![cfg(feature = "schema")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

use std::path::Path;

use portcullis_audit::Entry;
use serde_json::Value;

fn read(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn generated() -> Value {
    let mut schema = serde_json::to_value(schemars::schema_for!(Entry)).unwrap();
    schema["properties"]["schema"] = serde_json::json!({
        "description": "The version of the format.", "const": portcullis_audit::SCHEMA,
    });
    schema
}

#[test]
fn the_file_is_what_the_types_say() {
    let generated = generated();
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("audit.schema.json");
        std::fs::write(path, serde_json::to_string_pretty(&generated).unwrap() + "\n").unwrap();
    }
    assert_eq!(read("audit.schema.json"), generated, "run with UPDATE_SCHEMA=1 to write it");
}

/// Every place in a schema of version 1 that a reader may rely on, as a path and what is there.
fn promises(schema: &Value, path: &str, found: &mut Vec<(String, Value)>) {
    match schema {
        Value::Object(members) => {
            for (name, value) in members {
                let path = format!("{path}/{name}");
                match name.as_str() {
                    "description" | "title" | "$schema" => {}
                    "type" | "const" | "format" | "$ref" | "minimum" | "maximum" => {
                        found.push((path, value.clone()));
                    }
                    "required" => {
                        let names = value.as_array().unwrap();
                        found.extend(names.iter().map(|it| (path.clone(), it.clone())));
                    }
                    _ => promises(value, &path, found),
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                promises(item, &format!("{path}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// New members may come. What is there keeps its name, its type and its being there.
#[test]
fn version_1_keeps_its_promises() {
    let list = |schema: &Value| {
        let mut found = Vec::new();
        promises(schema, "", &mut found);
        found
    };
    let (frozen, now) = (list(&read("tests/schema/audit-1.schema.json")), list(&generated()));
    assert!(frozen.len() > 150, "{}", frozen.len());
    for promise in &frozen {
        assert!(now.contains(promise), "{promise:?} is broken: that takes a new version");
    }
    // And the check would see it.
    let mut broken = generated();
    broken["$defs"]["GapEntry"]["required"] = serde_json::json!([]);
    let now = list(&broken);
    assert!(!frozen.iter().all(|promise| now.contains(promise)));
}
