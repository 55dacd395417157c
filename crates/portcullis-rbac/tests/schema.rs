//! The committed JSON Schema is that of the types, and every policy in the repository fits it.
#![cfg(all(feature = "schema", feature = "yaml", feature = "toml"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

use std::fs;
use std::path::{Path, PathBuf};

use portcullis_rbac::Policy;
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// `UPDATE_SCHEMA=1 cargo test -p portcullis-rbac --all-features --test schema` writes it anew.
#[test]
fn the_committed_schema_is_that_of_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("policy.schema.json");
    let generated = serde_json::to_string_pretty(&Policy::json_schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let committed: Value = serde_json::from_str(&committed).unwrap_or_default();
    assert_eq!(committed, Policy::json_schema(), "write it anew: see this test's comment");
}

fn validator() -> jsonschema::Validator {
    jsonschema::draft202012::new(&Policy::json_schema()).unwrap()
}

/// The policy files under `folder`.
fn policies(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "node_modules" {
                policies(&path, found);
            }
        } else if name.contains("policy")
            && matches!(path.extension().and_then(|e| e.to_str()), Some("yaml" | "yml" | "toml"))
        {
            found.push(path);
        }
    }
}

#[test]
fn every_policy_in_the_repository_fits() {
    let validator = validator();
    let mut found = Vec::new();
    policies(&root(), &mut found);
    assert!(!found.is_empty());
    for path in found {
        let shown = path.display();
        let policy = Policy::from_file(&path).unwrap_or_else(|error| panic!("{error}"));
        assert!(policy.warnings().is_empty(), "{shown}: {:?}", policy.warnings());
        let text = fs::read_to_string(&path).unwrap();
        let json: Value = if path.extension().is_some_and(|e| e == "toml") {
            continue; // Its reader has no JSON; the types are the same.
        } else {
            serde_saphyr::from_str(&text).unwrap()
        };
        if let Err(error) = validator.validate(&json) {
            panic!("{shown}: {error}");
        }
    }
}

#[test]
fn the_schema_and_the_reader_refuse_alike() {
    let validator = validator();
    let rows = [
        (
            "a key without a value",
            r#"{"rules":[{"id":"a","allow":{"tools":["x"]},"everyone":true,"through":null}]}"#,
        ),
        (
            "no window",
            r#"{"rules":[{"id":"a","allow":{"tools":["x"]},"everyone":true,"when":null}]}"#,
        ),
        ("an unknown key", r#"{"rules":[],"rule":1}"#),
        ("an unknown key of a rule", r#"{"rules":[{"id":"a","permit":{"tools":["x"]}}]}"#),
        ("no rules", r#"{"name":"x"}"#),
        ("no id", r#"{"rules":[{"allow":{"tools":["x"]}}]}"#),
        ("no list", r#"{"rules":[{"id":"a","allow":{"tools":"x"},"everyone":true}]}"#),
        (
            "an unknown condition",
            r#"{"rules":[{"id":"a","allow":{"tools":["x"]},"everyone":true,"arguments":{"n":{"mx":1}}}]}"#,
        ),
        (
            "an unknown denial",
            r#"{"rules":[{"id":"a","allow":{"tools":["x"]},"everyone":true,"denial":"loud"}]}"#,
        ),
        (
            "a window without a zone",
            r#"{"rules":[{"id":"a","allow":{"tools":["x"]},"everyone":true,"when":{"days":["mon"]}}]}"#,
        ),
        (
            "a bound that is no number",
            r#"{"rules":[{"id":"a","allow":{"tools":["x"]},"everyone":true,"arguments":{"n":{"max":"1"}}}]}"#,
        ),
        ("an empty list of rules", r#"{"rules":[]}"#),
        ("neither allow nor deny", r#"{"rules":[{"id":"a","everyone":true}]}"#),
        (
            "both allow and deny",
            r#"{"rules":[{"id":"a","allow":{"tools":["x"]},"deny":{"tools":["y"]},"everyone":true}]}"#,
        ),
        (
            "for nobody",
            r#"{"rules":[{"id":"a","allow":{"tools":["x"]},"everyone":false,"roles":[]}]}"#,
        ),
        ("an id of nothing", r#"{"rules":[{"id":"","allow":{"tools":["x"]},"everyone":true}]}"#),
        (
            "a method that is none",
            r#"{"rules":[{"id":"a","allow":{"tools":["x"],"methods":["tools/cal"]},"everyone":true}]}"#,
        ),
        (
            "hours in another notation",
            r#"{"rules":[{"id":"a","allow":{"tools":["x"]},"everyone":true,"when":{"time_zone":"UTC","hours":"8-18"}}]}"#,
        ),
        (
            "one of nothing",
            r#"{"rules":[{"id":"a","allow":{"tools":["x"]},"everyone":true,"arguments":{"n":{"in":[]}}}]}"#,
        ),
        (
            "a window of all times",
            r#"{"rules":[{"id":"a","allow":{"tools":["x"]},"everyone":true,"when":{"time_zone":"UTC"}}]}"#,
        ),
        (
            "a condition that asks nothing",
            r#"{"rules":[{"id":"a","allow":{"tools":["x"]},"everyone":true,"arguments":{"n":{}}}]}"#,
        ),
    ];
    let empty = [
        r#""networks":[]"#,
        r#""requires_scopes":[]"#,
        r#""arguments":{}"#,
        r#""when":[]"#,
        r#""valid":{}"#,
        r#""when":{"time_zone":"UTC","hours":"08:00-18:00","days":[]}"#,
    ];
    let empty = empty.map(|limit| {
        let rule = format!(
            r#"{{"rules":[{{"id":"a","allow":{{"tools":["x"]}},"everyone":true,{limit}}}]}}"#
        );
        (limit, rule)
    });
    let narrow = [r#""methods":[]"#, r#""servers":[]"#, r#""annotations":{}"#].map(|limit| {
        let rule = format!(
            r#"{{"rules":[{{"id":"a","allow":{{"tools":["x"],{limit}}},"everyone":true}}]}}"#
        );
        (limit, rule)
    });
    let from = ["{}", r#"{"issuers":[]}"#, r#"{"tenants":[],"issuers":["i"]}"#].map(|from| {
        let role = format!(
            r#"{{"roles":{{"r":{{"groups":["g"],"from":{from}}}}},"rules":[{{"id":"a","allow":{{"tools":["x"]}},"roles":["r"]}}]}}"#
        );
        (from, role)
    });
    let limits = empty.iter().chain(&narrow).chain(&from);
    let limits = limits.map(|(name, text)| (*name, text.as_str()));
    for (name, text) in rows.into_iter().chain(limits) {
        let json: Value = serde_json::from_str(text).unwrap();
        assert!(!validator.is_valid(&json), "schema: {name}");
        assert!(Policy::from_yaml(text).is_err(), "reader: {name}");
    }
    let good = r#"{"rules":[{"id":"a","allow":{"tools":["x"],"annotations":{"readOnlyHint":true}},"everyone":true,"through":"direct","arguments":{"n":{"in":[1,2]},"m":{"equals":null}},"when":[{"time_zone":"UTC","days":"mon"}]}]}"#;
    let json: Value = serde_json::from_str(good).unwrap();
    assert!(validator.is_valid(&json), "{:?}", validator.validate(&json));
    Policy::from_yaml(good).unwrap();
}
