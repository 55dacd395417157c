//! Event streams: each event is inspected, and none waits for the next.
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
#[path = "streams/watched.rs"]
mod watched;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use portcullis_core::{Caller, Clock, McpMessage, Principal, RequestFacts as _};
use portcullis_mcp::{InspectLayer, Limits};
use portcullis_test::{Answer, ChunkedBody, DropProbe, FakeMcp};
use serde_json::{Value, json};
use support::*;
use tokio::sync::mpsc::UnboundedSender;
use tower::{Layer as _, ServiceExt as _};

const PROGRESS: &str = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#;
const FAILED: &str =
    r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"Upstream error"}}"#;

fn layer() -> InspectLayer {
    InspectLayer::new()
}

fn tools() -> Request<Full<Bytes>> {
    ask("tools/list", json!({}))
}

fn call() -> Request<Full<Bytes>> {
    modern("tools/call", json!({ "name": "t" }))
}

/// A server whose stream is what the sender sends.
fn live() -> (UnboundedSender<Bytes>, FakeMcp, DropProbe) {
    let (sender, body) = ChunkedBody::live();
    let probe = DropProbe::new();
    let answer = Answer::status(200).header("content-type", "text/event-stream").body(body);
    (sender, FakeMcp::new().script([answer.probed(&probe)]), probe)
}

/// Someone whose token has `seconds` left.
fn until(seconds: u64) -> (Caller, InspectLayer) {
    let (clock, _) = Clock::manual(1_000);
    let principal = Principal::builder("https://id.example", "alice");
    let principal = principal.expires_at(Duration::from_secs(1_000 + seconds)).build();
    (Caller::Verified(principal.into()), layer().clock(clock))
}

#[tokio::test]
async fn lists_in_events_are_filtered() {
    // X-130, X-131.
    for (method, list, key) in LISTS {
        let items = result(json!({ list: [{ key: "secret" }, { key: "a" }] }));
        for (era, request) in
            [("legacy", ask(method, json!({}))), ("modern", modern(method, json!({})))]
        {
            let server = streaming([event(PROGRESS), event(PROGRESS), event(&items)]);
            let got = whole(send(&layer(), &server, request).await).await;
            assert_eq!(got.status, 200);
            assert_eq!(got.header("cache-control"), Some("no-cache"));
            assert_eq!(got.header("x-accel-buffering"), Some("no"));
            let events = got.events();
            assert_eq!(events.len(), 3, "{era} {method}");
            assert_eq!(events[2]["result"][list], json!([{ key: "a" }]), "{era} {method}");
            let scope = (era == "modern").then_some("private");
            assert_eq!(events[2]["result"]["cacheScope"].as_str(), scope, "{era} {method}");
        }
    }
}

/// R-074: what was inspected is what clients read. Some decode by the charset that is named, and to those this is a list
/// with `secret` in it.
#[tokio::test]
async fn clients_decode_what_was_inspected() {
    let list = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a\u0022},{\u0022name\u0022:\u0022secret"}]}}"#;
    for charset in ["unicode_escape", "utf-7", "utf-8"] {
        for request in [tools(), modern("tools/list", json!({})), call(), get()] {
            let typed = format!("text/event-stream; charset={charset}");
            let answer = Answer::status(200).header("content-type", &typed);
            let server = FakeMcp::new().script([answer.body(ChunkedBody::new([event(list)]))]);
            let got = whole(send(&layer(), &server, request).await).await;
            assert_eq!(got.header("content-type"), Some("text/event-stream"), "{charset}");
        }
    }
}

#[tokio::test]
async fn chunks_do_not_matter() {
    // X-132, X-136: every chunk boundary, three line ends.
    let stream = concat!(
        "\u{FEFF}: hi\n\n",
        "id: 1\nevent: message\ndata: {\"jsonrpc\":\"2.0\",\ndata: \"id\":1,\"result\":{\"tools\":[\n",
        "data: {\"name\":\"sécret\"},{\"name\":\"secret\"}]}}\nx: {\"tools\":[]}\n\n"
    );
    let expected =
        json!({ "jsonrpc": "2.0", "id": 1, "result": { "tools": [{ "name": "sécret" }] } });
    for line_end in ["\n", "\r\n", "\r"] {
        let stream = stream.replace('\n', line_end).into_bytes();
        for at in 0..stream.len() {
            let (one, two) = stream.split_at(at);
            let server = streaming([Bytes::copy_from_slice(one), Bytes::copy_from_slice(two)]);
            let got = whole(send(&layer(), &server, tools()).await).await;
            assert_eq!(
                got.events(),
                std::slice::from_ref(&expected),
                "{line_end:?} at {at}: {}",
                got.text
            );
            assert!(got.text.contains("id: 1\n"), "{}", got.text);
        }
    }
}

#[tokio::test]
async fn untouched_events_are_the_same_bytes() {
    let events = format!("id: 1\n{}retry: 5\n{}", event(PROGRESS), event(&result(json!({}))));
    let server = streaming([events.clone()]);
    assert_eq!(whole(send(&layer(), &server, tools()).await).await.text, events);
}

#[tokio::test]
async fn slow_decisions_hold_only_their_event() {
    let list = result(json!({ "tools": [{ "name": "later" }, { "name": "later secret" }] }));
    let server = streaming([event(PROGRESS), event(&list), event(PROGRESS)]);
    let got = whole(send(&layer(), &server, tools()).await).await;
    assert_eq!(got.events().len(), 3);
    assert_eq!(got.events()[1]["result"]["tools"], json!([{ "name": "later" }]));
}

#[tokio::test(start_paused = true)]
async fn events_do_not_wait() {
    // R-076.
    let (sender, server, _) = live();
    let mut response = send(&layer(), &server, tools()).await;
    sender.send(event(PROGRESS).into()).unwrap();
    assert_eq!(next(&mut response).await.unwrap(), event(PROGRESS));
    sender.send(": text nobody inspected\n".into()).unwrap();
    assert_eq!(next(&mut response).await.unwrap(), ":\n\n");
    drop(sender);
    assert_eq!(next(&mut response).await.unwrap(), event(FAILED), "nobody will answer any more");
    assert_eq!(next(&mut response).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_is_gone_for_the_service_too() {
    // R-077.
    let (sender, server, probe) = live();
    let mut response = send(&layer(), &server, call()).await;
    sender.send(event(PROGRESS).into()).unwrap();
    next(&mut response).await.unwrap();
    assert!(!probe.is_dropped());
    drop(response);
    soon(probe.dropped()).await;
}

#[tokio::test]
async fn only_awaited_answers_arrive() {
    // R-072, X-137.
    let good = result(json!({ "n": 1 }));
    let cases = [
        (
            "another id",
            r#"{"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"secret"}]}}"#.to_owned(),
        ),
        ("the same id as text", r#"{"jsonrpc":"2.0","id":"1","result":{}}"#.into()),
        ("no id", r#"{"jsonrpc":"2.0","result":{}}"#.into()),
        ("a null id", r#"{"jsonrpc":"2.0","id":null,"result":{}}"#.into()),
    ];
    for (name, stray) in cases {
        let server = streaming([event(&stray), event(&good)]);
        let (response, notes) = send_noted(&layer(), &server, tools()).await;
        assert_eq!(whole(response).await.text, event(&good), "{name}");
        assert_eq!(notes.all()[0], "Violation(UnexpectedResponse)", "{name}");
    }
    let server = streaming([event(&good), event(&good)]);
    assert_eq!(whole(send(&layer(), &server, tools()).await).await.text, event(&good), "twice");
}

/// R-078, X-148.
#[tokio::test]
async fn violations_end_the_stream() {
    let list = result(json!({ "tools": [] }));
    let legacy = |data: &str| (tools(), event(data));
    let modern = |data: &str| (call(), event(data));
    let cases = [
        ("duplicate lists", legacy(r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[],"tools":[]}}"#)),
        ("no JSON", legacy("hello")),
        ("a batch in 2025-06-18", legacy(&format!("[{list}]"))),
        (
            "a request on a modern stream (X-148)",
            modern(r#"{"jsonrpc":"2.0","id":9,"method":"sampling/createMessage","params":{}}"#),
        ),
        ("a ping on a modern stream", modern(r#"{"jsonrpc":"2.0","id":9,"method":"ping"}"#)),
        ("a batch on a modern stream", modern(&format!("[{PROGRESS}]"))),
        (
            "an unknown result type (X-150)",
            modern(r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"x"}}"#),
        ),
        ("an event too long", legacy(&"x".repeat(3_000))),
    ];
    for (name, (request, bad)) in cases {
        let server = streaming([event(PROGRESS), bad, event(&list)]);
        let layer = layer().limits(Limits::new().event(2_000));
        let (response, notes) = send_noted(&layer, &server, request).await;
        let got = whole(response).await;
        assert_eq!(got.text, format!("{}{}", event(PROGRESS), event(FAILED)), "{name}");
        assert!(notes.all()[0].starts_with("Violation"), "{name}: {:?}", notes.all());
    }
}

#[tokio::test(start_paused = true)]
async fn a_violation_frees_the_service_at_once() {
    let (sender, server, probe) = live();
    let mut response = send(&layer(), &server, tools()).await;
    sender.send(event("hello").into()).unwrap();
    assert_eq!(next(&mut response).await.unwrap(), event(FAILED));
    soon(probe.dropped()).await;
    assert_eq!(next(&mut response).await, None);
}

#[tokio::test]
async fn other_types_of_event_are_dropped() {
    let server = streaming([
        "event: endpoint\ndata: /messages?secret\n\n".to_owned(),
        format!("event: other\n{}", event(&result(json!({ "tools": [] })))),
        event(&result(json!({}))),
    ]);
    let got = whole(send(&layer(), &server, tools()).await).await;
    assert_eq!(got.text, event(&result(json!({}))));
}

#[tokio::test]
async fn what_has_no_end_is_no_event() {
    let server = streaming([format!("data: {}", result(json!({})))]);
    assert_eq!(whole(send(&layer(), &server, tools()).await).await.text, event(FAILED));
}

#[tokio::test]
async fn a_priming_event_passes() {
    let server = streaming(["id: 7\nretry: 3000\ndata:\n\n".to_owned(), event(&result(json!({})))]);
    let got = whole(send(&layer(), &server, tools()).await).await;
    assert!(got.text.starts_with("id: 7\nretry: 3000\ndata:\n\n"), "{}", got.text);
}

#[tokio::test]
async fn servers_ask_what_they_may() {
    // R-215 and table 2.3: a request that is switched off never arrives.
    let sampling =
        r#"{"jsonrpc":"2.0","id":"s1","method":"sampling/createMessage","params":{"messages":[]}}"#;
    let ping = r#"{"jsonrpc":"2.0","id":"s2","method":"ping"}"#;
    let unknown = r#"{"jsonrpc":"2.0","id":"s3","method":"vendor/x"}"#;
    let answer = result(json!({}));
    let stream = [event(sampling), event(ping), event(unknown), event(&answer)];
    let all = whole(send(&layer(), &streaming(stream.clone()), tools()).await).await;
    assert_eq!(all.text, [event(sampling), event(ping), event(&answer)].concat());
    let layer = layer().allow_sampling(false);
    let server = streaming(stream);
    let less = whole(send(&layer, &server, tools()).await).await;
    assert_eq!(less.text, [event(ping), event(&answer)].concat());
    tokio::task::yield_now().await;
    assert_eq!(server.count(), 1, "without a session nobody could tell whose answer it is");
}

/// R-215: what is declined in the client's stead is said to the service, in its session.
#[tokio::test(start_paused = true)]
async fn servers_are_told_what_was_declined() {
    let all = || layer().allow_sampling(false).allow_roots(false).allow_elicitation(false);
    let rows = [
        (
            "sampling/createMessage",
            json!({ "messages": [] }),
            json!({ "error": { "code": -1, "message": "User rejected sampling request" } }),
        ),
        (
            "roots/list",
            json!({}),
            json!({ "error": { "code": -32601, "message": "Roots not supported" } }),
        ),
        ("elicitation/create", json!({}), json!({ "result": { "action": "decline" } })),
        (
            "tasks/get",
            json!({ "taskId": "theirs" }),
            json!({ "error": { "code": -32601, "message": "Method not found" } }),
        ),
    ];
    for (method, params, expected) in rows {
        for id in [json!("s\"1"), json!(7)] {
            for (name, request) in [("post", tools()), ("get", get())] {
                let layer = all();
                let asks =
                    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
                let server = streaming([event(&asks.to_string()), event(&result(json!({})))]);
                let request = in_session(&layer, alice(), request).await;
                let got = whole(send(&layer, &server, request).await).await;
                assert!(!got.text.contains(method), "{method}, {name}: {}", got.text);
                soon(server.arrived(2)).await;
                let told = server.last();
                let mut expected = expected.clone();
                expected["jsonrpc"] = json!("2.0");
                expected["id"] = id.clone();
                assert_eq!(told.json(), expected, "{method}, {name}");
                assert_eq!(told.method, "POST", "{method}, {name}");
                for (field, value) in [
                    ("mcp-session-id", "up-1"),
                    ("mcp-protocol-version", "2025-06-18"),
                    ("content-type", "application/json"),
                    ("accept", "application/json, text/event-stream"),
                ] {
                    assert_eq!(told.headers[field], value, "{method}, {name}");
                }
                assert_eq!(subject(&told), "alice", "{method}, {name}");
                assert!(matches!(told.message, Some(McpMessage::Response(_))));
            }
        }
    }
}

/// R-080, table 2.3: in a session the service asks the client only for what that declared when it began, and is told
/// at once where it did not.
#[tokio::test(start_paused = true)]
async fn clients_are_asked_only_for_what_they_declared() {
    let asks = [
        ("sampling/createMessage", json!({ "messages": [] })),
        ("roots/list", json!({})),
        ("elicitation/create", json!({ "message": "a form" })),
        ("elicitation/create", json!({ "mode": "url", "url": "https://idp.example.com/" })),
    ];
    let asked = |place: usize| {
        let (method, params) = &asks[place];
        json!({ "jsonrpc": "2.0", "id": place, "method": method, "params": params })
    };
    let declined = [
        json!({ "error": { "code": -1, "message": "User rejected sampling request" } }),
        json!({ "error": { "code": -32601, "message": "Roots not supported" } }),
        json!({ "result": { "action": "decline" } }),
        json!({ "result": { "action": "decline" } }),
    ];
    let rows = [
        ("nothing", json!({}), vec![]),
        ("sampling", json!({ "sampling": {} }), vec![0]),
        ("roots", json!({ "roots": { "listChanged": true } }), vec![1]),
        ("forms, said by nothing", json!({ "elicitation": {} }), vec![2]),
        ("forms", json!({ "elicitation": { "form": {} } }), vec![2]),
        ("forms, with a setting", json!({ "elicitation": { "applyDefaults": true } }), vec![2]),
        ("URLs", json!({ "elicitation": { "url": {} } }), vec![3]),
        ("both", json!({ "elicitation": { "url": {}, "form": {} } }), vec![2, 3]),
        ("modes that are null", json!({ "elicitation": { "url": null, "form": null } }), vec![2]),
        ("nulls", json!({ "sampling": null, "roots": null, "elicitation": null }), vec![]),
        ("no objects", json!({ "sampling": true, "roots": [], "elicitation": "url" }), vec![]),
        ("elsewhere", json!({ "experimental": { "sampling": {}, "roots": {} } }), vec![]),
        ("no capabilities", json!("all"), vec![]),
    ];
    let layer = layer().allow_elicitation_at(["idp.example.com"]).unwrap();
    let list = json!({ "jsonrpc": "2.0", "id": 9, "method": "tools/list" });
    let answer = json!({ "jsonrpc": "2.0", "id": 9, "result": { "tools": [] } });
    for (name, capabilities, passes) in rows {
        for (way, version) in
            [("post", "2025-11-25"), ("get", "2025-11-25"), ("a batch", "2025-03-26")]
        {
            // 2025-03-26 has no elicitation.
            let known = if way == "a batch" { 2 } else { 4 };
            let said: Vec<_> = (0..known).map(asked).chain([answer.clone()]).collect();
            let (request, stream) = match way {
                "a batch" => {
                    let batch = json!([list]).to_string();
                    (legacy(None, batch), vec![event(&json!(said).to_string())])
                }
                _ => {
                    let stream = said.iter().map(|message| event(&message.to_string())).collect();
                    let mut request = get();
                    if way == "post" {
                        request = legacy(None, list.to_string());
                    }
                    request.headers_mut().remove("mcp-protocol-version");
                    (request, stream)
                }
            };
            let init = json!({ "protocolVersion": version, "capabilities": {}, "serverInfo": {} });
            let begins = (&capabilities, init);
            let request = begin_able(&layer, alice(), begins, request).await;
            let server = streaming(stream);
            let got = whole(send(&layer, &server, request).await).await.events();
            let got = got.iter().flat_map(|event| match event {
                Value::Array(messages) => messages.clone(),
                one => vec![one.clone()],
            });
            let got: Vec<_> = got.filter(|message| message.get("method").is_some()).collect();
            let passes: Vec<usize> =
                passes.iter().copied().filter(|place| *place < known).collect();
            let shown = |message: &Value| (message["method"].clone(), message["params"].clone());
            let expected: Vec<_> = passes.iter().map(|place| shown(&asked(*place))).collect();
            assert_eq!(got.iter().map(shown).collect::<Vec<_>>(), expected, "{name}, {way}");
            soon(server.arrived(1 + known - passes.len())).await;
            let mut told: Vec<_> = server.seen().iter().skip(1).map(|seen| seen.json()).collect();
            told.sort_by_key(|told| told["id"].as_u64());
            let expected = (0..known).filter(|place| !passes.contains(place)).map(|place| {
                let mut told = declined[place].clone();
                told["jsonrpc"] = json!("2.0");
                told["id"] = json!(place);
                told
            });
            assert_eq!(told, expected.collect::<Vec<_>>(), "{name}, {way}");
        }
    }
}

/// R-080: outside a session nobody knows what the client declared, and nobody is sent elsewhere. While one begins, what
/// that declares counts.
#[tokio::test]
async fn outside_sessions_nobody_is_sent_elsewhere() {
    let layer = layer().allow_elicitation_at(["idp.example.com"]).unwrap();
    let asks = |params: Value| {
        let asks = json!({ "jsonrpc": "2.0", "id": "s", "method": "elicitation/create", "params": params });
        event(&asks.to_string())
    };
    let form = asks(json!({ "message": "a form" }));
    let url = asks(json!({ "mode": "url", "url": "https://idp.example.com/" }));
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let begins = |capabilities: Value| {
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": capabilities });
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params }).to_string()
    };
    let init = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {} });
    let (init, nothing) = (event(&result(init)), event(&result(json!({}))));
    for (name, body, last, passes) in [
        ("no session", list.to_owned(), &nothing, vec![&form]),
        ("the beginning of one", begins(json!({})), &init, vec![]),
        ("of one with forms", begins(json!({ "elicitation": {} })), &init, vec![&form]),
        ("of one with URLs", begins(json!({ "elicitation": { "url": {} } })), &init, vec![&url]),
    ] {
        let server = streaming([form.clone(), url.clone(), last.clone()]);
        let request = legacy(Some("2025-11-25"), body);
        let got = whole(send(&layer, &server, request).await).await;
        let expected: String = passes.into_iter().chain([last]).map(String::as_str).collect();
        assert_eq!(got.text, expected, "{name}");
    }
}

/// A service that asks and asks and reads no answers gets no more of them.
#[tokio::test]
async fn answers_that_nobody_reads_are_few() {
    let layer = layer().allow_roots(false);
    let asks = r#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#;
    let events = (0..100).map(|_| event(asks)).chain([event(&result(json!({})))]);
    let hang = (0..100).map(|_| Answer::hang());
    let server =
        FakeMcp::new().script(std::iter::once(Answer::sse(events.collect::<Vec<_>>())).chain(hang));
    let request = in_session(&layer, alice(), tools()).await;
    assert_eq!(whole(send(&layer, &server, request).await).await.events().len(), 1);
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.count(), 17);
}

/// R-215, R-344: people are sent only to hosts that were allowed.
#[tokio::test]
async fn people_are_sent_only_where_they_may_go() {
    let layer = || layer().allow_elicitation_at(["idp.example.com"]).unwrap();
    let error = |url: &str| {
        let data = json!({ "elicitations": [
            { "mode": "url", "url": "https://idp.example.com/1" }, { "mode": "url", "url": url },
        ] });
        let error = json!({ "code": -32042, "message": "first", "data": data });
        json!({ "jsonrpc": "2.0", "id": 1, "error": error }).to_string()
    };
    let input = |url: &str| {
        result(json!({ "resultType": "input_required", "inputRequests": {
            "a": { "method": "elicitation/create", "params": { "mode": "url", "url": url } },
        } }))
    };
    let able = json!({ "elicitation": { "url": {} } });
    let call = json!({ "name": "t" });
    for (url, may) in [("https://idp.example.com/x", true), ("https://evil.example/x", false)] {
        for body in [error(url), input(url)] {
            let layer = layer();
            let request = match body.contains("-32042") {
                true => in_november(&layer, &able, "tools/call", call.clone()).await,
                false => modern_with(json!(1), "tools/call", call.clone(), able.clone()),
            };
            let got = whole(send(&layer, &FakeMcp::json(body.clone()), request).await).await;
            assert_eq!(got.text.contains(url), may, "{}", got.text);
            assert_eq!(got.json()["result"]["isError"] == json!(true), !may, "{}", got.text);
        }
    }
    // What some client might take for what counts.
    let evil = json!({ "a": { "method": "elicitation/create",
                              "params": { "mode": "url", "url": "https://evil.example/x" } } });
    let twin = json!({ "a": { "method": "elicitation/create", "params": {}, "Params": {} } });
    let rows = [
        ("in what needs nothing", json!({ "resultType": "complete", "inputRequests": evil }), 200),
        ("a twin of the questions", json!({ "InputRequests": evil }), 502),
        ("a twin of the type", json!({ "ResultType": "input_required" }), 502),
        (
            "a twin in a question",
            json!({ "resultType": "input_required", "inputRequests": twin }),
            502,
        ),
    ];
    for method in ["tools/call", "prompts/get"] {
        for (name, said, status) in &rows {
            let request = modern_with(json!(1), method, call.clone(), able.clone());
            let server = FakeMcp::json(result(said.clone()));
            let got = whole(send(&layer(), &server, request).await).await;
            assert_eq!(got.status, *status, "{method}: {name}: {}", got.text);
            assert!(!got.text.contains("evil"), "{method}: {name}: {}", got.text);
        }
    }
    let there = json!({ "elicitations": [{ "url": "https://evil.example/x" }] });
    for (name, error) in [
        ("code", json!({ "code": -1, "Code": -32042, "message": "", "data": there })),
        ("data", json!({ "code": -32042, "message": "", "data": {}, "DATA": there })),
        (
            "elicitations",
            json!({ "code": -32042, "message": "",
                                 "data": { "Elicitations": there["elicitations"] } }),
        ),
    ] {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "error": error }).to_string();
        let request = ask("tools/call", call.clone());
        let got = whole(send(&layer(), &FakeMcp::json(body), request).await).await;
        assert_eq!(got.status, 502, "{name}: {}", got.text);
    }
    for data in [json!({}), json!([]), json!({ "elicitations": [{}] })] {
        let error = json!({ "code": -32042, "message": "first", "data": data });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "error": error }).to_string();
        let got = whole(
            send(&layer(), &FakeMcp::json(body.clone()), ask("tools/call", call.clone())).await,
        )
        .await;
        let no_url = data != json!({ "elicitations": [{}] });
        assert_eq!(got.text == body, no_url, "{}", got.text);
    }
}

/// A request in a session of 2025-11-25 whose client has `able`.
async fn in_november(
    layer: &InspectLayer,
    able: &Value,
    method: &str,
    params: Value,
) -> Request<Full<Bytes>> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    of_november(layer, able, legacy(Some("2025-11-25"), body.to_string())).await
}

async fn of_november(
    layer: &InspectLayer,
    able: &Value,
    request: Request<Full<Bytes>>,
) -> Request<Full<Bytes>> {
    let init = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {} });
    begin_able(layer, alice(), (able, init), request).await
}

/// R-080, R-062: an error that sends people to a URL is for clients that said that they can; others get one that they
/// know, without the URL.
#[tokio::test]
async fn errors_send_away_only_those_who_can_go() {
    const URL: &str = "https://idp.example.com/1";
    let layer = layer().allow_elicitation_at(["idp.example.com"]).unwrap();
    let (none, forms) = (json!({}), json!({ "elicitation": {} }));
    let urls = json!({ "elicitation": { "url": {} } });
    let data = json!({ "elicitations": [{ "mode": "url", "elicitationId": "e", "url": URL, "message": "" }] });
    let error = json!({ "code": -32042, "message": "first", "data": data });
    let said = json!({ "jsonrpc": "2.0", "id": 1, "error": error });
    let call = |version: Option<&str>| {
        let call =
            json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "t" } });
        legacy(version, call.to_string())
    };
    let november = |able: Value| {
        let (layer, request) = (&layer, call(Some("2025-11-25")));
        async move { of_november(layer, &able, request).await }
    };
    let june = begin(
        &layer,
        alice(),
        json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {} }),
        call(Some("2025-06-18")),
    );
    let params = json!({ "name": "t" });
    let modern = |able: &Value| modern_with(json!(1), "tools/call", params.clone(), able.clone());
    let (known, unknown) = ((200, -32042), (200, -32600));
    let rows = [
        ("URLs declared", november(urls.clone()).await, known),
        ("forms declared", november(forms.clone()).await, unknown),
        ("nothing declared", november(none.clone()).await, unknown),
        ("no session", call(Some("2025-11-25")), unknown),
        ("a revision without URLs", june.await, unknown),
        ("an older one", call(Some("2025-03-26")), unknown),
        ("a modern client with URLs", modern(&urls), known),
        ("a modern client without", modern(&forms), (400, -32021)),
    ];
    for (name, request, (status, code)) in rows {
        for is_stream in [false, true] {
            let server = match is_stream {
                true => streaming([event(PROGRESS), event(&said.to_string())]),
                false => FakeMcp::json(said.to_string()),
            };
            let (response, notes) = send_noted(&layer, &server, request.clone()).await;
            let got = whole(response).await;
            let answer = match is_stream {
                true => got.events().pop().unwrap(),
                false => got.json(),
            };
            let expected = if is_stream { 200 } else { status };
            assert_eq!((got.status.as_u16(), &answer["id"]), (expected, &json!(1)), "{name}");
            assert_eq!(answer["error"]["code"], code, "{name}: {answer}");
            assert_eq!(answer.to_string().contains(URL), code == -32042, "{name}: {answer}");
            let noted = notes.all().iter().any(|note| note.starts_with("Violation"));
            assert_eq!(noted, code != -32042, "{name}: {:?}", notes.all());
        }
    }

    // In a batch, and where a stream goes on.
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let server = FakeMcp::json(json!([said]).to_string());
    let got = whole(send(&layer, &server, legacy(None, json!([list]).to_string())).await).await;
    assert_eq!(got.json()[0]["error"]["code"], -32600, "{}", got.text);
    let elsewhere = said.to_string().replace("idp.example.com", "evil.example");
    for (able, said, code) in [
        (&urls, said.to_string(), -32042),
        (&forms, said.to_string(), -32600),
        (&urls, elsewhere, -32603),
    ] {
        let stream = || {
            let mut request = get();
            request.headers_mut().insert("mcp-protocol-version", "2025-11-25".parse().unwrap());
            request
        };
        let server = streaming([format!("id: 7\n{}", event(PROGRESS))]);
        let request = of_november(&layer, able, stream()).await;
        let id = request.headers()["mcp-session-id"].clone();
        let got = whole(send(&layer, &server, request).await).await;
        let name = got.text.lines().find_map(|line| line.strip_prefix("id: ")).unwrap();
        let mut request = stream();
        request.headers_mut().insert("mcp-session-id", id);
        request.headers_mut().insert("last-event-id", name.parse().unwrap());
        let got = whole(send(&layer, &streaming([event(&said)]), request).await).await;
        let events = got.events();
        assert_eq!((&events[0]["error"]["code"], &events[0]["id"]), (&json!(code), &json!(1)));
        assert_eq!(got.text.contains("https:"), code == -32042, "{}", got.text);
    }
}

/// R-443: what one stream brings is for that stream alone.
#[tokio::test]
async fn a_message_goes_to_one_stream() {
    let layer = layer();
    let (one, first) = ChunkedBody::live();
    let (two, second) = ChunkedBody::live();
    let stream = |body| Answer::status(200).header("content-type", "text/event-stream").body(body);
    let server = FakeMcp::new().script([stream(first), stream(second)]);
    let mut open = Vec::new();
    for _ in 0..2 {
        let request = in_session(&layer, alice(), get()).await;
        open.push(send(&layer, &server, request).await);
    }
    let note = |text: &str| {
        event(&json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "data": text } }).to_string())
    };
    one.send(note("for one").into()).unwrap();
    two.send(note("for two").into()).unwrap();
    drop((one, two));
    for (response, expected) in open.iter_mut().zip([note("for one"), note("for two")]) {
        assert_eq!(next(response).await, Some(expected));
        assert_eq!(next(response).await, None);
    }
}

fn get() -> Request<Full<Bytes>> {
    Request::get("/mcp")
        .header("accept", "text/event-stream")
        .header("mcp-protocol-version", "2025-06-18")
        .body(Full::default())
        .unwrap()
}

/// What alice, in her session, calls the event `id`.
async fn event_name(layer: &InspectLayer, id: &str) -> String {
    let server = streaming([format!("id: {id}\n{}", event(PROGRESS))]);
    let request = in_session(layer, alice(), get()).await;
    let got = whole(send(layer, &server, request).await).await;
    got.text.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned()
}

/// A stream of alice's session that goes on behind the event `name`.
async fn resuming(layer: &InspectLayer, name: &str) -> Request<Full<Bytes>> {
    let mut request = in_session(layer, alice(), get()).await;
    request.headers_mut().insert("last-event-id", name.parse().unwrap());
    request
}

/// Begins a session and names it on `request`.
async fn in_session(
    layer: &InspectLayer,
    caller: Caller,
    request: Request<Full<Bytes>>,
) -> Request<Full<Bytes>> {
    let init = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {} });
    begin(layer, caller, init, request).await
}

/// The same, where `init` is the answer to `initialize`.
async fn begin(
    layer: &InspectLayer,
    caller: Caller,
    init: Value,
    request: Request<Full<Bytes>>,
) -> Request<Full<Bytes>> {
    let all = json!({ "sampling": {}, "roots": {}, "elicitation": { "form": {}, "url": {} } });
    begin_able(layer, caller, (&all, init), request).await
}

/// The same, where the client has `capabilities`.
async fn begin_able(
    layer: &InspectLayer,
    caller: Caller,
    (capabilities, init): (&Value, Value),
    mut request: Request<Full<Bytes>>,
) -> Request<Full<Bytes>> {
    let begins =
        FakeMcp::new().script([Answer::json(result(init)).header("mcp-session-id", "up-1")]);
    let params =
        json!({ "protocolVersion": "2025-06-18", "capabilities": capabilities, "clientInfo": {} });
    let response = send_as(caller, layer, &begins, ask("initialize", params)).await;
    let id = response.headers()["mcp-session-id"].clone();
    request.headers_mut().insert("mcp-session-id", id);
    request
}

#[tokio::test]
async fn a_resumed_stream_is_filtered_too() {
    // R-071, X-139.
    let layer = layer();
    let list = result(json!({ "tools": [{ "name": "secret" }, { "name": "a" }] }));
    let update = |uri: &str| {
        json!({ "jsonrpc": "2.0", "method": "notifications/resources/updated", "params": { "uri": uri } }).to_string()
    };
    let stream = [event(&list), event(&update("file:///secret")), event(&update("file:///a"))];
    let server = streaming(stream.clone());
    let name = event_name(&layer, "7").await;
    let got = whole(send(&layer, &server, resuming(&layer, &name).await).await).await;
    assert_eq!(server.last().headers["mcp-session-id"], "up-1");
    assert_eq!(server.last().headers["last-event-id"], "7");
    let events = got.events();
    assert_eq!(events.len(), 2, "{}", got.text);
    assert_eq!(events[0]["result"]["tools"], json!([{ "name": "a" }]));
    assert_eq!(events[1]["params"]["uri"], "file:///a");

    let read = json!({ "contents": [{ "uri": "file:///secret" }, { "uri": "file:///a" }] });
    let request = resuming(&layer, &name).await;
    let got = whole(send(&layer, &streaming([event(&result(read))]), request).await).await;
    assert_eq!(got.events()[0]["result"]["contents"], json!([{ "uri": "file:///a" }]));

    let server = streaming(stream);
    let got = whole(send(&layer, &server, get()).await).await;
    assert_eq!(got.events().len(), 1, "an answer belongs only on a resumed stream: {}", got.text);
}

/// X-139, R-215: what a resumed stream repeats is bound by what the answer itself would be bound by.
#[tokio::test]
async fn a_resumed_stream_says_no_more_than_the_first() {
    let layer = layer().allow_elicitation_at(["idp.example.com"]).unwrap().check_completions();
    let name = event_name(&layer, "7").await;
    let away = |id: &str, url: &str| {
        let data = json!({ "elicitations": [{ "mode": "url", "url": url }] });
        let error = json!({ "code": -32042, "message": "first", "data": data });
        format!(r#"{{"jsonrpc":"2.0",{id}"error":{error}}}"#)
    };
    let values = |values: Value| {
        result(json!({ "completion": { "values": values, "total": 2, "hasMore": false } }))
    };
    for (what, said, expected) in [
        ("elsewhere", away(r#""id":1,"#, "https://evil.example/x"), event(FAILED)),
        ("elsewhere, under no id", away("", "https://evil.example/x"), String::new()),
        ("values", values(json!(["a", "secret"])), event(&values(json!([])))),
    ] {
        let request = resuming(&layer, &name).await;
        let got = whole(send(&layer, &streaming([event(&said)]), request).await).await;
        assert_eq!(got.text, expected, "{what}");
    }
    let layer = InspectLayer::new();
    let name = event_name(&layer, "7").await;
    let said = event(&values(json!(["a"])));
    let request = resuming(&layer, &name).await;
    let got = whole(send(&layer, &streaming([said.clone()]), request).await).await;
    assert_eq!(got.text, said, "where nobody wants them checked");
}

/// R-083, X-140: the id of an event is good in the session that it was sent in, for whom it was sent to.
#[tokio::test]
async fn nobody_resumes_the_stream_of_another() {
    let layer = layer();
    let bob = || Caller::Verified(Principal::builder("https://id.example", "bob").build().into());
    let name = event_name(&layer, "7").await;
    assert!(name != "7" && name != event_name(&layer, "8").await, "{name}");
    assert_eq!(name, event_name(&layer, "7").await, "a replayed event has the same");
    let resumes = |mut request: Request<Full<Bytes>>, name: &str| {
        request.headers_mut().insert("last-event-id", name.parse().unwrap());
        request
    };
    let init = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {} });
    let begins =
        FakeMcp::new().script([Answer::json(result(init)).header("mcp-session-id", "up-2")]);
    let params = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {} });
    let began = send(&layer, &begins, ask("initialize", params)).await;
    let mut other = get();
    other.headers_mut().insert("mcp-session-id", began.headers()["mcp-session-id"].clone());
    // The name of a question is none of an event.
    let asks = json!({ "jsonrpc": "2.0", "id": 7, "method": "ping" }).to_string();
    let request = in_session(&layer, alice(), get()).await;
    let asked = whole(send(&layer, &streaming([event(&asks)]), request).await).await.events();
    let own = || in_session(&layer, alice(), get());
    let (mark, id) = name.split_once('.').unwrap();
    let rows = [
        ("the server's own", alice(), own().await, "7".to_owned()),
        ("of another session", alice(), other, name.clone()),
        ("of somebody else", bob(), in_session(&layer, bob(), get()).await, name.clone()),
        ("another event", alice(), own().await, format!("{mark}.OA")),
        ("no mark", alice(), own().await, format!(".{id}")),
        ("a question", alice(), own().await, asked[0]["id"].as_str().unwrap().to_owned()),
        ("empty", alice(), own().await, String::new()),
    ];
    for (what, caller, request, name) in rows {
        let server = FakeMcp::new();
        let got = send_as(caller, &layer, &server, resumes(request, &name)).await;
        let got = whole(got).await;
        let expected = (404, "Session not found", 0);
        assert_eq!((got.status.as_u16(), &*got.text, server.count()), expected, "{what}");
    }

    // Outside sessions nothing is resumed, and what no header can say is no id.
    let plain = format!("id: 7\n{}", event(PROGRESS));
    let got = whole(send(&layer, &streaming([plain.clone()]), get()).await).await;
    assert_eq!(got.text, plain);
    for id in ["a\u{7}".to_owned(), "x".repeat(513)] {
        let server = streaming([format!("id: {id}\n{}", event(PROGRESS))]);
        let got = whole(send(&layer, &server, own().await).await).await;
        assert_eq!(got.text, event(PROGRESS), "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_without_a_stream_says_so() {
    let server = FakeMcp::new().script([Answer::status(405)]);
    let response = send(&layer(), &server, get()).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["allow"]),
        (405, &"POST".parse().unwrap())
    );
    let partial = Answer::status(206).header("content-type", "text/event-stream");
    for (answer, noted) in [
        // Its body is not even waited for.
        (Answer::json(PROGRESS).never_ending(), "BadMedia"),
        (Answer::status(500), "UpstreamError"),
        (Answer::accepted(), "UpstreamError"),
        (partial.body(ChunkedBody::new([event(PROGRESS)])), "UpstreamError"),
    ] {
        let server = FakeMcp::new().script([answer]);
        let (response, notes) = soon(send_noted(&layer(), &server, get())).await;
        assert_eq!(response.status(), 502);
        assert!(notes.all().contains(&format!("Violation({noted})")), "{:?}", notes.all());
    }
}

#[tokio::test(start_paused = true)]
async fn streams_end_with_the_token() {
    // R-084, X-153.
    let (caller, layer) = until(60);
    for request in [tools(), get(), call()] {
        let (sender, server, probe) = live();
        let start = tokio::time::Instant::now();
        let response = send_as(caller.clone(), &layer, &server, request).await;
        sender.send(event(PROGRESS).into()).unwrap();
        let limit = Duration::from_secs(100);
        let got = tokio::time::timeout(limit, whole(response)).await.expect("the stream ends");
        assert_eq!(start.elapsed().as_secs(), 60);
        assert!(got.text.starts_with(&event(PROGRESS)));
        soon(probe.dropped()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_stream_ends_too() {
    let (caller, layer) = until(60);
    let (sender, server, _) = live();
    let mut response = send_as(caller, &layer, &server, tools()).await;
    let mut seconds = 0;
    loop {
        let _ = sender.send(event(PROGRESS).into());
        if next(&mut response).await.is_none() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        seconds += 1;
        assert!(seconds < 100, "the stream has no end");
    }
    assert!((55..=61).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn silent_streams_show_life() {
    // R-076.
    let (_sender, server, _) = live();
    let start = tokio::time::Instant::now();
    let mut response = send(&layer(), &server, get()).await;
    for seconds in [15, 30, 45] {
        assert_eq!(next(&mut response).await.unwrap(), ":\n\n");
        assert_eq!(start.elapsed().as_secs(), seconds);
    }
}

const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

fn listen(id: Value) -> Request<Full<Bytes>> {
    let notifications = json!({
        "toolsListChanged": true, "resourceSubscriptions": ["file:///a", "file:///dir"]
    });
    modern_with(id, "subscriptions/listen", json!({ "notifications": notifications }), json!({}))
}

fn about(id: &Value, method: &str, mut params: Value) -> String {
    params["_meta"] = json!({ SUBSCRIPTION: id });
    json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string()
}

fn acknowledged(id: &Value) -> String {
    let agreed = json!({ "notifications": { "resourceSubscriptions": ["file:///dir"] } });
    about(id, "notifications/subscriptions/acknowledged", agreed)
}

/// R-227: clients that wait for news learn that policy has changed, and so may their lists.
#[tokio::test(start_paused = true)]
async fn lists_change_with_policy() {
    let init = |capabilities: Value| json!({ "protocolVersion": "2025-06-18", "capabilities": capabilities, "serverInfo": {} });
    let declared = json!({ "tools": { "listChanged": true }, "prompts": { "listChanged": false } });
    let changed = |list: &str, params: Value| {
        let mut message =
            json!({ "jsonrpc": "2.0", "method": format!("notifications/{list}/list_changed") });
        if !params.is_null() {
            message["params"] = params;
        }
        message
    };
    let ack = |lists: Value| {
        let params = json!({ "notifications": lists });
        about(&json!("s"), "notifications/subscriptions/acknowledged", params)
    };
    let tools = changed("tools", Value::Null);
    let of_listen = changed("tools", json!({ "_meta": { SUBSCRIPTION: "s" } }));
    for (name, declares, first, told) in [
        ("a session", Some(declared.clone()), None, vec![tools.clone()]),
        ("a session without such lists", Some(json!({ "tools": {} })), None, vec![]),
        (
            "a subscription",
            None,
            Some(ack(json!({ "toolsListChanged": true, "promptsListChanged": true }))),
            vec![of_listen],
        ),
        ("a subscription to something else", None, Some(ack(json!({}))), vec![]),
        ("a subscription not acknowledged yet", None, None, vec![]),
    ] {
        let layer = layer();
        let request = match declares {
            Some(capabilities) => begin(&layer, alice(), init(capabilities), get()).await,
            None => listen(json!("s")),
        };
        let (sender, server, _) = live();
        let permits = Permits::new(server);
        let policy = Arc::clone(&permits.policy);
        let mut request = request;
        request.set_caller(alice());
        let mut response = layer.layer(permits).oneshot(request).await.unwrap();
        if let Some(first) = first {
            sender.send(event(&first).into()).unwrap();
            assert!(next(&mut response).await.unwrap().contains("acknowledged"), "{name}");
        }
        assert_eq!(next(&mut response).await.unwrap(), ":\n\n", "{name}: nothing has changed");
        policy.fetch_add(1, Ordering::Relaxed);
        for told in told {
            let news = next(&mut response).await.unwrap();
            let news = news.trim_end().strip_prefix("data: ").unwrap();
            assert_eq!(serde_json::from_str::<Value>(news).unwrap(), told, "{name}");
        }
        assert_eq!(next(&mut response).await.unwrap(), ":\n\n", "{name}: it is told once");
    }
}

/// R-209: what the acknowledgement leaves out is not delivered.
#[tokio::test]
async fn a_subscription_is_what_was_acknowledged() {
    let id = json!(1);
    let updated = about(&id, "notifications/resources/updated", json!({ "uri": "file:///a" }));
    for (agreed, delivered) in [
        (json!({ "resourceSubscriptions": ["file:///a"] }), 2),
        (json!({ "resourceSubscriptions": ["file:///secret"] }), 1),
        (json!({ "resourceSubscriptions": [] }), 1),
        (json!({}), 1),
    ] {
        let ack = json!({ "notifications": agreed });
        let ack = about(&id, "notifications/subscriptions/acknowledged", ack);
        let server = streaming([event(&ack), event(&updated)]);
        let got = whole(send(&layer(), &server, listen(id.clone())).await).await;
        assert_eq!(got.events().len(), delivered, "{agreed}: {}", got.text);
    }
}

#[tokio::test]
async fn an_acknowledgement_promises_only_what_was_asked() {
    // R-081, X-146.
    let id = json!(0);
    let promises = json!({ "notifications": {
        "toolsListChanged": true, "promptsListChanged": true,
        "resourceSubscriptions": ["file:///a", "file:///secret", "file:///other", 1],
        "taskIds": ["t"],
    } });
    let tools = about(&id, "notifications/tools/list_changed", json!({}));
    let ack = about(&id, "notifications/subscriptions/acknowledged", promises);
    let server = streaming([event(&tools), event(&ack), event(&ack), event(&tools)]);
    let got = whole(send(&layer(), &server, listen(id)).await).await;
    let events = got.events();
    assert_eq!(events.len(), 2, "nothing before it, and only one: {}", got.text);
    let expected = json!({
        "toolsListChanged": true, "promptsListChanged": false,
        "resourceSubscriptions": ["file:///a"], "taskIds": [],
    });
    assert_eq!(events[0]["params"]["notifications"], expected);
    assert_eq!(events[1]["method"], "notifications/tools/list_changed");
}

/// R-081: of the kinds of news only those asked for, whatever else the service has to say.
#[tokio::test]
async fn news_are_those_asked_for() {
    let id = json!(1);
    let all = json!({
        "toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true,
        "resourceSubscriptions": ["file:///a"],
    });
    let kinds = [
        ("toolsListChanged", "notifications/tools/list_changed"),
        ("promptsListChanged", "notifications/prompts/list_changed"),
        ("resourcesListChanged", "notifications/resources/list_changed"),
        ("resourceSubscriptions", "notifications/resources/updated"),
    ];
    for (wanted, news) in kinds {
        let asked = json!({ "notifications": { wanted: all[wanted] } });
        let request = modern_with(id.clone(), "subscriptions/listen", asked, json!({}));
        let ack = json!({ "notifications": all });
        let ack = about(&id, "notifications/subscriptions/acknowledged", ack);
        let told = kinds.map(|(_, method)| about(&id, method, json!({ "uri": "file:///a" })));
        let server = streaming(std::iter::once(&ack).chain(&told).map(|message| event(message)));
        let events = whole(send(&layer(), &server, request).await).await.events();
        let heard: Vec<_> = events.iter().skip(1).map(|event| &event["method"]).collect();
        assert_eq!(heard, [news], "{wanted}");
    }
}

/// R-209: what was asked for and may not be read is not promised.
#[tokio::test]
async fn an_acknowledgement_names_nothing_hidden() {
    let uris = json!(["file:///secret", "file:///a"]);
    let notifications = json!({ "notifications": { "resourceSubscriptions": uris } });
    let request = modern_with(json!(1), "subscriptions/listen", notifications.clone(), json!({}));
    let ack = about(&json!(1), "notifications/subscriptions/acknowledged", notifications);
    let got = whole(send(&layer(), &streaming([event(&ack)]), request).await).await.events();
    let promised = &got[0]["params"]["notifications"]["resourceSubscriptions"];
    assert_eq!(promised, &json!(["file:///a"]));
}

#[tokio::test]
async fn a_subscription_gets_only_its_own() {
    for (id, other) in [(json!(0), json!("0")), (json!("0"), json!(0)), (json!(1), json!(2))] {
        let updated =
            |id: &Value, uri| about(id, "notifications/resources/updated", json!({ "uri": uri }));
        let unmarked =
            json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed", "params": {} });
        let good = updated(&id, "file:///dir/below");
        let stream = [
            acknowledged(&id),
            updated(&other, "file:///a"),
            unmarked.to_string(),
            r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#.into(),
            updated(&id, "file:///dir/secret"),
            about(&id, "notifications/prompts/list_changed", json!({})),
            about(&id, "notifications/message", json!({ "data": "x" })),
            good.clone(),
        ];
        let server = streaming(stream.map(|data| event(&data)));
        let got = whole(send(&layer(), &server, listen(id.clone())).await).await;
        assert_eq!(got.text, [event(&acknowledged(&id)), event(&good)].concat(), "{id}");
    }
}

/// R-210: news of a resource are for those who asked for it, or for what it stands below, as far as the service agreed.
#[tokio::test]
async fn updates_are_of_what_was_asked_for() {
    let id = json!(1);
    let asked = ["file:///dir", "file:///slash/", "file:///other"];
    let asked = json!({ "notifications": { "resourceSubscriptions": asked } });
    let agreed =
        json!({ "notifications": { "resourceSubscriptions": ["file:///dir", "file:///slash/"] } });
    for (uri, passes) in [
        ("file:///dir", true),
        ("file:///dir/", true),
        ("file:///dir/below", true),
        ("file:///dir?page=2", true),
        ("file:///dir#part", true),
        ("file:///slash/", true),
        ("file:///slash/below", true),
        ("file:///a", false),
        ("file:///directory", false),
        ("file:///di", false),
        ("file:///slash", false),
        ("file:///other", false),
        ("https:///dir", false),
    ] {
        let request = modern_with(id.clone(), "subscriptions/listen", asked.clone(), json!({}));
        let ack = about(&id, "notifications/subscriptions/acknowledged", agreed.clone());
        let news = about(&id, "notifications/resources/updated", json!({ "uri": uri }));
        let (response, notes) =
            send_noted(&layer(), &streaming([event(&ack), event(&news)]), request).await;
        let got = whole(response).await;
        assert_eq!(got.text.contains(&event(&news)), passes, "{uri}: {}", got.text);
        let noted = notes.all().iter().any(|note| note.contains("UnknownMethod"));
        assert!(!noted, "{uri}: {:?}", notes.all());
    }
}

/// A name in other letters is what some clients would read (R-025 for answers).
#[tokio::test]
async fn names_in_notices_are_spelled_as_they_are() {
    let updated = "notifications/resources/updated";
    let params = |name: &str| json!({ "uri": "file:///dir/a", name: "file:///secret" });
    // Java reads a dotless i as an i, and nobody a Cyrillic one.
    let names = ["URI", "Uri", "uRi", "ur\u{131}"].map(|name| (name, false));
    for (name, passes) in names.into_iter().chain([("ur\u{456}", true)]) {
        let id = json!(1);
        let news = about(&id, updated, params(name));
        let server = streaming([event(&acknowledged(&id)), event(&news)]);
        let got = whole(send(&layer(), &server, listen(id)).await).await;
        assert_eq!(got.text.contains("file:///secret"), passes, "{name}: {}", got.text);

        let news = json!({ "jsonrpc": "2.0", "method": updated, "params": params(name) });
        let last = result(json!({ "content": [] }));
        let server = streaming([event(&news.to_string()), event(&last)]);
        let call = ask("tools/call", json!({ "name": "t" }));
        let got = whole(send(&layer(), &server, call).await).await;
        assert_eq!(got.text.contains("file:///secret"), passes, "{name}: {}", got.text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscription_ends_in_good_order() {
    // R-082, recipe 4.16.
    let (caller, layer) = until(10);
    let (sender, server, probe) = live();
    let response = send_as(caller, &layer, &server, listen(json!(0))).await;
    sender.send(event(&acknowledged(&json!(0))).into()).unwrap();
    let limit = Duration::from_secs(100);
    let got = tokio::time::timeout(limit, whole(response)).await.expect("the stream ends");
    let last = r#"{"jsonrpc":"2.0","id":0,"result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":0}}}"#;
    assert_eq!(got.text, [event(&acknowledged(&json!(0))), event(last)].concat());
    soon(probe.dropped()).await;
}

#[tokio::test]
async fn the_last_word_names_its_subscription() {
    let id = json!("s");
    for meta in [json!({}), json!({ SUBSCRIPTION: "t" }), json!({ SUBSCRIPTION: "s" })] {
        let last = json!({ "jsonrpc": "2.0", "id": id, "result": { "resultType": "complete", "_meta": meta } });
        let late = about(&id, "notifications/tools/list_changed", json!({}));
        let server = streaming([event(&acknowledged(&id)), event(&last.to_string()), event(&late)]);
        let got = whole(send(&layer(), &server, listen(id.clone())).await).await;
        assert_eq!(got.events().len(), 2, "nothing comes after it: {}", got.text);
        assert_eq!(got.events()[1]["result"]["_meta"], json!({ SUBSCRIPTION: "s" }));
    }
}

/// R-086: a stream whose service is gone ends with an answer, or as one that can be taken up again.
#[tokio::test]
async fn what_breaks_off_is_answered_once() {
    enum Ends {
        Answered,
        Broken,
        Quietly,
    }
    use Ends::{Answered, Broken, Quietly};

    let layer = layer();
    let named = in_session(&layer, alice(), tools()).await;
    let stateless = layer.clone().stateless();
    let with_id = format!("id: 7\n{}", event(PROGRESS));
    let plain = event(PROGRESS);
    let answer = event(&result(json!({})));
    let listening = event(&acknowledged(&json!(1)));
    let rows = [
        ("modern", &layer, call(), vec![plain.clone()], Answered, Answered),
        ("modern, with ids", &layer, call(), vec![with_id.clone()], Answered, Answered),
        ("in a session", &layer, named.clone(), vec![plain.clone()], Answered, Answered),
        ("in one, with ids", &layer, named.clone(), vec![with_id.clone()], Broken, Quietly),
        (
            "in one, with an id to begin with",
            &layer,
            named.clone(),
            vec!["id: 7\ndata:\n\n".to_owned()],
            Broken,
            Quietly,
        ),
        (
            "in one, where nothing of the id passed",
            &layer,
            named.clone(),
            vec![plain.clone(), format!("id: 7\n{}", event(r#"{"jsonrpc":"2.0","method":"x"}"#))],
            Answered,
            Answered,
        ),
        ("without a session", &stateless, tools(), vec![with_id.clone()], Answered, Answered),
        ("after the answer", &layer, call(), vec![plain.clone(), answer], Quietly, Quietly),
        ("a subscription", &layer, listen(json!(1)), vec![listening], Broken, Quietly),
    ];
    for (name, layer, request, events, broken, ended) in rows {
        for (breaks, expected) in [(true, broken), (false, ended)] {
            let body = ChunkedBody::new(events.clone()).yielding();
            let body = if breaks { body.then_fails() } else { body };
            let answer = Answer::status(200).header("content-type", "text/event-stream");
            let server = FakeMcp::new().script([answer.body(body)]);
            let (response, notes) = send_noted(layer, &server, request.clone()).await;
            assert_eq!(response.status(), 200, "{name}");
            let mut body = response.into_body();
            let (mut text, mut failed) = (String::new(), false);
            while let Some(frame) = body.frame().await {
                match frame {
                    Ok(frame) => {
                        let data = frame.into_data().unwrap();
                        text.push_str(std::str::from_utf8(&data).unwrap());
                    }
                    Err(_) => failed = true,
                }
            }
            let said = text.matches(FAILED).count();
            let noted = notes.all().iter().filter(|note| note.contains("UpstreamError")).count();
            let expected = match expected {
                Answered => (1, false, 1),
                Broken => (0, true, 0),
                Quietly => (0, false, 0),
            };
            assert_eq!((said, failed, noted), expected, "{name}, breaks {breaks}: {text}");
        }
    }
}

/// R-086: where the head of a stream waits, what fails at once is no stream.
#[tokio::test]
async fn a_stream_that_fails_at_once_is_an_error() {
    let body = ChunkedBody::new(Vec::<Bytes>::new()).then_fails();
    let answer = Answer::status(200).header("content-type", "text/event-stream").body(body);
    let got = whole(send(&layer(), &FakeMcp::new().script([answer]), call()).await).await;
    assert_eq!((got.status.as_u16(), got.text.as_str()), (502, FAILED));
}

/// R-233: a head waits only where what the service says first may have to look as if it were hidden.
#[tokio::test(start_paused = true)]
async fn heads_wait_for_unknown_targets_alone() {
    let distinct = layer().danger_distinct_unknown();
    for (name, layer, request, waits) in [
        ("a call", &layer(), call(), true),
        ("a list", &layer(), tools(), false),
        ("a call, where words may differ", &distinct, call(), false),
    ] {
        let (_sender, server, _) = live();
        let start = tokio::time::Instant::now();
        let response = send(layer, &server, request).await;
        assert_eq!(response.status(), 200, "{name}");
        assert_eq!(start.elapsed().as_millis(), if waits { 250 } else { 0 }, "{name}");
    }
}

/// What was not to pass is on record, and was an answer: nothing more is said when the stream ends.
#[tokio::test]
async fn what_was_withheld_was_an_answer() {
    let ask = |method: &str| {
        let body =
            json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": { "name": "t" } });
        legacy(Some("2025-11-25"), body.to_string())
    };
    let away = json!({ "code": -32042, "message": "", "data": { "elicitations": [
        { "mode": "url", "elicitationId": "e", "url": "https://evil.example/", "message": "" }
    ] } });
    let away = json!({ "jsonrpc": "2.0", "id": 1, "error": away }).to_string();
    let asks = json!({ "resultType": "input_required", "inputRequests": {
        "a": { "method": "sampling/createMessage", "params": {} }
    } });
    let strict = layer().allow_sampling(false);
    for (name, layer, request, said, note) in [
        ("sent away", &layer(), ask("tools/call"), away, "PolicyDenied"),
        ("asked", &strict, call(), result(asks), "PolicyDenied"),
    ] {
        let (response, notes) =
            send_noted(layer, &streaming([event(PROGRESS), event(&said)]), request).await;
        let got = whole(response).await;
        assert_eq!(got.events().len(), 2, "{name}: {}", got.text);
        assert_eq!(got.events()[1]["result"]["isError"], true, "{name}: {}", got.text);
        let noted = notes.all().iter().filter(|said| said.contains(note)).count();
        assert_eq!(noted, 1, "{name}: {:?}", notes.all());
    }
    let update = json!({ "jsonrpc": "2.0", "method": "notifications/resources/updated",
                         "params": { "uri": "file:///secret" } });
    let server = streaming([event(&update.to_string()), event(&result(json!({})))]);
    let (response, notes) = send_noted(&layer(), &server, ask("tools/call")).await;
    assert_eq!(whole(response).await.events().len(), 1);
    assert!(notes.all().iter().any(|note| note.contains("Hidden")), "{:?}", notes.all());
}
