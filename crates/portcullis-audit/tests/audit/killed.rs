//! What a process leaves that is killed at any instant.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use portcullis_audit::{
    AuditLayer, ChainEnd, Chaining, FileSink, SigningKey, SyncPolicy, Verifier,
};
use portcullis_core::{Acknowledgement, RequestFacts as _};

use crate::common::*;

const FOLDER: &str = "PORTCULLIS_AUDIT_TEST_FOLDER";
const ROUNDS: usize = 20;

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32]).unwrap()
}

/// Not a test of its own: what [`no_acknowledged_decision_is_missing_after_a_kill`] runs and kills. It
/// says each decision that is on record, once it is.
#[tokio::test]
async fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let sink = FileSink::builder(Path::new(&folder).join("audit.jsonl"))
        .chaining(Chaining::signed(key()).every(20, Duration::from_secs(1)))
        .rotate_at(40_000)
        .sync(SyncPolicy::Never)
        .open()
        .unwrap();
    let audited = audit(|_| AuditLayer::builder().sink(sink));
    let mut out = std::io::stdout();
    loop {
        let (mut id, mut told) = (None, None);
        audited
            .send(|request| {
                sign_in(request, &call("read"));
                id = request.trail().unwrap().decision_id(0);
                told = Some(allow(request, 0, &call("read")));
                ok("{}")
            })
            .await;
        let Some(Acknowledgement::Pending(receipt)) = told else { panic!("it must wait") };
        assert!(receipt.await);
        // The parent may be gone.
        if writeln!(out, "\nrecorded {}", id.unwrap()).and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

#[test]
fn no_acknowledged_decision_is_missing_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorded = HashSet::new();
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::child", "--nocapture", "--test-threads=1"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        let mut note = |line: String| {
            if let Some(id) = line.strip_prefix("recorded ") {
                recorded.insert(id.to_owned());
                seen += 1;
            }
            seen
        };
        // A different moment each time; what it wrote to us before it died counts, too.
        while note(lines.next().unwrap().unwrap()) < 1 + 37 * round % 150 {}
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            note(line);
        }
    }
    assert!(recorded.len() > ROUNDS * 40, "{}", recorded.len());

    let mut verifier = Verifier::new().trust(key().verifying_key());
    let mut found = HashSet::new();
    let mut files = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "jsonl") {
            files += 1;
            verifier.read_file(&path).unwrap();
            for line in std::fs::read_to_string(&path).unwrap().lines() {
                let Ok(value) = serde_json::from_str::<serde_json::Value>(line) else { continue };
                if value["record"] == "decision" {
                    found.insert(value["event_id"].as_str().unwrap().to_owned());
                }
            }
        }
    }
    let missing = recorded.difference(&found).count();
    assert_eq!(missing, 0, "of {}", recorded.len());
    let report = verifier.finish();
    assert!(report.is_intact(), "{:?}", report.findings);
    assert_eq!(report.chains.len(), ROUNDS);
    assert!(files > 3, "{files}");
    let continued = report.chains.iter().filter(|chain| chain.end == ChainEnd::Continued).count();
    assert_eq!(continued, ROUNDS - 1, "each start goes on from the last whole record");
}
