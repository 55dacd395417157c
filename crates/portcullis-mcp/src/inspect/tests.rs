use std::time::Duration;

use http::{HeaderName, HeaderValue};
use portcullis_core::{Clock, Method, NoMessage, Principal, TargetKind, TaskUse};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::capability::Declared;
use crate::lists::Lists;
use crate::{Limits, SessionKeys};

mod batch;
mod differentials;
mod table;

type Fields<'a> = &'a [(&'a str, &'a str)];
/// The version, or what a refusal is made of: status, JSON-RPC code and reason.
type Verdict = Result<Version, (u16, i64, Reason)>;

const MODERN: &str = "2026-07-28";
const RESOURCE: &str = "https://mcp.example.com/mcp";
const NOW: u64 = 1_800_000_000;

fn caller(subject: &str) -> Caller {
    Caller::Verified(Principal::builder("https://id.example", subject).build().into())
}

fn config(versions: &[Version]) -> InspectConfig {
    InspectConfig {
        versions: versions.to_vec(),
        resource: RESOURCE.to_owned(),
        sessions: SessionKeys::new(&[7; 32]),
        clock: Clock::manual(NOW).0,
        ..InspectConfig::default()
    }
}

fn all() -> InspectConfig {
    config(&Version::ALL)
}

fn modern_only() -> InspectConfig {
    config(&[Version::V2026_07_28])
}

fn session(config: &InspectConfig, version: Version, subject: &str) -> String {
    let now = Duration::from_secs(NOW);
    config
        .sessions
        .seal(
            "up-1",
            (version, Lists::default(), Declared::UNSEEN),
            &caller(subject),
            RESOURCE,
            now,
        )
        .unwrap()
}

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

fn run(config: &InspectConfig, fields: &[(&str, &str)], body: &str) -> Result<Inspected, Denial> {
    inspect(config, &caller("alice"), &headers(fields), &Bytes::copy_from_slice(body.as_bytes()))
}

fn verdict(result: &Result<Inspected, Denial>) -> Verdict {
    match result {
        Ok(inspected) => Ok(inspected.version),
        Err(denial) => {
            Err((denial.status().as_u16(), denial.rpc_code().unwrap_or_default(), denial.reason()))
        }
    }
}

/// A modern request, with its headers, made from a method and `params`.
fn modern(method: &str, mut params: Value) -> (Vec<(String, String)>, String) {
    params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!(MODERN);
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
    let mut fields = vec![
        ("mcp-protocol-version".to_owned(), MODERN.to_owned()),
        ("mcp-method".to_owned(), method.to_owned()),
    ];
    if let Some(name) = match method {
        "tools/call" | "prompts/get" => params["name"].as_str(),
        "resources/read" => params["uri"].as_str(),
        _ => None,
    } {
        fields.push(("mcp-name".to_owned(), name.to_owned()));
    }
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    (fields, body)
}

fn run_modern(method: &str, params: Value) -> Result<Inspected, Denial> {
    let (fields, body) = modern(method, params);
    let fields: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    run(&all(), &fields, &body)
}

fn legacy(method: &str, params: &Value) -> Result<Inspected, Denial> {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    run(&all(), &[("mcp-protocol-version", "2025-11-25")], &body)
}

fn targets(result: Result<Inspected, Denial>) -> Vec<(TargetKind, String)> {
    let McpMessage::Request(request) = result.unwrap().message else { panic!("not a request") };
    request.targets().map(|target| (target.kind(), target.name().to_owned())).collect()
}

#[test]
fn every_method_names_its_target() {
    use TargetKind::*;
    let rows = [
        ("tools/call", json!({"name": "t", "uri": "x"}), vec![(Tool, "t")]),
        ("prompts/get", json!({"name": "p"}), vec![(Prompt, "p")]),
        ("resources/read", json!({"uri": "file:///a", "name": "x"}), vec![(Resource, "file:///a")]),
        (
            "completion/complete",
            json!({"ref": {"type": "ref/prompt", "name": "p"}}),
            vec![(Prompt, "p")],
        ),
        (
            "completion/complete",
            json!({"ref": {"type": "ref/resource", "uri": "file:///a", "name": "x"}}),
            vec![(Resource, "file:///a")],
        ),
        (
            "completion/complete",
            json!({"ref": {"type": "ref/resource", "uri": "file:///{p}"}}),
            vec![(ResourceTemplate, "file:///{p}")],
        ),
        (
            "subscriptions/listen",
            json!({"notifications": {"toolsListChanged": true, "resourceSubscriptions": ["a:1", "a:2"]}}),
            vec![(Resource, "a:1"), (Resource, "a:2")],
        ),
        ("subscriptions/listen", json!({"notifications": {}}), vec![]),
        ("tools/list", json!({"name": "x", "uri": "y", "cursor": "c"}), vec![]),
        ("server/discover", json!({}), vec![]),
    ];
    for (method, params, expected) in rows {
        let found = targets(run_modern(method, params));
        let expected: Vec<_> = expected.into_iter().map(|(k, n)| (k, n.to_owned())).collect();
        assert_eq!(found, expected, "{method}");
    }
    for method in ["resources/subscribe", "resources/unsubscribe", "resources/read"] {
        let found = targets(legacy(method, &json!({"uri": "file:///a"})));
        assert_eq!(found, [(Resource, "file:///a".to_owned())], "{method}");
    }
}

#[test]
fn a_target_that_is_missing_or_wrong_is_refused() {
    let rows = [
        ("tools/call", json!({})),
        ("tools/call", json!({"name": 1})),
        ("tools/call", json!({"name": null})),
        ("tools/call", json!({"tool": "t", "toolName": "t"})),
        ("tools/call", json!({"name": "t", "arguments": []})),
        ("tools/call", json!({"name": "t", "arguments": "{}"})),
        ("prompts/get", json!({"uri": "x"})),
        ("resources/read", json!({"name": "x"})),
        ("resources/read", json!({"uri": ["x"]})),
        ("completion/complete", json!({})),
        ("completion/complete", json!({"ref": "ref/prompt"})),
        ("completion/complete", json!({"ref": {"type": "ref/tool", "name": "t"}})),
        ("completion/complete", json!({"ref": {"type": "ref/tool", "name": "t", "uri": "a:b"}})),
        ("completion/complete", json!({"ref": {"type": "ref/prompt", "uri": "t"}})),
        ("completion/complete", json!({"ref": {"type": "ref/resource", "name": "t"}})),
        ("completion/complete", json!({"ref": {"name": "t"}})),
        ("subscriptions/listen", json!({})),
        ("subscriptions/listen", json!({"notifications": []})),
        ("subscriptions/listen", json!({"notifications": {"resourceSubscriptions": "a"}})),
        ("subscriptions/listen", json!({"notifications": {"resourceSubscriptions": ["a", 1]}})),
        (
            "subscriptions/listen",
            json!({"notifications": {"resourceSubscriptions": vec!["a:b"; 1001]}}),
        ),
    ];
    for (method, params) in rows {
        let name = format!("{method} {params}");
        let (mut fields, body) = modern(method, params);
        if fields.len() == 2 {
            fields.push(("mcp-name".into(), "x".into()));
        }
        let fields: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let result = run(&all(), &fields, &body);
        assert_eq!(verdict(&result), Err((400, -32602, Reason::BadRpc)), "{name}");
        assert!(result.unwrap_err().rpc_object().unwrap().contains("\"id\":1"), "R-046: {name}");
    }
}

#[test]
fn subscriptions_name_a_thousand_resources_at_most() {
    let listen = |count| json!({"notifications": {"resourceSubscriptions": vec!["a:b"; count]}});
    assert_eq!(targets(run_modern("subscriptions/listen", listen(1000))).len(), 1000);
    let refused = Err((400, -32602, Reason::BadRpc));
    assert_eq!(verdict(&run_modern("subscriptions/listen", listen(1001))), refused);
}

/// R-216: what is no request for a task, but might be taken for one, is one.
#[test]
fn only_calls_that_say_so_run_as_tasks() {
    let rows = [
        ("nothing", json!({"name": "t"}), false),
        ("null", json!({"name": "t", "task": null}), false),
        ("an object", json!({"name": "t", "task": {}}), true),
        ("a time to live", json!({"name": "t", "task": {"ttl": 1}}), true),
        ("a flag", json!({"name": "t", "task": true}), true),
        ("a list", json!({"name": "t", "task": []}), true),
    ];
    for (name, params, asked) in rows {
        for (era, result) in [
            ("legacy", legacy("tools/call", &params)),
            ("modern", run_modern("tools/call", params.clone())),
        ] {
            let McpMessage::Request(request) = result.unwrap().message else { panic!() };
            let expected = if asked && era == "legacy" { TaskUse::Asked } else { TaskUse::None };
            assert_eq!(request.task_use(), &expected, "{name}, {era}");
        }
    }
}

#[test]
fn arguments_are_the_bytes_sent() {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments": {"Name":1,"p\u0061th":"x", "deep":{"a":[1]}} }}"#;
    let inspected = run(&all(), &[], body).unwrap();
    let McpMessage::Request(request) = &inspected.message else { panic!() };
    let arguments = request.arguments().unwrap();
    assert_eq!(&arguments.json()[..], br#"{"Name":1,"p\u0061th":"x", "deep":{"a":[1]}}"#);
    assert_eq!(arguments.keys().collect::<Vec<_>>(), ["Name", "path", "deep"]);
    assert_eq!(inspected.body, body.as_bytes(), "R-033: forwarded as received");

    let many: Vec<_> = (0..40).map(|i| format!("\"k{i}\":0")).collect();
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t","arguments":{{{}}}}}}}"#,
        many.join(",")
    );
    let McpMessage::Request(request) = run(&all(), &[], &body).unwrap().message else { panic!() };
    assert_eq!(request.arguments().unwrap().len(), 40);
    assert_eq!(request.arguments().unwrap().keys().count(), 12);
}

/// R-034: compared after unescaping, as exact code points.
#[test]
fn escaped_names_are_the_names_they_stand_for() {
    let body = r#"{"jsonrpc":"2.0","id":1,"m\u0065thod":"tools\/c\u0061ll","params":{"n\u0061me":"d\u0061nger"}}"#;
    let expected = vec![(TargetKind::Tool, "danger".to_owned())];
    assert_eq!(targets(run(&all(), &[], body)), expected);
}

/// R-028: the id is kept as sent.
/// R-026 to R-028, X-84, X-85: what is no id is among the bodies of `differentials`.
#[test]
fn ids_are_kept_as_sent() {
    let long = format!("\"{}\"", "x".repeat(256));
    let (digits, most_digits) = ("9".repeat(40), "9".repeat(256));
    let few = ["1", "-1", "0", "9007199254740993", "\"1\"", "\"\\u0031\"", "\"\""];
    for id in few.into_iter().chain([&*long, &*digits, &*most_digits]) {
        let body = format!(r#"{{"jsonrpc":"2.0","method":"ping","id": {id} }}"#);
        let McpMessage::Request(request) = run(&all(), &[], &body).unwrap().message else {
            panic!()
        };
        assert_eq!(request.id().as_str(), id);
    }
    let too_long = format!("\"{}\"", "x".repeat(257));
    let ten_kb = format!("\"{}\"", "x".repeat(10_240));
    let endless = "9".repeat(257);
    let bad = ["null", "true", "{}", "[]", "1.0", "1e0", "1E400", "-0", "0.0"];
    for id in bad.into_iter().chain([&*too_long, &*ten_kb, &*endless]) {
        let body = format!(r#"{{"jsonrpc":"2.0","method":"ping","id":{id}}}"#);
        assert_eq!(verdict(&run(&all(), &[], &body)), Err((400, -32600, Reason::BadRpc)), "{id}");
    }
}

/// R-061: every method against every version.
/// R-060, X-88.
#[test]
fn methods_of_other_revisions_are_unknown() {
    let params = json!({
        "name": "x", "uri": "x", "protocolVersion": "2025-11-25", "taskId": "x",
        "ref": {"type": "ref/prompt", "name": "x"}, "notifications": {},
    });
    let names = Method::ALL.iter().map(|method| method.as_str());
    let others =
        ["admin/reset", "Tools/Call", "tools/call ", "tools//call", "tools/call\0", "tools"];
    for version in Version::ALL {
        for name in names.clone().chain(others) {
            let config = all();
            let result = if version.era() == Era::Modern {
                let (mut fields, body) = modern(name, params.clone());
                if name.contains('\0') {
                    // No header can carry it, so no client gets past the comparison.
                    fields[1].1 = "tools/call".into();
                }
                if fields.len() == 2 {
                    fields.push(("mcp-name".into(), "x".into()));
                }
                // White space at the end of a header is HTTP's, not the method's.
                let fields: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
                run(&config, &fields, &body)
            } else {
                let id = session(&config, version, "alice");
                let body = json!({"jsonrpc": "2.0", "id": 1, "method": name, "params": params});
                run(&config, &[("mcp-session-id", &id)], &body.to_string())
            };
            let known = Method::parse(name)
                .is_some_and(|method| method.is_in(version) && !method.is_notification());
            let of_a_task = known && name.starts_with("tasks/") && name != "tasks/list";
            let unclean = name.contains('\0') || name.ends_with(' ');
            let expected = match version.era() {
                // Known as a method; the task is not, and here the client is not one that has any.
                Era::Modern if of_a_task => Err((400, -32021, Reason::BadMeta)),
                _ if of_a_task => Err((200, -32602, Reason::TaskNotOwned)),
                _ if known => Ok(version),
                Era::Modern if unclean => Err((400, -32020, Reason::HeaderMismatch)),
                Era::Modern => Err((404, -32601, Reason::UnknownMethod)),
                _ => Err((200, -32601, Reason::UnknownMethod)),
            };
            // `initialize` negotiates the version itself.
            if name == "initialize" && known {
                assert!(result.is_ok());
            } else {
                assert_eq!(verdict(&result), expected, "{name:?} at {version}");
            }
        }
    }
}

/// R-032, X-86.
#[test]
fn notifications() {
    let rows = [
        (None, "notifications/initialized", true),
        (None, "notifications/cancelled", false),
        (None, "notifications/progress", false),
        (None, "notifications/roots/list_changed", true),
        (None, "notifications/tasks/status", false),
        (Some("2025-11-25"), "notifications/tasks/status", false),
        (Some("2025-11-25"), "notifications/roots/list_changed", true),
        (None, "notifications/unheard", false),
        (None, "tools/call", false),
        (None, "initialize", false),
        (Some(MODERN), "notifications/cancelled", false),
        (Some(MODERN), "notifications/initialized", false),
        (Some(MODERN), "tools/call", false),
    ];
    for (version, method, forwarded) in rows {
        let body = json!({"jsonrpc": "2.0", "method": method, "params": {"name": "x"}}).to_string();
        let fields: Vec<_> = version.iter().map(|v| ("mcp-protocol-version", *v)).collect();
        let inspected = run(&all(), &fields, &body).unwrap();
        let expected = if forwarded { Disposition::Forward } else { Disposition::Accept202 };
        assert_eq!(inspected.disposition, expected, "{method}");
        let dropped = matches!(inspected.message, McpMessage::NoMessage(NoMessage::Dropped(_)));
        assert_eq!(dropped, !forwarded, "{method}");
        assert!(!matches!(inspected.message, McpMessage::Request(_)), "{method} must not execute");
    }
}

/// Requirements 2.2: notifications that nobody knows are refused where the deployment is strict.
#[test]
fn unknown_notifications_where_strict() {
    let strict = InspectConfig { strict: true, ..all() };
    let refused = Err((400, -32600, Reason::UnknownMethod));
    for (version, method, expected) in [
        (None, "notifications/unheard", refused),
        (None, "tools/call", refused),
        (Some(MODERN), "notifications/unheard", refused),
        (Some(MODERN), "notifications/cancelled", Ok(())),
        (None, "notifications/initialized", Ok(())),
        (Some("2025-11-25"), "notifications/tasks/status", Ok(())),
    ] {
        let body = json!({"jsonrpc": "2.0", "method": method}).to_string();
        let fields: Vec<_> = version.iter().map(|v| ("mcp-protocol-version", *v)).collect();
        assert_eq!(verdict(&run(&strict, &fields, &body)).map(drop), expected, "{method}");
        assert_eq!(verdict(&run(&all(), &fields, &body)).map(drop), Ok(()), "{method}");
        if version.is_none() {
            let batch = format!(r#"[{{"jsonrpc":"2.0","id":1,"method":"ping"}},{body}]"#);
            assert_eq!(verdict(&run(&strict, &[], &batch)).map(drop), expected, "[{method}]");
            assert_eq!(verdict(&run(&all(), &[], &batch)).map(drop), Ok(()), "[{method}]");
        }
    }
}

/// R-031.
#[test]
fn responses_of_clients() {
    let config = all();
    let id = session(&config, Version::V2025_11_25, "alice");
    for body in [
        r#"{"jsonrpc":"2.0","id":"srv-1","result":{"action":"accept"}}"#,
        r#"{"jsonrpc":"2.0","id":"srv-1","error":{"code":1,"message":"no"}}"#,
    ] {
        let caller = caller("alice");
        let asked = Questions { config: &config, caller: &caller, session: "up-1" };
        let named = body.replace("\"srv-1\"", &asked.name("\"srv-1\"").unwrap());
        let inspected = run(&config, &[("mcp-session-id", &id)], &named).unwrap();
        assert_eq!(inspected.body, body, "the server gets its own id back");
        let unasked = run(&config, &[("mcp-session-id", &id)], body);
        assert_eq!(verdict(&unasked), Err((400, -32600, Reason::UnexpectedResponse)));
        let McpMessage::Response(response) = inspected.message else { panic!() };
        assert_eq!(response.id().as_str(), "\"srv-1\"");
        let none = run(&config, &[], body);
        assert_eq!(verdict(&none), Err((400, -32600, Reason::SessionRequired)));
        assert!(!none.unwrap_err().rpc_object().unwrap().contains("srv-1"));
        let modern = run(&config, &[("mcp-protocol-version", MODERN)], body);
        assert_eq!(verdict(&modern), Err((400, -32600, Reason::UnexpectedResponse)));
    }
}

/// R-039, R-045: what is changed in a legacy body, and what is not.
#[test]
fn legacy_bodies_carry_one_era() {
    let rows = [
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"a": 1.50, "io.modelcontextprotocol/clientInfo":{"name":"x"},"progressToken":"\u0061"},"cursor":"c"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"a":1.50,"progressToken":"\u0061"},"cursor":"c"}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol\/logLevel":"debug"}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{}}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2099-01-01","capabilities":{}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2026-07-28"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"1","_meta":{"io.modelcontextprotocol/clientInfo":{},"a":1},"b":2}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","_meta":{"a":1},"b":2}}"#,
        ),
    ];
    for (sent, forwarded) in rows {
        let inspected = run(&all(), &[], sent).unwrap();
        assert_eq!(std::str::from_utf8(&inspected.body).unwrap(), forwarded);
        let McpMessage::Request(request) = inspected.message else { panic!() };
        assert_eq!(request.raw(), &inspected.body, "policy sees what is forwarded");
    }
    let same = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18"}}"#;
    let body = Bytes::from_static(same.as_bytes());
    let inspected = inspect(&all(), &caller("alice"), &HeaderMap::new(), &body).unwrap();
    assert_eq!(inspected.body.as_ptr(), body.as_ptr(), "the very same bytes");
    assert_eq!(inspected.version, Version::V2025_06_18);
}

/// R-432, R-433, R-436, R-437, X-160 to X-163.
#[test]
fn sessions() {
    let config = all();
    let v = Version::V2025_06_18;
    let alice = session(&config, v, "alice");
    let bob = session(&config, v, "bob");
    let call = r#"{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"t"}}"#;
    let run_with = |ids: &[&str], extra: &[(&str, &str)], body: &str| {
        let mut fields: Vec<_> = ids.iter().map(|id| ("mcp-session-id", *id)).collect();
        fields.extend(extra);
        run(&config, &fields, body)
    };

    let own = run_with(&[&alice], &[], call).unwrap();
    assert_eq!(
        own.session,
        SessionUse::Open {
            upstream_id: "up-1".into(),
            lists: Lists::default(),
            declared: Declared::UNSEEN,
            issued: Duration::from_secs(NOW)
        }
    );
    assert_eq!(own.version, v, "the negotiated version");

    let unknown = Err((404, 0, Reason::SessionUnknown));
    let foreign = Err((404, 0, Reason::SessionPrincipalMismatch));
    assert_eq!(verdict(&run_with(&[&bob], &[], call)), foreign);
    for ids in [&["up-1"][..], &["1"], &[""], &[&alice, &alice], &[&alice, &bob]] {
        assert_eq!(verdict(&run_with(ids, &[], call)), unknown, "{ids:?}");
    }
    let (a, b) = (run_with(&[&bob], &[], call), run_with(&["x"], &[], call));
    let shape = |denial: Denial| {
        let response = denial.into_response::<http_body_util::Empty<Bytes>>();
        (response.status(), response.headers().clone())
    };
    assert_eq!(shape(a.unwrap_err()), shape(b.unwrap_err()), "both look the same");

    let h = |version| [("mcp-protocol-version", version)];
    assert!(run_with(&[&alice], &h("2025-06-18"), call).is_ok());
    let differs = run_with(&[&alice], &h("2025-11-25"), call);
    assert_eq!(verdict(&differs), Err((400, -32600, Reason::BadVersion)), "R-041");

    let begin = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}"#;
    for id in [&alice, &bob, "attacker-chosen"] {
        let begins = run_with(&[id], &[], begin).unwrap();
        assert_eq!(begins.session, SessionUse::Begins, "R-436");
    }
    let (fields, body) = modern("tools/list", json!({}));
    let mut fields: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    fields.push(("mcp-session-id", "anything"));
    fields.push(("mcp-session-id", "twice"));
    assert_eq!(run(&config, &fields, &body).unwrap().session, SessionUse::None, "R-437");

    let narrowed = config_without_june();
    let stale = session(&narrowed, v, "alice");
    assert_eq!(verdict(&run(&narrowed, &[("mcp-session-id", &stale)], call)), unknown);

    let (clock, hand) = Clock::manual(NOW);
    let config = InspectConfig { clock, ..all() };
    hand.advance(Duration::from_secs(24 * 60 * 60));
    assert_eq!(verdict(&run(&config, &[("mcp-session-id", &alice)], call)), unknown, "a day later");
}

fn config_without_june() -> InspectConfig {
    config(&[Version::V2026_07_28, Version::V2025_11_25])
}

/// Strings as attackers and ordinary clients write them.
fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z_]{1,12}", any::<String>()]
}

fn escaped(text: &str, how: u8) -> String {
    match how {
        0 => serde_json::to_string(text).unwrap(),
        _ => {
            let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            format!("\"{units}\"")
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// R-033: what is accepted means the same to another parser.
    #[test]
    fn serde_json_reads_what_policy_reads(
        tool in name(),
        how in 0..2_u8,
        id in prop_oneof![
            "(0|-?[1-9][0-9]{0,30})",
            any::<String>().prop_map(|s| serde_json::to_string(&s).unwrap()),
        ],
        extra in prop::collection::vec((name(), "(1|null|\\[\\]|\\{\"a\":1\\})"), 0..4),
        order in any::<bool>(),
        damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let mut members = vec![format!("\"name\":{}", escaped(&tool, how))];
        members.extend(extra.iter().map(|(k, v)| format!("{}:{v}", escaped(k, how))));
        if order {
            members.reverse();
        }
        let body = format!(
            r#"{{"params":{{{}}},"id":{id},"method":"tools/call","jsonrpc":"2.0"}}"#,
            members.join(",")
        );
        let mut bytes = body.into_bytes();
        if let Some((at, byte)) = damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let body = Bytes::from(bytes);
        let result = inspect(&all(), &caller("alice"), &HeaderMap::new(), &body);
        if let Ok(Inspected { message: McpMessage::Request(request), body, .. }) = result {
            let value: Value = serde_json::from_slice(&body).unwrap();
            prop_assert_eq!(request.method().as_str(), value["method"].as_str().unwrap());
            let raw_id: Value = serde_json::from_str(request.id().as_str()).unwrap();
            prop_assert_eq!(&raw_id, &value["id"]);
            if request.method() == Method::ToolsCall {
                let target = request.targets().next().unwrap();
                prop_assert_eq!(target.name(), value["params"]["name"].as_str().unwrap());
            }
        } else if damage.is_none() && extra.is_empty() {
            // Only an id past its limit may stand in the way.
            prop_assert!(id.len() > 258, "refused: {:?}", body);
        }
    }

    /// Nothing panics, whatever arrives.
    #[test]
    fn garbage_is_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = inspect(&all(), &caller("alice"), &HeaderMap::new(), &bytes.into());
    }
}

#[test]
fn limits_reach_the_parser() {
    let limits = Limits::new().depth(2).values(100);
    let config = InspectConfig { limits, ..all() };
    let deep = r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":{}}}"#;
    assert_eq!(verdict(&run(&config, &[], deep)), Err((400, -32700, Reason::BadJson)));
    let wide = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{{}}}}}"#,
        (0..100).map(|i| format!("\"{i}\":1")).collect::<Vec<_>>().join(",")
    );
    assert_eq!(verdict(&run(&config, &[], &wide)), Err((400, -32700, Reason::BadJson)));
}
