//! Table 1.4 of the requirements, row by row: which era a request belongs to, and what the upstream
//! is told (R-036, R-039).

use serde_json::{Value, json};

use crate::support::{Answer, Ask, Rig, Seen, Upstream, modern_body};

const LEGACY_LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

fn init(version: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{{"protocolVersion":"{version}","capabilities":{{}},"clientInfo":{{"name":"c","version":"1"}}}}}}"#
    )
}

fn with_meta(version: &str) -> String {
    modern_body("1", "tools/list", "").replace("2026-07-28", version)
}

/// A server that opens sessions and speaks whichever legacy version it is asked for.
fn legacy_server(seen: &Seen) -> Answer {
    let message: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
    if message.is_array() {
        let answers: Vec<_> = message
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|m| m.get("id"))
            .map(|id| json!({"jsonrpc": "2.0", "id": id, "result": {}}))
            .collect();
        return Answer::json(Value::from(answers).to_string());
    }
    let Some(id) = message.get("id") else { return Answer::status(202) };
    if message["method"] == "initialize" {
        let version = &message["params"]["protocolVersion"];
        let result = json!({"jsonrpc": "2.0", "id": id, "result": {
            "protocolVersion": version, "capabilities": {}, "serverInfo": {"name": "s", "version": "1"},
        }});
        return Answer::json(result.to_string()).with("mcp-session-id", "upstream-session-1");
    }
    Answer::json(json!({"jsonrpc": "2.0", "id": id, "result": {}}).to_string())
}

enum Expected {
    /// Refused with this status and JSON-RPC code.
    Refused(u16, i64),
    /// Forwarded; the upstream sees this `MCP-Protocol-Version`, or none.
    Forwarded(Option<&'static str>),
}
use Expected::{Forwarded, Refused};

fn ask(header: Option<&str>, body: impl Into<String>) -> Ask {
    let ask = Ask::post(body);
    match header {
        Some(version) => ask.header("mcp-protocol-version", version),
        None => ask,
    }
}

#[tokio::test]
async fn each_row() {
    let modern = |header| ask(header, with_meta("2026-07-28")).header("mcp-method", "tools/list");
    let rows = [
        (
            "several header lines",
            modern(Some("2026-07-28")).header("mcp-protocol-version", "2026-07-28"),
            Refused(400, -32020),
        ),
        ("a comma in the header", modern(Some("2026-07-28, 2025-11-25")), Refused(400, -32020)),
        ("modern, equal", modern(Some("2026-07-28")), Forwarded(Some("2026-07-28"))),
        ("legacy header, modern body", modern(Some("2025-11-25")), Refused(400, -32020)),
        ("unknown header, modern body", modern(Some("2030-01-01")), Refused(400, -32020)),
        (
            "modern header, other modern-looking body",
            ask(Some("2026-07-28"), with_meta("2030-01-01")).header("mcp-method", "tools/list"),
            Refused(400, -32020),
        ),
        ("no header, modern body", modern(None), Refused(400, -32020)),
        (
            "modern header, no meta",
            ask(Some("2026-07-28"), LEGACY_LIST).header("mcp-method", "tools/list"),
            Refused(400, -32602),
        ),
        (
            "modern header, initialize",
            ask(Some("2026-07-28"), init("2025-11-25")),
            Refused(400, -32020),
        ),
        (
            "equal, unsupported",
            ask(Some("2030-01-01"), with_meta("2030-01-01")).header("mcp-method", "tools/list"),
            Refused(400, -32022),
        ),
        (
            "equal, legacy",
            ask(Some("2025-11-25"), with_meta("2025-11-25")).header("mcp-method", "tools/list"),
            Refused(400, -32022),
        ),
        (
            "legacy header, no meta",
            ask(Some("2025-06-18"), LEGACY_LIST),
            Forwarded(Some("2025-06-18")),
        ),
        ("unknown header, no meta", ask(Some("1999-01-01"), LEGACY_LIST), Refused(400, -32022)),
        ("not quite a version", ask(Some("2026-7-28"), LEGACY_LIST), Refused(400, -32022)),
        ("nothing, initialize", ask(None, init("2025-11-25")), Forwarded(None)),
        ("nothing, other", ask(None, LEGACY_LIST), Forwarded(None)),
    ];
    for (name, ask, expected) in rows {
        let rig = Rig::new(Upstream::new(legacy_server)).await;
        let reply = rig.ask(ask).await;
        match expected {
            Refused(status, code) => {
                assert_eq!((reply.status, reply.code()), (status, code), "{name}: {reply:?}");
                assert_eq!(rig.upstream.count(), 0, "{name}");
            }
            Forwarded(version) => {
                assert_eq!(reply.status, 200, "{name}: {reply:?}");
                let seen = rig.upstream.last();
                let got = seen.headers.get("mcp-protocol-version").map(|v| v.to_str().unwrap());
                assert_eq!(got, version, "{name}");
                let era_headers = seen.headers.keys().any(|k| k.as_str().starts_with("mcp-method"));
                assert_eq!(era_headers, version == Some("2026-07-28"), "{name}");
            }
        }
    }
}

#[tokio::test]
async fn modern_only_rows() {
    let rows = [
        ("modern header, initialize", ask(Some("2026-07-28"), init("2025-11-25")), (400, -32022)),
        ("nothing, other", ask(None, LEGACY_LIST), (400, -32020)),
        ("a legacy header", ask(Some("2025-11-25"), LEGACY_LIST), (400, -32022)),
    ];
    for (name, ask, expected) in rows {
        let rig = Rig::modern_only(Upstream::echo()).await;
        let reply = rig.ask(ask).await;
        assert_eq!((reply.status, reply.code()), expected, "{name}: {reply:?}");
        assert_eq!(rig.upstream.count(), 0, "{name}");
    }
}

/// The rows about sessions: the version is the one negotiated there, whatever else is absent.
#[tokio::test]
async fn sessions_remember_their_version() {
    let rig = Rig::new(Upstream::new(legacy_server)).await;
    let batch = format!("[{LEGACY_LIST}]");
    for negotiated in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let opened = rig.ask(ask(None, init(negotiated))).await;
        let session = opened.header("mcp-session-id").unwrap().to_owned();
        assert!(!session.contains("upstream-session-1"), "the upstream's own id stays inside");
        let within = |header, body: &str| ask(header, body).header("mcp-session-id", &session);

        let reply = rig.ask(within(None, LEGACY_LIST)).await;
        assert_eq!(reply.status, 200, "{negotiated}: {reply:?}");
        let seen = rig.upstream.last();
        assert_eq!(seen.headers["mcp-session-id"], "upstream-session-1", "{negotiated}");
        let forwarded = seen.headers.get("mcp-protocol-version").map(|v| v.to_str().unwrap());
        let expected = (negotiated != "2025-03-26").then_some(negotiated);
        assert_eq!(forwarded, expected, "{negotiated}");

        let other = if negotiated == "2025-11-25" { "2025-06-18" } else { "2025-11-25" };
        let reply = rig.ask(within(Some(other), LEGACY_LIST)).await;
        assert_eq!((reply.status, reply.code()), (400, -32600), "{negotiated} as {other}");

        // R-029: an absent header does not make a newer session one that batches.
        let reply = rig.ask(within(None, &batch)).await;
        let expected = if negotiated == "2025-03-26" { 200 } else { 400 };
        assert_eq!(reply.status, expected, "{negotiated}: batch, {reply:?}");
    }
}

/// R-432, R-433: a session of somebody else, a forged one and no session at all are the same 404.
#[tokio::test]
async fn sessions_are_bound_to_their_caller() {
    let rig = Rig::new(Upstream::new(legacy_server)).await;
    let opened = rig.ask(ask(None, init("2025-11-25"))).await;
    let session = opened.header("mcp-session-id").unwrap().to_owned();

    let mallory = rig.staff().subject("mallory").sign();
    let body = LEGACY_LIST;
    let foreign = Ask::post(body).header("mcp-session-id", &session).bearer(&mallory);
    let mut forged = session.clone();
    forged.replace_range(0..1, if session.starts_with('A') { "B" } else { "A" });
    let replies = [
        rig.h1(&foreign).await,
        rig.ask(Ask::post(body).header("mcp-session-id", &forged)).await,
        rig.ask(Ask::post(body).header("mcp-session-id", "upstream-session-1")).await,
        rig.ask(
            Ask::get("/mcp")
                .header("accept", "text/event-stream")
                .header("mcp-session-id", &forged),
        )
        .await,
        rig.ask(Ask::get("/mcp").method(http::Method::DELETE).header("mcp-session-id", &forged))
            .await,
    ];
    let before = rig.upstream.count();
    for reply in &replies {
        assert_eq!((reply.status, reply.text()), (404, "Session not found"), "{reply:?}");
    }
    assert_eq!(rig.upstream.count(), before);

    // A new token of the same person keeps the session.
    let again = Ask::post(body).header("mcp-session-id", &session);
    assert_eq!(rig.ask(again).await.status, 200);
    // And a session without a token is no session (R-100).
    let without = Ask::post(body).header("mcp-session-id", &session);
    assert_eq!(rig.h1(&without).await.status, 401);
}

/// R-030: in a batch each call is decided on its own, and every call gets its answer.
#[tokio::test]
async fn a_batch_is_decided_by_element() {
    let rig = Rig::new(Upstream::new(legacy_server)).await;
    let call = |id: u8, tool: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}"}}}}"#
        )
    };
    let batch =
        format!("[{},{},{}]", call(1, "get_weather"), call(2, "delete_user"), call(3, "ping_tool"));
    let reply = rig.ask(ask(None, batch)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let mut answers: Vec<_> = reply.json().as_array().unwrap().clone();
    answers.sort_by_key(|answer| answer["id"].as_i64());
    assert_eq!(answers.len(), 3);
    assert_eq!(answers[1]["error"]["message"], "Unknown tool: delete_user");
    assert!(answers[0]["result"].is_object() && answers[2]["result"].is_object());

    let seen: Value = serde_json::from_slice(&rig.upstream.last().body).unwrap();
    let names: Vec<_> =
        seen.as_array().unwrap().iter().map(|m| m["params"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["get_weather", "ping_tool"], "the refused one is not forwarded");
}

/// R-030: also where inspection refuses some elements and policy all others.
#[tokio::test]
async fn every_element_of_a_refused_batch_is_answered() {
    let rig = Rig::new(Upstream::new(legacy_server)).await;
    let ask_of = |id: u8, method: &str| {
        let params = json!({ "name": "delete_user" });
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
    };
    let methods = ["foo/bar", "tools/call", "server/discover", "prompts/get"];
    let batch: Vec<_> = (1..).zip(methods).map(|(id, method)| ask_of(id, method)).collect();
    let reply = rig.ask(ask(None, json!(batch).to_string())).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let answers = reply.json();
    let mut codes: Vec<_> = answers.as_array().unwrap().iter().collect();
    codes.sort_by_key(|answer| answer["id"].as_i64());
    let codes: Vec<_> =
        codes.iter().map(|answer| (&answer["id"], &answer["error"]["code"])).collect();
    let expected = json!([[1, -32601], [2, -32602], [3, -32601], [4, -32602]]);
    assert_eq!(json!(codes), expected, "{answers}");
    assert_eq!(rig.upstream.count(), 0);
}
