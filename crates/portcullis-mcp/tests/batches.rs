//! Batches of 2025-03-26: each element has its own answer.
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
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use portcullis_core::{
    Denial, GateBody, HiddenAs, McpRequest, McpRequestParts, Method, Reason, RequestFacts as _,
    ResponseFacts as _, TargetKind, Text, Version,
};
use portcullis_mcp::InspectLayer;
use portcullis_test::{Answer, ChunkedBody, FakeMcp};
use serde_json::{Value, json};
use support::*;
use tower::{Layer as _, ServiceExt as _};

fn request(id: u8, method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

fn batch(elements: &Value) -> Request<Full<Bytes>> {
    legacy(None, elements.to_string())
}

fn asked() -> Request<Full<Bytes>> {
    batch(&json!([
        request(1, "tools/list", &json!({})),
        request(2, "tools/call", &json!({ "name": "danger" })),
        request(3, "prompts/list", &json!({})),
    ]))
}

/// The answer to the second element, which policy refused.
fn refusal() -> Denial {
    let request = McpRequest::from(McpRequestParts {
        version: Version::V2025_03_26,
        method: Method::ToolsCall,
        id: Text::from("2"),
        target: None,
        more_targets: Vec::new(),
        arguments: None,
        raw: Bytes::new(),
    });
    Denial::hidden(&request, HiddenAs::Unknown(TargetKind::Tool, "danger"), Reason::DefaultDeny)
}

async fn answered(
    server: &FakeMcp,
    refused: Vec<Denial>,
    mut request: Request<Full<Bytes>>,
) -> Whole {
    request.set_caller(alice());
    let service = InspectLayer::new().layer(Permits { refused, ..Permits::new(server.clone()) });
    whole(service.oneshot(request).await.unwrap()).await
}

fn tools(items: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "result": { "tools": items } })
}

fn prompts() -> Value {
    json!({ "jsonrpc": "2.0", "id": 3, "result": { "prompts": [{ "name": "secret" }] } })
}

#[tokio::test]
async fn refused_elements_are_answered_with_the_others() {
    let said = json!([prompts(), tools(&json!([{ "name": "a" }, { "name": "secret" }]))]);
    let error: Value = serde_json::from_str(refusal().rpc_object().unwrap()).unwrap();
    let expected = json!([
        { "jsonrpc": "2.0", "id": 3, "result": { "prompts": [] } },
        tools(&json!([{ "name": "a" }])),
        error,
    ]);
    let server = FakeMcp::json(said.to_string());
    let got = answered(&server, vec![refusal()], asked()).await;
    assert_eq!(got.json(), expected);
    assert_eq!(got.header("content-length"), Some(got.text.len().to_string().as_str()));

    // On a stream they come first, in an event of their own.
    let server = streaming([event(&said.to_string())]);
    let got = answered(&server, vec![refusal()], asked()).await;
    let events = got.events();
    assert_eq!(events[0], json!([error]));
    assert_eq!(events[1], json!([expected[0], expected[1]]));

    // Or one message an event.
    let server = streaming([event(&said[0].to_string()), event(&said[1].to_string())]);
    let got = answered(&server, vec![refusal()], asked()).await;
    assert_eq!(got.events(), [json!([error]), expected[0].clone(), expected[1].clone()]);
}

#[tokio::test]
async fn one_answer_becomes_an_array() {
    let error: Value = serde_json::from_str(refusal().rpc_object().unwrap()).unwrap();
    let server = FakeMcp::json(tools(&json!([])).to_string());
    let got = answered(&server, vec![refusal()], asked()).await;
    assert_eq!(got.json(), json!([tools(&json!([])), error]));
}

#[tokio::test]
async fn a_batch_that_waits_for_nothing_gets_only_refusals() {
    let elements = json!([
        { "jsonrpc": "2.0", "method": "notifications/initialized" },
        request(2, "tools/call", &json!({ "name": "danger" })),
    ]);
    let server = FakeMcp::new().script([Answer::accepted()]);
    let got = answered(&server, vec![refusal()], batch(&elements)).await;
    assert_eq!(got.status, 200);
    assert_eq!(got.header("content-type"), Some("application/json"));
    assert_eq!(got.text, format!("[{}]", refusal().rpc_object().unwrap()));

    let quiet = json!([{ "jsonrpc": "2.0", "method": "notifications/initialized" }]);
    let server = FakeMcp::new();
    let got = answered(&server, Vec::new(), batch(&quiet)).await;
    assert_eq!((got.status.as_u16(), got.text.as_str()), (202, ""));
}

#[tokio::test]
async fn elements_that_inspection_refused_are_answered_too() {
    let elements =
        json!([request(1, "tools/list", &json!({})), request(2, "admin/reset", &json!({}))]);
    let server = FakeMcp::json(json!([tools(&json!([]))]).to_string());
    let got = answered(&server, Vec::new(), batch(&elements)).await;
    assert_eq!(server.last().json().as_array().unwrap().len(), 1, "the service sees one");
    assert_eq!(got.json()[0], tools(&json!([])));
    assert_eq!(got.json()[1]["error"]["code"], -32601);

    let elements = json!([request(2, "admin/reset", &json!({}))]);
    let got = answered(&server, Vec::new(), batch(&elements)).await;
    assert_eq!((got.status.as_u16(), server.count()), (200, 1), "nothing was left to forward");
    assert_eq!(got.json()[0]["id"], 2);
}

/// Also where policy refuses all that was left.
#[tokio::test]
async fn refusals_from_before_join_those_from_inside() {
    let inner = tower::service_fn(|_: Request<portcullis_core::Buffered>| {
        let refusal = refusal();
        let body = format!("[{}]", refusal.rpc_object().unwrap());
        let mut response = Response::new(GateBody::<ChunkedBody>::own(body.into()));
        response.set_denial(refusal);
        async move { Ok::<_, std::convert::Infallible>(response) }
    });
    let unknown = request(1, "admin/reset", &json!({}));
    let call = request(2, "tools/call", &json!({ "name": "danger" }));
    for (elements, expected) in [
        (json!([unknown, call]), json!([[2, -32602], [1, -32601]])),
        (json!([call]), json!([[2, -32602]])),
    ] {
        let mut request = batch(&elements);
        request.set_caller(alice());
        let response = InspectLayer::new().layer(inner).oneshot(request).await.unwrap();
        assert_eq!(response.denial().unwrap().reason(), Reason::DefaultDeny, "still a refusal");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let answers: Value = serde_json::from_slice(&body).unwrap();
        let told = answers.as_array().unwrap().iter();
        let told: Vec<_> = told.map(|answer| (&answer["id"], &answer["error"]["code"])).collect();
        assert_eq!(json!(told), expected, "{answers}");
    }
}

#[tokio::test]
async fn nobody_answers_for_a_refusal() {
    // The service must not answer what was never forwarded to it.
    let said = json!([{ "jsonrpc": "2.0", "id": 2, "result": {} }]);
    let server = FakeMcp::json(said.to_string());
    assert_eq!(answered(&server, vec![refusal()], asked()).await.status, 502);
    let twice = json!([tools(&json!([])), tools(&json!([]))]);
    let server = FakeMcp::json(twice.to_string());
    assert_eq!(answered(&server, Vec::new(), asked()).await.status, 502);
    let server = FakeMcp::json("[]");
    assert_eq!(answered(&server, Vec::new(), asked()).await.status, 502, "an empty array");
    // Whose error that is, only the service knows.
    let error = json!({ "code": -32603, "message": "no" });
    for whose in [json!({ "id": null }), json!({})] {
        let mut nobodys = json!({ "jsonrpc": "2.0", "error": error });
        nobodys.as_object_mut().unwrap().extend(whose.as_object().unwrap().clone());
        let server = FakeMcp::json(json!([nobodys]).to_string());
        assert_eq!(answered(&server, Vec::new(), asked()).await.status, 502, "{nobodys}");
    }
}

#[tokio::test]
async fn a_violation_answers_every_open_element() {
    let server = streaming([event(&tools(&json!([])).to_string()), event("hello")]);
    let got = answered(&server, vec![refusal()], asked()).await;
    let events = got.events();
    assert_eq!(events.len(), 3, "{}", got.text);
    assert_eq!((&events[2]["id"], &events[2]["error"]["code"]), (&json!(3), &json!(-32603)));
}

/// R-233, in batches too: what the service does not know is answered in its place, and was answered.
#[tokio::test]
async fn unknown_targets_of_a_batch_look_hidden() {
    let call = |id: u32, tool: &str| json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool } });
    let fine = json!({ "jsonrpc": "2.0", "id": 1, "result": {} });
    let words = json!({ "jsonrpc": "2.0", "id": 2, "error": {
        "code": -32602, "message": "Tool gone not found"
    } });
    let hidden = json!({ "jsonrpc": "2.0", "id": 2, "error": {
        "code": -32602, "message": "Unknown tool: gone"
    } });
    let batch = |calls: &[Value]| legacy(Some("2025-03-26"), json!(calls).to_string());
    let both = [call(1, "t"), call(2, "gone")];
    let all = json!([fine, words]).to_string();

    let got =
        whole(send(&InspectLayer::new(), &FakeMcp::json(all.clone()), batch(&both)).await).await;
    assert_eq!(got.json(), json!([fine, hidden]));
    let server = streaming([event(&all)]);
    let got = whole(send(&InspectLayer::new(), &server, batch(&both)).await).await;
    assert_eq!(got.events(), [json!([fine, hidden])], "and nothing behind it");
    let server = FakeMcp::json(words.to_string());
    let got = whole(send(&InspectLayer::new(), &server, batch(&[call(2, "gone")])).await).await;
    assert_eq!(got.json(), json!([hidden]), "an answer that is no list");
}
