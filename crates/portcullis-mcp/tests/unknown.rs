//! What does not exist looks like what is hidden (R-229, R-233, X-151).
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

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use portcullis_core::{
    Buffered, Denial, GateBody, HiddenAs, McpMessage, Reason, RequestFacts as _, ResponseFacts as _,
};
use portcullis_mcp::InspectLayer;
use portcullis_test::{Answer, FakeMcp};
use serde_json::{Value, json};
use support::{alice, ask, event, legacy, modern, next, send, send_noted, whole};
use tower::{Layer as _, ServiceExt as _, service_fn};

type Post = Request<Full<Bytes>>;
type Seen = (StatusCode, HeaderMap, String);

/// What the caller of `request` sees when policy hides its target.
async fn hidden(mut request: Post) -> Seen {
    let policy = service_fn(|request: Request<Buffered>| async move {
        let Some(McpMessage::Request(asked)) = request.message() else { panic!("no request") };
        let target = asked.targets().next().unwrap();
        let hidden = HiddenAs::Unknown(target.kind(), target.name());
        let denial = Denial::hidden(asked, hidden, Reason::PolicyDenied);
        Ok::<_, Infallible>(denial.into_response::<GateBody<Full<Bytes>>>())
    });
    request.set_caller(alice());
    let answered = InspectLayer::new().layer(policy).oneshot(request).await.unwrap();
    let (parts, body) = answered.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (parts.status, parts.headers, String::from_utf8(bytes.to_vec()).unwrap())
}

async fn unknown(answer: Answer, request: Post) -> Seen {
    let answer = answer.header("server", "somebody").header("x-powered-by", "something");
    let server = FakeMcp::new().script([answer]);
    let answered = send(&InspectLayer::new(), &server, request).await;
    assert!(answered.denial().is_none(), "for the record the call failed: {:?}", answered.denial());
    let got = whole(answered).await;
    (got.status, got.headers, got.text)
}

fn error(code: i64, message: &str) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": code, "message": message } }).to_string()
}

fn tool_error(text: &str) -> String {
    let content = json!([{ "type": "text", "text": text }]);
    support::result(json!({ "content": content, "isError": true }))
}

/// Each answer as JSON and as events.
fn ways(body: &str) -> Vec<(&'static str, Answer)> {
    vec![
        ("json", Answer::json(body.to_owned())),
        ("event", Answer::sse([event(body)])),
        ("event after a primer", Answer::sse(["id: 7\ndata: \n\n".to_owned(), event(body)])),
        ("event after a comment", Answer::sse([format!(": hello\n\n{}", event(body))])),
        (
            "event in pieces",
            Answer::sse(event(body).as_bytes().chunks(20).map(Bytes::copy_from_slice)),
        ),
    ]
}

#[tokio::test]
async fn what_does_not_exist_looks_like_what_is_hidden() {
    let tool = || json!({ "name": "x7", "arguments": {} });
    type Row = (&'static str, Box<dyn Fn() -> Post>, Vec<String>);
    let rows: Vec<Row> = vec![
        (
            "tool",
            Box::new(move || ask("tools/call", tool())),
            vec![
                error(-32602, "Unknown tool: x7"),
                error(-32602, "tool not found"),
                error(-32602, "MCP error -32602: Tool x7 not found. Did you mean delete_user?"),
                tool_error("Unknown tool: x7"),
                tool_error("MCP error -32602: Tool x7 not found"),
            ],
        ),
        (
            "modern tool",
            Box::new(move || modern("tools/call", tool())),
            vec![error(-32602, "tool not found"), tool_error("Unknown tool: x7")],
        ),
        (
            "prompt",
            Box::new(|| ask("prompts/get", json!({ "name": "x7" }))),
            vec![error(-32602, "Prompt x7 not found"), error(0, "Unknown prompt: x7")],
        ),
        (
            "resource",
            Box::new(|| ask("resources/read", json!({ "uri": "file:///x7" }))),
            vec![error(-32002, "nothing here"), error(0, "Unknown resource: file:///x7")],
        ),
        (
            "modern resource",
            Box::new(|| modern("resources/read", json!({ "uri": "file:///x7" }))),
            vec![error(-32602, "Resource file:///x7 not found")],
        ),
        (
            "completion",
            Box::new(|| {
                let reference = json!({ "type": "ref/prompt", "name": "x7" });
                let argument = json!({ "name": "a", "value": "" });
                ask("completion/complete", json!({ "ref": reference, "argument": argument }))
            }),
            vec![error(-32602, "Prompt x7 not found")],
        ),
    ];
    for (name, request, answers) in rows {
        let expected = hidden(request()).await;
        for body in answers {
            for (way, answer) in ways(&body) {
                assert_eq!(unknown(answer, request()).await, expected, "{name}: {way}: {body}");
            }
        }
    }
}

#[tokio::test]
async fn a_status_says_nothing_either() {
    let request = || modern("tools/call", json!({ "name": "x7" }));
    for status in [400, 404, 422] {
        let body = error(-32602, "tool not found");
        let answer = Answer::status(status).header("content-type", "application/json");
        let answer = answer.body(portcullis_test::ChunkedBody::new([body]));
        assert_eq!(unknown(answer, request()).await, hidden(request()).await, "{status}");
    }
}

#[tokio::test]
async fn other_failures_keep_their_words() {
    for body in [
        error(-32602, "Invalid arguments for tool x7: city is missing"),
        tool_error("x7 found no city"),
        error(-32603, "Internal error"),
    ] {
        let (_, _, text) =
            unknown(Answer::json(body.clone()), ask("tools/call", json!({ "name": "x7" }))).await;
        assert_eq!(text, body);
    }
    let answer = Answer::json(error(-32602, "Unknown tool: x7"));
    let server = FakeMcp::new().script([answer]);
    let layer = InspectLayer::new().danger_distinct_unknown();
    let got = whole(send(&layer, &server, ask("tools/call", json!({ "name": "x7" }))).await).await;
    assert_eq!(got.text, error(-32602, "Unknown tool: x7"));
}

/// The head waits for the first message, but not for ever, and progress is not held up.
#[tokio::test(start_paused = true)]
async fn streams_go_on() {
    let call = || ask("tools/call", json!({ "name": "slow" }));
    let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#;
    let server = FakeMcp::new().script([Answer::sse([event(progress)]).never_ending()]);
    let before = tokio::time::Instant::now();
    let mut answered = send(&InspectLayer::new(), &server, call()).await;
    assert_eq!(before.elapsed(), std::time::Duration::ZERO);
    assert_eq!(next(&mut answered).await.unwrap(), event(progress));

    let primer = "id: 7\ndata: \n\n";
    let server = FakeMcp::new().script([Answer::sse([primer]).never_ending()]);
    let mut answered = send(&InspectLayer::new(), &server, call()).await;
    assert_eq!(answered.headers()["content-type"], "text/event-stream");
    assert_eq!(next(&mut answered).await.unwrap(), primer);
}

#[tokio::test]
async fn the_record_says_what_the_service_said() {
    let server = FakeMcp::new().script([Answer::json(error(-32002, "Unknown resource"))]);
    let request = ask("resources/read", json!({ "uri": "file:///x7" }));
    let (answered, notes) = send_noted(&InspectLayer::new(), &server, request).await;
    whole(answered).await;
    assert_eq!(notes.all(), ["RpcError { code: -32002 }"]);
}

fn batch(calls: &[(u64, &str, Value)]) -> Post {
    let calls = calls.iter().map(|(id, method, params)| {
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
    });
    legacy(Some("2025-03-26"), Value::from_iter(calls).to_string())
}

#[tokio::test]
async fn unknown_elements_of_a_batch_are_among_the_refused() {
    let answers = json!([
        { "jsonrpc": "2.0", "id": 1, "error": { "code": 0, "message": "Unknown tool: x7" } },
        { "jsonrpc": "2.0", "id": 2, "result": { "content": [] } },
    ]);
    let calls =
        [(1, "tools/call", json!({ "name": "x7" })), (2, "tools/call", json!({ "name": "a" }))];
    let server = FakeMcp::new().script([Answer::json(answers.to_string())]);
    let got = whole(send(&InspectLayer::new(), &server, batch(&calls)).await).await.json();
    assert_eq!(got[0]["id"], 2);
    assert_eq!(got[1]["error"], json!({ "code": -32602, "message": "Unknown tool: x7" }));
    assert_eq!(got.as_array().map(Vec::len), Some(2));

    let server = FakeMcp::new().script([Answer::json(json!([answers[0]]).to_string())]);
    let got = whole(send(&InspectLayer::new(), &server, batch(&calls[..1])).await).await.json();
    assert_eq!(got[0]["error"], json!({ "code": -32602, "message": "Unknown tool: x7" }));
}

#[tokio::test]
async fn notes_name_the_element_they_are_about() {
    let answers = json!([
        { "jsonrpc": "2.0", "id": 3, "result": { "content": [], "isError": true } },
        { "jsonrpc": "2.0", "id": 1, "result": { "tools": [{ "name": "secret" }] } },
        { "jsonrpc": "2.0", "id": 2, "error": { "code": -32603, "message": "broken" } },
    ]);
    let request = batch(&[
        (1, "tools/list", json!({})),
        (2, "tools/call", json!({ "name": "a" })),
        (3, "tools/call", json!({ "name": "b" })),
    ]);
    let server = FakeMcp::new().script([Answer::json(answers.to_string())]);
    let (answered, notes) = send_noted(&InspectLayer::new(), &server, request).await;
    whole(answered).await;
    let expected = [
        "2: ToolError",
        r#"0: Hidden { kind: Tool, name: "secret" }"#,
        "1: RpcError { code: -32603 }",
    ];
    assert_eq!(notes.all(), expected);
}
