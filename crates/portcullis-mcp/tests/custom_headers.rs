//! `Mcp-Param-…` headers: declared in tool lists, compared with arguments.
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
use portcullis_mcp::InspectLayer;
use portcullis_test::{Answer, FakeMcp};
use serde_json::{Value, json};
use support::{ask, event, modern, result, send, send_noted, whole};

fn tool(name: &str, header: &str) -> Value {
    let region = json!({ "type": "string", "x-mcp-header": header });
    let count = json!({ "type": "integer", "x-mcp-header": "Count" });
    let properties = json!({ "region": region, "deep": { "properties": { "count": count } } });
    json!({ "name": name, "inputSchema": { "type": "object", "properties": properties } })
}

fn list(tools: &[Value]) -> String {
    result(json!({ "tools": tools }))
}

/// A gate through which this answer to a `tools/list` has passed.
async fn after(answer: Answer, request: Request<Full<Bytes>>) -> InspectLayer {
    let layer = InspectLayer::new();
    let answered = whole(send(&layer, &FakeMcp::new().script([answer]), request).await).await;
    assert_eq!(answered.status, 200);
    layer
}

async fn after_list(tools: &[Value]) -> InspectLayer {
    after(Answer::json(list(tools)), modern("tools/list", json!({}))).await
}

/// The answer to a call, and whether the server got it.
async fn call(layer: &InspectLayer, arguments: Value, headers: &[(&str, &str)]) -> (Value, bool) {
    let mut request = modern("tools/call", json!({ "name": "t", "arguments": arguments }));
    for (name, value) in headers {
        let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().append(name, value.parse().unwrap());
    }
    let server = FakeMcp::new().script([Answer::json(result(json!({ "content": [] })))]);
    let answered = whole(send(layer, &server, request).await).await;
    let called = server.count() > 0;
    assert_eq!(answered.status, if called { 200 } else { 400 });
    (answered.json(), called)
}

///
/// nothing is mended.
#[tokio::test]
async fn declared_headers_must_say_what_the_arguments_say() {
    let layer = after_list(&[tool("t", "Region")]).await;
    let eu = json!({ "region": "eu" });
    type Row = (&'static str, Value, &'static [(&'static str, &'static str)], bool);
    let rows: [Row; 14] = [
        ("equal", eu.clone(), &[("mcp-param-region", "eu")], true),
        ("equal, encoded", eu.clone(), &[("Mcp-Param-Region", "=?base64?ZXU=?=")], true),
        ("missing", eu.clone(), &[], false),
        ("different", eu.clone(), &[("mcp-param-region", "us")], false),
        ("other case", eu.clone(), &[("mcp-param-region", "EU")], false),
        ("bad encoding", eu.clone(), &[("mcp-param-region", "=?base64?ZXU?=")], false),
        ("twice", eu.clone(), &[("mcp-param-region", "eu"), ("mcp-param-region", "eu")], false),
        ("unknown header", eu, &[("mcp-param-region", "eu"), ("mcp-param-x", "1")], true),
        ("null", json!({ "region": null }), &[], true),
        ("absent", json!({}), &[], true),
        ("surplus", json!({}), &[("mcp-param-region", "eu")], true),
        ("number", json!({ "deep": { "count": 42 } }), &[("mcp-param-count", "42.0")], true),
        ("other number", json!({ "deep": { "count": 42 } }), &[("mcp-param-count", "43")], false),
        ("no number", json!({ "deep": { "count": 42 } }), &[("mcp-param-region", "42")], false),
    ];
    for (name, arguments, headers, passes) in rows {
        let (answer, called) = call(&layer, arguments, headers).await;
        assert_eq!(called, passes, "{name}");
        if !passes {
            assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(-32020), &json!(1)));
        }
    }
}

#[tokio::test]
async fn only_a_modern_list_that_passed_declares() {
    let listed = |tool: &Value| list(std::slice::from_ref(tool));
    let declaring = tool("t", "Region");
    let rows: [(&str, Answer, Request<Full<Bytes>>, bool); 4] = [
        ("modern", Answer::json(listed(&declaring)), modern("tools/list", json!({})), true),
        (
            "as an event",
            Answer::sse([event(&listed(&declaring))]),
            modern("tools/list", json!({})),
            true,
        ),
        ("legacy", Answer::json(listed(&declaring)), ask("tools/list", json!({})), false),
        (
            "not asked for",
            Answer::json(listed(&declaring)),
            modern("prompts/list", json!({})),
            false,
        ),
    ];
    for (name, answer, request, declares) in rows {
        let layer = after(answer, request).await;
        let (_, called) = call(&layer, json!({ "region": "eu" }), &[]).await;
        assert_eq!(!called, declares, "{name}");
    }
}

#[tokio::test]
async fn the_last_list_counts() {
    let layer = after_list(&[tool("t", "Region")]).await;
    let plain = list(&[json!({ "name": "t", "inputSchema": {} })]);
    let server = FakeMcp::new().script([Answer::json(plain)]);
    whole(send(&layer, &server, modern("tools/list", json!({}))).await).await;
    assert!(call(&layer, json!({ "region": "eu" }), &[]).await.1);
}

/// what other tools declare says nothing of this one, not even in the same list.
#[tokio::test]
async fn the_called_tool_is_the_one_that_counts() {
    let plain = json!({ "name": "t", "inputSchema": {} });
    let layer = after_list(&[plain, tool("u", "Region")]).await;
    let eu = json!({ "region": "eu" });
    for headers in [&[][..], &[("mcp-param-region", "us")]] {
        assert!(call(&layer, eu.clone(), headers).await.1, "{headers:?}");
    }
    let layer = after_list(&[tool("t", "Region"), tool("u", "Other")]).await;
    let (_, called) = call(&layer, eu, &[("mcp-param-other", "eu")]).await;
    assert!(!called, "nor does the header of another tool stand for its own");
}

///
#[tokio::test]
async fn a_tool_with_an_invalid_declaration_is_left_out() {
    let tools = [tool("t", "Region"), tool("bad", "a b"), tool("double", "count"), tool("u", "U")];
    let server = FakeMcp::new().script([Answer::json(list(&tools)), Answer::json(list(&tools))]);
    let layer = InspectLayer::new();
    let (answer, notes) = send_noted(&layer, &server, modern("tools/list", json!({}))).await;
    let answer = whole(answer).await.json();
    assert_eq!(answer["result"]["tools"], json!([tools[0], tools[3]]));
    assert_eq!(notes.all().len(), 2, "{notes:?}");
    // Legacy clients know nothing of it.
    let answer = whole(send(&layer, &server, ask("tools/list", json!({}))).await).await.json();
    assert_eq!(answer["result"]["tools"], json!(tools));
}
