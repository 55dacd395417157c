//! More records than a sink takes.

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use http_body_util::BodyExt as _;
use portcullis_audit::{
    AuditLayer, Chaining, Delivery, FileSink, SigningKey, SinkOptions, Verifier,
};
use tower::{ServiceBuilder, ServiceExt as _, service_fn};

use crate::common::*;

const REQUESTS: usize = 10_000;

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32]).unwrap()
}

/// Two threads send as fast as they can. What is not written is counted, in the layer and in the file.
#[test]
fn every_record_is_written_or_counted() {
    let rows = [
        ("enough room", 4 * REQUESTS, Delivery::DropAndCount, true),
        ("too little room", 64, Delivery::DropAndCount, false),
        ("who waits loses nothing", 64, Delivery::FailClosed, false),
    ];
    for (name, capacity, delivery, all) in rows {
        let folder = tempfile::tempdir().unwrap();
        let sink = FileSink::builder(folder.path().join("audit.jsonl"))
            .chaining(Chaining::signed(key()))
            .rotate_at(4 << 20)
            .open()
            .unwrap();
        let options = SinkOptions::new().delivery(delivery).capacity(capacity);
        let builder = AuditLayer::builder().sink_with(sink, options);
        // What is queued is to be written, however busy the machine is.
        let builder = builder.shutdown_timeout(Duration::from_secs(300));
        let layer = match delivery {
            Delivery::FailClosed => builder,
            _ => builder.danger_fail_open(),
        };
        let layer = layer.build().unwrap();
        let waits = delivery == Delivery::FailClosed;
        std::thread::scope(|scope| {
            for _ in 0..2 {
                let layer = layer.clone();
                scope.spawn(move || send(layer, REQUESTS / 2, waits));
            }
        });
        let lost = layer.lost();
        let log = layer.log();
        drop(layer);
        assert!(!log.record(portcullis_audit::Event::new(portcullis_audit::EventKind::Other)));
        let (written, gaps) = count(folder.path(), waits);
        assert_eq!(written + lost, 2 * REQUESTS as u64, "{name}");
        assert_eq!(gaps, lost, "{name}: the file says so too");
        if all {
            assert_eq!(lost, 0, "{name}");
        }
    }
}

fn send(layer: AuditLayer, requests: usize, waits: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let service = ServiceBuilder::new().layer(layer).service(service_fn(
        move |mut request: http::Request<()>| async move {
            let message = call("read");
            sign_in(&mut request, &message);
            let told = allow(&request, 0, &message);
            if let (true, portcullis_core::Acknowledgement::Pending(receipt)) = (waits, told) {
                let _ = receipt.await;
            }
            Ok::<_, Infallible>(ok("{}"))
        },
    ));
    runtime.block_on(async {
        for _ in 0..requests {
            let response = service.clone().oneshot(request()).await.unwrap();
            response.into_body().collect().await.unwrap();
        }
    });
}

/// How many decisions and outcomes there are, and how many records the gaps say are missing.
fn count(folder: &Path, all_decisions: bool) -> (u64, u64) {
    let mut verifier = Verifier::new().trust(key().verifying_key());
    let (mut decisions, mut outcomes) = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "jsonl") {
            verifier.read_file(&path).unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            decisions += text.matches("\"record\":\"decision\"").count() as u64;
            outcomes += text.matches("\"record\":\"outcome\"").count() as u64;
        }
    }
    let report = verifier.finish();
    assert!(report.is_intact(), "{:?}", report.findings);
    if all_decisions {
        assert_eq!(decisions, REQUESTS as u64, "none that was waited for is missing");
    }
    (decisions + outcomes, report.dropped)
}
