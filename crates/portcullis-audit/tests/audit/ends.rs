//! How an answer ends, and what tower promises.

use std::convert::Infallible;
use std::future::pending;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use portcullis_audit::{AuditBody, AuditLayer};
use portcullis_core::McpMessage;
use serde_json::Value;
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer as _, Service as _, ServiceBuilder, ServiceExt as _, service_fn};
use tower_test::mock;

use crate::common::*;

/// A body of `left` frames of four bytes, then the end, an error, or nothing ever.
struct Frames {
    left: u32,
    then: Then,
    announced: Option<u64>,
}

#[derive(Clone, Copy)]
enum Then {
    End,
    Fail,
    Hang,
}

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        if self.left > 0 {
            self.left -= 1;
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"data")))));
        }
        match self.then {
            Then::End => Poll::Ready(None),
            Then::Fail => Poll::Ready(Some(Err("broken pipe"))),
            Then::Hang => Poll::Pending,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.announced.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Lets `message` run and answers with `frames`.
async fn answer(audited: &Audited, message: McpMessage, frames: Frames) -> AuditBody<Frames> {
    let mut frames = Some(frames);
    let service = service_fn(move |mut request: Request<()>| {
        sign_in(&mut request, &message);
        let _ = allow(&request, 0, &message);
        let response = Response::new(frames.take().unwrap());
        async move { Ok::<_, Infallible>(response) }
    });
    audited.layer.layer(service).oneshot(request()).await.unwrap().into_body()
}

fn outcomes(records: &[Value]) -> Vec<(&str, u64)> {
    records
        .iter()
        .filter(|record| record["record"] == "outcome")
        .map(|it| (it["result_type"].as_str().unwrap(), it["bytes_out"].as_u64().unwrap()))
        .collect()
}

#[tokio::test]
async fn the_outcome_is_written_when_the_answer_has_ended() {
    let rows = [
        ("read to its end", call("x"), 3, Then::End, None, 4, ("complete", 12)),
        ("left in the middle", call("x"), 3, Then::End, None, 2, ("aborted", 8)),
        ("never read", call("x"), 3, Then::End, None, 0, ("aborted", 0)),
        ("failed", call("x"), 2, Then::Fail, None, 3, ("error", 8)),
        ("as long as announced", call("x"), 2, Then::Hang, Some(8), 2, ("complete", 8)),
        ("shorter than announced", call("x"), 2, Then::Hang, Some(9), 2, ("aborted", 8)),
        ("announced as empty", call("x"), 0, Then::End, Some(0), 0, ("complete", 0)),
        ("stream left", stream(), 2, Then::Hang, None, 2, ("stream", 8)),
        ("stream ended", stream(), 2, Then::End, None, 3, ("stream", 8)),
        ("stream failed", stream(), 2, Then::Fail, None, 3, ("error", 8)),
    ];
    for (name, message, left, then, announced, reads, expected) in rows {
        let audited = audit(|builder| builder);
        let mut body = answer(&audited, message, Frames { left, then, announced }).await;
        for _ in 0..reads {
            let _ = body.frame().await;
        }
        assert_eq!(body.size_hint().exact(), announced, "{name}: the body is untouched");
        drop(body);
        let records = audited.records().await;
        assert_eq!(records[0]["decision"], "allow", "{name}");
        assert_eq!(outcomes(&records), [expected], "{name}");
    }
}

#[tokio::test]
async fn an_open_stream_has_a_decision_and_no_outcome_yet() {
    let audited = audit(|builder| builder);
    let frames = Frames { left: 1, then: Then::Hang, announced: None };
    let mut body = answer(&audited, stream(), frames).await;
    body.frame().await.unwrap().unwrap();
    assert_eq!(audited.records().await.len(), 1, "the stream is open");
    drop(body);
    assert_eq!(audited.records().await.len(), 2, "the stream is closed");
}

/// The caller goes away while the service works: the future is dropped.
#[tokio::test]
async fn a_dropped_future_is_an_aborted_request() {
    type Inside = fn(&mut Request<()>);
    let rows: [(&str, Inside, &[&str]); 3] = [
        (
            "while the tool runs",
            |request| {
                sign_in(request, &call("read"));
                let _ = allow(request, 0, &call("read"));
            },
            &["allow", "aborted"],
        ),
        ("before policy", |request| sign_in(request, &call("read")), &["undecided", "aborted"]),
        ("before sign-in", |_| {}, &[]),
    ];
    for (name, inside, expected) in rows {
        let audited = audit(|builder| builder);
        let service = service_fn(move |mut request: Request<()>| {
            inside(&mut request);
            pending::<Result<Response<Body>, Infallible>>()
        });
        let mut future = Box::pin(audited.layer.layer(service).oneshot(request()));
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(future.as_mut().poll(&mut context).is_pending(), "{name}");
        drop(future);
        let records = audited.records().await;
        let words: Vec<_> = records
            .iter()
            .map(|it| it.get("decision").or(it.get("result_type")).unwrap().as_str().unwrap())
            .collect();
        assert_eq!(words, expected, "{name}");
        assert!(records.iter().all(|record| record.get("http_status").is_none()), "{name}");
    }
}

#[tokio::test]
async fn an_error_of_the_service_is_an_outcome() {
    let audited = audit(|builder| builder);
    let service = service_fn(|mut request: Request<()>| async move {
        sign_in(&mut request, &call("read"));
        let _ = allow(&request, 0, &call("read"));
        Err::<Response<Body>, _>("no connection")
    });
    let error = audited.layer.layer(service).oneshot(request()).await.unwrap_err();
    assert_eq!(error, "no connection", "the service's own error, untouched");
    assert_eq!(outcomes(&audited.records().await), [("error", 0)]);
}

/// An outer stack, or a careless server, left facts behind: they are not this request's.
#[tokio::test]
async fn facts_from_elsewhere_are_forgotten() {
    use portcullis_core::RequestFacts as _;
    let audited = audit(|builder| builder);
    let mut request = request();
    request.set_caller(alice());
    audited
        .send_request(request, |request| {
            assert!(request.caller().is_none());
            ok("{}")
        })
        .await;
    assert_eq!(audited.records().await.len(), 0);
}

#[tokio::test]
async fn a_layer_that_is_off_records_nothing_and_changes_nothing() {
    use portcullis_core::RequestFacts as _;
    let service = AuditLayer::danger_off().layer(service_fn(|request: Request<()>| async move {
        assert!(request.trail().is_none());
        Ok::<_, Infallible>(ok("{}"))
    }));
    let body = service.oneshot(request()).await.unwrap().into_body();
    assert_eq!(body.collect().await.unwrap().to_bytes(), "{}");
    assert!(AuditLayer::danger_off().flush().await);
}

/// The ready service is the one that is called, inside a limit and around one.
#[tokio::test]
async fn readiness_is_the_inner_services() {
    let (inner, mut handle) = mock::pair::<Request<()>, Response<Body>>();
    let audited = audit(|builder| builder);
    let mut service = ServiceBuilder::new()
        .layer(ConcurrencyLimitLayer::new(2))
        .layer(audited.layer.clone())
        .layer(ConcurrencyLimitLayer::new(1))
        .service(inner);
    handle.allow(1);

    let first = service.ready().await.unwrap().call(request());
    let mut clone = service.clone();
    let mut context = Context::from_waker(std::task::Waker::noop());
    assert!(clone.poll_ready(&mut context).is_pending(), "the inner limit is reached");

    let (_, reply) = handle.next_request().await.unwrap();
    reply.send_response(ok("{}"));
    drop(first.await.unwrap());
    handle.allow(1);
    assert!(clone.ready().await.is_ok(), "and free again");
    let second = clone.call(request());
    let (_, reply) = handle.next_request().await.unwrap();
    reply.send_response(ok("{}"));
    assert_eq!(second.await.unwrap().status(), 200);
}
