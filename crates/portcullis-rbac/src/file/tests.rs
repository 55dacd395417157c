use portcullis_core::{Caller, Method, Principal, TargetKind, Version};

use super::*;
use crate::{Authorizer as _, Decision, DenialStyle, Query, Role, Rule};

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
        ("empty", "", "line 1, column 1: expected a mapping with rules, found nothing"),
        ("not YAML", "rules: [", "line 1, column 8: unclosed bracket '['"),
        (
            "unknown key",
            "rules: []\nrule: 1\n",
            "line 2, column 1: unknown key rule, expected one of name, servers, groups, agents, scope_hierarchy, grantable_scopes, roles, rules",
        ),
        (
            "unknown key in a role",
            "roles:\n  a: { group: [x] }\nrules: []\n",
            "line 2, column 8: unknown key group, expected one of groups, scopes, roles, clients, subjects, claims, from, anonymous",
        ),
        (
            "unknown key in a rule",
            "rules:\n  - id: a\n    permit: { tools: [x] }\n",
            "line 3, column 5: unknown key permit, expected one of id, description, allow, deny, roles, everyone, through, networks, requires_scopes, arguments, when, valid, denial, explanation",
        ),
        (
            "keys of targets in a rule",
            "rules:\n  - id: a\n    servers: [x]",
            "line 3, column 5: unknown key servers, expected one of id, description, allow, deny, roles, everyone, through, networks, requires_scopes, arguments, when, valid, denial, explanation: it stands inside allow or deny",
        ),
        (
            "keys of a rule in targets",
            "rules:\n  - id: a\n    allow: { tools: [x], through: agent }",
            "line 3, column 26: unknown key through, expected one of tools, prompts, resources, methods, servers, annotations: it stands beside allow or deny, not inside",
        ),
        (
            "unknown key in targets",
            "rules:\n  - id: a\n    allow: { tool: [x] }\n",
            "line 3, column 14: unknown key tool, expected one of tools, prompts, resources, methods, servers, annotations",
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
            "line 3, column 21: expected a list, found text",
        ),
        (
            "not a boolean",
            "rules:\n  - id: a\n    allow: { tools: [x] }\n    everyone: yes\n",
            "line 4, column 15: expected true or false, found text",
        ),
        (
            "unknown denial",
            "rules:\n  - id: a\n    allow: { tools: [x] }\n    denial: loud\n",
            "line 4, column 13: unknown value loud, expected one of hide, explain, tool_result",
        ),
        ("no id", "rules:\n  - allow: { tools: [x] }\n", "line 2, column 5: the key id is missing"),
        (
            "two documents",
            "rules: []\n---\nrules: []\n",
            "line 3, column 1: more than one YAML document",
        ),
        (
            "a list for the policy",
            "- a\n- b\n",
            "line 1, column 1: expected a mapping with rules, found a list",
        ),
        (
            "a list for a role",
            "roles:\n  a: [[x]]\nrules: []\n",
            "line 2, column 6: expected a mapping that says who has the role, found a list",
        ),
        (
            "a list for a rule",
            "rules:\n  - [a, b, { tools: [x] }]\n",
            "line 2, column 5: expected a mapping with an id, found a list",
        ),
        (
            "text for roles",
            "roles: x\nrules: []\n",
            "line 1, column 8: expected a mapping, found text",
        ),
        (
            "a star without quotes",
            "rules:\n  - id: a\n    allow: { tools: [*] }\n",
            "line 3, column 22: write text that starts with * or another sign in quotes, such as \"*\"",
        ),
        (
            "a pattern without quotes",
            "rules:\n  - id: a\n    allow: { tools: [*_note] }\n",
            "line 3, column 22: nothing has this name: write text that starts with * or another sign in quotes",
        ),
        (
            "another sign without quotes",
            "rules:\n  - id: a\n    allow: { tools: [@x] }\n",
            "line 3, column 22: unexpected character: `@': write text that starts with * or another sign in quotes",
        ),
        (
            "a sign of YAML's",
            "rules:\n  - id: a\n    allow: { tools: [!x ] }\n",
            "line 3, column 24: unsupported tag `!x`: write text that starts with * or another sign in quotes",
        ),
        (
            "a merge key",
            "roles:\n  a: &a { groups: [x] }\n  b: { <<: *a }\nrules: []\n",
            "line 3, column 8: merge keys (<<) are not allowed: write it out",
        ),
        (
            "a number that is none",
            "rules:\n  - id: a\n    arguments: { a: { max: .nan } }\n",
            "line 3, column 28: `.nan` is not a finite number",
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
            "line 2, column 6: nobody can have the role a: give it groups, scopes, roles, clients, subjects, claims, from or anonymous",
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

/// What `docs/policies.md` shows can be used as it stands, without a warning.
#[test]
fn the_policies_of_the_manual() {
    let manual = include_str!("../../../../docs/policies.md");
    let mut read = 0;
    for block in manual.split("```").skip(1).step_by(2) {
        let policy = match block.split_once('\n') {
            Some(("yaml", text)) => Policy::from_yaml(text),
            Some(("toml", text)) => Policy::from_toml(text),
            _ => continue,
        };
        assert!(policy.unwrap().warnings().is_empty(), "{block}");
        read += 1;
    }
    assert_eq!(read, 8);
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

/// Everything that a file can say, in both languages.
const WHOLE_YAML: &str = r#"
name: whole
servers:
  crm:
    trust_annotations: true
    annotations:
      export: { readOnlyHint: true, openWorldHint: false }
  wiki: {}
groups:
  finance: 6f1d2c3e-0000-4a4a-8b8b-123456789abc
  staff: ["1", "2"]
agents:
  travel-bot: { issuer: https://id.example, clients: [travel], actors: [agent-7] }
scope_hierarchy:
  "notes:write": ["notes:read"]
grantable_scopes: ["notes:read"]
roles:
  clerk:
    groups: [finance, staff]
    subjects: [alice]
    claims: { department: [finance, 7], /org/unit: emea, "https://x.example/admin": true }
    from: { issuers: [https://id.example], tenants: [t1] }
rules:
  - id: pay
    description: Clerks pay small invoices in office hours.
    allow:
      tools: [pay_invoice]
      servers: [crm]
      annotations: { destructiveHint: false }
      methods: [tools/call]
    roles: [clerk]
    through: direct
    networks: [10.1.0.0/16, "2001:db8::1"]
    requires_scopes: ["notes:read"]
    arguments:
      amount: { min: 0, max: 1000.5 }
      currency: { in: [EUR, USD] }
      /to/iban: { prefix: DE, matches: "DE[0-9]{20}", min_length: 22, max_length: 22 }
      file: { under: /srv/invoices, suffix: .pdf }
      note: { present: false }
      tags: { each: { equals: "x" } }
      dry: { equals: null }
    when:
      - { time_zone: Europe/Berlin, days: mon-fri, hours: "08:00-18:00" }
      - { time_zone: UTC, days: [sat] }
    valid: { from: 2026-01-01T00:00:00Z, until: 2099-01-01T00:00:00+01:00 }
    denial: tool_result
    explanation: Only small invoices, in office hours.
  - id: bots
    deny: { methods: [resources/subscribe] }
    everyone: true
    through: [travel-bot]
"#;

const WHOLE_TOML: &str = r#"
name = "whole"
grantable_scopes = ["notes:read"]

[servers.crm]
trust_annotations = true
annotations.export = { readOnlyHint = true, openWorldHint = false }

[servers.wiki]

[groups]
finance = "6f1d2c3e-0000-4a4a-8b8b-123456789abc"
staff = ["1", "2"]

[agents.travel-bot]
issuer = "https://id.example"
clients = ["travel"]
actors = ["agent-7"]

[scope_hierarchy]
"notes:write" = ["notes:read"]

[roles.clerk]
groups = ["finance", "staff"]
subjects = ["alice"]
from = { issuers = ["https://id.example"], tenants = ["t1"] }

[roles.clerk.claims]
department = ["finance", 7]
"/org/unit" = "emea"
"https://x.example/admin" = true

[[rules]]
id = "pay"
roles = ["clerk"]
through = "direct"
networks = ["10.1.0.0/16", "2001:db8::1"]
requires_scopes = ["notes:read"]
valid = { from = 2026-01-01T00:00:00Z, until = "2099-01-01T00:00:00+01:00" }
denial = "tool_result"
explanation = "Only small invoices, in office hours."

[rules.allow]
tools = ["pay_invoice"]
servers = ["crm"]
annotations = { destructiveHint = false }
methods = ["tools/call"]

[rules.arguments]
amount = { min = 0, max = 1000.5 }
currency = { in = ["EUR", "USD"] }
"/to/iban" = { prefix = "DE", matches = "DE[0-9]{20}", min_length = 22, max_length = 22 }
file = { under = "/srv/invoices", suffix = ".pdf" }
note = { present = false }
tags = { each = { equals = "x" } }

[[rules.when]]
time_zone = "Europe/Berlin"
days = "mon-fri"
hours = "08:00-18:00"

[[rules.when]]
time_zone = "UTC"
days = ["sat"]

[[rules]]
id = "bots"
deny = { methods = ["resources/subscribe"] }
everyone = true
through = ["travel-bot"]
"#;

#[test]
fn one_policy_in_two_languages() {
    // TOML has no null.
    let yaml = WHOLE_YAML.replace("      dry: { equals: null }\n", "");
    let (yaml, toml) = (Policy::from_yaml(&yaml).unwrap(), Policy::from_toml(WHOLE_TOML).unwrap());
    assert_eq!(yaml.digest(), toml.digest());
    assert_eq!(yaml.version(), toml.version());
    assert_ne!(Policy::from_yaml(WHOLE_YAML).unwrap().digest(), toml.digest(), "null is something");
    assert!(toml.version().as_str().starts_with("whole@"), "{:?}", toml.version());
    let version = toml.version();
    assert!(toml.digest().starts_with(version.as_str().trim_start_matches("whole@")));
}

#[test]
fn errors_in_toml_name_the_place() {
    let rows = [
        ("not TOML", "rules = [", "line 1, column 10: unclosed array, expected `]`"),
        (
            "unknown key",
            "rules = []\nrule = 1\n",
            "line 2, column 1: unknown key rule, expected one of name, servers, groups, agents, scope_hierarchy, grantable_scopes, roles, rules",
        ),
        ("key twice", "rules = []\nrules = []\n", "line 2, column 1: duplicate key"),
        (
            "unknown role",
            "[[rules]]\nid = \"a\"\nallow = { tools = [\"x\"] }\nroles = [\"ü\", \"nobody\"]\n[roles.\"ü\"]\nanonymous = true\n",
            "line 4, column 15: rule a names the unknown role nobody",
        ),
        (
            "not a list",
            "[[rules]]\nid = \"a\"\nallow.tools = \"x\"\n",
            "line 3, column 15: expected a list, found text",
        ),
        (
            "a number",
            "[[rules]]\nid = 7\n",
            "line 2, column 6: expected a string, found the number 7: write it in quotes",
        ),
        ("no id", "[[rules]]\neveryone = true\n", "line 1, column 1: the key id is missing"),
        (
            "no finite number",
            "rules = []\nname = inf",
            "line 2, column 8: inf is not a finite number",
        ),
    ];
    for (name, text, expected) in rows {
        let error = Policy::from_toml(text).unwrap_err();
        assert_eq!(error.to_string(), expected, "{name}");
    }
}

/// Conditions that cannot be meant, with their places.
#[test]
fn errors_in_conditions_name_the_place() {
    let rule = |more: &str| {
        format!("rules:\n  - id: a\n    allow: {{ tools: [x] }}\n    everyone: true\n    {more}\n")
    };
    let rows = [
        (
            "arguments: { n: { mx: 1 } }",
            "line 5, column 23: unknown key mx, expected one of present, equals, in, min, max, prefix, suffix, under, matches, min_length, max_length, each",
        ),
        ("arguments: { n: { max: x } }", "line 5, column 28: expected a number"),
        (
            "arguments: { n: { max: 9007199254740993.5 } }",
            "line 5, column 28: a number like 9007199254740994.0 is not kept exactly: write at most 15 digits",
        ),
        (
            "arguments: { n: { in: [1, 18446744073709551616] } }",
            "line 5, column 31: a number like 1.8446744073709552e19 is not kept exactly: write at most 15 digits",
        ),
        ("arguments: { n: {} }", "line 5, column 21: rule a: argument n: it asks nothing"),
        (
            "arguments: { n: { matches: '(' } }",
            "line 5, column 21: rule a: argument n: the pattern \"(\" is not a regular expression",
        ),
        (
            "arguments: { n: { equals: [1] } }",
            "line 5, column 31: expected a string, a number, a boolean or null, found a list",
        ),
        (
            "when: { time_zone: Mars, days: mon }",
            "line 5, column 11: rule a: \"Mars\" is not a time zone: write one such as Europe/Berlin or UTC",
        ),
        ("when: { days: [mon] }", "line 5, column 11: the key time_zone is missing"),
        (
            "valid: { from: 2026-01-01 }",
            "line 5, column 20: rule a: \"2026-01-01\" is not a moment: write date, time and offset, such as 2027-01-31T18:00:00Z",
        ),
        (
            "valid: { from: 2027-01-01T00:00:00Z, until: 2026-01-01T00:00:00Z }",
            "line 5, column 49: rule a ends before it begins",
        ),
        (
            "networks: [10.0.0.0/8, 10.0.0.1/8]",
            "line 5, column 28: rule a: \"10.0.0.1/8\" is not a network: bits after the prefix are set",
        ),
        (
            "networks: [0.0.0.0/0]",
            "line 5, column 16: rule a: \"0.0.0.0/0\" is not a network: it is everywhere",
        ),
        ("through: [bot]", "line 5, column 15: rule a names the unknown agent bot"),
        ("through: bot", "line 5, column 14: rule a names the unknown agent bot"),
        (
            "explanation: hello",
            "line 5, column 18: rule a has an explanation that nobody would see: set denial to explain or tool_result",
        ),
        (
            "everyone2: true",
            "line 5, column 5: unknown key everyone2, expected one of id, description, allow, deny, roles, everyone, through, networks, requires_scopes, arguments, when, valid, denial, explanation",
        ),
    ];
    for (more, expected) in rows {
        let error = Policy::from_yaml(&rule(more)).unwrap_err();
        assert_eq!(error.to_string(), expected, "{more}");
    }
    let targets = [
        (
            "{ tools: [x], servers: [crm] }",
            "line 3, column 36: rule a names the unknown server crm",
        ),
        (
            "{ tools: [x], methods: [tools/list] }",
            "line 3, column 36: rule a: \"tools/list\" is no method that rules decide about: tools/call, prompts/get, resources/read, resources/subscribe, subscriptions/listen, completion/complete, logging/setLevel or tasks/create",
        ),
        (
            "{ methods: [tools/call] }",
            "line 2, column 9: rule a allows methods and must say on what: tools, prompts or resources",
        ),
        (
            "{ tools: [x], methods: [logging/setLevel] }",
            "line 2, column 9: rule a: logging/setLevel has no target: give it a rule of its own",
        ),
        (
            "{ prompts: [x], annotations: { readOnlyHint: true } }",
            "line 2, column 9: rule a has annotations, so it must be about tools alone",
        ),
        (
            "{ tools: [x], annotations: { readonly: true } }",
            "line 3, column 41: unknown key readonly, expected one of readOnlyHint, destructiveHint, idempotentHint, openWorldHint",
        ),
    ];
    for (targets, expected) in targets {
        let text = format!("rules:\n  - id: a\n    allow: {targets}\n    everyone: true\n");
        let error = Policy::from_yaml(&text).unwrap_err();
        assert_eq!(error.to_string(), expected, "{targets}");
    }
}

#[test]
fn large_policies_can_be_read() {
    let mut text = String::from("rules:\n");
    for n in 0..25_000 {
        text += &format!("  - id: r{n}\n    allow: {{ tools: [t{n}] }}\n    everyone: true\n");
    }
    let policy = Policy::from_yaml(&text).unwrap();
    let caller = Caller::Anonymous(portcullis_core::AnonymousReason::NoCredentials);
    let query = Query::new(&caller, Version::V2025_11_25, Method::ToolsCall);
    assert!(matches!(policy.decide(&query.on(TargetKind::Tool, "t7")), Decision::Deny { .. }));
}

/// Aliases cannot make a small file large.
#[test]
fn aliases_are_bounded() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for n in 1..12 {
        let before = format!("*a{}, ", n - 1).repeat(9);
        text += &format!("a{n}: &a{n} [{}]\n", before.trim_end_matches(", "));
    }
    assert!(Policy::from_yaml(&text).is_err());
    assert!(Policy::from_yaml(&"[".repeat(100_000)).is_err());
    assert!(Policy::from_toml(&format!("a = {}", "[".repeat(100_000))).is_err());
}

#[test]
fn the_name_says_the_language() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        Policy::from_file(&path)
    };
    assert!(at("a.yaml", NOTES).is_ok() && at("a.yml", NOTES).is_ok());
    assert!(at("a.toml", WHOLE_TOML).is_ok());
    let json = r#"{"rules":[{"id":"a","allow":{"tools":["x"]},"everyone":true}]}"#;
    assert!(at("a.json", json).is_ok());
    for name in ["a.txt", "a", "a.toml.bak", "b.toml"] {
        assert!(at(name, NOTES).is_err(), "{name}");
    }
}

/// Errors are one line, whatever the names in the file hold.
#[test]
fn errors_are_one_line() {
    for (language, error, expected) in [
        ("a folded key", Policy::from_yaml("? a\r\r >\r"), r"unknown key a\n>"),
        (
            "a quoted key",
            Policy::from_yaml(r#""a\n\e[31m\L": 1"#),
            r"unknown key a\n\u{1b}[31m\u{2028}",
        ),
        ("TOML", Policy::from_toml(r#""a\n\u001b" = 1"#), r"unknown key a\n\u{1b}"),
    ] {
        let error = error.unwrap_err().to_string();
        assert!(error.contains(expected), "{language}: {error}");
        assert!(!error.contains(|c: char| c.is_control()), "{language}: {error:?}");
    }
}

/// A bound is the number that is written, or the policy is of no use.
#[test]
fn numbers_are_kept_as_they_are_written() {
    let yaml = |number: &str| {
        let text = format!(
            "rules:\n  - id: a\n    allow: {{ tools: [x] }}\n    everyone: true\n    arguments: {{ n: {{ max: {number} }} }}\n"
        );
        Policy::from_yaml(&text)
    };
    let toml = |number: &str| {
        let text = format!(
            "[[rules]]\nid = \"a\"\neveryone = true\nallow.tools = [\"x\"]\narguments.n.max = {number}\n"
        );
        Policy::from_toml(&text)
    };
    for (number, good) in [
        ("0.1", true),
        ("-0.30", true),
        ("123456789012345e3", true),
        ("1e300", true),
        ("9007199254740993", true),
        ("-9223372036854775808", true),
        ("0.12345678901234567", false),
        ("12345678901234567.5", false),
        ("1e400", false),
    ] {
        assert_eq!(yaml(number).is_ok(), good, "YAML: {number}");
        assert_eq!(toml(number).is_ok(), good, "TOML: {number}");
    }
    assert!(yaml("18446744073709551615").is_ok() && yaml("18446744073709551616").is_err());
}

/// A limit that names nothing, as an empty list in a template leaves it, must not be none.
#[test]
#[cfg(all(feature = "yaml", feature = "toml"))]
fn limits_that_name_nothing_are_refused() {
    let nothing = "this names nothing: leave the key out if there is to be no limit";
    let zone = "rule a: a time zone alone is always: give days, hours or both";
    for (limit, message) in [
        ("networks: []", nothing),
        ("requires_scopes: []", nothing),
        ("arguments: {}", nothing),
        ("when: []", nothing),
        ("valid: {}", nothing),
        ("when: { time_zone: UTC, days: [] }", nothing),
        ("when: { time_zone: UTC }", zone),
    ] {
        let text = format!(
            "rules:\n  - id: a\n    everyone: true\n    allow: {{ tools: [x] }}\n    {limit}"
        );
        let error = Policy::from_yaml(&text).unwrap_err().to_string();
        assert!(
            error.starts_with("line 5, column ") && error.ends_with(message),
            "{limit}: {error}"
        );
    }
    for limit in ["methods: []", "servers: []", "annotations: {}"] {
        let text =
            format!("rules:\n  - id: a\n    everyone: true\n    deny: {{ tools: [x], {limit} }}");
        let error = Policy::from_yaml(&text).unwrap_err().to_string();
        assert!(
            error.starts_with("line 4, column ") && error.ends_with(nothing),
            "{limit}: {error}"
        );
    }
    for limit in ["from: {}", "from: { issuers: [] }", "from: { issuers: [i], tenants: [] }"] {
        let text = format!(
            "roles:\n  r: {{ groups: [g], {limit} }}\nrules:\n  - {{ id: a, roles: [r], allow: {{ tools: [x] }} }}"
        );
        let error = Policy::from_yaml(&text).unwrap_err().to_string();
        assert!(
            error.starts_with("line 2, column ") && error.ends_with(nothing),
            "{limit}: {error}"
        );
    }
    let toml = "[[rules]]\nid = 'a'\neveryone = true\nallow = { tools = ['x'] }\nnetworks = []";
    let error = Policy::from_toml(toml).unwrap_err().to_string();
    assert!(error.ends_with(nothing), "{error}");
}
