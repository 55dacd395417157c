//! A disk that is full, and one that stands still.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use portcullis_audit::{
    AuditLayer, Chaining, FileSink, Record, Report, SigningKey, Sink, Verifier,
};
use portcullis_core::{Acknowledgement, RequestFacts as _};
use serde_json::Value;

use crate::common::*;

const FOLDER: &str = "PORTCULLIS_AUDIT_TEST_SMALL_DISK";

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32]).unwrap()
}

fn file(folder: &Path) -> FileSink {
    let chaining = Chaining::signed(key()).every(20, Duration::from_secs(3600));
    FileSink::builder(folder.join("audit.jsonl"))
        .chaining(chaining)
        .rotate_at(40_000)
        .open()
        .unwrap()
}

/// The id of a call's decision, and what its gate is told.
async fn ask(audited: &Audited) -> (String, Acknowledgement) {
    let (mut id, mut told) = (None, None);
    audited
        .send(|request| {
            sign_in(request, &call("read"));
            id = request.trail().unwrap().decision_id(0);
            told = Some(allow(request, 0, &call("read")));
            ok("{}")
        })
        .await;
    (id.unwrap().to_string(), told.unwrap())
}

/// What is in the folder: the report, and the ids of decisions.
fn read(folder: &Path) -> (Report, HashSet<String>) {
    let mut verifier = Verifier::new().trust(key().verifying_key());
    let mut decisions = HashSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "jsonl") {
            verifier.read_file(&path).unwrap();
            for line in std::fs::read_to_string(&path).unwrap().lines() {
                let record: Value = serde_json::from_str(line).unwrap();
                if record["record"] == "decision" {
                    decisions.insert(record["event_id"].as_str().unwrap().to_owned());
                }
            }
        }
    }
    (verifier.finish(), decisions)
}

/// Not a test of its own: what [`a_full_disk_refuses_calls_and_loses_what_it_says`] runs, on a disk of 256 KiB.
#[tokio::test]
async fn on_a_small_disk() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let filler = folder.join("filler");
    std::fs::write(&filler, vec![0; 96 << 10]).unwrap();
    let audited = audit(|_| AuditLayer::builder().sink(file(folder)));
    let mut recorded = HashSet::new();
    let mut refused = HashSet::new();
    let once = async || {
        let (id, told) = ask(&audited).await;
        let good = match told {
            Acknowledgement::Recorded => true,
            Acknowledgement::Refused => false,
            Acknowledgement::Pending(receipt) => receipt.await,
        };
        (id, good)
    };
    while refused.len() < 20 {
        let (id, good) = once().await;
        if good { &mut recorded } else { &mut refused }.insert(id);
        assert!(recorded.len() < 10_000, "the disk has an end");
    }
    let full = recorded.len();
    assert!(full > 20, "{full}");
    assert!(!audited.layer.log().status()[0].accepting());

    std::fs::remove_file(&filler).unwrap();
    while recorded.len() < full + 20 {
        let (id, good) = once().await;
        if good { &mut recorded } else { &mut refused }.insert(id);
        assert!(refused.len() < 1000, "there is room again");
    }
    assert!(audited.layer.flush().await);
    let lost = audited.layer.lost();
    assert!(lost >= refused.len() as u64, "{lost}");
    drop(audited);

    let (report, decisions) = read(folder);
    assert!(report.is_intact(), "{:?}", report.findings);
    assert_eq!(report.dropped, lost, "the file says what it has not");
    assert_eq!(recorded.difference(&decisions).count(), 0, "what was acknowledged is there");
    assert_eq!(refused.intersection(&decisions).count(), 0, "what was refused never ran");
    println!("{full} calls until the disk was full, {lost} records lost");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_refuses_calls_and_loses_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let mounted = |flag: &str, then: &str| {
        let script = format!("mount -t tmpfs -o size=256k small \"$1\" && {then}");
        let mut command = Command::new("unshare");
        command.args([flag, "sh", "-ec", &script, "sh"]).arg(folder.path());
        command.arg(std::env::current_exe().unwrap()).env(FOLDER, folder.path());
        command.output()
    };
    // As root, or in a namespace where we are.
    let may = |flag: &&str| mounted(flag, "true").is_ok_and(|output| output.status.success());
    let Some(flag) = ["-m", "-rm"].into_iter().find(may) else {
        println!("NOT CHECKED: a full disk, since nothing can be mounted here");
        return;
    };
    let run = "exec \"$2\" --exact disk::on_a_small_disk --nocapture --test-threads=1";
    let output = mounted(flag, run).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && out.contains("until the disk was full"), "{out}{err}");
}

/// A disk that confirms nothing until it is let go.
struct Slow {
    file: FileSink,
    entered: Sender<()>,
    held: Receiver<()>,
}

impl Sink for Slow {
    fn write(&mut self, record: &Record, line: &[u8]) -> io::Result<()> {
        self.file.write(record, line)
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = self.entered.send(());
        let _ = self.held.recv();
        self.file.flush()
    }

    fn close(&mut self) -> io::Result<()> {
        self.file.close()
    }

    fn chains(&self) -> bool {
        self.file.chains()
    }
}

#[tokio::test]
async fn a_disk_that_stands_still_holds_calls_up_until_there_is_no_room() {
    let folder = tempfile::tempdir().unwrap();
    let (entered, has_entered) = channel();
    let (let_go, held) = channel();
    let slow = Slow { file: file(folder.path()), entered, held };
    let audited = audit(|_| AuditLayer::builder().sink(slow).capacity(4));
    let (mut waiting, mut refused) = (Vec::new(), 0);
    for number in 0..12 {
        match ask(&audited).await {
            (id, Acknowledgement::Pending(receipt)) => waiting.push((id, receipt)),
            (_, Acknowledgement::Refused) => refused += 1,
            (_, Acknowledgement::Recorded) => panic!("nothing is on disk"),
        }
        if number == 0 {
            has_entered.recv().unwrap();
        }
    }
    assert!((2..=5).contains(&waiting.len()) && refused >= 7, "{} {refused}", waiting.len());
    drop(let_go);
    let mut recorded = HashSet::new();
    for (id, receipt) in waiting {
        assert!(receipt.await, "it was only late");
        recorded.insert(id);
    }
    assert!(audited.layer.flush().await);
    let lost = audited.layer.lost();
    assert!(lost >= refused, "{lost}");
    drop(audited);
    let (report, decisions) = read(folder.path());
    assert!(report.is_intact(), "{:?}", report.findings);
    assert_eq!((report.dropped, &decisions), (lost, &recorded));
}
