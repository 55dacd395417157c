//! Cedar policies as an authorizer.
#![cfg(feature = "cedar")]
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
use portcullis_engines::{Cedar, ConfigError};
use portcullis_rbac::{Authorizer as _, Decision, DenialStyle, Query};
use serde_json::json;

const ISSUER: &str = "https://id.example.com";

fn build(policies: &str) -> Result<Cedar, ConfigError> {
    Cedar::builder(policies)
        .bare_subjects_of(ISSUER)
        .arguments("{ path?: String, n?: Long, on?: Bool, to?: Set<String>, host?: ipaddr, box?: { id: Long, tag?: String } }")
        .clock(Clock::manual(1_000_000).0)
        .build()
}

fn alice() -> PrincipalBuilder {
    Principal::builder(ISSUER, "alice")
        .group("staff")
        .role("admin")
        .scope("files:read")
        .tenant("t1")
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

fn allows(decision: &Decision) -> bool {
    matches!(decision, Decision::Allow { .. })
}

fn unavailable(decision: &Decision) -> bool {
    matches!(decision, Decision::Deny { reason: Reason::PdpUnavailable, .. })
}

/// R-216.
#[test]
fn calls_as_tasks() {
    const CALL: &str = r#"permit (principal, action == MCP::Action::"tools/call", resource);"#;
    const BEGIN: &str = r#"permit (principal, action == MCP::Action::"tasks/create", resource == MCP::Tool::"long");"#;
    const BOTH: &str = r#"permit (principal, action in MCP::Action::"tools/call", resource);"#;
    const KEEP_OUT: &str =
        r#"forbid (principal, action == MCP::Action::"tasks/create", resource);"#;
    let alice = caller(alice());
    // The policies, whether the tool may be called, and as a task.
    let rows = [
        ("granted", vec![CALL, BEGIN], "long", true, true),
        ("granted for another tool", vec![CALL, BEGIN], "short", true, false),
        ("granted with the call", vec![BOTH], "short", true, true),
        ("denied", vec![BOTH, KEEP_OUT], "long", true, false),
        ("without the call", vec![BEGIN], "long", false, false),
    ];
    for (name, policies, target, calls, begins) in rows {
        let policies = policies.join("\n");
        let builder = || Cedar::builder(&policies).bare_subjects_of(ISSUER);
        let (both, silent) =
            (builder().decide_tasks().build().unwrap(), builder().build().unwrap());
        assert!(both.decides_tasks() && !silent.decides_tasks());
        assert_ne!(both.version(), silent.version());
        assert_eq!(allows(&both.decide(&tool(&alice, target))), calls, "{name}");
        assert_eq!(allows(&both.decide(&tool(&alice, target).as_task())), begins, "{name}");
        assert_eq!(allows(&silent.decide(&tool(&alice, target).as_task())), calls, "{name}");
    }
}

#[test]
fn conditions_of_a_permit() {
    let rows = [
        ("anything", "true", true),
        ("the user", r#"principal == MCP::User::"alice""#, true),
        ("another user", r#"principal == MCP::User::"bob""#, false),
        ("a client of the same name", r#"principal == MCP::Client::"alice""#, false),
        ("a group", r#"principal in MCP::Group::"staff""#, true),
        ("another group", r#"principal in MCP::Group::"admin""#, false),
        ("a role", r#"principal in MCP::Role::"admin""#, true),
        ("a role is no group", r#"principal in MCP::Role::"staff""#, false),
        ("issuer", r#"principal.issuer == "https://id.example.com""#, true),
        ("subject", r#"principal.subject == "alice""#, true),
        ("tool", r#"resource == MCP::Tool::"get_note""#, true),
        ("pattern", r#"resource.name like "get_*""#, true),
        ("other pattern", r#"resource.name like "set_*""#, false),
        ("scope", r#"context.scopes.contains("files:read")"#, true),
        ("no scope", r#"context.scopes.contains("files")"#, false),
        ("tenant", r#"context has tenant && context.tenant == "t1""#, true),
        ("no client", "context has client", false),
        ("version", r#"context.mcpVersion == "2025-11-25""#, true),
        ("method", r#"context.authentication.method == "dpop""#, true),
        ("acr", r#"context.authentication has acr && context.authentication.acr == "phr""#, true),
        (
            "signed in lately",
            r#"context.authentication has time && context.now.durationSince(context.authentication.time) < duration("1h")"#,
            true,
        ),
        ("time", r#"context.now == datetime("1970-01-12T13:46:40Z")"#, true),
        ("no agent", "context has actor", false),
        ("no agents", "context.agents.isEmpty()", true),
        ("listing", "context.listing", false),
    ];
    for (name, condition, expected) in rows {
        let text = format!(
            r#"permit (principal, action == MCP::Action::"tools/call", resource) when {{ {condition} }};"#
        );
        let cedar = build(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let claims = json!({ "acr": "phr", "auth_time": 999_000 });
        let claims = claims.as_object().unwrap().clone();
        let alice = caller(alice().method("dpop").claims(claims));
        assert_eq!(allows(&cedar.decide(&tool(&alice, "get_note"))), expected, "{name}");
    }
}

#[test]
fn arguments_by_key_and_type() {
    let all = json!({ "path": "/docs/a", "n": 5, "on": true, "to": ["a", "b"], "host": "10.1.2.3", "box": { "id": 7 }, "other": {} });
    let rows = [
        (
            "text",
            r#"context.arguments has path && context.arguments.path like "/docs/*""#,
            &all,
            true,
        ),
        ("number", "context.arguments has n && context.arguments.n <= 5", &all, true),
        ("too much", "context.arguments has n && context.arguments.n <= 4", &all, false),
        ("truth", "context.arguments has on && context.arguments.on", &all, true),
        (
            "set",
            r#"context.arguments has to && ["a", "b", "c"].containsAll(context.arguments.to)"#,
            &all,
            true,
        ),
        (
            "address",
            r#"context.arguments has host && context.arguments.host.isInRange(ip("10.0.0.0/8"))"#,
            &all,
            true,
        ),
        ("record", "context.arguments has box && context.arguments.box.id == 7", &all, true),
        ("record at once", "context has arguments.box.tag", &all, false),
        ("absent", "context.arguments has path", &json!({}), false),
        ("a number for text", "true", &json!({ "path": 5 }), false),
        ("null for text", "true", &json!({ "path": null }), false),
        ("text for a number", "true", &json!({ "n": "5" }), false),
        ("a fraction", "true", &json!({ "n": 5.0 }), false),
        ("too large", "true", &json!({ "n": 9_223_372_036_854_775_808_u64 }), false),
        ("a set of other things", "true", &json!({ "to": ["a", 1] }), false),
        ("no address", "true", &json!({ "host": "ten" }), false),
        ("a record without what it needs", "true", &json!({ "box": {} }), false),
        (
            "an escape of Cedar's",
            "true",
            &json!({ "path": { "__extn": { "fn": "ip", "arg": "::1" } } }),
            false,
        ),
        (
            "an entity",
            "true",
            &json!({ "path": { "__entity": { "type": "MCP::User", "id": "bob" } } }),
            false,
        ),
        ("a look-alike", "true", &json!({ "Path": "/etc" }), false),
        ("a look-alike beside it", "true", &json!({ "path": "/docs/a", "PATH": "/etc" }), false),
        ("a look-alike within", "true", &json!({ "box": { "id": 7, "Tag": "x" } }), false),
        ("a prototype", "true", &json!({ "__proto__": { "path": "/etc" } }), false),
        ("undeclared ones do not matter", "true", &json!({ "else": 1.5 }), true),
    ];
    for (name, condition, sent, expected) in rows {
        let cedar = build(&format!("permit (principal, action, resource) when {{ {condition} }};"));
        let cedar = cedar.unwrap_or_else(|error| panic!("{name}: {error}"));
        let (alice, sent) = (caller(alice()), arguments(sent));
        let query = tool(&alice, "get_note").with_arguments(&sent);
        assert_eq!(allows(&cedar.decide(&query)), expected, "{name}");
    }
}

#[test]
fn what_is_refused_at_load() {
    let rows = [
        ("no policy", "", "there is no policy", None),
        ("not Cedar", "permit (principal,\n  action resource);", "", Some((2, 10))),
        (
            "unknown type",
            "permit (principal == Userr::\"a\", action, resource);",
            "Userr",
            Some((1, 22)),
        ),
        (
            "unknown action",
            "permit (principal, action == MCP::Action::\"tools/cal\", resource);",
            "tools/cal",
            None,
        ),
        (
            "unknown attribute",
            "permit (principal, action, resource)\nwhen { context.argument has x };",
            "argument",
            Some((2, 8)),
        ),
        (
            "argument not asked for",
            "permit (principal, action, resource) when { context.arguments.path == \"a\" };",
            "path",
            Some((1, 45)),
        ),
        (
            "undeclared argument",
            "permit (principal, action, resource) when { context.arguments has x && context.arguments.x };",
            "nothing has context.arguments.x",
            None,
        ),
        (
            "undeclared argument, in part of a forbid",
            "permit (principal, action, resource); forbid (principal, action, resource) when { context.listing || context.arguments has pth };",
            "nothing has context.arguments.pth",
            None,
        ),
        (
            "undeclared member of an argument",
            "permit (principal, action, resource) when { context has arguments.box.tagg };",
            "nothing has context.arguments.box.tagg",
            None,
        ),
        (
            "misspelt attribute after has",
            "permit (principal, action, resource) unless { context has actr };",
            "nothing has context.actr",
            None,
        ),
        (
            "a forbid for nobody",
            "permit (principal, action, resource);\nforbid (principal is MCP::Tool, action, resource);",
            "",
            Some((2, 1)),
        ),
        (
            "a void forbid",
            "permit (principal, action, resource);\nforbid (principal, action, resource) when { context.listing && false };",
            "forbids nothing",
            Some((2, 1)),
        ),
        (
            "types",
            "permit (principal, action, resource) when { context.listing == 1 };",
            "",
            Some((1, 45)),
        ),
        ("template", "permit (principal == ?principal, action, resource);", "templates", None),
        (
            "two of a name",
            "@id(\"a\") permit (principal, action, resource);\n@id(\"a\") forbid (principal, action, resource);",
            "name of its own",
            None,
        ),
        ("no name", "@id(\"\") permit (principal, action, resource);", "name of its own", None),
        (
            "style",
            "@denial(\"loud\") forbid (principal, action, resource);",
            "not hide, explain or tool_result",
            None,
        ),
        (
            "style of a permit",
            "@denial(\"hide\") permit (principal, action, resource);",
            "forbid",
            None,
        ),
        ("scope", "@requires_scopes(\"\") permit (principal, action, resource);", "scopes", None),
        (
            "scope of a forbid",
            "@requires_scopes(\"a\") forbid (principal, action, resource);",
            "scopes",
            None,
        ),
        (
            "strange scope",
            "@requires_scopes(\"a\\\"b\") permit (principal, action, resource);",
            "scope",
            None,
        ),
    ];
    for (name, text, part, place) in rows {
        let error = build(text).expect_err(name);
        let shown = error.to_string();
        assert!(shown.contains(part), "{name}: {shown}");
        assert!(!shown.contains('\n'), "{name}: {shown}");
        if let Some((line, column)) = place {
            assert_eq!(
                (error.line(), error.column()),
                (Some(line), Some(column)),
                "{name}: {shown}"
            );
        }
    }
}

#[test]
fn what_arguments_cannot_be() {
    let rows = [
        ("required", "{ path: String }", "path?"),
        ("not a record", "String", "one record"),
        ("an entity", "{ who?: User }", "not User"),
        ("more than one type", "{}; type X = {}", "one record"),
        ("an entity type beside it", "{}; entity X", "one record"),
        ("out of the namespace", "{}; } namespace N { type X = {}", "one record"),
        ("not Cedar", "{ path? }", ""),
        ("another extension", "{ at?: datetime }", "not datetime"),
    ];
    for (name, record, part) in rows {
        let policies = "permit (principal, action, resource);";
        let error = Cedar::builder(policies).arguments(record).build().expect_err(name);
        assert!(error.to_string().contains(part), "{name}: {error}");
    }
}

#[test]
fn an_error_of_any_policy_is_a_denial() {
    // Cedar skips what cannot be evaluated, and would allow by the other policy.
    let cedar = build(
        r#"permit (principal, action, resource);
           forbid (principal, action, resource)
           when { context.arguments has n && context.arguments.n * 2 > 10 };"#,
    )
    .unwrap();
    let alice = caller(alice());
    let rows = [
        (json!({ "n": 1 }), true, false),
        (json!({ "n": 6 }), false, false),
        (json!({ "n": i64::MAX }), false, true),
    ];
    for (sent, allowed, fault) in rows {
        let arguments = arguments(&sent);
        let decision = cedar.decide(&tool(&alice, "x").with_arguments(&arguments));
        assert_eq!((allows(&decision), unavailable(&decision)), (allowed, fault), "{sent}");
    }
}

#[test]
fn forbid_wins_wherever_it_stands() {
    let permit = r#"@id("yes") permit (principal, action, resource);"#;
    let scopes = [
        r#"resource == MCP::Tool::"notes/get_note""#,
        r#"resource in MCP::Server::"notes""#,
        r#"resource is MCP::Tool in MCP::Server::"notes""#,
        r#"resource in MCP::Tool::"notes/get_note""#,
        "resource is MCP::Tool",
        "resource",
    ];
    let alice = caller(alice());
    for scope in scopes {
        let text = format!(r#"{permit} @id("no") forbid (principal, action, {scope});"#);
        let cedar = build(&text).unwrap();
        let query = tool(&alice, "get_note").of_server("notes");
        assert_eq!(cedar.decide(&query), Decision::deny("no"), "{scope}");
        let other = tool(&alice, "get_note").of_server("other");
        assert_eq!(allows(&cedar.decide(&other)), scope.contains("notes"), "{scope}");
    }
}

#[test]
fn servers_and_names_stay_apart() {
    let cedar = build(r#"permit (principal, action, resource == MCP::Tool::"a/b/c");"#).unwrap();
    let alice = caller(alice());
    let rows = [
        (Some("a"), "b/c", true),
        (Some("a/b"), "c", false),
        (Some("a%2Fb"), "c", false),
        (Some("b"), "c", false),
        (None, "b/c", false),
    ];
    for (server, name, expected) in rows {
        let query = tool(&alice, name);
        let query = server.map_or(query, |server| query.of_server(server));
        assert_eq!(allows(&cedar.decide(&query)), expected, "{server:?} {name}");
    }
}

#[test]
fn who_is_denied_whatever_the_policies_say() {
    let all = build("permit (principal, action, resource);").unwrap();
    let groups = build(
        r#"permit (principal, action, resource) unless { principal in MCP::Group::"external" };"#,
    )
    .unwrap();
    let anonymous = Caller::Anonymous(AnonymousReason::NoCredentials);
    let rows = [
        ("alice", &all, caller(alice()), true),
        ("nobody", &all, anonymous, false),
        ("another issuer", &all, caller(Principal::builder("https://other", "alice")), false),
        ("groups unknown, no matter", &all, caller(alice().groups_unknown()), true),
        ("groups known", &groups, caller(alice()), true),
        ("groups unknown", &groups, caller(alice().groups_unknown()), false),
        (
            "an agent of another issuer",
            &all,
            caller(alice().actors(vec![Actor::new(Some("https://other".into()), "bot")])),
            false,
        ),
    ];
    for (name, cedar, who, expected) in rows {
        assert_eq!(allows(&cedar.decide(&tool(&who, "get_note"))), expected, "{name}");
    }
}

#[test]
fn names_with_issuers() {
    let cedar = Cedar::builder(
        r#"permit (principal == MCP::User::"https://id.example.com|alice", action, resource)
           when { principal in MCP::Group::"https://id.example.com|staff" };"#,
    )
    .build()
    .unwrap();
    let other = Principal::builder("https://other", "alice").group("staff");
    for (who, expected) in [(alice(), true), (other, false)] {
        let who = caller(who);
        assert_eq!(allows(&cedar.decide(&tool(&who, "x"))), expected);
    }
}

#[test]
fn agents() {
    let cedar = build(
        r#"permit (principal, action, resource) when { context has actor && context.actor == MCP::Agent::"bot" };
           forbid (principal, action, resource) when { context.agents.contains(MCP::Agent::"bad") };"#,
    )
    .unwrap();
    let rows = [
        ("none", vec![], false),
        ("it", vec!["bot"], true),
        ("earlier, not now", vec!["other", "bot"], false),
        ("twice", vec!["bot", "bot"], true),
        ("through a bad one", vec!["bot", "bad"], false),
    ];
    for (name, chain, expected) in rows {
        let chain = chain.into_iter().map(|name| Actor::new(None, name)).collect();
        let who = caller(alice().actors(chain));
        assert_eq!(allows(&cedar.decide(&tool(&who, "x"))), expected, "{name}");
    }
}

#[test]
fn methods_and_their_targets() {
    use TargetKind::{Prompt, Resource, ResourceTemplate, Task, Tool};

    const DOC: &str = "file:///docs/a";
    let rows = [
        (Method::ToolsCall, Some((Tool, "x")), "", true),
        (Method::PromptsGet, Some((Prompt, "x")), "", true),
        (Method::ResourcesRead, Some((Resource, DOC)), "", true),
        (Method::ResourcesRead, Some((ResourceTemplate, "file:///{x}")), "", true),
        (Method::ResourcesSubscribe, Some((Resource, DOC)), "", true),
        (Method::SubscriptionsListen, Some((Resource, DOC)), "", true),
        (Method::CompletionComplete, Some((Prompt, "x")), "", true),
        (Method::CompletionComplete, Some((Resource, "file:///{x}")), "", true),
        (Method::LoggingSetLevel, None, "", true),
        (Method::TasksList, None, "", true),
        (Method::TasksGet, Some((Task, "1")), "", false),
        (Method::ToolsCall, Some((Prompt, "x")), "", false),
        (Method::ToolsCall, None, "", false),
        (Method::ResourcesRead, Some((Resource, "file:///docs/../a")), "", false),
        (Method::ToolsCall, Some((Tool, "get\u{200b}")), "", false),
        // What one may not read one may not watch or complete.
        (Method::ResourcesSubscribe, Some((Resource, DOC)), "resources/read", false),
        (Method::SubscriptionsListen, Some((Resource, DOC)), "resources/read", false),
        (Method::CompletionComplete, Some((Prompt, "x")), "prompts/get", false),
        (Method::ResourcesRead, Some((Resource, DOC)), "resources/subscribe", true),
        (Method::ResourcesSubscribe, Some((Resource, DOC)), "resources/subscribe", false),
        (Method::ResourcesUnsubscribe, Some((Resource, DOC)), "resources/subscribe", false),
    ];
    let alice = caller(alice());
    for (method, target, forbidden, expected) in rows {
        let mut text = String::from("permit (principal, action, resource);");
        if !forbidden.is_empty() {
            text +=
                &format!(r#"forbid (principal, action == MCP::Action::"{forbidden}", resource);"#);
        }
        let cedar = build(&text).unwrap();
        let query = Query::new(&alice, Version::V2025_11_25, method);
        let query = target.map_or(query, |(kind, name)| query.on(kind, name));
        assert_eq!(allows(&cedar.decide(&query)), expected, "{method} {target:?} {forbidden}");
    }
    let read =
        build(r#"permit (principal, action in MCP::Action::"resources/read", resource);"#).unwrap();
    let query =
        Query::new(&alice, Version::V2025_11_25, Method::ResourcesSubscribe).on(Resource, DOC);
    assert!(allows(&read.decide(&query)), "groups of actions");
}

#[test]
fn lists_ask_what_calls_ask() {
    let alice = caller(alice());
    let sent = arguments(&json!({ "path": "/docs/a" }));
    let condition = r#"context.arguments has path && context.arguments.path like "/docs/*""#;
    let rows = [
        (
            "permit",
            format!("permit (principal, action, resource) when {{ {condition} }};"),
            false,
            true,
        ),
        (
            "permit that says so",
            format!(
                "permit (principal, action, resource) when {{ context.listing || ({condition}) }};"
            ),
            true,
            true,
        ),
        (
            "forbid",
            format!(
                "permit (principal, action, resource); forbid (principal, action, resource) when {{ {condition} }};"
            ),
            true,
            false,
        ),
    ];
    for (name, text, seen, called) in rows {
        let cedar = build(&text).unwrap();
        let list = cedar.decide(&tool(&alice, "x").in_a_list());
        let call = cedar.decide(&tool(&alice, "x").with_arguments(&sent));
        assert_eq!((allows(&list), allows(&call)), (seen, called), "{name}");
    }
}

#[test]
fn annotations() {
    let cedar = build(
        r#"@id("write") @requires_scopes("files:write files:read")
           permit (principal, action, resource == MCP::Tool::"put");
           @id("plain") permit (principal, action, resource == MCP::Tool::"both");
           @id("scoped") @requires_scopes("files:write") permit (principal, action, resource == MCP::Tool::"both");
           @id("closed") @denial("tool_result") @explanation("it is closed")
           forbid (principal, action, resource == MCP::Tool::"shop");"#,
    )
    .unwrap();
    let alice = caller(alice());
    let scopes = vec!["files:write".to_owned(), "files:read".to_owned()];
    let rows = [
        ("put", Decision::needs_scopes("write", scopes)),
        ("both", Decision::allow("plain")),
        (
            "shop",
            Decision::deny("closed").shown_as(DenialStyle::ToolResult).explained_by("it is closed"),
        ),
        ("else", Decision::default_deny()),
    ];
    for (name, expected) in rows {
        assert_eq!(cedar.decide(&tool(&alice, name)), expected, "{name}");
    }
}

#[test]
fn versions_name_what_decides() {
    let text = "permit (principal, action, resource);";
    let version = |builder: portcullis_engines::CedarBuilder| builder.build().unwrap().version();
    let one = version(Cedar::builder(text));
    assert!(one.as_str().starts_with("cedar@"), "{one}");
    assert_eq!(one, version(Cedar::builder(text)));
    assert_ne!(one, version(Cedar::builder(format!("{text} "))));
    assert_ne!(one, version(Cedar::builder(text).arguments("{ a?: Long }")));
    assert_ne!(one, version(Cedar::builder(text).bare_subjects_of("x")));
}

#[test]
fn the_time_of_the_question_counts() {
    let text =
        r#"permit (principal, action, resource) when { context.now < datetime("1970-01-02") };"#;
    let (clock, hand) = Clock::manual(86_000);
    let cedar = Cedar::builder(text).clock(clock).build().unwrap();
    let alice = caller(alice());
    assert!(allows(&cedar.decide(&tool(&alice, "x"))));
    hand.advance(Duration::from_secs(400));
    assert!(!allows(&cedar.decide(&tool(&alice, "x"))));
    assert!(allows(&cedar.decide(&tool(&alice, "x").at(Duration::from_secs(1)))));
}

#[test]
fn the_schema_is_published_and_warnings_are_told() {
    let cedar = build(r#"permit (principal, action, resource) when { false };"#).unwrap();
    assert_eq!(cedar.warnings().len(), 1, "{:?}", cedar.warnings());
    assert!(cedar.schema().contains("path?: String"));
    assert!(!format!("{cedar:?}").contains("permit"));
}
