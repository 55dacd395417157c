//! How much one caller may ask at once and over time (R-085, R-087, R-236).
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

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use portcullis_core::{
    AnonymousReason, Caller, Clock, Principal, Reason, RequestFacts as _, ResponseFacts as _,
};
use portcullis_mcp::{
    InspectLayer, Limits, MemoryRates, Rate, RateKey, RateLimits, RateStore, Taken, Taking,
    TakingSender,
};
use portcullis_test::{Answer, ChunkedBody, DropProbe, FakeMcp};
use serde_json::{Value, json};
use support::*;
use tower::{Service, ServiceBuilder, ServiceExt as _};

const TOO_MANY: &str =
    r#"{"jsonrpc":"2.0","id":1,"error":{"code":-31429,"message":"Too many requests"}}"#;
const UNAVAILABLE: &str =
    r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"Temporarily unavailable"}}"#;

fn call() -> Request<Full<Bytes>> {
    modern("tools/call", json!({ "name": "t" }))
}

fn discover() -> Request<Full<Bytes>> {
    modern("server/discover", json!({}))
}

fn listen() -> Request<Full<Bytes>> {
    modern("subscriptions/listen", json!({ "notifications": {} }))
}

fn get() -> Request<Full<Bytes>> {
    let request = Request::get("/mcp").header("accept", "text/event-stream");
    request.header("mcp-protocol-version", "2025-06-18").body(Full::default()).unwrap()
}

fn notification() -> Request<Full<Bytes>> {
    let body = r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#;
    legacy(Some("2025-06-18"), body)
}

fn batch(methods: &[&str]) -> Request<Full<Bytes>> {
    let all = methods.iter().enumerate().map(|(id, method)| {
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": { "name": "t" } })
    });
    legacy(Some("2025-03-26"), all.collect::<Value>().to_string())
}

fn person(subject: &str, client: &str) -> Caller {
    let principal = Principal::builder("https://id.example", subject).client_id(client);
    Caller::Verified(principal.build().into())
}

fn nobody() -> Caller {
    Caller::Anonymous(AnonymousReason::NoCredentials)
}

/// A server that streams for ever.
fn endless() -> FakeMcp {
    FakeMcp::answering(|_| Answer::sse(["data:\n\n"]).never_ending())
}

fn reason(response: &Answered) -> Reason {
    response.denial().unwrap().reason()
}

/// Recipe 4.16.
async fn is_too_many(response: Answered, name: &str) {
    let got = whole(response).await;
    assert_eq!(got.status, 429, "{name}");
    assert_eq!(got.header("cache-control"), Some("no-store"), "{name}");
    assert!(got.header("retry-after").unwrap().parse::<u64>().unwrap() > 0, "{name}");
    assert_eq!(got.text, TOO_MANY, "{name}");
}

#[tokio::test(start_paused = true)]
async fn the_defaults() {
    let layer = InspectLayer::new();
    for (name, request, limit) in [
        ("streams of the session", get as fn() -> Request<Full<Bytes>>, 32),
        ("subscriptions", listen, 32),
        ("calls", call, 64),
    ] {
        let layer = layer.clone().limits(Limits::new());
        let server = endless();
        let mut open = Vec::new();
        for _ in 0..limit {
            let response = send(&layer, &server, request()).await;
            assert_eq!(response.status(), 200, "{name}");
            open.push(response);
        }
        let response = send(&layer, &server, request()).await;
        assert_eq!(
            (response.status().as_u16(), reason(&response)),
            (429, Reason::ConcurrencyLimited),
            "{name}"
        );
        assert_eq!(response.headers()["retry-after"], "5", "{name}");
        assert_eq!(server.count(), limit, "{name}");
        open.pop();
        assert_eq!(send(&layer, &server, request()).await.status(), 200, "{name}: a seat is free");
    }
}

/// A place is taken from inspection to the end of the answer's body, however that comes.
#[tokio::test]
async fn a_place_is_free_when_the_answer_has_ended() {
    let layer = InspectLayer::new().limits(Limits::new().calls_in_flight(1));
    let full = async |name: &str| {
        let server = FakeMcp::new();
        is_too_many(send(&layer, &server, call()).await, name).await;
        assert_eq!(server.count(), 0, "{name}");
    };

    let response = send(&layer, &FakeMcp::new(), call()).await;
    full("the answer has not been read").await;
    whole(response).await;

    let probe = DropProbe::new();
    let server = FakeMcp::new().script([Answer::sse(["data:\n\n"]).never_ending().probed(&probe)]);
    let mut response = send(&layer, &server, call()).await;
    next(&mut response).await;
    full("the stream is open").await;
    drop(response);
    assert!(probe.is_dropped(), "the client went away");

    let hangs = FakeMcp::new().script([Answer::hang()]);
    let waiting = tokio::spawn({
        let (layer, server) = (layer.clone(), hangs.clone());
        async move { send(&layer, &server, call()).await }
    });
    hangs.arrived(1).await;
    full("the service has not answered").await;
    waiting.abort();
    waiting.await.unwrap_err();

    let fails = FakeMcp::new()
        .script([Answer::sse(["data:\n\n"]).body(ChunkedBody::new(["data:\n\n"]).then_fails())]);
    let mut response = send(&layer, &fails, call()).await;
    while response.body_mut().frame().await.is_some_and(|frame| frame.is_ok()) {}
    drop(response);

    let refused = send(&layer, &FakeMcp::new(), ask("admin/reset", json!({}))).await;
    assert_eq!(send(&layer, &FakeMcp::new(), call()).await.status(), 200, "refusals take none");
    drop(refused);
    assert_eq!(send(&layer, &FakeMcp::new(), call()).await.status(), 200);
}

#[tokio::test]
async fn each_caller_has_places_of_their_own() {
    let layer = InspectLayer::new().limits(Limits::new().calls_in_flight(1).open_streams(1));
    let server = endless();
    let _first = send_as(person("alice", "a"), &layer, &server, call()).await;
    for (name, caller, request, expected) in [
        ("another token of the same", person("alice", "a"), call(), 429),
        ("another client", person("alice", "b"), call(), 200),
        ("another person", person("bob", "a"), call(), 200),
        ("a stream", person("alice", "a"), get(), 200),
        ("nobody", nobody(), call(), 200),
    ] {
        let response = send_as(caller, &layer, &server, request).await;
        assert_eq!(response.status(), expected, "{name}");
    }
    let _nobody = send_as(nobody(), &layer, &server, call()).await;
    let response = send_as(nobody(), &layer, &server, call()).await;
    assert_eq!(response.status(), 429, "all that are nobody are one");
}

/// R-087: a client takes 429 for a legacy server; and what lets calls end must get past them.
#[tokio::test]
async fn some_messages_have_room_left() {
    let layer = InspectLayer::new().limits(Limits::new().calls_in_flight(2));
    let server = endless();
    let fill = async |count: usize| {
        let mut open = Vec::new();
        while open.len() < count {
            let request = if open.len() < 2 { call() } else { discover() };
            open.push(send(&layer, &server, request).await);
        }
        open
    };
    let initialize = || {
        let params = json!({ "protocolVersion": "2025-06-18", "capabilities": {} });
        ask("initialize", params)
    };
    for (name, request, at_limit, at_twice) in [
        ("call", call as fn() -> Request<Full<Bytes>>, 429, 429),
        ("a batch", || batch(&["ping"]), 429, 429),
        ("the probe", discover, 200, 503),
        ("initialize", initialize, 200, 503),
        ("a notification", notification, 202, 429),
    ] {
        for (open, expected) in [(2, at_limit), (4, at_twice)] {
            let open = fill(open).await;
            let settled = result(json!({ "protocolVersion": "2025-06-18", "capabilities": {} }));
            let server = FakeMcp::answering(move |seen| match seen.json()["method"].as_str() {
                Some("initialize") => Answer::json(settled.clone()),
                _ => Answer::sse(["data:\n\n"]).never_ending(),
            });
            let response = send(&layer, &server, request()).await;
            assert_eq!(response.status(), expected, "{name} with {} open", open.len());
            if expected >= 400 {
                assert_eq!(reason(&response), Reason::ConcurrencyLimited, "{name}");
                assert_eq!(response.headers()["retry-after"], "5", "{name}");
                assert_eq!(server.count(), 0, "{name}");
            }
            if expected == 503 {
                assert_eq!(whole(response).await.text, UNAVAILABLE, "{name}");
            }
        }
    }
}

#[tokio::test]
async fn each_request_of_a_batch_counts() {
    let layer = InspectLayer::new().limits(Limits::new().calls_in_flight(3));
    let server = endless();
    let two = || batch(&["ping", "tools/list"]);
    let first = send(&layer, &server, two()).await;
    assert_eq!(first.status(), 200);
    let response = send(&layer, &server, two()).await;
    assert_eq!(response.status(), 429);
    let third = send(&layer, &server, call()).await;
    assert_eq!(third.status(), 200);
    drop((first, third));
    let more_than_there_are = batch(&["ping"; 5]);
    assert_eq!(send(&layer, &server, more_than_there_are).await.status(), 200, "alone it may");
}

/// A name, who sends what after how many seconds, and the status and `Retry-After` of the answer.
type Row = (&'static str, Caller, Request<Full<Bytes>>, u64, u16, Option<&'static str>);

fn rates() -> RateLimits {
    let (two, one) = (Rate::per_minute(2).unwrap(), Rate::per_minute(1).unwrap());
    RateLimits::new().per_principal(two).tool("t", one)
}

#[tokio::test]
async fn calls_flow_in_at_their_rate() {
    let (clock, hand) = Clock::manual(1_000);
    let layer = InspectLayer::new().clock(clock).rate_limits(rates());
    let other = || modern("tools/call", json!({ "name": "other" }));
    let alice = || person("alice", "a");
    let rows: [Row; 16] = [
        ("first", alice(), call(), 0, 200, None),
        ("the tool's is used up", alice(), call(), 0, 429, Some("60")),
        ("another tool", alice(), other(), 0, 429, Some("30")),
        ("another client", person("alice", "b"), other(), 0, 200, None),
        ("another person", person("bob", "a"), other(), 0, 200, None),
        ("the probe", alice(), discover(), 0, 200, None),
        ("a stream", alice(), get(), 0, 429, Some("30")),
        ("almost", alice(), other(), 29, 429, Some("1")),
        ("one has flowed in", alice(), other(), 1, 200, None),
        ("no more", alice(), other(), 0, 429, Some("30")),
        ("both", alice(), call(), 30, 200, None),
        ("a batch", person("carol", "a"), batch(&["ping", "ping"]), 0, 200, None),
        ("is as many", person("carol", "a"), other(), 0, 429, Some("30")),
        (
            "a batch of calls",
            person("dave", "a"),
            batch(&["tools/call", "tools/call"]),
            0,
            200,
            None,
        ),
        ("is as many of the tool", person("dave", "a"), call(), 60, 429, Some("60")),
        ("after that", person("dave", "a"), call(), 60, 200, None),
    ];
    for (name, caller, request, later, status, retry_after) in rows {
        hand.advance(Duration::from_secs(later));
        let server = FakeMcp::answering(|_| Answer::sse(["data:\n\n"]));
        let (response, reached) = (send_as(caller, &layer, &server, request).await, server.count());
        assert_eq!(response.status(), status, "{name}");
        assert_eq!(reached, usize::from(status == 200), "{name}");
        let wait = response.headers().get("retry-after").map(|wait| wait.to_str().unwrap());
        assert_eq!(wait, retry_after, "{name}");
        if status == 429 {
            assert_eq!(reason(&response), Reason::RateLimited, "{name}");
        }
    }
    let server = FakeMcp::new();
    for _ in 0..3 {
        let _ = send_as(nobody(), &layer, &server, other()).await;
    }
    is_too_many(send_as(nobody(), &layer, &server, other()).await, "all nobodies").await;
}

#[tokio::test]
async fn nothing_is_limited_unless_told() {
    let layer = InspectLayer::new();
    for _ in 0..1000 {
        assert_eq!(send(&layer, &FakeMcp::new(), call()).await.status(), 200);
    }
}

/// A store that answers when the test does.
#[derive(Clone, Default)]
struct Slow(Arc<Mutex<Vec<TakingSender>>>);

impl RateStore for Slow {
    fn take(&self, _: &RateKey, _: u32, _: Rate, _: Duration) -> Taking {
        let (sender, taking) = Taking::pair();
        self.0.lock().unwrap().push(sender);
        taking
    }
}

#[tokio::test]
async fn a_store_elsewhere_is_waited_for() {
    let store = Slow::default();
    let layer = InspectLayer::new().rate_limits(rates().store(store.clone()));
    let refused = Taken::Refused { retry_after: Duration::from_millis(1500) };
    for (name, request, answers, status, text) in [
        ("granted", call(), &[Some(Taken::Granted), Some(Taken::Granted)][..], 200, None),
        ("the caller's refused", call(), &[Some(refused)], 429, Some(TOO_MANY)),
        ("the tool's refused", call(), &[Some(Taken::Granted), Some(refused)], 429, Some(TOO_MANY)),
        ("cannot say", call(), &[Some(Taken::Unknown)], 503, Some(UNAVAILABLE)),
        ("gone", call(), &[Some(Taken::Granted), None], 503, Some(UNAVAILABLE)),
        ("a stream, granted", get(), &[Some(Taken::Granted)], 200, None),
        ("a stream, refused", get(), &[Some(refused)], 429, None),
    ] {
        let server = FakeMcp::answering(|_| Answer::sse(["data:\n\n"]));
        let asked = tokio::spawn({
            let (layer, server) = (layer.clone(), server.clone());
            async move { send(&layer, &server, request).await }
        });
        for answer in answers {
            let sender = loop {
                let asked = store.0.lock().unwrap().pop();
                match asked {
                    Some(sender) => break sender,
                    None => tokio::task::yield_now().await,
                }
            };
            assert_eq!(server.count(), 0, "{name}: not before the answer");
            if let Some(answer) = answer {
                sender.send(*answer);
            }
        }
        let response = asked.await.unwrap();
        assert_eq!(response.status(), status, "{name}");
        assert_eq!(server.count(), usize::from(status == 200), "{name}");
        if status == 503 {
            assert_eq!(reason(&response), Reason::RateUnavailable, "{name}");
        }
        if status == 429 {
            assert_eq!(response.headers()["retry-after"], "2", "{name}: rounded up");
        }
        if let Some(text) = text {
            assert_eq!(whole(response).await.text, text, "{name}");
        }
    }
}

#[tokio::test]
async fn a_full_store_lets_nobody_past() {
    let layer = InspectLayer::new().rate_limits(rates().store(MemoryRates::new(1)));
    let list = || modern("tools/list", json!({}));
    assert_eq!(send_as(person("a", "c"), &layer, &FakeMcp::new(), list()).await.status(), 200);
    let server = FakeMcp::new();
    let response = send_as(person("b", "c"), &layer, &server, list()).await;
    assert_eq!((response.status().as_u16(), server.count()), (503, 0));
}

/// The service that was polled ready is the one that is called, also after waiting for a store.
#[tokio::test]
async fn readiness_is_kept_while_a_store_is_asked() {
    let store = Slow::default();
    let layer = InspectLayer::new().rate_limits(rates().store(store.clone()));
    let permits = tower::layer::layer_fn(Permits::new);
    let mut service = ServiceBuilder::new()
        .layer(layer)
        .layer(permits)
        .concurrency_limit(1)
        .service(FakeMcp::new());
    for request in [call(), get(), call()] {
        let mut request = request;
        request.set_caller(alice());
        let response = ready(&mut service).await.call(request);
        let response = tokio::spawn(response);
        let mut granted = 0;
        while !response.is_finished() {
            if let Some(sender) = store.0.lock().unwrap().pop() {
                sender.send(Taken::Granted);
                granted += 1;
            }
            tokio::task::yield_now().await;
        }
        assert!(granted > 0);
        drop(response.await.unwrap().unwrap());
    }
}

async fn ready<S: Service<Request<Full<Bytes>>>>(service: &mut S) -> &mut S {
    service.ready().await.ok().unwrap()
}
