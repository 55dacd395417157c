//! What being on record costs: on the request's thread, and on the writer's.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use portcullis::audit::{
    AuditLayer, ChainedSink, Chaining, FileSink, Record, SigningKey, Sink, SyncPolicy,
};
use portcullis::core::Clock;
use tower::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::serve::{bare, exchange, succeed};
use crate::support::{self, Group, keep, now, processor_time};
use crate::whole::{self, gate, mint, requests};

/// Against one event of the usual logger, written to nowhere by a thread of its own.
pub fn request(group: &mut Group) {
    let mint = mint();
    let requests = requests(&mint);
    let off = group.work("gate without audit", {
        let mut requests = requests.clone();
        let service = gate(&mint, AuditLayer::danger_off()).layer(bare());
        move || succeed(service.clone(), requests.next().clone())
    });
    let on = group.work("gate", {
        let mut requests = requests.clone();
        let service = gate(&mint, whole::unwaited()).layer(bare());
        move || succeed(service.clone(), requests.next().clone())
    });
    let (writer, guard) = tracing_appender::non_blocking(io::sink());
    let logger = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(writer);
    let logger = tracing::Dispatch::new(tracing_subscriber::registry().with(logger));
    let tracing = group.timed("one tracing event, JSON, non-blocking", move |times| {
        let _guard = &guard;
        tracing::dispatcher::with_default(&logger, || {
            let start = processor_time();
            (0..times).for_each(event);
            processor_time() - start
        })
    });
    group.faster("T10", on.over(off), tracing, 40.0);
    group.note("The gate writes two records for each request, a decision and an outcome.");
}

/// As many members as a decision record has.
fn event(n: u64) {
    tracing::info!(
        record = "decision",
        event_id = n,
        request_id = n,
        resource = "https://mcp.example.com/mcp",
        mcp_version = "2026-07-28",
        era = "modern",
        jsonrpc_id = 7,
        method = "tools/call",
        target_type = "tool",
        target = "service3.create_invoice",
        argument_keys = "customer days exact tags",
        iss = "https://id.example.com",
        sub = "alice",
        client_id = "client-1",
        scopes = "mcp:read notes:write",
        jti = "2f0d3c1e9b7a4d58",
        decision = "allow",
        rule_id = "rule-17",
        policy_version = "5f1c2a90",
        user_agent = "mcp-client/1.4.2",
    );
}

/// A sink that counts what comes, and says how long its thread has worked.
struct Counting(Arc<Counted>);

#[derive(Default)]
struct Counted {
    records: AtomicU64,
    bytes: AtomicU64,
    nanoseconds: AtomicU64,
}

impl Sink for Counting {
    fn write(&mut self, _: &Record, line: &[u8]) -> io::Result<()> {
        self.0.records.fetch_add(1, Ordering::Relaxed);
        self.0.bytes.fetch_add(line.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let worked = u64::try_from(processor_time().as_nanos()).unwrap();
        self.0.nanoseconds.store(worked, Ordering::Relaxed);
        Ok(())
    }
}

/// What the writer's thread takes for a record: fetch, encode, chain if told to, hand over. A record of each
/// request stands for one.
fn record(chained: bool) -> (impl FnMut(u64) -> Duration, u64) {
    let mint = mint();
    let mut requests = requests(&mint);
    let counted = Arc::new(Counted::default());
    let sink = Counting(Arc::clone(&counted));
    let builder = AuditLayer::builder().danger_fail_open();
    let builder = if chained {
        builder.sink(ChainedSink::new(sink, Chaining::signed(key())).unwrap())
    } else {
        builder.sink(sink)
    };
    let audit = builder.build().unwrap();
    let service = gate(&mint, audit.clone()).layer(bare());
    let mut batch = move |times: u64| {
        assert!(now(audit.flush()));
        let (before, records) = (&counted.nanoseconds, &counted.records);
        let (worked, wrote) = (before.load(Ordering::Relaxed), records.load(Ordering::Relaxed));
        for _ in 0..times {
            succeed(service.clone(), requests.next().clone());
        }
        assert!(now(audit.flush()));
        let wrote = records.load(Ordering::Relaxed) - wrote;
        let worked = counted.nanoseconds.load(Ordering::Relaxed) - worked;
        (
            Duration::from_nanos(worked),
            wrote,
            counted.bytes.load(Ordering::Relaxed) / counted.records.load(Ordering::Relaxed).max(1),
        )
    };
    let (_, _, bytes) = batch(1000);
    let time = move |times: u64| {
        // Both of a request's records, but never more than the queue holds.
        let (worked, wrote, _) = batch(times.min(2_000));
        worked.mul_f64(times as f64 / wrote.max(1) as f64)
    };
    (time, bytes)
}

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32]).unwrap()
}

/// The writer's thread, against the usual logger when the thread that logs also writes.
pub fn writer(group: &mut Group) {
    let (plain, bytes) = record(false);
    let (chained, chained_bytes) = record(true);
    let plain = group.timed("one record", plain);
    let chained = group.timed("one record, chained and signed", chained);
    let logger = tracing_subscriber::fmt::layer().json().flatten_event(true);
    let logger = logger.with_writer(io::sink);
    let logger = tracing::Dispatch::new(tracing_subscriber::registry().with(logger));
    let tracing = group.timed("one tracing event, JSON", move |times| {
        tracing::dispatcher::with_default(&logger, || {
            let start = processor_time();
            (0..times).for_each(event);
            processor_time() - start
        })
    });
    group.within("T11", chained, 1_000.0);
    group.faster("T11", chained, tracing, 3.0);
    group.faster("T11 without a chain", plain, tracing, 3.0);
    group.note(format!(
        "{bytes} bytes a record, {chained_bytes} chained. Nothing is written anywhere."
    ));
}

/// How many requests of each thread wait for the disk at once. They are one caller's, who may have 64 open.
const AT_ONCE: usize = 32;

/// Calls that wait until their decision is in a file, chained and signed: time by the clock on the wall, on two
/// threads, each with as many requests at once.
pub fn on_disk(group: &mut Group) {
    let floor =
        group.timed("gate without audit, two threads", two_threads(AuditLayer::danger_off()));
    let mut sides = Vec::new();
    for (name, policy) in [
        ("gate, file, the disk has it each second", SyncPolicy::Interval(Duration::from_secs(1))),
        ("gate, file, the disk has it before a call runs", SyncPolicy::EachGroup),
    ] {
        let folder = keep(tempfile::tempdir().unwrap());
        let file = FileSink::builder(folder.path().join("audit.jsonl"));
        let file = file.chaining(Chaining::signed(key())).sync(policy).open().unwrap();
        let audit = AuditLayer::builder().sink(file).build().unwrap();
        sides.push(group.timed(name, two_threads(audit)));
    }
    let folder = keep(tempfile::tempdir().unwrap());
    let mut file = std::fs::File::create(folder.path().join("one-by-one")).unwrap();
    let line = vec![b'x'; 600];
    let alone = group.timed("one line written and synced alone", move |times| {
        let start = wall();
        for _ in 0..times {
            io::Write::write_all(&mut file, &line).unwrap();
            file.sync_data().unwrap();
        }
        wall() - start
    });
    if let [_, synced] = sides[..] {
        group.faster("T11, group commit", synced.over(floor), alone, 14.0);
    }
    group.note("Two records each. None may be lost: the work fails if one is.");
}

/// The time on the wall.
fn wall() -> std::time::Instant {
    Clock::system().instant()
}

/// Calls on two threads: the time of one.
fn two_threads(audit: AuditLayer) -> impl FnMut(u64) -> Duration {
    let mint = mint();
    let requests = requests(&mint);
    let service = gate(&mint, audit.clone()).layer(bare());
    move |times| {
        let each = usize::try_from(times).unwrap().div_ceil(2 * AT_ONCE);
        let start = wall();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                let (service, mut requests) = (service.clone(), requests.clone());
                scope.spawn(move || {
                    let runtime =
                        tokio::runtime::Builder::new_current_thread().enable_time().build();
                    let runtime = runtime.unwrap();
                    let _entered = runtime.enter();
                    for _ in 0..each {
                        let next = (0..AT_ONCE)
                            .map(|_| exchange(service.clone(), requests.next().clone()));
                        support::together(next.collect::<Vec<_>>(), |(status, _)| {
                            assert_eq!(status, http::StatusCode::OK);
                        });
                    }
                });
            }
        });
        let took = wall() - start;
        assert_eq!(audit.lost(), 0, "nothing may be lost");
        took.mul_f64(times as f64 / (2 * AT_ONCE * each) as f64)
    }
}
