#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use portcullis_core::{AnonymousReason, Caller, RequestFacts as _};
use portcullis_test::{
    Answer, ChunkedBody, DropProbe, FakeMcp, raw_http1, send_http1, send_http2, serve,
    split_response,
};
use tower::{Service as _, ServiceExt as _};

fn post(body: &'static str) -> Request<Full<Bytes>> {
    Request::post("/mcp").body(Full::new(body.into())).unwrap()
}

#[tokio::test]
async fn it_remembers_and_answers() {
    let fake = FakeMcp::new().script([Answer::status(503).header("retry-after", "5")]);
    let mut request = post(r#"{"jsonrpc":"2.0","id":"x","method":"ping"}"#);
    request.set_caller(Caller::Anonymous(AnonymousReason::NoCredentials));

    let scripted = fake.clone().oneshot(request.clone()).await.unwrap();
    assert_eq!(
        (scripted.status().as_u16(), &scripted.headers()["retry-after"]),
        (503, &"5".parse().unwrap())
    );
    let answered = fake.clone().oneshot(request).await.unwrap();
    let body = answered.into_body().collect().await.unwrap().to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body, serde_json::json!({ "jsonrpc": "2.0", "id": "x", "result": {} }));
    let accepted = fake.clone().oneshot(post(r#"{"method":"notifications/x"}"#)).await.unwrap();
    assert_eq!(accepted.status(), 202);

    fake.arrived(3).await;
    assert_eq!(fake.count(), 3);
    assert!(fake.seen()[0].caller.is_some());
    assert_eq!(fake.last().json()["method"], "notifications/x");
    assert!(!fake.last().body_failed);
}

#[tokio::test]
async fn a_broken_request_body_is_seen() {
    let fake = FakeMcp::new();
    let body = ChunkedBody::new(["par"]).yielding().then_fails();
    fake.clone().oneshot(Request::post("/").body(body).unwrap()).await.unwrap();
    assert_eq!(fake.last().body, "par");
    assert!(fake.last().body_failed);
}

#[tokio::test]
#[should_panic(expected = "polled ready")]
async fn a_fresh_clone_must_not_be_called() {
    let mut fake = FakeMcp::new();
    std::future::poll_fn(|cx| tower::Service::<Request<Full<Bytes>>>::poll_ready(&mut fake, cx))
        .await
        .unwrap();
    drop(fake.clone().call(post("")));
}

#[tokio::test]
async fn a_hanging_server_never_answers() {
    let call = FakeMcp::new().script([Answer::hang()]).oneshot(post(""));
    assert!(futures_pending(call).await);
}

async fn futures_pending(call: impl Future) -> bool {
    let mut call = std::pin::pin!(call);
    std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx).is_pending())).await
}

#[tokio::test]
async fn streams_are_watched() {
    let probe = DropProbe::new();
    let fake = FakeMcp::new().script([Answer::sse(["data: 1\n\n"]).never_ending().probed(&probe)]);
    let mut body = fake.oneshot(post("")).await.unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "data: 1\n\n");
    assert!(futures_pending(body.frame()).await);
    assert!(!probe.is_dropped());
    drop(body);
    probe.dropped().await;
}

#[tokio::test]
async fn live_bodies_and_trailers() {
    let (sender, mut body) = ChunkedBody::live();
    assert!(futures_pending(body.frame()).await);
    sender.send("a".into()).unwrap();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "a");
    drop(sender);
    assert!(body.frame().await.is_none());

    let trailers = HeaderMap::from_iter([(http::header::ETAG, "x".parse().unwrap())]);
    let body = ChunkedBody::new(["a"]).then_trailers(trailers);
    assert!(body.collect().await.unwrap().trailers().is_some());
}

#[tokio::test]
async fn wires() {
    let fake = FakeMcp::json("{}");
    fake.push(Answer::sse(["data: 1\n", "\n"]));
    fake.push(Answer::status(204));
    let server = serve(fake.clone()).await;

    let rows = [
        ("chunked", "GET /a HTTP/1.1\r\nhost: x\r\n\r\n", "8\r\ndata: 1\n\r\n1\r\n\n\r\n0\r\n\r\n"),
        ("no content", "GET /b HTTP/1.1\r\nhost: x\r\n\r\n", ""),
        ("length", "GET /c HTTP/1.1\r\nhost: x\r\n\r\n", "{}"),
        ("head", "HEAD /d HTTP/1.1\r\nhost: x\r\n\r\n", ""),
        ("close", "GET /e HTTP/1.0\r\n\r\n", "{}"),
    ];
    for (name, request, body) in rows {
        let response = raw_http1(server.addr(), request).await;
        let (head, got) = split_response(&response);
        assert!(head.starts_with("HTTP/1."), "{name}: {head}");
        assert_eq!(String::from_utf8(got).unwrap(), body, "{name}");
    }
    let refused = raw_http1(server.addr(), "nonsense\r\n\r\n").await;
    assert!(refused.starts_with(b"HTTP/1.1 400"));

    let request = Request::get("/f").header("host", "one.example").body(Bytes::new()).unwrap();
    assert_eq!(send_http1(server.addr(), request).await.body(), "{}");
    assert_eq!(fake.last().headers["host"], "one.example");
    let request = Request::get("http://two.example/g").body(Bytes::new()).unwrap();
    assert_eq!(send_http2(server.addr(), request).await.body(), "{}");
    assert_eq!(fake.last().uri, "http://two.example/g");
    assert_eq!(server.url("/x"), format!("http://{}/x", server.addr()));
}
