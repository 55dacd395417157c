//! What is counted.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use portcullis_core::{
    Acknowledgement, Caller, Clock, Decided, Denial, McpMessage, Method, NoMessage, Note, Recorder,
    RequestFacts as _, Trail, Version,
};
use portcullis_telemetry::Telemetry;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tower::limit::ConcurrencyLimit;
use tower::{Layer as _, Service as _, ServiceExt as _};

use crate::common::*;

async fn send(telemetry: &Telemetry, gate: Gate) {
    let answer = telemetry.layer("notes").layer(gate).oneshot(Request::new(())).await.unwrap();
    answer.into_body().collect().await.unwrap();
}

#[tokio::test]
async fn a_batch_is_as_many_decisions_as_it_has_messages() {
    let telemetry = Telemetry::new();
    telemetry.tool_names("notes", ["read"]);
    let batch = McpMessage::Batch(
        [call("read"), call("made_up"), message(Method::ToolsList, None, "{}")].into(),
    );
    let decided = batch.clone();
    send(
        &telemetry,
        gate(move |request| {
            sign_in(request, &decided);
            allow(request, 0, &call("read"));
            allow(request, 0, &call("read")); // A second layer decides too.
            deny(request, 1, "made_up");
            allow(request, 2, &message(Method::ToolsList, None, "{}"));
            text("[]")
        }),
    )
    .await;
    send(
        &telemetry,
        gate(move |request| {
            sign_in(request, &batch);
            refuse(Denial::rate_limited(None, Duration::from_secs(1)))
        }),
    )
    .await;
    let decisions = |method: &str, decision: &str, reason: &str| {
        format!(
            r#"decisions_total{{route="notes",method="{method}",decision="{decision}",reason="{reason}"}}"#
        )
    };
    let text = telemetry.metrics_text();
    numbers(
        &text,
        &[
            (&decisions("tools/call", "allow", "none"), 1.0),
            (&decisions("tools/call", "deny", "default_deny"), 1.0),
            (&decisions("tools/list", "allow", "none"), 1.0),
            (&decisions("tools/call", "deny", "rate_limited"), 2.0),
            (&decisions("tools/list", "deny", "rate_limited"), 1.0),
            (r#"tool_calls_total{route="notes",tool="read",decision="allow"}"#, 1.0),
            (r#"tool_calls_total{route="notes",tool="other",decision="deny"}"#, 1.0),
            (r#"requests_total{route="notes",outcome="limited",status="429"}"#, 1.0),
            (r#"request_duration_seconds_count{route="notes",method="batch"}"#, 2.0),
            (r#"decision_duration_seconds_count{route="notes"}"#, 1.0),
        ],
    );
}

#[tokio::test]
async fn what_nobody_decided_is_counted_too() {
    let telemetry = Telemetry::new();
    send(&telemetry, gate(|_| text("metadata"))).await;
    send(
        &telemetry,
        gate(|request| {
            sign_in(request, &call("read"));
            text("policy was never asked")
        }),
    )
    .await;
    numbers(
        &telemetry.metrics_text(),
        &[
            (
                r#"decisions_total{route="notes",method="none",decision="public",reason="none"}"#,
                1.0,
            ),
            (
                r#"decisions_total{route="notes",method="tools/call",decision="undecided",reason="none"}"#,
                1.0,
            ),
        ],
    );
}

#[tokio::test]
async fn notes_are_counted() {
    let telemetry = Telemetry::new();
    send(
        &telemetry,
        gate(|request| {
            sign_in(request, &message(Method::ToolsList, None, "{}"));
            let trail = request.trail().unwrap();
            let kind = portcullis_core::TargetKind::Tool;
            trail.note(Note::Hidden { kind, name: "secret_tool" });
            trail.note_for(0, Note::Hidden { kind, name: "other_tool" });
            trail.note(Note::Violation(portcullis_core::Reason::BadRpc));
            text("{}")
        }),
    )
    .await;
    let text = telemetry.metrics_text();
    numbers(
        &text,
        &[
            (r#"hidden_items_total{route="notes",kind="tool"}"#, 2.0),
            (r#"service_violations_total{route="notes",reason="bad_rpc"}"#, 1.0),
            (r#"requests_total{route="notes",outcome="service_error",status="200"}"#, 1.0),
        ],
    );
    assert!(!text.contains("secret_tool"));
}

#[tokio::test]
async fn a_client_that_goes_away_is_seen() {
    let telemetry = Telemetry::new();
    let watch = telemetry.layer("notes");
    // Before the head.
    let stuck =
        tower::service_fn(|_: Request<()>| std::future::pending::<Result<Answer, Infallible>>());
    let mut service = watch.layer(stuck);
    let future = service.ready().await.unwrap().call(Request::new(()));
    numbers(&telemetry.metrics_text(), &[(r#"requests_in_flight{route="notes"}"#, 1.0)]);
    drop(future);
    // Before the end of the body.
    let answer = watch.layer(gate(|_| text("never read"))).oneshot(Request::new(())).await.unwrap();
    drop(answer);
    // A service that fails.
    let broken = tower::service_fn(|_: Request<()>| async { Err::<Answer, _>("down") });
    assert!(watch.layer(broken).oneshot(Request::new(())).await.is_err());
    numbers(
        &telemetry.metrics_text(),
        &[
            (r#"requests_in_flight{route="notes"}"#, 0.0),
            (r#"requests_total{route="notes",outcome="aborted",status="none"}"#, 1.0),
            (r#"requests_total{route="notes",outcome="aborted",status="200"}"#, 1.0),
            (r#"requests_total{route="notes",outcome="service_error",status="none"}"#, 1.0),
        ],
    );
}

/// A stream of server messages counts when it opens, and is open until it ends.
#[tokio::test]
async fn streams_are_open_until_they_end() {
    let telemetry = Telemetry::new();
    let (sender, receiver) = unbounded_channel();
    let receiver = std::sync::Mutex::new(Some(receiver));
    let streaming = tower::service_fn(|mut request: Request<()>| {
        let message = McpMessage::NoMessage(NoMessage::Stream(Version::V2025_11_25));
        sign_in(&mut request, &message);
        allow(&request, 0, &message);
        let body = Channel(receiver.lock().unwrap().take().unwrap());
        let answer = Response::builder()
            .header("content-type", "Text/Event-Stream; charset=utf-8")
            .body(body)
            .unwrap();
        async move { Ok::<_, Infallible>(answer) }
    });
    let answer = telemetry.layer("notes").layer(streaming).oneshot(Request::new(())).await.unwrap();
    let open = r#"streams_open{route="notes"}"#;
    let count = r#"requests_total{route="notes",outcome="ok",status="200"}"#;
    numbers(&telemetry.metrics_text(), &[(open, 1.0), (count, 1.0)]);
    sender.send(Bytes::from_static(b": hello\n\n")).unwrap();
    let mut body = Box::pin(answer.into_body());
    assert!(body.frame().await.unwrap().unwrap().is_data());
    numbers(&telemetry.metrics_text(), &[(open, 1.0)]);
    drop(body);
    let text = telemetry.metrics_text();
    numbers(&text, &[(open, 0.0), (count, 1.0), (r#"requests_in_flight{route="notes"}"#, 0.0)]);
    assert!(!text.contains("aborted"), "to leave a stream is no failure");
}

/// A body of what comes through a channel.
struct Channel(UnboundedReceiver<Bytes>);

impl Body for Channel {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

#[tokio::test]
async fn what_the_service_takes_is_not_the_gates() {
    let (clock, hand) = Clock::manual(1_700_000_000);
    let telemetry = Telemetry::builder().clock(clock).build();
    let within = hand.clone();
    let service = tower::service_fn(move |_: Request<()>| {
        within.advance(Duration::from_millis(400));
        async { Ok::<_, Infallible>(text("{}")) }
    });
    let inner = telemetry.stopwatch().layer(service);
    let around = tower::service_fn(move |mut request: Request<()>| {
        hand.advance(Duration::from_millis(2));
        sign_in(&mut request, &call("read"));
        hand.advance(Duration::from_millis(1));
        allow(&request, 0, &call("read"));
        inner.clone().oneshot(request)
    });
    let answer = telemetry.layer("notes").layer(around).oneshot(Request::new(())).await.unwrap();
    answer.into_body().collect().await.unwrap();
    let text = telemetry.metrics_text();
    let sums = [("decision", 0.003), ("policy", 0.001), ("added", 0.003)];
    for (name, expected) in sums {
        let sum =
            number(&text, &format!(r#"portcullis_{name}_duration_seconds_sum{{route="notes"}}"#));
        assert!((sum.unwrap() - expected).abs() < 1e-9, "{name}: {sum:?}");
    }
    let total = number(
        &text,
        r#"portcullis_request_duration_seconds_sum{route="notes",method="tools/call"}"#,
    );
    assert!((total.unwrap() - 0.403).abs() < 1e-9);
}

/// The service that is ready is the one that is called.
#[tokio::test]
async fn readiness_is_the_inner_services() {
    let telemetry = Telemetry::new();
    let inner = ConcurrencyLimit::new(gate(|_| text("{}")), 1);
    let mut first = telemetry.layer("notes").layer(telemetry.stopwatch().layer(inner));
    let mut second = first.clone();
    let held = first.ready().await.unwrap().call(Request::new(()));
    let waiting = tokio::time::timeout(Duration::from_millis(20), second.ready()).await;
    assert!(waiting.is_err(), "the only place is taken");
    held.await.unwrap().into_body().collect().await.unwrap();
    second.ready().await.unwrap().call(Request::new(())).await.unwrap();
}

/// Inside an audit layer the record goes on, and the decision stays the recorder's.
#[tokio::test]
async fn a_recorder_around_it_goes_on_recording() {
    struct Never;
    impl Recorder for Never {
        fn caller(&self, _: &Caller) {}
        fn message(&self, _: &McpMessage) {}
        fn decided(&self, _: &Decided<'_>) -> Acknowledgement {
            Acknowledgement::Refused
        }
        fn note(&self, _: Note<'_>) {}
    }
    let telemetry = Telemetry::new();
    let inner = gate(|request| {
        sign_in(request, &call("read"));
        let denial = Denial::audit_unavailable(None);
        let message = call("read");
        let decided = Decided { element: 0, message: &message, verdict: Err(&denial) };
        let told = request.trail().unwrap().decided(&decided);
        assert!(matches!(told, Acknowledgement::Refused));
        refuse(denial)
    });
    let mut request = Request::new(());
    request.set_trail(Trail::new(std::sync::Arc::new(Never)));
    telemetry.layer("notes").layer(inner).oneshot(request).await.unwrap();
    assert!(telemetry.metrics_text().contains("audit_unavailable"));
}

#[tokio::test]
async fn two_layers_of_a_name_count_together() {
    let telemetry = Telemetry::new();
    send(&telemetry, gate(|_| text("{}"))).await;
    send(&telemetry.clone(), gate(|_| text("{}"))).await;
    let other = telemetry.layer("other").layer(gate(|_| text("{}")));
    other.oneshot(Request::new(())).await.unwrap().into_body().collect().await.unwrap();
    numbers(
        &telemetry.metrics_text(),
        &[
            (r#"requests_total{route="notes",outcome="ok",status="200"}"#, 2.0),
            (r#"requests_total{route="other",outcome="ok",status="200"}"#, 1.0),
        ],
    );
}
