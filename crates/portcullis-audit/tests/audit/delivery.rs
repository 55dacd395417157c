//! What happens between a record and its sink, and what a request sees of it.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use http_body_util::BodyExt as _;
use portcullis_audit::{
    AuditLayer, AuditLayerBuilder, ChainedSink, Chaining, ConfigErrorKind, Delivery, Format,
    JsonLines, MemorySink, Record, Sink, SinkOptions,
};
use portcullis_core::{Acknowledgement, McpMessage, Method};
use tower::ServiceExt as _;

use crate::common::*;

/// Waits in every write until its gate is dropped.
struct Blocked {
    entered: Sender<()>,
    gate: Receiver<()>,
    inner: MemorySink,
}

impl Sink for Blocked {
    fn write(&mut self, record: &Record, line: &[u8]) -> io::Result<()> {
        let _ = self.entered.send(());
        let _ = self.gate.recv();
        self.inner.write(record, line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn blocked() -> (Blocked, Receiver<()>, Sender<()>, MemorySink) {
    let (entered, has_entered) = channel();
    let (open, gate) = channel();
    let inner = MemorySink::new();
    (Blocked { entered, gate, inner: inner.clone() }, has_entered, open, inner)
}

/// Fails as told.
#[derive(Clone, Copy)]
enum Broken {
    Write,
    Flush,
    Panic,
}

impl Sink for Broken {
    fn write(&mut self, _: &Record, _: &[u8]) -> io::Result<()> {
        match self {
            Self::Write => Err(io::ErrorKind::StorageFull.into()),
            Self::Flush => Ok(()),
            Self::Panic => panic!("a sink that panics"),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Flush => Err(io::ErrorKind::StorageFull.into()),
            Self::Write | Self::Panic => Ok(()),
        }
    }
}

fn with(sink: impl Sink) -> Audited {
    audit(|_| AuditLayer::builder().sink(sink))
}

/// What policy is told about `message`.
async fn ask(audited: &Audited, message: &McpMessage) -> Acknowledgement {
    let mut told = None;
    audited
        .send(|request| {
            sign_in(request, message);
            told = Some(allow(request, 0, message));
            ok("{}")
        })
        .await;
    told.unwrap()
}

async fn recorded(acknowledgement: Acknowledgement) -> bool {
    match acknowledgement {
        Acknowledgement::Recorded => true,
        Acknowledgement::Refused => false,
        Acknowledgement::Pending(receipt) => receipt.await,
    }
}

#[tokio::test]
async fn a_call_waits_until_its_decision_is_on_record() {
    let (sink, entered, open, kept) = blocked();
    let audited = with(sink);
    let Acknowledgement::Pending(mut receipt) = ask(&audited, &call("read")).await else {
        panic!("a call must wait")
    };
    entered.recv().unwrap();
    assert!(futures_now(&mut receipt).is_none(), "not written yet");
    drop(open);
    assert!(receipt.await);
    assert!(kept.records()[0].as_decision().is_some());
}

fn futures_now<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::Pin::new(future).poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

#[tokio::test]
async fn a_full_queue_refuses_calls_and_drops_the_rest_with_a_gap() {
    let (sink, entered, open, kept) = blocked();
    let audited = audit(|_| AuditLayer::builder().sink(sink).capacity(2));
    let list = message(Method::ToolsList, None);
    let mut answers = Vec::new();
    let mut told = Vec::new();
    for message in [&list, &list, &list, &call("read"), &list] {
        let answer = audited.respond(request(), |request| {
            sign_in(request, message);
            told.push(allow(request, 0, message));
            ok("{}")
        });
        answers.push(answer.await);
        if answers.len() == 1 {
            entered.recv().unwrap(); // The writer has the first; the next two fill the queue.
        }
    }
    let told: Vec<_> = told.iter().map(|told| matches!(told, Acknowledgement::Refused)).collect();
    assert_eq!(told, [false, false, false, true, false], "only the call is refused");
    assert_eq!(audited.layer.lost(), 2);

    drop(open);
    assert!(audited.layer.flush().await);
    let kinds: Vec<_> = kept.records().iter().map(Record::kind).collect();
    assert_eq!(kinds, ["decision", "decision", "decision", "gap"]);
    let Record::Gap(gap) = &kept.records()[3] else { panic!("a gap") };
    assert_eq!(gap.dropped(), 2);

    // Space is back, and so is service.
    assert!(recorded(ask(&audited, &call("read")).await).await);
    assert_eq!(audited.layer.lost(), 2);
}

#[tokio::test]
async fn a_sink_that_fails_refuses_calls() {
    for (name, sink) in
        [("write", Broken::Write), ("flush", Broken::Flush), ("panic", Broken::Panic)]
    {
        let audited = with(sink);
        assert!(!recorded(ask(&audited, &call("read")).await).await, "{name}");
        assert!(!audited.layer.flush().await, "{name}");
        assert!(!recorded(ask(&audited, &call("read")).await).await, "{name}: and again");
        let list = ask(&audited, &message(Method::ToolsList, None)).await;
        assert!(matches!(list, Acknowledgement::Recorded), "{name}: lists go on");
    }
}

#[tokio::test]
async fn every_sink_must_have_it() {
    let good = MemorySink::new();
    let audited = audit(|builder| builder.sink(good.clone()).sink(Broken::Write));
    assert!(!recorded(ask(&audited, &call("read")).await).await);
    audited.layer.flush().await;
    assert_eq!(good.records().len(), 2, "the others get theirs");
    assert_eq!(audited.sink.records().len(), 2);
}

#[tokio::test]
async fn a_sink_that_recovers_reports_what_it_missed() {
    let audited = audit(|builder| builder);
    audited.sink.fail(true);
    assert!(!recorded(ask(&audited, &call("read")).await).await);
    assert!(!audited.layer.flush().await);
    assert_eq!(audited.layer.lost(), 2, "a decision and an outcome");
    audited.sink.fail(false);
    assert!(audited.layer.flush().await);
    let records = audited.sink.records();
    let [Record::Gap(gap)] = records.as_slice() else { panic!("a gap") };
    assert_eq!(gap.dropped(), 2);
    assert!(recorded(ask(&audited, &call("read")).await).await);
}

#[tokio::test]
async fn which_decisions_must_be_on_record() {
    type Set = fn(AuditLayerBuilder) -> AuditLayerBuilder;
    let list = || message(Method::ToolsList, None);
    let rows: [(&str, Set, McpMessage, bool); 8] = [
        ("a call", |builder| builder, call("read"), true),
        ("a list", |builder| builder, list(), false),
        ("a notification", |builder| builder, notification(), false),
        ("a list on demand", |it| it.fail_closed_for([Method::ToolsList]), list(), true),
        ("a call still", |it| it.fail_closed_for([Method::ToolsList]), call("read"), true),
        ("everything", |it| it.fail_closed_always(), notification(), true),
        ("nothing", |it| it.danger_fail_open(), call("read"), false),
        (
            "one after nothing",
            |it| it.danger_fail_open().fail_closed_for([Method::ToolsCall]),
            call("read"),
            true,
        ),
    ];
    for (name, set, message, must) in rows {
        let audited = audit(set);
        let pending = matches!(ask(&audited, &message).await, Acknowledgement::Pending(_));
        assert_eq!(pending, must, "{name}");
    }
}

#[tokio::test]
async fn a_sink_that_drops_holds_nobody_up() {
    let (slow, entered, open, kept) = blocked();
    let options = SinkOptions::new().delivery(Delivery::DropAndCount).capacity(1);
    let audited = audit(|builder| builder.sink_with(slow, options));
    for at in 0..5 {
        let told = ask(&audited, &call("read")).await;
        assert!(recorded(told).await, "the sink in memory has it");
        if at == 0 {
            entered.recv().unwrap();
        }
    }
    let lost = audited.layer.lost();
    assert_eq!(lost, 8, "one is being written, one is queued");
    drop(open);
    assert!(audited.layer.flush().await);
    let records = kept.records();
    assert_eq!(records.len(), 3);
    let Record::Gap(gap) = &records[2] else { panic!("a gap") };
    assert_eq!((gap.dropped(), gap.since()), (8, Some(Duration::from_secs(1_795_000_000))));
    assert_eq!(audited.sink.records().len(), 10, "the other sink has all");
}

#[tokio::test]
async fn a_sink_that_blocks_makes_requests_wait_for_room_and_loses_nothing() {
    let (slow, entered, open, kept) = blocked();
    let options = SinkOptions::new().delivery(Delivery::Block).capacity(2);
    let audited = audit(|_| AuditLayer::builder().sink_with(slow, options).danger_fail_open());
    let list = message(Method::ToolsList, None);
    let mut told = Vec::new();
    let mut answers = Vec::new();
    for at in 0..6 {
        let answer = audited.respond(request(), |request| {
            sign_in(request, &list);
            told.push(allow(request, 0, &list));
            ok("{}")
        });
        answers.push(answer.await); // Not read: no outcomes yet.
        if at == 0 {
            entered.recv().unwrap();
        }
    }
    // One is being written and two are queued; the others wait for room, not for the disk.
    let mut waiting: Vec<_> = told
        .into_iter()
        .filter_map(|told| match told {
            Acknowledgement::Recorded => None,
            Acknowledgement::Pending(receipt) => Some(receipt),
            Acknowledgement::Refused => panic!("nothing is refused"),
        })
        .collect();
    assert_eq!(waiting.len(), 3);
    assert!(waiting.iter_mut().all(|receipt| futures_now(receipt).is_none()));
    drop(open);
    for receipt in waiting {
        assert!(receipt.await);
    }
    for answer in answers {
        drop(answer);
        assert!(audited.layer.flush().await);
    }
    assert_eq!(audited.layer.lost(), 0);
    let kinds: Vec<_> = kept.records().iter().map(Record::kind).collect();
    assert_eq!(kinds, [["decision"; 6], ["outcome"; 6]].concat());
}

#[tokio::test]
async fn records_that_nobody_waits_for_have_bounded_room_with_a_sink_that_blocks() {
    let (slow, entered, open, kept) = blocked();
    let options = SinkOptions::new().delivery(Delivery::Block).capacity(2);
    let audited = audit(|_| AuditLayer::builder().sink_with(slow, options).danger_fail_open());
    for at in 0..20 {
        let response = audited.respond(request(), |request| {
            sign_in(request, &call("purge"));
            deny(request, 0, &call("purge")).into_response()
        });
        drop(response.await);
        if at == 0 {
            entered.recv().unwrap();
        }
    }
    assert_eq!(audited.layer.lost(), 40 - 1 - 2 - 2, "written, queued, kept beyond the queue");
    drop(open);
    assert!(audited.layer.flush().await);
    assert_eq!(kept.records().len(), 6, "and the gap");
}

#[tokio::test]
async fn requests_that_go_away_while_they_wait_for_room_take_none() {
    let (slow, entered, open, kept) = blocked();
    let options = SinkOptions::new().delivery(Delivery::Block).capacity(2);
    let audited = audit(|_| AuditLayer::builder().sink_with(slow, options).danger_fail_open());
    let list = message(Method::ToolsList, None);
    let mut stays = Vec::new();
    for at in 0..2000 {
        let answer = audited.respond(request(), |request| {
            sign_in(request, &list);
            let told = allow(request, 0, &list);
            if at < 6 {
                stays.push(told);
            }
            ok("{}")
        });
        std::mem::forget(answer.await); // No outcomes: this is about decisions.
        if at == 0 {
            entered.recv().unwrap();
        }
    }
    let status = audited.layer.log().status();
    assert!(status[0].queued <= 2 + 6 + 2, "{}", status[0].queued);
    assert_eq!(audited.layer.lost() + status[0].queued + 1, 2000);
    drop(open);
    let pending = stays.into_iter().filter_map(|told| match told {
        Acknowledgement::Pending(receipt) => Some(receipt),
        _ => None,
    });
    let pending: Vec<_> = pending.collect();
    assert_eq!(pending.len(), 3, "those who still wait");
    for receipt in pending {
        assert!(receipt.await);
    }
    assert!(audited.layer.flush().await);
    let decisions = kept.records().iter().filter(|it| it.kind() == "decision").count();
    assert!((6..=13).contains(&decisions), "{decisions}");
}

#[tokio::test]
async fn only_so_many_requests_wait_for_room() {
    let (slow, entered, open, _) = blocked();
    let options = SinkOptions::new().delivery(Delivery::Block).capacity(1);
    let audited = audit(|_| AuditLayer::builder().sink_with(slow, options).danger_fail_open());
    let list = message(Method::ToolsList, None);
    let mut told = Vec::new();
    let mut answers = Vec::new();
    for at in 0..2 + 16_384 + 5 {
        let answer = audited.respond(request(), |request| {
            sign_in(request, &list);
            told.push(allow(request, 0, &list));
            ok("{}")
        });
        answers.push(answer.await);
        if at == 0 {
            entered.recv().unwrap();
        }
    }
    let refused = told.iter().filter(|it| matches!(it, Acknowledgement::Refused)).count();
    let pending = told.iter().filter(|it| matches!(it, Acknowledgement::Pending(_))).count();
    assert_eq!((pending, refused), (16_384, 5));
    drop(open);
}

#[tokio::test]
async fn a_sink_that_blocks_and_fails_holds_nobody_up() {
    for (name, sink) in
        [("write", Broken::Write), ("flush", Broken::Flush), ("panic", Broken::Panic)]
    {
        let options = SinkOptions::new().delivery(Delivery::Block).capacity(1);
        let audited = audit(|_| AuditLayer::builder().sink_with(sink, options).danger_fail_open());
        for _ in 0..50 {
            assert!(recorded(ask(&audited, &call("read")).await).await, "{name}");
        }
        audited.layer.flush().await;
        assert!(audited.layer.lost() >= 99, "{name}: {}", audited.layer.lost());
    }
}

/// Notes what it is told besides records.
#[derive(Clone, Default)]
struct Told(std::sync::Arc<std::sync::Mutex<Vec<&'static str>>>);

impl Sink for Told {
    fn write(&mut self, _: &Record, _: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap().push("write");
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn tick(&mut self) -> io::Result<()> {
        self.0.lock().unwrap().push("tick");
        Err(io::Error::other("costs no record"))
    }

    fn close(&mut self) -> io::Result<()> {
        self.0.lock().unwrap().push("close");
        Ok(())
    }
}

#[tokio::test]
async fn each_sink_has_its_format_and_ocsf_is_chained() {
    let (cef, ocsf) = (MemorySink::new(), MemorySink::new());
    let chained = ChainedSink::new(ocsf.clone(), Chaining::unsigned()).unwrap();
    let audited = audit(|builder| {
        builder
            .sink_with(cef.clone(), SinkOptions::new().format(Format::Cef))
            .sink_with(chained, SinkOptions::new().format(Format::Ocsf))
    });
    let _ = ask(&audited, &call("read")).await;
    assert_eq!(audited.records().await.len(), 2);
    drop(audited.layer);
    assert!(cef.lines().iter().all(|line| line.starts_with("CEF:0|portcullis|")));
    let lines = ocsf.lines();
    assert_eq!(lines.len(), 4, "a start, two records and a shutdown");
    assert!(lines[1].starts_with("{\"category_uid\":6,"), "{}", lines[1]);
    let mut verifier = portcullis_audit::Verifier::new();
    verifier.read("ocsf", (lines.join("\n") + "\n").as_bytes()).unwrap();
    let report = verifier.finish();
    assert!(report.is_intact() && report.records == 4, "{report:?}");
    assert!(report.chains[0].to.as_deref() > Some("2026"), "the time is read, too");
}

#[tokio::test]
async fn a_sink_is_closed_after_its_last_record() {
    let told = Told::default();
    let audited = with(told.clone());
    let _ = ask(&audited, &call("read")).await;
    assert!(audited.layer.flush().await);
    assert_eq!(audited.layer.lost(), 0);
    drop(audited);
    let told = told.0.lock().unwrap();
    assert!(told.contains(&"tick"), "{told:?}");
    assert_eq!(told.last(), Some(&"close"));
    assert_eq!(told.iter().filter(|&&it| it == "close").count(), 1);
}

#[tokio::test]
async fn a_refusal_waits_for_nobody() {
    let (sink, _entered, _open, _kept) = blocked();
    let audited = audit(|_| {
        let builder = AuditLayer::builder().sink(sink);
        builder.shutdown_timeout(Duration::ZERO)
    });
    audited
        .send(|request| {
            sign_in(request, &call("purge"));
            deny(request, 0, &call("purge")).into_response()
        })
        .await;
}

#[tokio::test]
async fn nothing_is_decided_for_a_caller_who_has_gone() {
    let audited = audit(|builder| builder);
    let mut trail = None;
    audited
        .send(|request| {
            use portcullis_core::RequestFacts as _;
            sign_in(request, &call("read"));
            trail = request.trail().cloned();
            ok("{}")
        })
        .await;
    let (message, permit) = (call("read"), permit());
    let decided = portcullis_core::Decided { element: 0, message: &message, verdict: Ok(&permit) };
    let told = trail.unwrap().decided(&decided);
    assert!(matches!(told, Acknowledgement::Refused));
    assert_eq!(audited.records().await.len(), 2, "no third record");
}

#[tokio::test]
async fn dropping_the_last_handle_writes_what_is_queued() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let kept = MemorySink::new();
    let layer = AuditLayer::builder()
        .sink(JsonLines::open(&path).unwrap())
        .sink(kept.clone())
        .build()
        .unwrap();
    let service = tower::ServiceBuilder::new().layer(layer).service(tower::service_fn(
        |mut request: http::Request<()>| {
            sign_in(&mut request, &call("read"));
            let _ = allow(&request, 0, &call("read"));
            async { Ok::<_, std::convert::Infallible>(ok("{}")) }
        },
    ));
    for _ in 0..1000 {
        let response = service.clone().oneshot(request()).await.unwrap();
        response.into_body().collect().await.unwrap();
    }
    drop(service);
    assert_eq!(kept.records().len(), 2000);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 2000);
    for line in text.lines() {
        let _: serde_json::Value = serde_json::from_str(line).unwrap();
    }
}

#[tokio::test]
async fn a_stuck_sink_does_not_hold_the_process() {
    let (sink, entered, _open, _kept) = blocked();
    let audited =
        audit(|_| AuditLayer::builder().sink(sink).shutdown_timeout(Duration::from_millis(10)));
    let _ = ask(&audited, &call("read")).await;
    entered.recv().unwrap();
    drop(audited);
}

#[tokio::test]
async fn a_test_can_wait_for_the_next_record() {
    let audited = audit(|builder| builder);
    let sink = audited.sink.clone();
    let waiting = tokio::spawn(async move { (sink.next().await, sink.next().await) });
    let _ = ask(&audited, &call("read")).await;
    let (first, second) = waiting.await.unwrap();
    assert_eq!((first.kind(), second.kind()), ("decision", "outcome"));
}

#[test]
fn settings_that_cannot_be_honoured_are_errors() {
    let sink = MemorySink::new;
    let builder = || AuditLayer::builder().sink(sink());
    let rows = [
        ("no sink", AuditLayer::builder().build(), ConfigErrorKind::NoSink),
        ("no room", builder().capacity(0).build(), ConfigErrorKind::Setting),
        ("no rate", builder().unauthenticated_limit(0, 1).build(), ConfigErrorKind::Setting),
        ("no burst", builder().unauthenticated_limit(1, 0).build(), ConfigErrorKind::Setting),
        (
            "no room for one sink",
            builder().sink_with(sink(), SinkOptions::new().capacity(0)).build(),
            ConfigErrorKind::Setting,
        ),
        (
            "CEF in a chain",
            AuditLayer::builder()
                .sink_with(
                    ChainedSink::new(sink(), Chaining::unsigned()).unwrap(),
                    SinkOptions::new().format(Format::Cef),
                )
                .build(),
            ConfigErrorKind::Setting,
        ),
        (
            "none fails closed",
            AuditLayer::builder()
                .sink_with(sink(), SinkOptions::new().delivery(Delivery::DropAndCount))
                .sink_with(sink(), SinkOptions::new().delivery(Delivery::Block))
                .build(),
            ConfigErrorKind::Setting,
        ),
        ("resource", builder().resource("x".repeat(1025)).build(), ConfigErrorKind::Setting),
    ];
    for (name, built, kind) in rows {
        let error = built.unwrap_err();
        assert_eq!(error.kind(), kind, "{name}");
        assert!(!error.to_string().contains('\n'), "{name}");
    }
}
