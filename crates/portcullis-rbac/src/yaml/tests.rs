use portcullis_core::{Caller, Method, Principal, TargetKind, Version};

use super::*;
use crate::{Decision, Query};

const NOTES: &str = r#"
name: notes
scope_hierarchy:
  "notes:write": ["notes:read"]
roles:
  reader: { groups: [staff] }
  admin:  { groups: [it-admins], scopes: ["mcp:admin"] }
  robot:  { clients: [ci], roles: [Robot] }
  public: { anonymous: true }
rules:
  - id: read-notes
    allow: { tools: [list_notes, "get_*"], resources: ["note:///**"] }
    roles: [reader, admin]
    requires_scopes: ["notes:read"]
  - id: open
    allow: { tools: [search], prompts: [help] }
    roles: [public]
    everyone: true
  - id: never-purge
    deny: { tools: [purge_*] }
    everyone: true
    denial: tool_result
"#;

#[test]
fn a_policy_in_yaml_is_the_policy_in_code() {
    let in_code = Policy::builder()
        .name("notes")
        .scope_implies("notes:write", ["notes:read"])
        .add_role(Role::new("admin").group("it-admins").scope("mcp:admin"))
        .add_role(Role::new("public").anonymous())
        .add_role(Role::new("reader").group("staff"))
        .add_role(Role::new("robot").client("ci").claimed("Robot"))
        .add_rule(
            Rule::allow("read-notes")
                .tools(["list_notes", "get_*"])
                .resources(["note:///**"])
                .roles(["reader", "admin"])
                .requires_scopes(["notes:read"]),
        )
        .add_rule(
            Rule::allow("open").tools(["search"]).prompts(["help"]).roles(["public"]).everyone(),
        )
        .add_rule(
            Rule::deny("never-purge").tools(["purge_*"]).everyone().denial(DenialStyle::ToolResult),
        )
        .build()
        .unwrap();
    let read = Policy::from_yaml(NOTES).unwrap();
    assert_eq!(read.version, in_code.version);

    let alice = Principal::builder("https://id.example", "alice").group("staff").build();
    let caller = Caller::Verified(alice.into());
    let query = Query::new(&caller, Version::V2025_11_25, Method::ToolsCall);
    assert_eq!(
        read.decide(&query.on(TargetKind::Tool, "list_notes")),
        Decision::needs_scopes("read-notes", vec!["notes:read".into()])
    );
}

/// Scopes, URIs and stars need no quotes, except a star at the start, which is an alias in YAML.
#[test]
fn quotes_are_rarely_needed() {
    let policy = Policy::from_yaml(
        "rules:\n  - id: a\n    allow: { tools: [get_*, on], resources: [note:///**] }\n    everyone: true\n    requires_scopes: [notes:read]\n",
    );
    assert!(policy.is_ok(), "{policy:?}");
    let error = Policy::from_yaml("rules:\n  - id: a\n    allow: { tools: [*_x] }\n").unwrap_err();
    assert_eq!((error.line(), error.column()), (Some(3), Some(22)), "{error}");
}

#[test]
fn errors_name_the_place() {
    let rows = [
        ("empty", "", "line 1, column 1: unexpected end of input"),
        ("not YAML", "rules: [", "line 1, column 8: unclosed bracket '['"),
        (
            "unknown key",
            "rules: []\nrule: 1\n",
            "line 2, column 1: unknown field `rule`, expected one of name, scope_hierarchy, roles, rules",
        ),
        (
            "unknown key in a role",
            "roles:\n  a: { group: [x] }\nrules: []\n",
            "line 2, column 8: unknown field `group`, expected one of groups, scopes, roles, clients, anonymous",
        ),
        (
            "unknown key in a rule",
            "rules:\n  - id: a\n    permit: { tools: [x] }\n",
            "line 3, column 5: unknown field `permit`, expected one of id, allow, deny, roles, everyone, requires_scopes, denial",
        ),
        (
            "unknown key in targets",
            "rules:\n  - id: a\n    allow: { tool: [x] }\n",
            "line 3, column 14: unknown field `tool`, expected one of tools, prompts, resources",
        ),
        ("key twice", "rules: []\nrules: []\n", "line 2, column 1: the key rules appears twice"),
        (
            "role twice",
            "roles:\n  a: { groups: [x] }\n  a: { groups: [y] }\nrules: []\n",
            "line 3, column 3: the key a appears twice",
        ),
        (
            "not a list",
            "rules:\n  - id: a\n    allow: { tools: x }\n",
            "line 3, column 21: expected a list",
        ),
        (
            "not a boolean",
            "rules:\n  - id: a\n    allow: { tools: [x] }\n    everyone: yes\n",
            "line 4, column 15: invalid boolean (strict mode expects true/false)",
        ),
        (
            "unknown denial",
            "rules:\n  - id: a\n    allow: { tools: [x] }\n    denial: loud\n",
            "line 4, column 13: unknown variant `loud`, expected one of hide, explain, tool_result",
        ),
        ("no id", "rules:\n  - allow: { tools: [x] }\n", "line 2, column 5: missing field `id`"),
        (
            "two documents",
            "rules: []\n---\nrules: []\n",
            "line 3, column 1: more than one YAML document",
        ),
        ("no rules", "rules: []\n", "the policy has no rules: it would allow nothing"),
        (
            "neither allow nor deny",
            "rules:\n  - id: a\n    everyone: true\n",
            "line 2, column 9: rule a has neither allow nor deny",
        ),
        (
            "both",
            "rules:\n  - id: a\n    allow: { tools: [x] }\n    deny: { tools: [x] }\n",
            "line 2, column 9: rule a has both allow and deny: make it two rules",
        ),
        (
            "unknown role",
            "rules:\n  - id: a\n    allow: { tools: [x] }\n    roles: [nobody]\n",
            "line 4, column 13: rule a names the unknown role nobody",
        ),
        (
            "role nobody has",
            "roles:\n  a: {}\nrules:\n  - id: a\n    allow: { tools: [x] }\n    roles: [a]\n",
            "line 2, column 6: nobody can have the role a: give it groups, scopes, roles, clients or anonymous",
        ),
        (
            "bad pattern",
            "rules:\n  - id: a\n    allow:\n      resources: [\"**\"]\n    everyone: true\n",
            "line 4, column 19: rule a: the pattern \"**\" must start with a scheme, such as \"note:///**\"",
        ),
        (
            "bad scope",
            "rules:\n  - id: a\n    allow: { tools: [x] }\n    everyone: true\n    requires_scopes: [openid]\n",
            "line 5, column 23: rule a: the scope openid is not this resource's to ask for",
        ),
        (
            "same id",
            "rules:\n  - id: a\n    allow: { tools: [x] }\n    everyone: true\n  - id: a\n    allow: { tools: [x] }\n    everyone: true\n",
            "line 5, column 9: two rules have the id a",
        ),
    ];
    for (name, text, expected) in rows {
        let error = Policy::from_yaml(text).unwrap_err();
        assert_eq!(error.to_string(), expected, "{name}");
    }
}

#[test]
fn files() {
    let missing = Policy::from_yaml_file("/nonexistent/policy.yaml").unwrap_err();
    assert_eq!(missing.to_string(), "/nonexistent/policy.yaml: cannot be read");
    assert!(std::error::Error::source(&missing).is_some(), "the cause is kept");

    let path = std::env::temp_dir().join(format!("portcullis-rbac-{}.yaml", std::process::id()));
    std::fs::write(&path, "rules: []\n").unwrap();
    let error = Policy::from_yaml_file(&path).unwrap_err();
    assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
    std::fs::write(&path, NOTES).unwrap();
    let policy = Policy::from_yaml_file(&path).unwrap();
    assert!(policy.version.as_str().starts_with("notes@"));
    std::fs::remove_file(&path).unwrap();
}
