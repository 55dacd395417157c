//! What being on record costs: on the request's thread, and on the writer's.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use portcullis::audit::{AuditLayer, Record, Sink};
use tower::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::serve::{bare, succeed};
use crate::support::{Group, now, processor_time};
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

/// The writer's thread: fetch, encode, hand over. A record of each request stands for one.
pub fn writer(group: &mut Group) {
    let mint = mint();
    let mut requests = requests(&mint);
    let counted = Arc::new(Counted::default());
    let sink = Counting(Arc::clone(&counted));
    let audit = AuditLayer::builder().sink(sink).danger_fail_open().build().unwrap();
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
    let record = group.timed("one record", move |times| {
        // Both of a request's records, but never more than the queue holds.
        let (worked, wrote, _) = batch(times.min(2_000));
        worked.mul_f64(times as f64 / wrote.max(1) as f64)
    });
    group.within("T11", record, 1_000.0);
    group.note(format!("{bytes} bytes a record. The writer of this crate chains no hashes."));
}
