//! The tests of a guarded MCP server, over HTTP as it is in production: a file to copy.
//!
//! `Notes` stands for your own server and `gate` for the function in which your program builds its
//! gate. Everything else is what there is to test about access: who is let in, who is refused, who is
//! told to ask for more, and what happens when the issuer changes its keys or is down.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
#![allow(unreachable_pub, dead_code, reason = "the server is shared with the examples")]

#[path = "../examples/quickstart/notes.rs"]
mod notes;

use axum::serve::ListenerExt as _;
use portcullis::testing::{Authority, Mistake, Outage, assert_gated, assert_refuses};
use portcullis::{Issuer, Policy, Portcullis, PortcullisLayer};
use reqwest::Response;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Your program has this function: only the issuer is another one in tests.
fn gate(resource: &str, issuer: Issuer) -> PortcullisLayer<Policy> {
    Portcullis::builder()
        .resource(resource)
        .issuer(issuer)
        .scope("notes:read")
        .policy(Policy::from_yaml(include_str!("../examples/quickstart/policy.yaml")).unwrap())
        .build()
        .unwrap()
}

/// Your server on a free port, in front of which stands a gate that trusts `authority`.
async fn start(authority: &Authority) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let resource = format!("http://{}/mcp", listener.local_addr().unwrap());
    let app: axum::Router = gate(&resource, authority.issuer()).router(notes::Notes::service());
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    tokio::spawn(async move { axum::serve(listener, app).await });
    resource
}

async fn call(resource: &str, token: &str, tool: &str, arguments: Value) -> Response {
    let message = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {
            "name": tool,
            "arguments": arguments,
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": { "name": "tests", "version": "1" },
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    });
    reqwest::Client::new()
        .post(resource)
        .bearer_auth(token)
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", tool)
        .body(message.to_string())
        .send()
        .await
        .unwrap()
}

async fn read(resource: &str, token: &str) -> Response {
    call(resource, token, "read_note", json!({ "title": "welcome" })).await
}

fn challenge(response: &Response) -> &str {
    response.headers()["www-authenticate"].to_str().unwrap()
}

#[tokio::test]
async fn staff_reads_and_the_tool_knows_who_asks() {
    let authority = Authority::start().await.unwrap();
    let resource = start(&authority).await;
    let rita = authority.token(&resource).subject("rita").group("staff");

    let response = read(&resource, &rita.clone().scope("notes:read").sign()).await;
    assert_eq!(response.status(), 200);
    assert!(response.text().await.unwrap().contains("yours to guard"));

    let writer = rita.scope("notes:write").sign();
    let note = json!({ "title": "lunch", "text": "noon" });
    let response = call(&resource, &writer, "add_note", note).await;
    assert!(response.text().await.unwrap().contains("by rita"));
}

/// A tool that no rule allows is a tool that does not exist.
#[tokio::test]
async fn what_policy_denies_is_not_there() {
    let authority = Authority::start().await.unwrap();
    let resource = start(&authority).await;
    let rita = authority.token(&resource).group("staff").scope("notes:read").sign();
    let response = call(&resource, &rita, "purge_notes", json!({})).await;
    assert!(response.text().await.unwrap().contains("Unknown tool"));

    let stranger = authority.token(&resource).scope("notes:read").sign();
    let response = read(&resource, &stranger).await;
    assert!(response.text().await.unwrap().contains("Unknown tool"));
}

/// A client that needs more scopes is told which.
#[tokio::test]
async fn a_missing_scope_is_asked_for() {
    let authority = Authority::start().await.unwrap();
    let resource = start(&authority).await;
    let rita = authority.token(&resource).group("staff").scope("notes:read").sign();
    let note = json!({ "title": "lunch", "text": "noon" });
    let response = call(&resource, &rita, "add_note", note).await;
    assert_eq!(response.status(), 403);
    let challenge = challenge(&response);
    assert!(challenge.contains(r#"error="insufficient_scope""#), "{challenge}");
    assert!(challenge.contains(r#"scope="notes:write""#), "{challenge}");
}

#[tokio::test]
async fn bad_tokens_are_refused_over_http_too() {
    let authority = Authority::start().await.unwrap();
    let resource = start(&authority).await;
    for mistake in [Mistake::Expired, Mistake::WrongAudience, Mistake::AlgNone] {
        let token = authority.token(&resource).group("staff").mistake(mistake).sign();
        let response = read(&resource, &token).await;
        assert_eq!(response.status(), 401, "{mistake:?}");
        assert!(challenge(&response).contains("resource_metadata="), "{mistake:?}");
    }
}

/// All of them at once, without a socket.
#[tokio::test]
async fn nobody_gets_past_the_gate() {
    let resource = "https://mcp.example.com/mcp";
    let authority = Authority::in_process();
    let router = gate(resource, authority.issuer()).router::<_, ()>(notes::Notes::service());
    // A router takes the bodies of axum.
    let service = tower::util::MapRequest::new(router, |request: http::Request<_>| {
        request.map(axum::body::Body::new)
    });
    assert_gated(service.clone(), resource).await;
    assert_refuses(service, resource, &authority).await;
}

#[tokio::test]
async fn keys_change_without_a_restart() {
    let authority = Authority::start().await.unwrap();
    let resource = start(&authority).await;
    let token = || authority.token(&resource).group("staff").scope("notes:read").sign();
    let before = token();
    assert_eq!(read(&resource, &before).await.status(), 200);

    authority.rotate();
    assert_eq!(read(&resource, &token()).await.status(), 200, "the new key");
    assert_eq!(read(&resource, &before).await.status(), 200, "the old key is published still");
}

/// Old tokens end with their key.
#[tokio::test]
async fn withdrawn_keys_count_no_more() {
    let authority = Authority::start().await.unwrap();
    let resource = start(&authority).await;
    let token = || authority.token(&resource).group("staff").scope("notes:read").sign();
    let before = token();
    assert_eq!(read(&resource, &before).await.status(), 200);

    authority.rotate_and_withdraw();
    assert_eq!(read(&resource, &token()).await.status(), 200, "fetches the new key");
    assert_eq!(read(&resource, &before).await.status(), 401, "the old key is gone");
}

/// An issuer that is down is not the client's fault, and keys that are known go on working.
#[tokio::test]
async fn an_outage_of_the_issuer() {
    let authority = Authority::start().await.unwrap();
    authority.fail(Outage::Errors);
    let resource = start(&authority).await;
    let token = authority.token(&resource).group("staff").scope("notes:read").sign();
    let response = read(&resource, &token).await;
    assert_eq!(response.status(), 503, "not 401: the token may be good");
    assert!(response.headers().contains_key("retry-after"));

    let authority = Authority::start().await.unwrap();
    let resource = start(&authority).await;
    let token = authority.token(&resource).group("staff").scope("notes:read").sign();
    assert_eq!(read(&resource, &token).await.status(), 200);
    authority.fail(Outage::Disconnects);
    assert_eq!(read(&resource, &token).await.status(), 200, "the keys are known");
}
