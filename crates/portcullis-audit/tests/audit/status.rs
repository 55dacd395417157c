//! How it stands with sinks, as health checks see it.

use std::io;
use std::sync::mpsc::{Receiver, channel};

use portcullis_audit::{AuditLayer, Record, Sink};
use portcullis_core::{Acknowledgement, Method};

use crate::common::*;

/// Waits in every write until the other end of its channel is dropped, and then panics if told to.
struct Stuck(Receiver<()>, bool);

impl Sink for Stuck {
    fn write(&mut self, _: &Record, _: &[u8]) -> io::Result<()> {
        let _ = self.0.recv();
        if self.1 { panic!("a sink that panics") } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn list(audited: &Audited) -> Acknowledgement {
    let list = message(Method::ToolsList, None);
    let mut told = None;
    audited
        .send(|request| {
            sign_in(request, &list);
            told = Some(allow(request, 0, &list));
            ok("{}")
        })
        .await;
    told.unwrap()
}

#[tokio::test]
async fn a_queue_is_seen_to_fill_and_to_empty() {
    let (open, gate) = channel();
    let audited = audit(|_| AuditLayer::builder().sink(Stuck(gate, false)).capacity(3));
    let status = || audited.layer.status()[0];
    assert!(status().accepting());
    assert_eq!(audited.layer.log().status(), audited.layer.status());
    assert_eq!((status().queued, status().capacity), (0, 3));
    // Two records each; one of them is in the writer's hands, or will be.
    for _ in 0..3 {
        let _ = list(&audited).await;
    }
    while status().queued < 3 {
        let _ = list(&audited).await;
    }
    assert!(!status().accepting(), "full");
    drop(open);
    assert!(audited.layer.flush().await);
    assert_eq!(status().queued, 0);
    assert!(status().accepting());
    assert!(status().lost > 0 && !status().failing && !status().ended);
}

#[tokio::test]
async fn a_failing_sink_is_seen_until_it_is_well_again() {
    let audited = audit(|builder| builder);
    let status = || audited.layer.status()[0];
    audited.sink.fail(true);
    let _ = list(&audited).await;
    assert!(!audited.layer.flush().await);
    assert!(status().failing && !status().accepting());
    assert_eq!(status().lost, 2);
    // Nothing is called meanwhile: what the sink missed is reported by itself, which tries it.
    audited.sink.fail(false);
    assert!(audited.layer.flush().await);
    assert!(status().accepting(), "{:?}", status());
}

#[tokio::test]
async fn a_writer_that_has_ended_is_seen() {
    let (open, gate) = channel();
    let audited = audit(|builder| builder.sink(Stuck(gate, true)));
    drop(open);
    let _ = list(&audited).await;
    assert!(!audited.layer.flush().await);
    // The flush ends while the writer's thread unwinds.
    while !audited.layer.status()[1].ended {
        tokio::task::yield_now().await;
    }
    let status = audited.layer.status();
    assert!(status[0].accepting(), "the other sink goes on");
    assert!(status[1].ended && !status[1].accepting());
    assert!(AuditLayer::danger_off().status().is_empty());
}
