//! CEL rules as an authorizer.
#![cfg(feature = "cel")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

use std::time::Duration;

use bytes::Bytes;
use portcullis_core::{
    Actor, AnonymousReason, Arguments, Caller, Clock, Method, Principal, PrincipalBuilder, Reason,
    TargetKind, Version,
};
use portcullis_engines::{Cel, ConfigError};
use portcullis_rbac::{Authorizer as _, Decision, Query};
use serde_json::json;

fn alice() -> PrincipalBuilder {
    Principal::builder("https://id.example.com", "alice").group("staff").scope("files:read")
}

fn caller(principal: PrincipalBuilder) -> Caller {
    Caller::Verified(principal.build().into())
}

fn tool<'a>(caller: &'a Caller, name: &'a str) -> Query<'a> {
    Query::new(caller, Version::V2025_11_25, Method::ToolsCall).on(TargetKind::Tool, name)
}

fn arguments(json: &serde_json::Value) -> Arguments {
    Arguments::new(Bytes::from(json.to_string()))
}

fn allow(when: &str) -> Result<Cel, ConfigError> {
    Cel::builder().allow("yes", when).clock(Clock::manual(1_000_000).0).build()
}

fn allows(decision: &Decision) -> bool {
    matches!(decision, Decision::Allow { .. })
}

fn unavailable(decision: &Decision) -> bool {
    matches!(decision, Decision::Deny { reason: Reason::PdpUnavailable, .. })
}

/// R-216.
#[test]
fn calls_as_tasks() {
    let when = r#"method == "tools/call" || target.name == "long""#;
    let alice = caller(alice());
    let rows = [("long", true, true), ("short", true, false)];
    for (name, calls, begins) in rows {
        let silent = allow(when).unwrap();
        let both = Cel::builder().allow("yes", when).decide_tasks().build().unwrap();
        assert!(both.decides_tasks() && !silent.decides_tasks());
        assert_ne!(both.version(), silent.version());
        assert_eq!(allows(&both.decide(&tool(&alice, name))), calls, "{name}");
        assert_eq!(allows(&both.decide(&tool(&alice, name).as_task())), begins, "{name}");
        assert!(allows(&silent.decide(&tool(&alice, name).as_task())), "{name}");
    }
    let begins = r#"method == "tasks/create""#;
    let alone = Cel::builder().allow("yes", begins).decide_tasks().build().unwrap();
    assert!(!allows(&alone.decide(&tool(&alice, "long").as_task())), "no right to call");
}

#[test]
fn conditions() {
    const YES: (bool, bool) = (true, false);
    const NO: (bool, bool) = (false, false);
    const FAULT: (bool, bool) = (false, true);
    let rows = [
        ("always", "true", YES),
        ("never", "false", NO),
        ("not a truth", "1", FAULT),
        ("subject", r#"caller.subject == "alice""#, YES),
        ("issuer", r#"caller.issuer == "https://id.example.com""#, YES),
        ("group", r#""staff" in caller.groups"#, YES),
        ("other group", r#""admin" in caller.groups"#, NO),
        ("scope", r#"caller.scopes.exists(s, s.startsWith("files:"))"#, YES),
        ("person", "!caller.is_client", YES),
        ("no client", "has(caller.client)", NO),
        ("no client, unasked", r#"caller.client == "x""#, FAULT),
        ("claim", r#"caller.claims.dept == "R&D""#, YES),
        ("acr", r#"caller.acr == "phr""#, YES),
        ("signed in lately", "now - caller.auth_time < 3600", YES),
        ("method of sign-in", r#"caller.method == "dpop""#, YES),
        ("agent", r#"has(caller.actor) && caller.actor.subject == "bot""#, YES),
        ("agents", r#"caller.agents.all(a, a.subject != "bad") && size(caller.agents) == 2"#, YES),
        ("target", r#"target.kind == "tool" && target.name == "get_note""#, YES),
        ("server", r#"has(target.server) && target.server == "notes""#, YES),
        ("method", r#"method == "tools/call""#, YES),
        ("version", r#"version == "2025-11-25""#, YES),
        ("call", "listing", NO),
        ("argument", r#"arguments.path.startsWith("/docs/")"#, YES),
        ("number", "arguments.n <= 5 && arguments.n > 4.5", YES),
        ("large number", "arguments.large == 18446744073709551615u", YES),
        ("item", "arguments.list.exists_one(i, i == 2)", YES),
        ("member", "arguments.deep.a[0].b", YES),
        ("absent", "arguments.other == 1", FAULT),
        ("absent, asked for", "has(arguments.other) && arguments.other == 1", NO),
        ("types", "arguments.path < 1", FAULT),
        ("other type is not equal", "arguments.path == 1", NO),
        ("division", "1 / (arguments.n - 5) == 1", FAULT),
        ("overflow", "9223372036854775807 + arguments.n > 0", FAULT),
        ("outside", "arguments.list[7] == 1", FAULT),
    ];
    let claims = json!({ "dept": "R&D", "acr": "phr", "auth_time": 999_000 });
    let alice = caller(
        alice()
            .method("dpop")
            .claims(claims.as_object().unwrap().clone())
            .actors(vec![Actor::new(None, "bot"), Actor::new(Some("https://x".into()), "other")]),
    );
    let sent = arguments(&json!({
        "path": "/docs/a", "n": 5, "large": u64::MAX, "list": [1, 2, 3], "deep": { "a": [{ "b": true }] }
    }));
    for (name, when, expected) in rows {
        let cel = allow(when).unwrap_or_else(|error| panic!("{name}: {error}"));
        let query = tool(&alice, "get_note").of_server("notes").with_arguments(&sent);
        let decision = cel.decide(&query);
        assert_eq!((allows(&decision), unavailable(&decision)), expected, "{name}: {decision:?}");
    }
}

#[test]
fn what_is_refused_at_load() {
    let many = format!("[{}] == []", vec!["1"; 401].join(","));
    let long = format!("{:?} == \"\"", "x".repeat(4096));
    let deep = format!("{}true{}", "(".repeat(1500), ")".repeat(1500));
    let nots = format!("{}true", "!-".repeat(2000));
    let rows = [
        ("not CEL", "caller.", ""),
        ("nothing", "", ""),
        ("unknown name", "callr.subject == 1", "callr"),
        ("unknown function", "caller.subject.reverse() == 'x'", "reverse"),
        ("patterns", "caller.subject.matches('a*')", "matches"),
        ("conversions", "int(caller.subject) == 1", "int"),
        ("all of the caller", "caller == {}", "one member"),
        ("members by any name", "'staff' in caller['groups']", "one member"),
        ("map", "caller.scopes.map(s, s) == []", "exists_one"),
        ("filter", "caller.scopes.filter(s, true) == []", "exists_one"),
        ("within one another", "[1].all(a, [1].all(b, true))", "another one"),
        ("a name that has a meaning", "[1].all(now, true)", "already"),
        ("a caller that is none", "[1].all(caller, true)", "already"),
        ("messages", "Foo{a: 1} == 1", ""),
        ("optional values", "arguments.?a == 1", ""),
        ("too many parts", &many, "parts"),
        ("too long", &long, "longer"),
        ("too deep", &deep, ""),
        ("too deep without brackets", &nots, ""),
    ];
    for (name, when, part) in rows {
        let error = allow(when).expect_err(name).to_string();
        assert!(error.contains(part) && error.contains("\"yes\""), "{name}: {error}");
        assert!(!error.contains('\n'), "{name}: {error}");
    }
    assert!(Cel::builder().build().is_err(), "no rules");
    assert!(Cel::builder().allow("a", "true").deny("a", "true").build().is_err(), "one name");
    assert!(Cel::builder().allow("", "true").build().is_err(), "no name");
}

#[test]
fn rules_from_a_text() {
    let text = "[[rule]]\nid = \"a\"\neffect = \"allow\"\nwhen = 'true'\n\n[[rule]]\nid = \"b\"\neffect = \"deny\"\nwhen = '''\ntarget.name ==\n  \"x\"'''\n";
    let cel = Cel::from_toml(text).unwrap().build().unwrap();
    let alice = caller(alice());
    assert_eq!(cel.decide(&tool(&alice, "x")), Decision::deny("b"), "deny wins");
    assert_eq!(cel.decide(&tool(&alice, "y")), Decision::allow("a"));

    let rows = [
        ("an unknown key", text.replace("when = 'true'", "when = 'true'\nif = 1"), 5, 1),
        ("an unknown effect", text.replace("\"deny\"", "\"maybe\""), 8, 10),
        ("not TOML", text.replace("id = \"b\"", "id = "), 7, 6),
        ("not CEL", text.replace("target.name ==", "target.name = "), 9, 8),
        ("no condition", text.replace("when = 'true'\n", ""), 1, 1),
    ];
    for (name, text, line, column) in rows {
        let error = Cel::from_toml(&text).and_then(|builder| builder.build()).expect_err(name);
        assert_eq!((error.line(), error.column()), (Some(line), Some(column)), "{name}: {error}");
    }
}

#[test]
fn an_answer_that_is_missing_is_a_denial() {
    let alice = caller(alice());
    let cel = Cel::builder().allow("yes", "true").deny("no", "arguments.n > 5").build().unwrap();
    let rows = [
        ("small", json!({ "n": 5 }), true, false),
        ("large", json!({ "n": 6 }), false, false),
        ("not there", json!({}), false, true),
        ("no number", json!({ "n": "6" }), false, true),
        ("a look-alike", json!({ "n": 5, "N": 6 }), false, true),
        ("a look-alike within", json!({ "n": 5, "x": [{ "N": 6 }] }), false, true),
        ("a prototype", json!({ "n": 5, "__proto__": { "n": 6 } }), false, true),
        ("others", json!({ "n": 5, "m": 6, "Name": 7 }), true, false),
        ("too many values", json!({ "n": 1, "x": vec![0; 500] }), false, true),
        ("too large", json!({ "n": 1, "x": "x".repeat(65 * 1024) }), false, true),
    ];
    for (name, sent, allowed, fault) in rows {
        let sent = arguments(&sent);
        let decision = cel.decide(&tool(&alice, "x").with_arguments(&sent));
        assert_eq!((allows(&decision), unavailable(&decision)), (allowed, fault), "{name}");
    }
    let rows = [
        ("by index", r#"arguments["path"] == "/docs""#),
        ("in", r#"!("path" in arguments) || true"#),
        ("has", "!has(arguments.path) || true"),
        ("of an item", "!arguments.list.exists(i, has(i.path)) || true"),
    ];
    for (name, when) in rows {
        let sent = arguments(&json!({ "path": "/docs", "list": [], "Path": "/etc" }));
        let decision = allow(when).unwrap().decide(&tool(&alice, "x").with_arguments(&sent));
        assert!(unavailable(&decision), "{name}: {decision:?}");
    }
    let blind = allow("true").unwrap();
    let large = arguments(&json!({ "x": vec![0; 5000] }));
    assert!(
        allows(&blind.decide(&tool(&alice, "x").with_arguments(&large))),
        "nobody looks at them"
    );
}

#[test]
fn who_is_denied_whatever_the_rules_say() {
    let all = allow("true").unwrap();
    let groups = allow(r#"!("external" in caller.groups)"#).unwrap();
    let claims = allow(r#"!has(caller.claims.groups)"#).unwrap();
    let rows = [
        ("alice", &all, caller(alice()), true),
        ("nobody", &all, Caller::Anonymous(AnonymousReason::NoCredentials), false),
        ("groups unknown, no matter", &all, caller(alice().groups_unknown()), true),
        ("groups known", &groups, caller(alice()), true),
        ("groups unknown", &groups, caller(alice().groups_unknown()), false),
        ("claims, groups unknown", &claims, caller(alice().groups_unknown()), false),
    ];
    for (name, cel, who, expected) in rows {
        assert_eq!(allows(&cel.decide(&tool(&who, "get_note"))), expected, "{name}");
    }
}

#[test]
fn methods_and_their_targets() {
    use TargetKind::{Prompt, Resource, ResourceTemplate, Task, Tool};

    const DOC: &str = "file:///docs/a";
    let rows = [
        (Method::ToolsCall, Some((Tool, "x")), r#"target.kind == "tool""#, true),
        (Method::PromptsGet, Some((Prompt, "x")), r#"target.kind == "prompt""#, true),
        (Method::ResourcesRead, Some((Resource, DOC)), r#"target.kind == "resource""#, true),
        (
            Method::ResourcesRead,
            Some((ResourceTemplate, "file:///{x}")),
            r#"target.kind == "resource_template""#,
            true,
        ),
        (
            Method::CompletionComplete,
            Some((Resource, "file:///{x}")),
            r#"target.kind == "resource_template""#,
            true,
        ),
        (Method::LoggingSetLevel, None, r#"target.kind == "server" && target.name == """#, true),
        (Method::TasksGet, Some((Task, "1")), "true", false),
        (Method::ToolsCall, None, "true", false),
        (Method::ResourcesRead, Some((Resource, "file:///docs/../a")), "true", false),
        (Method::ToolsCall, Some((Tool, "get\u{200b}")), "true", false),
        // What one may not read one may not watch.
        (Method::ResourcesSubscribe, Some((Resource, DOC)), r#"method != "resources/read""#, false),
        (Method::ResourcesSubscribe, Some((Resource, DOC)), r#"method == "resources/read""#, false),
        (
            Method::ResourcesUnsubscribe,
            Some((Resource, DOC)),
            r#"method in ["resources/read", "resources/subscribe"]"#,
            true,
        ),
    ];
    let alice = caller(alice());
    for (method, target, when, expected) in rows {
        let query = Query::new(&alice, Version::V2025_11_25, method);
        let query = target.map_or(query, |(kind, name)| query.on(kind, name));
        let decision = allow(when).unwrap().decide(&query);
        assert_eq!(allows(&decision), expected, "{method} {target:?} {when}");
    }
}

#[test]
fn lists_ask_what_calls_ask() {
    let alice = caller(alice());
    let sent = arguments(&json!({ "path": "/docs/a" }));
    let rows = [
        ("says so", r#"listing || arguments.path.startsWith("/docs/")"#, true, true),
        ("does not", r#"arguments.path.startsWith("/docs/")"#, false, true),
        ("asks", r#"!has(arguments.path) || arguments.path.startsWith("/etc/")"#, true, false),
    ];
    for (name, when, seen, called) in rows {
        let cel = allow(when).unwrap();
        let list = cel.decide(&tool(&alice, "x").in_a_list());
        let call = cel.decide(&tool(&alice, "x").with_arguments(&sent));
        assert_eq!((allows(&list), allows(&call)), (seen, called), "{name}");
    }
}

#[test]
fn versions_name_what_decides() {
    let version = |builder: portcullis_engines::CelBuilder| builder.build().unwrap().version();
    let one = version(Cel::builder().allow("a", "true"));
    assert!(one.as_str().starts_with("cel@"), "{one}");
    assert_eq!(one, version(Cel::builder().allow("a", "true")));
    assert_ne!(one, version(Cel::builder().deny("a", "true")));
    assert_ne!(one, version(Cel::builder().allow("b", "true")));
    assert_ne!(one, version(Cel::builder().allow("a", "true ")));
}

#[test]
fn the_time_of_the_question_counts() {
    let (clock, hand) = Clock::manual(1_000);
    let cel = Cel::builder().allow("yes", "now < 2000").clock(clock).build().unwrap();
    let alice = caller(alice());
    assert!(allows(&cel.decide(&tool(&alice, "x"))));
    hand.advance(Duration::from_secs(1_000));
    assert!(!allows(&cel.decide(&tool(&alice, "x"))));
    assert!(allows(&cel.decide(&tool(&alice, "x").at(Duration::from_secs(1)))));
}
