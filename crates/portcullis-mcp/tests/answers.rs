//! JSON answers: what passes, what is filtered, what is withheld.
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

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use portcullis_core::{
    Caller, Clock, Denial, DenialKind, Principal, Reason, RequestFacts as _, ResponseFacts as _,
};
use portcullis_mcp::{InspectLayer, Limits, ToolPins};
use portcullis_test::{Answer, ChunkedBody, FakeMcp};
use serde_json::{Value, json};
use support::*;
use tower::{Layer as _, Service as _, ServiceExt};

fn layer() -> InspectLayer {
    InspectLayer::new()
}

fn legacy_list() -> Request<Full<Bytes>> {
    ask("tools/list", json!({}))
}

/// R-020, R-224, X-141: nobody else may keep them.
#[tokio::test]
async fn lists_show_what_the_caller_may_see() {
    for (method, list, key) in LISTS {
        let items = json!({ list: [{ key: "a" }, { key: "secret" }], "nextCursor": "p2" });
        let server = FakeMcp::json(result(items.clone()));
        let (response, notes) = send_noted(&layer(), &server, ask(method, json!({}))).await;
        let got = whole(response).await;
        assert_eq!(got.status, 200, "{method}");
        assert_eq!(got.json()["result"], json!({ list: [{ key: "a" }], "nextCursor": "p2" }));
        assert_eq!(got.header("cache-control"), Some("no-store"), "{method}");
        assert_eq!(got.header("content-length"), Some(got.text.len().to_string().as_str()));
        assert_eq!(notes.all().len(), 1, "{method}: {:?}", notes.all());
        assert!(notes.all()[0].contains("Hidden") && notes.all()[0].contains("secret"));

        let got = whole(send(&layer(), &server, modern(method, json!({}))).await).await;
        let expected = json!({
            list: [{ key: "a" }], "nextCursor": "p2", "ttlMs": 0, "cacheScope": "private"
        });
        assert_eq!(got.json()["result"], expected, "{method}");
    }
}

/// Recipe 4.16: the token ends before the policy's cap.
#[tokio::test]
async fn hints_do_not_outlive_the_token() {
    let (clock, _) = Clock::manual(1_000);
    let principal = Principal::builder("https://id.example", "alice");
    let principal = principal.expires_at(Duration::from_secs(1_045)).build();
    let server = FakeMcp::json(
        r#"{"jsonrpc":"2.0","id":2,"result":{"resultType":"complete","tools":[{"name":"secret"},{"name":"get_weather","inputSchema":{"type":"object"}},{"name":"secret2"}],"nextCursor":"p2","ttlMs":300000,"cacheScope":"public"}}"#,
    );
    let request = modern_with(json!(2), "tools/list", json!({}), json!({}));
    let caller = Caller::Verified(principal.into());
    let got = whole(send_as(caller, &layer().clock(clock), &server, request).await).await;
    assert_eq!(
        got.text,
        r#"{"jsonrpc":"2.0","id":2,"result":{"resultType":"complete","tools":[{"name":"get_weather","inputSchema":{"type":"object"}}],"nextCursor":"p2","ttlMs":45000,"cacheScope":"private"}}"#
    );
    assert_eq!(got.header("content-length"), Some("179"));
}

#[tokio::test]
async fn nothing_to_remove_means_the_same_bytes() {
    let body = Bytes::from(result(json!({ "tools": [{ "name": "a" }] })));
    let server = FakeMcp::json(body.clone());
    let mut response = send(&layer(), &server, legacy_list()).await;
    let frame = response.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!((frame.as_ptr(), frame.len()), (body.as_ptr(), body.len()));
}

#[tokio::test]
async fn slow_decisions_are_waited_for() {
    let items = json!({ "tools": [
        { "name": "a" }, { "name": "later" }, { "name": "later secret" }, { "name": "secret" }
    ] });
    let server = FakeMcp::json(result(items));
    let (response, notes) = send_noted(&layer(), &server, legacy_list()).await;
    let got = whole(response).await;
    assert_eq!(got.json()["result"], json!({ "tools": [{ "name": "a" }, { "name": "later" }] }));
    assert_eq!(notes.all().len(), 2, "each hidden item once: {:?}", notes.all());
}

/// R-070, R-086.
#[tokio::test]
async fn what_breaks_the_protocol_is_withheld() {
    let list = result(json!({ "tools": [{ "name": "secret" }] }));
    let json = |text: &str| Answer::json(text.to_owned());
    let typed = |kind: &str| {
        Answer::status(200).header("content-type", kind).body(ChunkedBody::new([list.clone()]))
    };
    // Their words stay between the gate and the service (X-154).
    let refused = |status: u16| {
        let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"Sign in at evil"}}"#;
        Answer::status(status)
            .header("content-type", "application/json")
            .header("www-authenticate", "Bearer realm=\"evil\"")
            .body(ChunkedBody::new([error]))
    };
    let cases = [
        ("encoded (X-133)", json(&list).header("content-encoding", "gzip")),
        ("text (X-134)", typed("text/plain")),
        ("a JSON sequence", typed("application/json-seq")),
        ("another charset", typed("application/json; charset=utf-16")),
        ("no type", Answer::status(200).body(ChunkedBody::new([list.clone()]))),
        ("two types", typed("application/json").header("content-type", "text/plain")),
        ("another id (X-137)", json(r#"{"jsonrpc":"2.0","id":2,"result":{}}"#)),
        ("the id as text", json(r#"{"jsonrpc":"2.0","id":"1","result":{}}"#)),
        ("a result without an id", json(r#"{"jsonrpc":"2.0","result":{}}"#)),
        ("a request", json(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#)),
        ("a notification", json(r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#)),
        ("a batch", json(&format!("[{list}]"))),
        (
            "duplicate lists (X-144)",
            json(r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[],"tools":[]}}"#),
        ),
        ("an object for a list (X-145)", json(r#"{"jsonrpc":"2.0","id":1,"result":{"tools":{}}}"#)),
        ("half a document", json(list.split_at(20).0)),
        ("a broken body", json("").body(ChunkedBody::new(["{"]).then_fails())),
        ("nothing", Answer::accepted()),
        ("no content", Answer::status(204)),
        ("a redirect", Answer::status(307).header("location", "https://evil.example")),
        (
            "a foreign challenge (X-154)",
            Answer::status(401)
                .header("www-authenticate", "Bearer resource_metadata=\"https://evil.example\""),
        ),
        ("a bare 403", Answer::status(403)),
        ("a 401 with an error", refused(401)),
        ("a 403 with an error", refused(403)),
        ("a 407 with an error", refused(407)),
        (
            "a 401 in JSON",
            Answer::status(401)
                .header("content-type", "application/json")
                .body(ChunkedBody::new([list.clone()])),
        ),
        ("an answer that breaks off", json("").body(ChunkedBody::new([list.clone()]).then_fails())),
        (
            "a page",
            Answer::status(404)
                .header("content-type", "text/html")
                .body(ChunkedBody::new(["<h1>db.internal</h1>"])),
        ),
        (
            "a stack trace",
            Answer::status(500)
                .header("content-type", "application/json")
                .body(ChunkedBody::new([list.clone()])),
        ),
    ];
    for (name, answer) in cases {
        let server = FakeMcp::new().script([answer]);
        let (response, notes) = send_noted(&layer(), &server, legacy_list()).await;
        assert_eq!(response.denial().map(Denial::reason), Some(Reason::UpstreamError), "{name}");
        let got = whole(response).await;
        assert_eq!(got.status, 502, "{name}");
        assert_eq!(
            got.text,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"Upstream error"}}"#,
            "{name}"
        );
        assert_eq!(got.header("www-authenticate"), None, "{name}");
        assert_eq!(got.header("location"), None, "{name}");
        assert!(notes.all().iter().any(|note| note.starts_with("Violation")), "{name}");
    }
}

#[tokio::test]
async fn answers_have_a_limit() {
    let body = result(json!({ "x": "y".repeat(1_000) }));
    let layer = layer().limits(Limits::new().response(body.len()));
    let server = FakeMcp::json(body.clone());
    assert_eq!(whole(send(&layer, &server, legacy_list()).await).await.text, body);
    let layer = layer.limits(Limits::new().response(body.len() - 1));
    assert_eq!(send(&layer, &server, legacy_list()).await.status(), 502);
}

#[tokio::test]
async fn result_types_are_known_and_in_their_place() {
    // R-079, X-150.
    let call = || modern("tools/call", json!({ "name": "t" }));
    let list = || modern("tools/list", json!({}));
    let cases = [
        ("complete", call(), json!("complete"), 200),
        ("input", call(), json!("input_required"), 200),
        ("input for a list", list(), json!("input_required"), 502),
        ("a task without the extension", call(), json!("task"), 502),
        ("unknown", call(), json!("redirect"), 502),
        ("no text", call(), json!(1), 502),
    ];
    for (name, request, kind, status) in cases {
        let server = FakeMcp::json(result(json!({ "resultType": kind })));
        assert_eq!(send(&layer(), &server, request).await.status(), status, "{name}");
    }
}

/// R-063, R-080, X-149.
#[tokio::test]
async fn input_is_not_asked_of_clients_that_cannot_give_it() {
    let layer = || layer().allow_elicitation_at(["idp.example.com"]).unwrap();
    let asks = result(json!({
        "resultType": "input_required",
        "inputRequests": { "a": { "method": "elicitation/create", "params": { "mode": "url", "url": "https://idp.example.com/" } } },
    }));
    let server = FakeMcp::json(asks.clone());
    let request =
        |capabilities| modern_with(json!(1), "tools/call", json!({ "name": "t" }), capabilities);
    let got = whole(send(&layer(), &server, request(json!({ "elicitation": {} }))).await).await;
    assert_eq!(got.status, 400);
    assert_eq!(got.json()["error"]["code"], -32021);
    let needed = json!({ "requiredCapabilities": { "elicitation": { "url": {} } } });
    assert_eq!(got.json()["error"]["data"], needed);
    let able = request(json!({ "elicitation": { "url": {} } }));
    assert_eq!(whole(send(&layer(), &server, able).await).await.text, asks);
}

/// R-215.
#[tokio::test]
async fn the_deployment_says_what_may_be_asked() {
    let asks = result(json!({
        "resultType": "input_required",
        "inputRequests": { "a": { "method": "sampling/createMessage" } },
    }));
    let layer = layer().allow_sampling(false);
    let ways: [fn(&str) -> Answer; 2] =
        [|asks| Answer::json(asks.to_owned()), |asks| Answer::sse([event(asks)])];
    for way in ways {
        let answers = || FakeMcp::new().script([way(&asks)]);
        let able = json!({ "sampling": {} });
        let call = modern_with(json!(1), "tools/call", json!({ "name": "t" }), able.clone());
        let (got, notes) = send_noted(&layer, &answers(), call).await;
        let got = whole(got).await;
        assert_eq!(got.status, 200);
        assert_eq!(got.json()["result"]["isError"], true);
        assert_eq!(notes.all(), ["Violation(PolicyDenied)"]);
        let read = modern_with(json!(1), "resources/read", json!({ "uri": "a:b" }), able);
        let got = whole(send(&layer, &answers(), read).await).await;
        assert_eq!(got.json()["error"]["code"], -31403);
    }
}

/// Requirements 2.5.
#[tokio::test]
async fn the_deployment_says_what_may_leak() {
    let link = json!({ "type": "resource_link", "uri": "file:///secret", "name": "n" });
    let text = json!({ "type": "text", "text": "t" });
    let server = FakeMcp::json(result(json!({ "content": [link, text] })));
    let call = || ask("tools/call", json!({ "name": "t" }));
    let got = whole(send(&layer(), &server, call()).await).await.json();
    assert_eq!(got["result"]["content"], json!([link, text]));
    let (got, notes) = send_noted(&layer().check_links(), &server, call()).await;
    assert_eq!(whole(got).await.json()["result"]["content"], json!([text]));
    assert!(notes.all()[0].contains("Hidden"), "{notes:?}");

    let about = json!({ "instructions": "Ask delete_user", "supportedVersions": ["2026-07-28"] });
    let server = FakeMcp::json(result(about));
    for (method, said) in [("server/discover", ""), ("tools/call", "Ask delete_user")] {
        let request = modern(method, json!({ "name": "t" }));
        let got = whole(send(&layer().hide_instructions(), &server, request).await).await.json();
        assert_eq!(got["result"]["instructions"], said, "{method}");
        let request = modern(method, json!({ "name": "t" }));
        let got = whole(send(&layer(), &server, request).await).await.json();
        assert_eq!(got["result"]["instructions"], "Ask delete_user", "{method}");
    }
}

/// Requirements 2.5: what a server says it has.
#[tokio::test]
async fn other_leaks_are_stopped_where_that_is_wanted() {
    let about = json!({
        "supportedVersions": ["2026-07-28"],
        "capabilities": { "tools": {}, "prompts": {} },
        "tools": [{ "name": "t", "_meta": { "ui": { "resourceUri": "ui://secret" } } }],
    });
    let server = FakeMcp::json(result(about));
    let strict = layer().hide_capabilities().check_tool_uis();
    let both = json!({ "tools": {}, "prompts": {} });
    let ui = json!({ "resourceUri": "ui://secret" });
    let rows = [
        ("by default", &layer(), "server/discover", &both, &ui),
        ("switched on", &strict, "server/discover", &json!({ "tools": {} }), &json!({})),
        ("in another answer", &strict, "tools/call", &both, &json!({})),
    ];
    for (name, layer, method, capabilities, ui) in rows {
        let request = modern(method, json!({ "name": "t" }));
        let got = whole(send(layer, &server, request).await).await.json();
        assert_eq!(&got["result"]["capabilities"], capabilities, "{name}");
        assert_eq!(&got["result"]["tools"][0]["_meta"]["ui"], ui, "{name}");
    }

    let asks = json!({ "a": { "method": "sampling/createMessage", "params": {
        "messages": [], "tools": [{ "name": "a" }, { "name": "secret" }],
    } } });
    let asks = result(json!({ "resultType": "input_required", "inputRequests": asks }));
    for (layer, count) in [(layer(), 2), (layer().check_sampling_tools(), 1)] {
        let able = json!({ "sampling": { "tools": {} } });
        let request = modern_with(json!(1), "tools/call", json!({ "name": "t" }), able);
        let got = whole(send(&layer, &FakeMcp::json(asks.clone()), request).await).await.json();
        let tools = &got["result"]["inputRequests"]["a"]["params"]["tools"];
        assert_eq!(tools.as_array().unwrap().len(), count);
    }
}

/// R-238: in both eras, and in batches.
#[tokio::test]
async fn tools_are_offered_as_they_were_approved() {
    let approved = json!([{ "name": "a", "description": "reads" }, { "name": "b" }]);
    let pins = ToolPins::of_list(approved.to_string().as_bytes()).unwrap();
    let listed = json!({ "tools": [
        { "name": "a", "description": "reads and sends" }, { "name": "b" }, { "name": "new" },
    ] });
    let server = FakeMcp::json(result(listed.clone()));
    let call = |name: &str| ask("tools/call", json!({ "name": name }));
    let unknown =
        |name: &str| json!({ "code": -32602, "message": format!("Unknown tool: {name}") });
    for request in [legacy_list(), modern("tools/list", json!({}))] {
        let got = whole(send(&layer(), &server, request.clone()).await).await.json();
        assert_eq!(got["result"]["tools"], listed["tools"], "off");
        let layer = layer().tool_pins(ToolPins::from_json(&pins.to_json()).unwrap());
        assert_eq!(send(&layer, &server, call("a")).await.status(), 200);
        let before = server.count();
        let got = whole(send(&layer, &server, call("new")).await).await.json();
        assert_eq!(got["error"], unknown("new"), "never seen, and not approved");

        let (response, notes) = send_noted(&layer, &server, request).await;
        let got = whole(response).await.json();
        assert_eq!(got["result"]["tools"], json!([{ "name": "b" }]));
        assert_eq!(notes.all().iter().filter(|note| note.contains("Hidden")).count(), 2);
        for name in ["a", "new"] {
            let got = whole(send(&layer, &server, call(name)).await).await;
            assert_eq!((got.status, &got.json()["error"]), (StatusCode::OK, &unknown(name)));
            let got = send(&layer, &server, modern("tools/call", json!({ "name": name }))).await;
            assert_eq!(whole(got).await.json()["error"], unknown(name));
            let other = send(&layer, &server, ask("prompts/get", json!({ "name": name }))).await;
            assert_eq!(other.status(), 200, "a prompt of that name");
        }
        assert_eq!(server.count(), before + 3);
        assert!(send(&layer, &server, call("b")).await.status().is_success());
        let batch = json!([
            { "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "a" } },
            { "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "b" } },
        ]);
        let answer = json!([{ "jsonrpc": "2.0", "id": 2, "result": {} }]);
        let server = FakeMcp::json(answer.to_string());
        let batch = legacy(Some("2025-03-26"), batch.to_string());
        let got = whole(send(&layer, &server, batch).await).await.json();
        assert_eq!(server.last().json().as_array().unwrap().len(), 1);
        assert_eq!(got[1]["error"], unknown("a"), "{got}");
    }
    // Elsewhere tools are named, not defined.
    let layer = layer().tool_pins(pins);
    let error = json!({ "code": -1, "message": "", "data": { "tools": [{ "name": "a" }] } });
    let error = json!({ "jsonrpc": "2.0", "id": 1, "error": error }).to_string();
    send(&layer, &FakeMcp::json(error), call("b")).await;
    assert!(send(&layer, &FakeMcp::new(), call("a")).await.status().is_success());
}

/// Requirements 2.5: values that lead to what is hidden.
#[tokio::test]
async fn completions_name_only_what_may_be_read() {
    let values = json!({ "values": ["a", "secret", "later-b"], "total": 3, "hasMore": false });
    let server = || FakeMcp::json(result(json!({ "completion": values })));
    let complete = |reference: Value, era: fn(&str, Value) -> Request<Full<Bytes>>| {
        let argument = json!({ "name": "path", "value": "" });
        era("completion/complete", json!({ "ref": reference, "argument": argument }))
    };
    let template = |uri: &str| json!({ "type": "ref/resource", "uri": uri });
    let prompt = json!({ "type": "ref/prompt", "name": "p" });
    let rows = [
        (template("file:///{path}"), true, json!(["a", "later-b"])),
        (template("file:///{path}"), false, values["values"].clone()),
        (template("file:///{other}"), true, json!([])),
        (template("file:///{?path}"), true, json!([])),
        (prompt, true, values["values"].clone()),
    ];
    for (reference, checked, expected) in rows {
        let layer = if checked { layer().check_completions() } else { layer() };
        for era in [ask, modern] {
            let got = send(&layer, &server(), complete(reference.clone(), era)).await;
            let got = whole(got).await.json()["result"]["completion"].take();
            assert_eq!(got["values"], expected, "{reference} {checked}");
            assert_eq!((&got["total"], &got["hasMore"]), (&json!(3), &json!(false)));
        }
    }
    for bad in [json!({ "Values": ["secret"] }), json!({ "values": "secret" }), json!([])] {
        let server = FakeMcp::json(result(json!({ "completion": bad })));
        let layer = layer().check_completions();
        let request = complete(template("file:///{path}"), ask);
        assert_eq!(send(&layer, &server, request).await.status(), 502, "{bad}");
    }
}

#[tokio::test]
async fn foreign_fields_stay_behind() {
    // R-021, X-155.
    let foreign = [
        ("set-cookie", "a=b"),
        ("www-authenticate", "Bearer"),
        ("access-control-allow-origin", "*"),
        ("mcp-session-id", "upstream-7"),
        ("proxy-authenticate", "Basic"),
        ("etag", "\"1\""),
        ("content-digest", "x"),
        ("connection", "x-own"),
        // Orders to proxies and caches in front of the gate.
        ("x-accel-redirect", "/private/list"),
        ("x-accel-expires", "3600"),
        ("x-sendfile", "/etc/passwd"),
        ("x-lighttpd-send-file", "/etc/passwd"),
        ("x-reproxy-url", "http://127.0.0.1/"),
        ("cdn-cache-control", "public, max-age=3600"),
        ("surrogate-control", "max-age=3600"),
        ("expires", "Fri, 01 Jan 2100 00:00:00 GMT"),
    ];
    let mut answer = Answer::json(result(json!({}))).header("x-own", "kept");
    for (name, value) in foreign {
        answer = answer.header(name, value);
    }
    let server = FakeMcp::new().script([answer]);
    let got =
        whole(send(&layer(), &server, modern("tools/call", json!({ "name": "t" }))).await).await;
    for (name, _) in foreign {
        assert_eq!(got.header(name), None, "{name}");
    }
    assert_eq!(got.header("x-own"), Some("kept"));
    assert_eq!(got.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn errors_keep_their_status_and_find_their_id() {
    let error =
        |id: &str| format!(r#"{{"jsonrpc":"2.0",{id}"error":{{"code":-32602,"message":"no"}}}}"#);
    for (name, id) in [("its own", r#""id":1,"#), ("none", ""), ("null", r#""id":null,"#)] {
        let answer = Answer::status(400)
            .header("content-type", "application/json")
            .body(ChunkedBody::new([error(id)]));
        let server = FakeMcp::new().script([answer]);
        let (response, notes) = send_noted(&layer(), &server, legacy_list()).await;
        let got = whole(response).await;
        assert_eq!((got.status.as_u16(), got.text), (400, error(r#""id":1,"#)), "{name}");
        let expected = ["UpstreamStatus(400)", "RpcError { code: -32602 }"];
        assert_eq!(notes.all(), expected, "{name}");
    }
}

#[tokio::test]
async fn an_answer_that_asks_for_input_is_noted() {
    let server = FakeMcp::json(result(json!({ "resultType": "input_required" })));
    let request = modern("tools/call", json!({ "name": "t" }));
    let (response, notes) = send_noted(&layer(), &server, request).await;
    let _ = whole(response).await;
    assert_eq!(notes.all(), ["InputRequired"]);
}

#[tokio::test]
async fn what_a_server_says_of_itself_is_noted() {
    let info = json!({ "name": "notes", "version": "1.2", "title": "x" });
    let meta = json!({ "io.modelcontextprotocol/serverInfo": info });
    let said = r#"ServerInfo { name: Some("notes"), version: Some("1.2") }"#;
    let call = || modern("tools/call", json!({ "name": "t" }));
    let rows = [
        (
            "discovered",
            modern("server/discover", json!({})),
            json!({ "supportedVersions": ["2026-07-28"], "capabilities": {}, "serverInfo": info }),
            vec![said],
        ),
        ("with an answer", call(), json!({ "content": [], "_meta": meta }), vec![said]),
        ("not at all", call(), json!({ "content": [], "_meta": {} }), vec![]),
        (
            "inside a text",
            call(),
            json!({ "content": [{ "type": "text", "text": "x", "_meta": meta }] }),
            vec![],
        ),
        (
            "no text",
            call(),
            json!({ "content": [], "_meta": { "io.modelcontextprotocol/serverInfo": 7 } }),
            vec!["ServerInfo { name: None, version: None }"],
        ),
    ];
    for (name, request, mut answer, expected) in rows {
        answer["resultType"] = "complete".into();
        let server = FakeMcp::json(result(answer));
        let (response, notes) = send_noted(&layer(), &server, request).await;
        assert_eq!(whole(response).await.status, 200, "{name}");
        assert_eq!(notes.all(), expected, "{name}");
    }
}

#[tokio::test]
async fn tool_errors_are_noted() {
    let server = FakeMcp::json(result(json!({ "content": [], "isError": true })));
    let (_, notes) = send_noted(&layer(), &server, ask("tools/call", json!({ "name": "t" }))).await;
    assert_eq!(notes.all(), ["ToolError"]);
    let (_, notes) =
        send_noted(&layer(), &server, ask("prompts/get", json!({ "name": "t" }))).await;
    assert!(notes.all().is_empty(), "only tools have tool errors");
}

#[tokio::test]
async fn notifications_have_no_answer() {
    // R-032.
    let body = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    for answer in [Answer::accepted(), Answer::status(204), Answer::json(r#"{"tools":["secret"]}"#)]
    {
        let answer = answer.header("set-cookie", "a=b").header("content-type", "text/html");
        let server = FakeMcp::new().script([answer]);
        let got = whole(send(&layer(), &server, legacy(Some("2025-06-18"), body)).await).await;
        assert_eq!((got.status.as_u16(), got.text.as_str()), (202, ""));
        assert_eq!((got.header("set-cookie"), got.header("content-type")), (None, None));
        assert_eq!(got.header("content-length"), Some("0"));
        assert_eq!(got.header("cache-control"), Some("no-store"));
        assert_eq!(server.count(), 1);
    }
    let unknown = r#"{"jsonrpc":"2.0","method":"notifications/unknown"}"#;
    let server = FakeMcp::new();
    let got = whole(send(&layer(), &server, legacy(Some("2025-06-18"), unknown)).await).await;
    assert_eq!((got.status.as_u16(), got.text.as_str()), (202, ""));
    assert_eq!(server.count(), 0, "dropped");
}

#[tokio::test]
async fn what_is_sent_inside_is_plain() {
    // R-069: no coding, no range, no condition that would make the answer partial.
    let server = FakeMcp::json(result(json!({})));
    let mut request = legacy_list();
    for name in ["accept-encoding", "range", "if-none-match", "te", "expect", "trailer"] {
        request.headers_mut().insert(name, "gzip".parse().unwrap());
    }
    send(&layer(), &server, request).await;
    let seen = server.last();
    assert_eq!(seen.headers["accept-encoding"], "identity");
    for name in ["range", "if-none-match", "te", "expect", "trailer"] {
        assert!(!seen.headers.contains_key(name), "{name}");
    }
    assert_eq!(seen.headers["content-length"], seen.body.len().to_string());
}

#[tokio::test]
async fn an_answer_that_nobody_authorized_is_withheld() {
    let server = FakeMcp::json(result(json!({ "tools": [{ "name": "secret" }] })));
    let send = |layer: InspectLayer| {
        let mut request = legacy_list();
        request.set_caller(alice());
        let service = layer.layer(server.clone());
        async move { whole(service.oneshot(request).await.unwrap()).await }
    };
    let got = send(layer()).await;
    assert_eq!(got.status, 500);
    assert!(!got.text.contains("secret"));
    let got = send(layer().danger_without_authorization()).await;
    assert!(got.text.contains("secret"), "nobody decides here");
}

#[tokio::test]
async fn a_refusal_from_inside_passes_whole() {
    let refusal = Denial::body_too_slow().because(Reason::PolicyDenied);
    let inner = tower::service_fn(move |_: Request<portcullis_core::Buffered>| {
        let mut response = refusal.clone().into_response::<ChunkedBody>();
        response.headers_mut().insert("www-authenticate", "Bearer scope=\"x\"".parse().unwrap());
        async move { Ok::<_, std::convert::Infallible>(response) }
    });
    let mut request = legacy_list();
    request.set_caller(alice());
    let response = layer().layer(inner).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 408);
    assert_eq!(response.headers()["www-authenticate"], "Bearer scope=\"x\"");
    assert_eq!(response.denial().unwrap().reason(), Reason::PolicyDenied);
}

/// R-086: a proxy that stands for the service says what went wrong, also of a permitted request. Any other
/// refusal of a permitted request is the service's word, and withheld.
#[tokio::test]
async fn the_words_of_a_proxy_pass_and_no_others() {
    let id = portcullis_core::Text::from("1");
    let busy = Denial::upstream_unavailable(Some(&id), Duration::from_secs(7));
    let rows = [
        ("busy", busy, 503, Some("7")),
        ("slow", Denial::upstream_timeout(Some(&id)), 504, None),
        ("failed", Denial::upstream(Some(&id)), 502, None),
        ("another refusal", Denial::host(), 502, None),
    ];
    for (name, refusal, status, retry_after) in rows {
        let inner = tower::service_fn(move |_: Request<portcullis_core::Buffered>| {
            let mut response = refusal.clone().into_response::<ChunkedBody>();
            response.headers_mut().insert("set-cookie", "a=b".parse().unwrap());
            async move { Ok::<_, std::convert::Infallible>(response) }
        });
        let mut request = legacy_list();
        request.set_caller(alice());
        let response = layer().layer(Permits::new(inner)).oneshot(request).await.unwrap();
        assert_eq!(response.denial().map(Denial::kind), Some(DenialKind::Upstream), "{name}");
        assert_eq!(response.status(), status, "{name}");
        let waits = response.headers().get("retry-after").map(|value| value.to_str().unwrap());
        assert_eq!(waits, retry_after, "{name}");
        assert!(!response.headers().contains_key("set-cookie"), "{name}");
        let Ok(body) = response.into_body().collect().await else { panic!("{name}") };
        let start = br#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"#;
        assert!(body.to_bytes().starts_with(start), "{name}");
    }
}

#[tokio::test]
async fn without_a_caller_nothing_passes() {
    let server = FakeMcp::new();
    let service = layer().layer(Permits::new(server.clone()));
    let response = service.oneshot(legacy_list()).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn a_message_of_another_layer_does_not_count() {
    let server = FakeMcp::new();
    let mut request = legacy(Some("2025-06-18"), "{}");
    let stale = portcullis_core::McpMessage::NoMessage(portcullis_core::NoMessage::Dropped(
        portcullis_core::Version::V2025_06_18,
    ));
    request.set_message(stale);
    assert_eq!(send(&layer(), &server, request).await.status(), 400);
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn bodies_have_limits() {
    // R-011.
    let layer = layer().limits(Limits::new().body(300));
    let server = FakeMcp::json(result(json!({})));
    let long = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "x".repeat(300) } }).to_string();
    for declared in [false, true] {
        let mut request = legacy(Some("2025-06-18"), long.clone());
        if declared {
            request.headers_mut().insert("content-length", long.len().into());
        }
        let response = send(&layer, &server, request).await;
        assert_eq!(response.status(), 413);
        assert_eq!(response.headers()["connection"], "close");
    }
    assert_eq!(server.count(), 0);
    assert_eq!(send(&layer, &server, legacy_list()).await.status(), 200);
}

/// R-012, X-52.
#[tokio::test(start_paused = true)]
async fn bodies_may_not_drip() {
    // R-012.
    let (sender, body) = ChunkedBody::live();
    let drip = tokio::spawn(async move {
        while sender.send(Bytes::from_static(b" ")).is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let server = FakeMcp::new();
    let mut request = legacy_list().map(|_| body);
    request.set_caller(alice());
    let service = layer().layer(Permits::new(server.clone()));
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 408);
    assert_eq!(server.count(), 0);
    drip.await.unwrap();
}

/// The service that was polled ready is the one that is called, also when the body comes late.
#[tokio::test]
async fn readiness_is_kept() {
    let server = FakeMcp::json(result(json!({})));
    let limited = tower::limit::ConcurrencyLimit::new(Permits::new(server.clone()), 1);
    let mut service = layer().layer(limited);
    for _ in 0..3 {
        let (sender, body) = ChunkedBody::live();
        let text = legacy_list().into_body().collect().await.unwrap().to_bytes();
        let mut request = legacy_list().map(|_| body);
        request.set_caller(alice());
        let ready = ServiceExt::<Request<ChunkedBody>>::ready(&mut service).await.unwrap();
        let response = ready.call(request);
        let response = tokio::spawn(response);
        tokio::task::yield_now().await;
        sender.send(text).unwrap();
        drop(sender);
        assert_eq!(response.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!(server.count(), 3);
}

#[tokio::test]
async fn a_read_shows_only_contents_that_may_be_read() {
    let contents = json!({ "contents": [{ "uri": "file:///a" }, { "uri": "file:///secret" }] });
    let server = FakeMcp::json(result(contents));
    let request = ask("resources/read", json!({ "uri": "file:///" }));
    let got = whole(send(&layer(), &server, request).await).await;
    assert_eq!(got.json()["result"], json!({ "contents": [{ "uri": "file:///a" }] }));
}

/// R-224, R-225: answers that clients may keep say for whom and how long, and no others do.
#[tokio::test]
async fn hints_are_where_the_revision_has_them() {
    for (method, params, answer, kept) in [
        ("server/discover", json!({}), json!({ "supportedVersions": ["2026-07-28"] }), true),
        ("tools/list", json!({}), json!({}), true),
        ("prompts/list", json!({}), json!({}), true),
        ("resources/list", json!({}), json!({}), true),
        ("resources/templates/list", json!({}), json!({}), true),
        ("resources/read", json!({ "uri": "file:///a" }), json!({}), true),
        ("tools/call", json!({ "name": "t" }), json!({}), false),
        ("prompts/get", json!({ "name": "p" }), json!({}), false),
    ] {
        let server = FakeMcp::json(result(answer));
        let got = whole(send(&layer(), &server, modern(method, params)).await).await.json();
        let got = &got["result"];
        assert_eq!(got.get("ttlMs").is_some(), kept, "{method}: {got}");
        assert_eq!(got.get("cacheScope").is_some(), kept, "{method}: {got}");
    }
}
