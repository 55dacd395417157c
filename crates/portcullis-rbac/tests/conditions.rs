//! What the layer knows and tells besides roles: annotations, servers, explanations, versions.
#![cfg(feature = "yaml")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use portcullis_core::{
    Arguments, Buffered, Caller, Challenge, Glance, McpMessage, McpRequest, McpRequestParts,
    Method, Permit, Principal, RequestFacts, ResponseFacts, Target, TargetKind, TaskUse, Text,
    ToolHints, Version,
};
use portcullis_rbac::{
    Answer, Authorizer, Decision, Never, Policy, Query, RbacLayer, Rule, Window,
};
use tower::{Layer as _, ServiceExt as _, service_fn};

const MODERN: Version = Version::V2026_07_28;

fn caller() -> Caller {
    Caller::Verified(Principal::builder("https://id.example", "alice").build().into())
}

fn call(tool: &str, arguments: &str) -> Request<Buffered> {
    let mut request = Request::new(Buffered::empty());
    request.set_caller(caller());
    let parts = McpRequestParts {
        version: MODERN,
        method: Method::ToolsCall,
        id: "7".into(),
        target: Some(Target::new(TargetKind::Tool, tool.into())),
        more_targets: Vec::new(),
        arguments: Some(Arguments::new(arguments.to_owned().into())),
        raw: Bytes::new(),
    };
    request.set_message(McpMessage::Request(parts.into()));
    request
}

fn layer<A: Authorizer>(authorizer: A) -> RbacLayer<A> {
    let metadata = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";
    RbacLayer::new(authorizer, Challenge::new(metadata, ["mcp:read"]).unwrap())
}

/// The answer's permit and body.
async fn answer<A: Authorizer>(
    layer: &RbacLayer<A>,
    request: Request<Buffered>,
) -> (Option<Permit>, String) {
    let inner = service_fn(async |_: Request<Buffered>| {
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    });
    let response = layer.layer(inner).oneshot(request).await.unwrap();
    let permit = response.permit().cloned();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (permit, String::from_utf8(body.to_vec()).unwrap())
}

const ANNOTATED: &str = "
servers: { main: { trust_annotations: true }, other: {} }
rules:
  - { id: read, allow: { tools: ['*'], servers: [main], annotations: { readOnlyHint: true } }, everyone: true }
  - { id: open, allow: { tools: [open] }, everyone: true }
";

/// What passes in a list is known at the next call, for the server whose list it was.
#[tokio::test]
async fn a_tool_is_known_once_it_was_listed() {
    let policy = Arc::new(Policy::from_yaml(ANNOTATED).unwrap());
    for (server, expected) in [(Some("main"), true), (Some("other"), false), (None, false)] {
        let mut layer = layer(Arc::clone(&policy));
        if let Some(server) = server {
            layer = layer.server(server);
        }
        let (permit, _) = answer(&layer, call("get", "{}")).await;
        assert!(permit.is_none(), "{server:?}: nothing is known of it yet");
        let (permit, _) = answer(&layer, call("open", "{}")).await;
        let view = Arc::clone(permit.unwrap().view());
        assert!(view.notices());
        let glance = || view.glance(&caller(), MODERN, TargetKind::Tool, "get");
        assert_eq!(glance(), Glance::Hidden, "{server:?}");
        let mut hints = ToolHints::default();
        hints.read_only = Some(true);
        view.notice("get", hints);
        assert_eq!(glance() == Glance::Shown, expected, "{server:?}");
        let (permit, _) = answer(&layer, call("get", "{}")).await;
        assert_eq!(permit.is_some(), expected, "{server:?}");
        // The server thinks better of it.
        view.notice("get", ToolHints::default());
        let (permit, _) = answer(&layer, call("get", "{}")).await;
        assert!(permit.is_none(), "{server:?}");
    }
    let plain =
        Policy::from_yaml("rules:\n  - { id: a, allow: { tools: [open] }, everyone: true }\n");
    let (permit, _) = answer(&layer(plain.unwrap()), call("open", "{}")).await;
    assert!(!permit.unwrap().view().notices(), "policies without annotations do not ask");
}

#[test]
fn rules_begin_and_end_on_the_second() {
    let rule = || Rule::allow("r").tools(["get"]).everyone();
    let begins = rule().valid_from("2027-01-01T00:00:00+01:00");
    let ends = rule().valid_until("2026-12-31T23:00:00Z");
    let in_hours = ends.clone().during(Window::new("UTC").hours("20:00-24:00"));
    let rows =
        [("begins", begins, true), ("ends", ends, false), ("ends in its hours", in_hours, false)];
    for (name, rule, first) in rows {
        let policy = Policy::builder().add_rule(rule).build().unwrap();
        let caller = caller();
        let query = Query::new(&caller, MODERN, Method::ToolsCall).on(TargetKind::Tool, "get");
        for (moment, allowed) in [(1_798_757_999, !first), (1_798_758_000, first)] {
            let decision = policy.decide(&query.at(Duration::from_secs(moment)));
            assert_eq!(matches!(decision, Decision::Allow { .. }), allowed, "{name} {moment}");
        }
    }
}

#[tokio::test]
async fn explanations_byte_for_byte() {
    let ask = async |denial: &str, arguments: &str| {
        let text = format!(
            "rules:\n  - id: r\n    allow: {{ tools: [pay] }}\n    everyone: true\n    arguments: {{ /to/amount: {{ max: 10 }} }}\n{denial}"
        );
        let layer = layer(Policy::from_yaml(&text).unwrap());
        answer(&layer, call("pay", arguments)).await
    };
    let good = r#"{"to":{"amount":10}}"#;
    let bad = r#"{"to":{"amount":11}}"#;
    assert!(ask("", good).await.0.is_some());
    let hidden =
        r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"Unknown tool: pay"}}"#;
    for arguments in [bad, "{}", r#"{"to":{"amount":"10"}}"#, r#"{"to":[10]}"#, r#"{"amount":1}"#] {
        let (permit, body) = ask("", arguments).await;
        assert!(permit.is_none(), "{arguments}");
        assert_eq!(body, hidden, "{arguments}");
    }
    let (_, body) =
        ask("    denial: explain\n    explanation: \"At most \\\"10\\\".\"\n", bad).await;
    assert_eq!(
        body,
        r#"{"jsonrpc":"2.0","id":7,"error":{"code":-31403,"message":"Forbidden by policy","data":{"reason":"policy_denied","decisionId":"unrecorded","explanation":"At most \"10\"."}}}"#
    );
    let (_, body) = ask("    denial: tool_result\n    explanation: At most 10.\n", bad).await;
    assert_eq!(
        body,
        r#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete","content":[{"type":"text","text":"At most 10."}],"isError":true}}"#
    );
}

/// A policy that changes with its first answer, and may not be what its version said before.
struct Changing {
    asked: AtomicU64,
    for_good: bool,
}

impl Authorizer for Changing {
    type Later = Never;

    fn authorize(&self, _: &Query<'_>) -> Answer<Never> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        Answer::Now(if asked == 0 { Decision::allow("old") } else { Decision::allow("new") })
    }

    fn version(&self) -> Text {
        let asked = self.asked.load(Ordering::Relaxed);
        Text::from(if self.for_good { asked.min(1) } else { asked }.to_string())
    }
}

/// What is recorded is what decided (R-220).
#[tokio::test]
async fn a_policy_that_changes_meanwhile_is_asked_anew() {
    let changing = |for_good| layer(Changing { asked: AtomicU64::new(0), for_good });
    let (permit, _) = answer(&changing(true), call("x", "{}")).await;
    let permit = permit.unwrap();
    assert_eq!((permit.rule().as_str(), permit.policy_version().as_str()), ("new", "1"));
    // One that never stands still is not waited for without end.
    let (permit, _) = answer(&changing(false), call("x", "{}")).await;
    assert!(permit.is_some());
}

const BATCH: &str = "
roles: { batch: { subjects: [alice] }, others: { subjects: [bob] } }
rules:
  - { id: call, allow: { tools: [report] }, everyone: true }
  - { id: long, allow: { tools: [report], methods: [tasks/create] }, roles: [ROLE], denial: STYLE SCOPES }
";

/// What reaches the service, the answer, and whether the permit withholds tasks.
async fn run_as_task(
    policy: &str,
    version: Version,
    task: impl Fn(&str) -> TaskUse,
) -> (Option<String>, String, Option<bool>) {
    let declared = r#"{"a/b":{},"io.modelcontextprotocol/tasks":{}}"#;
    let raw = format!(r#"{{"id":7,"params":{{"name":"report","x":{declared}}}}}"#);
    let mut request = call("report", "{}");
    let parts = McpRequestParts {
        version,
        method: Method::ToolsCall,
        id: "7".into(),
        target: Some(Target::new(TargetKind::Tool, "report".into())),
        more_targets: Vec::new(),
        arguments: None,
        raw: raw.clone().into(),
    };
    let task = task(&raw);
    request.set_message(McpMessage::Request(McpRequest::from(parts).with_task_use(task)));
    *request.body_mut() = Buffered::new(raw.into());
    let seen = Arc::new(Mutex::new(None));
    let inner = service_fn({
        let seen = Arc::clone(&seen);
        move |request: Request<Buffered>| {
            let seen = Arc::clone(&seen);
            async move {
                let length = request.headers().get("content-length").cloned();
                let body = request.into_body().collect().await.unwrap().to_bytes();
                assert!(length.is_none_or(|length| length == body.len().to_string()));
                *seen.lock().unwrap() = Some(String::from_utf8(body.to_vec()).unwrap());
                Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
            }
        }
    });
    let layer = layer(Policy::from_yaml(policy).unwrap());
    let response = layer.layer(inner).oneshot(request).await.unwrap();
    let withheld = response.permit().map(Permit::withholds_tasks);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let seen = seen.lock().unwrap().take();
    (seen, String::from_utf8(body.to_vec()).unwrap(), withheld)
}

/// R-216: who asks for a task and may not begin one is refused, as by a server without tasks; who would
/// take one gets none.
#[tokio::test]
async fn calls_as_tasks() {
    let policy = |role: &str, style: &str, scopes: &str| {
        BATCH.replace("ROLE", role).replace("STYLE", style).replace("SCOPES", scopes)
    };
    let legacy = Version::V2025_11_25;
    let asked = |_: &str| TaskUse::Asked;
    let offered = |raw: &str| {
        let start = raw.find(r#"{"a/b""#).unwrap();
        TaskUse::Offered(start..raw.len() - 2)
    };
    let (may, may_not) = (policy("batch", "hide", ""), policy("others", "hide", ""));
    let (seen, _, withheld) = run_as_task(&may, legacy, asked).await;
    assert!(seen.is_some() && withheld == Some(false), "who may");
    let (seen, body, _) = run_as_task(&may_not, legacy, asked).await;
    let none = r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"Method not found"}}"#;
    assert_eq!((seen, body.as_str()), (None, none), "who may not");
    let (seen, body, _) = run_as_task(&policy("others", "explain", ""), legacy, asked).await;
    assert!(seen.is_none() && body.contains("Forbidden by policy"), "{body}");
    let (seen, body, _) = run_as_task(&policy("others", "tool_result", ""), legacy, asked).await;
    assert!(seen.is_none() && body.contains(r#""isError":true"#), "{body}");
    let (seen, body, _) =
        run_as_task(&policy("batch", "hide", ", requires_scopes: [tasks:run]"), legacy, asked)
            .await;
    assert!(seen.is_none() && body.contains("tasks:run"), "{body}");
    let (seen, _, _) = run_as_task(&may_not, legacy, |_| TaskUse::None).await;
    assert!(seen.is_some(), "a call that is none");

    let whole =
        r#"{"id":7,"params":{"name":"report","x":{"a/b":{},"io.modelcontextprotocol/tasks":{}}}}"#;
    let (seen, _, withheld) = run_as_task(&may, MODERN, offered).await;
    assert_eq!((seen.as_deref(), withheld), (Some(whole), Some(false)), "who may");
    let less = r#"{"id":7,"params":{"name":"report","x":{"a/b":{}}}}"#;
    for (name, policy) in [
        ("who may not", may_not),
        (
            "who would have to ask for a scope",
            policy("batch", "hide", ", requires_scopes: [tasks:run]"),
        ),
    ] {
        let (seen, _, withheld) = run_as_task(&policy, MODERN, offered).await;
        assert_eq!((seen.as_deref(), withheld), (Some(less), Some(true)), "{name}");
    }
    let uncalled = "rules: [{ id: long, allow: { tools: [report], methods: [tasks/create] }, everyone: true }]";
    for task in [TaskUse::Asked, TaskUse::Offered(37..81), TaskUse::None] {
        let (seen, body, _) = run_as_task(uncalled, MODERN, |_| task.clone()).await;
        assert!(
            seen.is_none() && body.contains("Unknown tool"),
            "no right to call: {task:?} {body}"
        );
    }
    let silent = "rules: [{ id: call, allow: { tools: [report] }, everyone: true }]";
    let (seen, _, withheld) = run_as_task(silent, MODERN, offered).await;
    assert_eq!((seen.as_deref(), withheld), (Some(whole), Some(false)), "no rule about tasks");
}

/// R-203, R-216: a list says that a tool runs as a task where a call as one is let through, or may be once the
/// client has got a scope.
#[tokio::test]
async fn lists_say_what_calls_as_tasks_find() {
    let tail = "everyone: true }";
    let first = format!("  - {{ id: call, allow: {{ tools: [report] }}, {tail}");
    let grant = "allow: { tools: [report], methods: [tasks/create] }";
    let deny = "deny: { tools: [report], methods: [tasks/create] }";
    let rows = [
        ("no rule about tasks", String::new(), true),
        ("granted", format!("  - {{ id: long, {grant}, {tail}"), true),
        ("granted to others", format!("  - {{ id: long, {grant}, roles: [others] }}"), false),
        (
            "of another tool",
            format!("  - {{ id: long, {}, {tail}", grant.replace("report", "x")),
            false,
        ),
        (
            "for a scope",
            format!("  - {{ id: long, {grant}, requires_scopes: [tasks:run], {tail}"),
            true,
        ),
        ("denied", format!("  - {{ id: long, {deny}, {tail}"), false),
        ("denied to others", format!("  - {{ id: long, {deny}, roles: [others] }}"), true),
        ("of all", format!("  - {{ id: long, deny: {{ methods: [tasks/create] }}, {tail}"), false),
        (
            "granted and denied",
            format!("  - {{ id: long, {grant}, {tail}\n  - {{ id: not, {deny}, {tail}"),
            false,
        ),
        (
            "denied under a condition",
            format!("  - {{ id: long, {deny}, arguments: {{ n: {{ min: 5 }} }}, {tail}"),
            true,
        ),
        (
            "granted under a condition",
            format!("  - {{ id: long, {grant}, networks: [192.0.2.1], {tail}"),
            false,
        ),
    ];
    let alice = caller();
    for (name, rules, expected) in rows {
        let policy =
            format!("roles: {{ others: {{ subjects: [bob] }} }}\nrules:\n{first}\n{rules}\n");
        let (permit, _) =
            answer(&layer(Policy::from_yaml(&policy).unwrap()), call("report", "{}")).await;
        let permit = permit.unwrap();
        let view = permit.view();
        let runs = view.glance(&alice, MODERN, TargetKind::Task, "report") == Glance::Shown;
        assert_eq!(runs, expected, "{name}");
        assert_eq!(view.decides_tasks(), name != "no rule about tasks", "{name}");
        let items = vec![(TargetKind::Task, "report".into()), (TargetKind::Tool, "report".into())];
        assert_eq!(view.look(alice.clone(), MODERN, items).await, [expected, true], "{name}");
        let (seen, body, _) = run_as_task(&policy, Version::V2025_11_25, |_| TaskUse::Asked).await;
        // Without the argument, nobody knows whether the condition is met.
        let passes = seen.is_some() || body.contains("tasks:run");
        let expected = expected && name != "denied under a condition";
        assert_eq!(passes, expected, "{name}: {body}");
    }
}
