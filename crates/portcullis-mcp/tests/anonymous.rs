//! Requests without credentials: in for the chosen methods, asked for a token otherwise (R-105).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

mod support;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use portcullis_core::{
    AnonymousPass, AnonymousReason, AnonymousTerms, Caller, Challenge, Method, Reason,
    RequestFacts as _, ResponseFacts as _,
};
use portcullis_mcp::{InspectLayer, SessionKeys};
use portcullis_test::{Answer, FakeMcp};
use serde_json::{Value, json};
use support::*;
use tower::{Layer as _, ServiceExt as _};

const BODY: &str = r#"{"error":"unauthorized","error_description":"Authentication required"}"#;

fn pass() -> AnonymousPass {
    let challenge = Challenge::without_metadata(["mcp:read"]).unwrap();
    let methods = [
        Method::Initialize,
        Method::NotificationsInitialized,
        Method::ServerDiscover,
        Method::ToolsList,
        Method::ResourcesRead,
    ];
    AnonymousTerms::new(challenge, methods).pass(Reason::NoToken)
}

fn layer() -> InspectLayer {
    InspectLayer::new().session_keys(SessionKeys::new(&[7; 32])).resource("https://a.example/mcp")
}

/// Sends `request` without credentials to `server`.
async fn send_without(server: &FakeMcp, mut request: Request<Full<Bytes>>) -> Answered {
    request.set_anonymous_pass(pass());
    layer().layer(Permits::new(server.clone())).oneshot(request).await.unwrap()
}

fn batch(messages: &Value) -> Request<Full<Bytes>> {
    legacy(Some("2025-03-26"), messages.to_string())
}

fn named(mut request: Request<Full<Bytes>>, session: &str) -> Request<Full<Bytes>> {
    request.headers_mut().insert("mcp-session-id", session.parse().unwrap());
    request
}

fn initialize() -> Request<Full<Bytes>> {
    let params = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {} });
    ask("initialize", params)
}

fn bodiless(method: &str) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri("/mcp");
    request.header("accept", "text/event-stream").body(Full::default()).unwrap()
}

#[tokio::test]
async fn only_the_chosen_methods_get_in() {
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let read = json!({ "jsonrpc": "2.0", "id": 2, "method": "resources/read", "params": { "uri": "a:b" } });
    let call =
        json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": { "name": "t" } });
    let known = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let cancelled = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } });
    let unknown = json!({ "jsonrpc": "2.0", "method": "notifications/x" });
    let response = json!({ "jsonrpc": "2.0", "id": 1, "result": {} });
    let one = |message: &Value| legacy(Some("2025-06-18"), message.to_string());
    let name = json!({ "name": "t" });
    let rows = [
        ("legacy, chosen", one(&list), 200),
        ("legacy, with a target", one(&read), 200),
        ("modern, chosen", modern("tools/list", json!({})), 200),
        ("the probe", modern("server/discover", json!({})), 200),
        ("initialize", initialize(), 200),
        ("a chosen notification", one(&known), 202),
        ("legacy, another", one(&call), 401),
        ("modern, another", modern("tools/call", name.clone()), 401),
        ("modern, a stream", modern("subscriptions/listen", json!({ "notifications": {} })), 401),
        ("another letter case", ask("Tools/List", json!({})), 401),
        ("unknown", ask("admin/reset", json!({})), 401),
        ("another notification", one(&cancelled), 401),
        ("an unknown notification", one(&unknown), 401),
        ("a response", one(&response), 401),
        ("a response in a session", named(one(&response), "x"), 401),
        ("another, in a session", named(one(&call), "x"), 401),
        ("chosen, in no session", named(one(&list), "x"), 404),
        ("a batch of chosen", batch(&json!([list, read, known])), 200),
        ("a batch with another", batch(&json!([list, call])), 401),
        ("a batch with another notification", batch(&json!([list, unknown])), 401),
        ("a batch of responses", batch(&json!([response])), 401),
        ("a batch where none may be", legacy(Some("2025-06-18"), json!([list]).to_string()), 400),
        ("that with another", legacy(Some("2025-06-18"), json!([call]).to_string()), 401),
        ("no JSON", legacy(None, "{"), 401),
        ("nothing", legacy(None, ""), 401),
        ("no JSON-RPC", legacy(None, "{}"), 401),
        (
            "two methods",
            legacy(None, r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call"}"#),
            401,
        ),
        (
            "an escaped method",
            legacy(
                None,
                r#"{"jsonrpc":"2.0","id":1,"method":"tools\u002fcall","params":{"name":"t"}}"#,
            ),
            401,
        ),
        ("chosen, in an unknown version", legacy(Some("2031-01-01"), list.to_string()), 400),
        ("another, in an unknown version", legacy(Some("2031-01-01"), call.to_string()), 401),
        ("GET", bodiless("GET"), 401),
        ("GET of a session", named(bodiless("GET"), "x"), 401),
        ("DELETE", bodiless("DELETE"), 401),
        ("DELETE of a session", named(bodiless("DELETE"), "x"), 401),
        ("PUT", bodiless("PUT"), 401),
        ("no media type", Request::post("/mcp").body(Full::from(list.to_string())).unwrap(), 401),
    ];
    for (name, request, expected) in rows {
        let server = FakeMcp::answering(|seen| match seen.json() {
            Value::Array(all) => {
                let ids = all.iter().filter_map(|message| message.get("id"));
                let answer = |id| json!({ "jsonrpc": "2.0", "id": id, "result": {} });
                Answer::json(ids.map(answer).collect::<Value>().to_string())
            }
            one if one.get("id").is_some() => {
                let supported = json!({ "supportedVersions": ["2026-07-28"], "capabilities": {} });
                let settled = json!({ "protocolVersion": "2025-06-18", "capabilities": {} });
                let result = match one["method"].as_str() {
                    Some("server/discover") => supported,
                    Some("initialize") => settled,
                    Some("tools/list") => json!({ "tools": [] }),
                    _ => json!({ "contents": [] }),
                };
                Answer::json(
                    json!({ "jsonrpc": "2.0", "id": one["id"], "result": result }).to_string(),
                )
            }
            _ => Answer::accepted(),
        });
        let response = send_without(&server, request).await;
        assert_eq!(response.status(), expected, "{name}");
        assert_eq!(server.count(), usize::from(expected < 300), "{name}");
        if expected == 401 {
            assert_eq!(response.denial().unwrap().reason(), Reason::NoToken, "{name}");
            let got = whole(response).await;
            assert_eq!(got.header("www-authenticate"), Some("Bearer scope=\"mcp:read\""), "{name}");
            assert_eq!(got.text, BODY, "{name}");
        } else if expected < 300 {
            let nobody = Caller::Anonymous(AnonymousReason::NoCredentials);
            let seen = server.last().caller.unwrap();
            assert_eq!(format!("{seen:?}"), format!("{nobody:?}"), "{name}");
        }
    }
}

/// R-432: what nobody began, nobody who is somebody goes on with, and the reverse.
#[tokio::test]
async fn sessions_do_not_change_hands() {
    let settled = result(json!({ "protocolVersion": "2025-06-18", "capabilities": {} }));
    let begun =
        || FakeMcp::new().script([Answer::json(settled.clone()).header("mcp-session-id", "up")]);
    let id = |response: Answered| response.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    let list = |id: &str| named(ask("tools/list", json!({})), id);

    let server = begun();
    let nobodys = id(send_without(&server, initialize()).await);
    assert_eq!(send_without(&server, list(&nobodys)).await.status(), 200);
    let response = send(&layer(), &server, list(&nobodys)).await;
    assert_eq!(response.status(), 404);
    assert_eq!(response.denial().unwrap().reason(), Reason::SessionPrincipalMismatch);
    assert_eq!(server.count(), 2);

    let server = begun();
    let alices = id(send(&layer(), &server, initialize()).await);
    assert_eq!(send(&layer(), &server, list(&alices)).await.status(), 200);
    assert_eq!(send_without(&server, list(&alices)).await.status(), 404);
    for method in ["GET", "DELETE"] {
        let response = send_without(&server, named(bodiless(method), &alices)).await;
        assert_eq!(response.status(), 401, "{method}");
    }
    assert_eq!(server.count(), 2);
}

/// Somebody who is known is not held to what nobody may do.
#[tokio::test]
async fn a_caller_needs_no_pass() {
    let mut request = ask("tools/call", json!({ "name": "t" }));
    request.set_anonymous_pass(pass());
    assert_eq!(send(&layer(), &FakeMcp::new(), request).await.status(), 200);
}
