//! Sessions: how they begin, end, and whose they are.
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
use http::Request;
use http_body_util::Full;
use portcullis_core::{Caller, Clock, ManualClock, Principal, Version};
use portcullis_mcp::{InspectLayer, Limits, SessionKeys};
use portcullis_test::{Answer, DropProbe, FakeMcp};
use serde_json::{Value, json};
use support::*;

fn layer() -> InspectLayer {
    InspectLayer::new()
        .session_keys(SessionKeys::new(&[7; 32]))
        .resource("https://mcp.example.com/mcp")
}

fn initialize() -> Request<Full<Bytes>> {
    let params = json!({
        "protocolVersion": "2025-06-18", "capabilities": { "elicitation": {} }, "clientInfo": {},
    });
    ask("initialize", params)
}

fn settled(version: &str) -> String {
    result(json!({ "protocolVersion": version, "capabilities": {}, "serverInfo": {} }))
}

fn begins(answer: Answer) -> FakeMcp {
    FakeMcp::new().script([answer.header("mcp-session-id", "upstream-7")])
}

#[tokio::test]
async fn a_session_has_a_name_of_our_own() {
    // R-431, R-044.
    let text = settled("2025-06-18");
    let log = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"x"}}"#;
    for (name, answer, body) in [
        ("JSON", Answer::json(text.clone()), text.clone()),
        (
            "a stream",
            Answer::sse([event(log), event(&text), event(log)]),
            [event(log), event(&text), event(log)].concat(),
        ),
        (
            "a stream in pieces",
            Answer::sse(event(&text).chars().map(|c| c.to_string()).collect::<Vec<_>>()),
            event(&text),
        ),
    ] {
        let server = begins(answer);
        let got = whole(send(&layer(), &server, initialize()).await).await;
        assert_eq!((got.status.as_u16(), got.text.as_str()), (200, body.as_str()), "{name}");
        let id = got.header("mcp-session-id").unwrap().to_owned();
        assert!(!id.contains("upstream"), "{name}: {id}");

        let mut request = ask("tools/list", json!({}));
        request.headers_mut().insert("mcp-session-id", id.parse().unwrap());
        let got = whole(send(&layer(), &server, request).await).await;
        assert_eq!(got.status, 200, "{name}: another replica with the same keys");
        assert_eq!(server.last().headers["mcp-session-id"], "upstream-7", "{name}");
        assert_eq!(got.header("mcp-session-id"), None, "{name}");

        let mut request = ask("tools/list", json!({}));
        request.headers_mut().insert("mcp-session-id", id.parse().unwrap());
        let bob = Caller::Verified(Principal::builder("https://id.example", "bob").build().into());
        let got = whole(send_as(bob, &layer(), &server, request).await).await;
        assert_eq!((got.status.as_u16(), got.text.as_str()), (404, "Session not found"), "{name}");
        assert_eq!(server.count(), 2, "{name}: the service never saw bob");
    }
}

#[tokio::test]
async fn a_stream_that_begins_a_session_goes_on() {
    let (sender, body) = portcullis_test::ChunkedBody::live();
    let answer = Answer::status(200).header("content-type", "text/event-stream").body(body);
    sender.send(event(&settled("2025-06-18")).into()).unwrap();
    let mut response = send(&layer(), &begins(answer), initialize()).await;
    assert!(response.headers().contains_key("mcp-session-id"));
    assert_eq!(next(&mut response).await.unwrap(), event(&settled("2025-06-18")));
    sender.send(": still here\n".into()).unwrap();
    assert_eq!(next(&mut response).await.unwrap(), ":\n\n");
}

#[tokio::test]
async fn a_session_begins_only_with_a_version_we_speak() {
    // R-044.
    let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no"}}"#;
    let narrow = || layer().versions([Version::V2025_06_18, Version::V2025_11_25]).unwrap();
    let cases = [
        ("garbage", "garbage".to_owned(), 502),
        ("no version", result(json!({})), 502),
        ("no text", result(json!({ "protocolVersion": 1 })), 502),
        ("an unknown version", settled("2099-01-01"), 502),
        ("a disabled version", settled("2025-03-26"), 502),
        ("a modern version", settled("2026-07-28"), 502),
        ("another version we speak", settled("2025-11-25"), 200),
        ("an error", error.to_owned(), 200),
    ];
    for (name, body, status) in cases {
        let begun = status == 200 && body != error;
        for answer in [Answer::json(body.clone()), Answer::sse([event(&body)])] {
            let response = send(&narrow(), &begins(answer), initialize()).await;
            assert_eq!(response.status(), status, "{name}");
            assert_eq!(response.headers().contains_key("mcp-session-id"), begun, "{name}");
        }
    }
    let modern = begins(Answer::json(settled("2026-07-28")));
    let response = send(&layer(), &modern, initialize()).await;
    assert_eq!(response.status(), 502, "a version without sessions, though we speak it");
    let silent = begins(Answer::sse(["data: x"]));
    assert_eq!(send(&layer(), &silent, initialize()).await.status(), 502, "no answer at all");
    let events = vec![":\n".to_owned(); 2_000].into_iter().chain([event(&settled("2025-06-18"))]);
    let endless = begins(Answer::sse(events));
    let layer = layer().limits(Limits::new().event(4_000));
    assert_eq!(send(&layer, &endless, initialize()).await.status(), 502, "too much before it");
}

#[tokio::test]
async fn a_name_that_cannot_be_sealed_begins_nothing() {
    for id in ["x".repeat(250), "with space".into(), "é".into()] {
        let answer = Answer::json(settled("2025-06-18")).header("mcp-session-id", &id);
        let server = FakeMcp::new().script([answer]);
        assert_eq!(send(&layer(), &server, initialize()).await.status(), 502, "{id}");
    }
    let twice = begins(Answer::json(settled("2025-06-18")).header("mcp-session-id", "other"));
    assert_eq!(send(&layer(), &twice, initialize()).await.status(), 502);
    let stateless = FakeMcp::new().script([Answer::json(settled("2025-06-18"))]);
    let response = send(&layer(), &stateless, initialize()).await;
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key("mcp-session-id"));
}

/// A request of a session, and the server it is in.
async fn session(method: http::Method) -> Request<Full<Bytes>> {
    let server = begins(Answer::json(settled("2025-06-18")));
    let id = send(&layer(), &server, initialize()).await.headers()["mcp-session-id"].clone();
    let mut request = ask("tools/list", json!({}));
    *request.method_mut() = method;
    request.headers_mut().insert("mcp-session-id", id);
    request
}

#[tokio::test]
async fn sessions_end() {
    // R-433, R-434, recipe 4.10.
    use http::Method;
    for method in [Method::POST, Method::GET, Method::DELETE] {
        let server = FakeMcp::new().script([Answer::status(404)]);
        let got = whole(send(&layer(), &server, session(method.clone()).await).await).await;
        assert_eq!(
            (got.status.as_u16(), got.text.as_str()),
            (404, "Session not found"),
            "{method}"
        );
        assert_eq!(got.header("content-type"), Some("text/plain; charset=utf-8"), "{method}");
        assert_eq!(server.last().headers["mcp-session-id"], "upstream-7", "{method}");
    }
    for (status, expected) in
        [(200, 200), (202, 202), (204, 204), (405, 405), (500, 502), (302, 502)]
    {
        let server = FakeMcp::new().script([Answer::status(status)]);
        let got = whole(send(&layer(), &server, session(Method::DELETE).await).await).await;
        assert_eq!(got.status.as_u16(), expected);
        assert!(status == expected && got.text.is_empty() || expected == 502);
    }
}

#[tokio::test]
async fn modern_requests_have_no_session() {
    // R-437.
    let server = begins(Answer::json(result(json!({}))));
    let mut request = modern("tools/call", json!({ "name": "t" }));
    request.headers_mut().insert("mcp-session-id", "whatever".parse().unwrap());
    let response = send(&layer(), &server, request).await;
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key("mcp-session-id"));
    assert!(!server.last().headers.contains_key("mcp-session-id"));
}

/// The id of a session that alice began.
async fn session_id(layer: &InspectLayer, caller: Caller, upstream: &str) -> String {
    let answer = Answer::json(settled("2025-06-18")).header("mcp-session-id", upstream);
    let server = FakeMcp::new().script([answer]);
    let response = send_as(caller, layer, &server, initialize()).await;
    response.headers()["mcp-session-id"].to_str().unwrap().to_owned()
}

fn in_session(id: &str, mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    request.headers_mut().insert("mcp-session-id", id.parse().unwrap());
    request
}

fn answer_to(id: &Value) -> Request<Full<Bytes>> {
    let body = json!({ "jsonrpc": "2.0", "id": id, "result": { "action": "accept" } });
    legacy(Some("2025-06-18"), body.to_string())
}

/// R-031, X-164.
#[tokio::test]
async fn clients_answer_only_what_they_were_asked() {
    let bob = || Caller::Verified(Principal::builder("https://id.example", "bob").build().into());
    let session = session_id(&layer(), alice(), "upstream-7").await;
    let other = session_id(&layer(), alice(), "upstream-8").await;
    let bobs = session_id(&layer(), bob(), "upstream-7").await;
    for own in [json!("srv-1"), json!(7), json!("s\"\u{e9}"), json!("x".repeat(100))] {
        let asks =
            json!({ "jsonrpc": "2.0", "id": own, "method": "elicitation/create", "params": {} });
        let cancels = json!({
            "jsonrpc": "2.0", "method": "notifications/cancelled",
            "params": { "reason": "late", "requestId": own },
        });
        let last = result(json!({ "content": [] }));
        let events = [asks.to_string(), cancels.to_string(), last].map(|data| event(&data));
        let call = in_session(&session, ask("tools/call", json!({ "name": "t" })));
        let events = whole(send(&layer(), &streaming(events), call).await).await.events();
        let name = &events[0]["id"];
        assert_ne!(name, &own);
        assert_eq!(&events[1]["params"]["requestId"], name, "it names the same request");
        assert_eq!(events[1]["params"]["reason"], "late");

        let server = FakeMcp::new();
        let request = in_session(&session, answer_to(name));
        assert_eq!(send(&layer(), &server, request).await.status(), 202, "{own}");
        assert_eq!(server.last().json()["id"], own, "the server gets its own id back");

        let name = name.as_str().unwrap();
        let (mark, id) = name.split_once('.').unwrap();
        let (first, rest) = mark.split_at(1);
        let forged = format!("{}{rest}.{id}", if first == "A" { "B" } else { "A" });
        let rows = [
            ("the server's own", alice(), &session, own.clone()),
            ("another session's", alice(), &other, json!(name)),
            ("somebody else's", bob(), &bobs, json!(name)),
            ("forged", alice(), &session, json!(forged)),
            ("a short mark", alice(), &session, json!(format!(".{id}"))),
            ("another id", alice(), &session, json!(format!("{mark}.OA"))),
        ];
        for (what, caller, session, id) in rows {
            let server = FakeMcp::new();
            let response =
                send_as(caller, &layer(), &server, in_session(session, answer_to(&id))).await;
            assert_eq!((response.status().as_u16(), server.count()), (400, 0), "{what}: {own}");
        }
    }
}

/// R-211: an answer, too, belongs to no task of somebody else.
#[tokio::test]
async fn clients_answer_for_their_own_tasks() {
    let settled = settled("2025-11-25");
    let answer = Answer::json(settled).header("mcp-session-id", "upstream-7");
    let begins = FakeMcp::new().script([answer]);
    let session = send(&layer(), &begins, initialize()).await.headers()["mcp-session-id"].clone();
    let ask = |body: Value| {
        let mut request = legacy(Some("2025-11-25"), body.to_string());
        request.headers_mut().insert("mcp-session-id", session.clone());
        request
    };
    let call = |task: Value| {
        let params = json!({ "name": "t", "task": task });
        ask(json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }))
    };
    let begun = FakeMcp::json(result(json!({ "task": { "taskId": "786512e2" } })));
    let task = whole(send(&layer(), &begun, call(json!({}))).await).await.json();
    let task = task["result"]["task"]["taskId"].as_str().unwrap().to_owned();
    let asks =
        json!({ "jsonrpc": "2.0", "id": "s1", "method": "elicitation/create", "params": {} });
    let events = [asks.to_string(), result(json!({ "content": [] }))].map(|data| event(&data));
    let events = whole(send(&layer(), &streaming(events), call(json!({}))).await).await.events();
    const RELATED: &str = "io.modelcontextprotocol/related-task";
    for (id, status) in [(&*task, 202), ("786512e2", 400), ("made up", 400)] {
        let said = json!({ "action": "accept", "_meta": { RELATED: { "taskId": id } } });
        let server = FakeMcp::new();
        let answer = ask(json!({ "jsonrpc": "2.0", "id": events[0]["id"], "result": said }));
        assert_eq!(send(&layer(), &server, answer).await.status(), status, "{id}");
        assert_eq!(server.count(), usize::from(status == 202), "{id}");
        if status == 202 {
            let told = server.last().json();
            assert_eq!(told["result"]["_meta"][RELATED], json!({ "taskId": "786512e2" }));
        }
    }
}

#[tokio::test]
async fn an_id_that_is_too_long_ends_the_stream() {
    let session = session_id(&layer(), alice(), "upstream-7").await;
    let asks = json!({ "jsonrpc": "2.0", "id": "x".repeat(200), "method": "ping" });
    let call = in_session(&session, ask("tools/call", json!({ "name": "t" })));
    let events =
        whole(send(&layer(), &streaming([event(&asks.to_string())]), call).await).await.events();
    assert_eq!(events[0]["error"]["code"], -32603);
}

fn clocked() -> (InspectLayer, ManualClock) {
    let (clock, hand) = Clock::manual(1_800_000_000);
    (layer().clock(clock), hand)
}

fn named(id: &str, method: &str) -> Request<Full<Bytes>> {
    let mut request = in_session(id, ask("ping", json!({})));
    *request.method_mut() = method.parse().unwrap();
    request
}

async fn status(layer: &InspectLayer, server: &FakeMcp, request: Request<Full<Bytes>>) -> u16 {
    send(layer, server, request).await.status().as_u16()
}

const MINUTE: Duration = Duration::from_secs(60);

/// R-435: a session in which nothing happens ends, here and at the service behind.
#[tokio::test(start_paused = true)]
async fn idle_sessions_end() {
    let server = FakeMcp::new();
    let (layer, clock) = clocked();
    let id = session_id(&layer, alice(), "up-1").await;
    for minutes in [29, 29, 29] {
        clock.advance(minutes * MINUTE);
        assert_eq!(status(&layer, &server, named(&id, "POST")).await, 200, "in use");
    }
    clock.advance(30 * MINUTE);
    let got = whole(send(&layer, &server, named(&id, "POST")).await).await;
    assert_eq!((got.status.as_u16(), got.text.as_str()), (404, "Session not found"));
    soon(server.arrived(4)).await;
    let told = server.last();
    assert_eq!(
        (told.method.as_str(), &told.headers["mcp-session-id"]),
        ("DELETE", &"up-1".parse().unwrap())
    );
    assert_eq!(subject(&told), "alice");
    for method in ["POST", "GET", "DELETE"] {
        assert_eq!(
            status(&layer, &server, named(&id, method)).await,
            404,
            "{method}: it stays ended"
        );
    }
    tokio::task::yield_now().await;
    assert_eq!(server.count(), 4, "it is ended once");

    for method in ["GET", "DELETE"] {
        let id = session_id(&layer, alice(), "up-2").await;
        let mut request = named(&id, method);
        request.headers_mut().insert("accept", "text/event-stream".parse().unwrap());
        clock.advance(30 * MINUTE);
        assert_eq!(status(&layer, &FakeMcp::new(), request).await, 404, "{method}");
    }

    let id = session_id(&layer, alice(), "up-3").await;
    let (another_replica, hand) = clocked();
    hand.advance(10 * 60 * MINUTE);
    assert_eq!(status(&another_replica, &server, named(&id, "POST")).await, 200, "first seen now");
    hand.advance(14 * 60 * MINUTE);
    assert_eq!(status(&another_replica, &server, named(&id, "POST")).await, 404, "24 hours");

    let layer = layer.limits(Limits::new().session_lifetime(MINUTE).session_idle(60 * MINUTE));
    let id = session_id(&layer, alice(), "up-4").await;
    clock.advance(MINUTE);
    assert_eq!(status(&layer, &server, named(&id, "POST")).await, 404, "a shorter life");
}

/// R-435: an open stream is something that happens.
#[tokio::test]
async fn sessions_with_a_stream_are_not_idle() {
    let (layer, clock) = clocked();
    let id = session_id(&layer, alice(), "up-1").await;
    let (sender, body) = portcullis_test::ChunkedBody::live();
    let answer = Answer::status(200).header("content-type", "text/event-stream").body(body);
    let mut request = named(&id, "GET");
    request.headers_mut().insert("accept", "text/event-stream".parse().unwrap());
    let stream = send(&layer, &FakeMcp::new().script([answer]), request).await;
    clock.advance(60 * MINUTE);
    assert_eq!(status(&layer, &FakeMcp::new(), named(&id, "POST")).await, 200);
    clock.advance(20 * MINUTE);
    drop((stream, sender));
    clock.advance(29 * MINUTE);
    assert_eq!(status(&layer, &FakeMcp::new(), named(&id, "POST")).await, 200, "since its end");
    clock.advance(30 * MINUTE);
    assert_eq!(status(&layer, &FakeMcp::new(), named(&id, "POST")).await, 404);
}

/// R-435: to open a stream is to use its session.
#[tokio::test]
async fn of_streams_the_one_opened_first_ends() {
    let (layer, clock) = clocked();
    let layer = layer.limits(Limits::new().sessions(2));
    let (one, two) =
        (session_id(&layer, alice(), "up-1").await, session_id(&layer, alice(), "up-2").await);
    let mut open = Vec::new();
    for id in [&two, &one] {
        clock.advance(MINUTE);
        let (sender, body) = portcullis_test::ChunkedBody::live();
        let answer = Answer::status(200).header("content-type", "text/event-stream").body(body);
        let mut request = named(id, "GET");
        request.headers_mut().insert("accept", "text/event-stream".parse().unwrap());
        open.push((send(&layer, &FakeMcp::new().script([answer]), request).await, sender));
    }
    clock.advance(MINUTE);
    session_id(&layer, alice(), "up-3").await;
    let server = FakeMcp::new();
    assert_eq!(status(&layer, &server, named(&two, "POST")).await, 404);
    assert_eq!(status(&layer, &server, named(&one, "POST")).await, 200);
}

/// R-435: one more than allowed ends the one used least recently.
#[tokio::test(start_paused = true)]
async fn callers_have_so_many_sessions() {
    let (layer, clock) = clocked();
    let layer = layer.limits(Limits::new().sessions(3));
    let server = FakeMcp::new();
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(session_id(&layer, alice(), &format!("up-{n}")).await);
        clock.advance(MINUTE);
    }
    assert_eq!(status(&layer, &server, named(&ids[0], "POST")).await, 200);
    clock.advance(MINUTE);
    let begins = begins(Answer::json(settled("2025-06-18")));
    let fourth = send(&layer, &begins, initialize()).await.headers()["mcp-session-id"].clone();
    soon(begins.arrived(2)).await;
    let told = begins.last();
    assert_eq!(
        (told.method.as_str(), &told.headers["mcp-session-id"]),
        ("DELETE", &"up-1".parse().unwrap())
    );
    let expected = [200, 404, 200];
    for (id, expected) in ids.iter().zip(expected) {
        assert_eq!(status(&layer, &server, named(id, "POST")).await, expected);
    }
    assert_eq!(status(&layer, &server, named(fourth.to_str().unwrap(), "POST")).await, 200);
    let bob = Caller::Verified(Principal::builder("https://id.example", "bob").build().into());
    session_id(&layer, bob, "up-9").await;
    assert_eq!(status(&layer, &server, named(&ids[0], "POST")).await, 200, "bob has his own");
}

/// R-434: what the client has ended stays ended, whatever the service behind would say to it.
#[tokio::test]
async fn what_the_client_ends_is_over() {
    for (answer, after) in [(200, 404), (204, 404), (404, 404), (405, 200)] {
        let (layer, _) = clocked();
        let id = session_id(&layer, alice(), "up-1").await;
        let server = FakeMcp::new();
        assert_eq!(status(&layer, &server, named(&id, "POST")).await, 200);
        server.push(Answer::status(answer));
        send(&layer, &server, named(&id, "DELETE")).await;
        assert_eq!(status(&layer, &server, named(&id, "POST")).await, after, "{answer}");
    }
}

/// R-434: a stream ends with its session, and what it owes is answered with an error; of other sessions none
/// ends.
#[tokio::test(start_paused = true)]
async fn what_happens_in_a_session_ends_with_it() {
    const PROGRESS: &str = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#;
    const LOST: &str =
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"Upstream error"}}"#;
    let get = |id: &str| {
        let mut request = named(id, "GET");
        request.headers_mut().insert("accept", "text/event-stream".parse().unwrap());
        request
    };
    let call = |id: &str| in_session(id, ask("tools/call", json!({ "name": "t" })));
    for (answer, ends) in [(200, true), (204, true), (404, true), (405, false), (500, false)] {
        for busy in [false, true] {
            let (layer, _) = clocked();
            let id = session_id(&layer, alice(), "up-1").await;
            let other = session_id(&layer, alice(), "up-2").await;
            let mut open = Vec::new();
            for (request, owes) in [(get(&id), ""), (call(&id), LOST), (get(&other), "")] {
                let (sender, body) = portcullis_test::ChunkedBody::live();
                let probe = DropProbe::new();
                let body = body.probed(&probe);
                let said = Answer::status(200).header("content-type", "text/event-stream");
                let server = FakeMcp::new().script([said.body(body)]);
                let mut response = send(&layer, &server, request).await;
                // An id from which it could be resumed, if the session went on.
                sender.send(format!("id: 7\n{}", event(PROGRESS)).into()).unwrap();
                assert!(next(&mut response).await.unwrap().ends_with(&event(PROGRESS)));
                open.push((tokio::spawn(whole(response)), owes, sender, probe));
            }
            // They wait, each in a task of its own.
            tokio::task::yield_now().await;
            if busy {
                let events = event(PROGRESS).repeat(100);
                open.iter()
                    .for_each(|(_, _, sender, _)| sender.send(events.clone().into()).unwrap());
            }
            let server = FakeMcp::new().script([Answer::status(answer)]);
            send(&layer, &server, named(&id, "DELETE")).await;
            let name = format!("{answer}, busy: {busy}");
            let rest = open.pop().unwrap();
            for (stream, owes, sender, probe) in open {
                if !ends {
                    sender.send(event(&result(json!({}))).into()).unwrap();
                    drop(sender);
                    let got = stream.await.unwrap().text;
                    assert!(!got.contains(LOST), "{name}: {got}");
                    continue;
                }
                let got = tokio::time::timeout(Duration::from_secs(1), stream).await;
                let got = got.expect(&name).unwrap().text;
                let owes = if owes.is_empty() { String::new() } else { event(owes) };
                assert!(busy || got == owes, "{name}: {got}");
                assert!(got.ends_with(&owes), "{name}: {got}");
                soon(probe.dropped()).await;
            }
            let (stream, _, sender, _) = rest;
            tokio::task::yield_now().await;
            assert!(!stream.is_finished(), "{name}: another session");
            drop(sender);
            stream.await.unwrap();
        }
    }
}

/// R-435: nor does a stream outlive its session when that ends to make room.
#[tokio::test(start_paused = true)]
async fn streams_end_to_make_room() {
    let (layer, _) = clocked();
    let layer = layer.limits(Limits::new().sessions(1));
    let id = session_id(&layer, alice(), "up-1").await;
    let (_sender, body) = portcullis_test::ChunkedBody::live();
    let answer = Answer::status(200).header("content-type", "text/event-stream").body(body);
    let mut request = named(&id, "GET");
    request.headers_mut().insert("accept", "text/event-stream".parse().unwrap());
    let mut stream = send(&layer, &FakeMcp::new().script([answer]), request).await;
    session_id(&layer, alice(), "up-2").await;
    assert_eq!(next(&mut stream).await, None);
}

/// R-442, X-163: who guesses is slowed down, and sessions that there are stay open.
#[tokio::test]
async fn guesses_are_few() {
    let (layer, clock) = clocked();
    let id = session_id(&layer, alice(), "up-1").await;
    let server = FakeMcp::new();
    for n in 0..20 {
        let guess = named(&format!("guess-{n}"), if n % 2 == 0 { "POST" } else { "DELETE" });
        assert_eq!(status(&layer, &server, guess).await, 404, "{n}");
    }
    let got = whole(send(&layer, &server, named("guess", "POST")).await).await;
    assert_eq!((got.status.as_u16(), got.json()["error"]["code"].clone()), (429, json!(-31429)));
    assert_eq!(got.header("retry-after"), Some("3"));
    assert_eq!(status(&layer, &server, named(&id, "POST")).await, 200);
    let bob = || Caller::Verified(Principal::builder("https://id.example", "bob").build().into());
    let stolen = send_as(bob(), &layer, &server, named(&id, "POST")).await;
    assert_eq!(stolen.status(), 404, "each caller is counted apart");
    clock.advance(MINUTE);
    assert_eq!(status(&layer, &server, named("guess", "POST")).await, 404);
    assert_eq!(server.count(), 1, "nothing of it goes further");
}

/// R-445.
#[tokio::test]
async fn services_without_sessions() {
    let layer = layer().stateless();
    let begins = begins(Answer::json(settled("2025-06-18")));
    let response = send(&layer, &begins, initialize()).await;
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key("mcp-session-id"));
    let server = FakeMcp::new();
    assert_eq!(status(&layer, &server, ask("tools/list", json!({}))).await, 200);
    for method in ["GET", "DELETE"] {
        for resumed in [false, true] {
            let mut request = ask("tools/list", json!({}));
            *request.method_mut() = method.parse().unwrap();
            request.headers_mut().insert("accept", "text/event-stream".parse().unwrap());
            if resumed {
                request.headers_mut().insert("last-event-id", "7".parse().unwrap());
            }
            let response = send(&layer, &server, request).await;
            assert_eq!(
                (response.status().as_u16(), response.headers()["allow"].to_str().unwrap()),
                (405, "POST")
            );
        }
    }
    let of_before = session_id(&self::layer(), alice(), "up-1").await;
    assert_eq!(status(&layer, &server, named(&of_before, "POST")).await, 404, "begin anew");
    assert_eq!(status(&layer, &server, answer_to(&json!("AAAA.AAAA"))).await, 400);
    assert_eq!(server.count(), 1);
}
