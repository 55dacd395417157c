use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use portcullis_core::ManualClock;
use tempfile::TempDir;

use super::*;
use crate::record::Suppressed;
use crate::verify::tests::key;
use crate::{ChainEnd, Chaining, ConfigErrorKind, FindingKind, Report, Verifier};

struct Rig {
    folder: TempDir,
    clock: Clock,
    hand: ManualClock,
    count: u64,
}

impl Rig {
    fn new() -> Self {
        let (clock, hand) = Clock::manual(1_795_000_000);
        Self { folder: tempfile::tempdir().unwrap(), clock, hand, count: 0 }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("audit.jsonl")
    }

    fn builder(&self) -> FileSinkBuilder {
        FileSink::builder(self.path())
            .chaining(Chaining::signed(key(7)).every(50, Duration::from_secs(10)))
            .clock(self.clock.clone())
    }

    fn open(&self) -> FileSink {
        self.builder().open().unwrap()
    }

    /// Writes a record whose count is the number of the record.
    fn write(&mut self, sink: &mut FileSink) -> io::Result<()> {
        let at = self.clock.unix();
        let event_id = crate::id::Ids::new().unwrap().at(at);
        let record = Record::Suppressed(Suppressed { at, event_id, count: self.count });
        let mut line = Vec::new();
        crate::encode::encode(&record, &mut line).unwrap();
        sink.write(&record, &line)?;
        self.count += 1;
        Ok(())
    }

    fn write_all(&mut self, sink: &mut FileSink, records: u64) {
        for _ in 0..records {
            self.write(sink).unwrap();
        }
        sink.flush().unwrap();
    }

    fn files(&self) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.ends_with(".lock"))
            .collect();
        names.sort();
        names
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.path()).unwrap()
    }

    fn verify(&self) -> Report {
        let mut verifier = Verifier::new().trust(key(7).verifying_key());
        for name in self.files() {
            verifier.read_file(self.folder.path().join(name)).unwrap();
        }
        verifier.finish()
    }

    /// The counts of all records, in the order of files.
    fn counts(&self) -> Vec<u64> {
        let mut names = self.files();
        if names.first().is_some_and(|name| name == "audit.jsonl") {
            names.rotate_left(1);
        }
        let mut counts = Vec::new();
        for name in names {
            let text = std::fs::read_to_string(self.folder.path().join(name)).unwrap();
            for line in text.lines() {
                let Ok(value) = serde_json::from_str::<serde_json::Value>(line) else { continue };
                counts.extend(value["count"].as_u64());
            }
        }
        counts
    }
}

/// A disk that has room for so many bytes, and may refuse to be cut or synced.
struct Small {
    file: File,
    room: Arc<AtomicU64>,
    refuse: Arc<Mutex<&'static str>>,
}

impl Disk for Small {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let room = self.room.load(Ordering::Relaxed);
        let fits = bytes.len().min(usize::try_from(room).unwrap());
        self.file.append(&bytes[..fits])?;
        self.room.fetch_sub(fits as u64, Ordering::Relaxed);
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        if *self.refuse.lock().unwrap() == "cut" {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Disk::cut(&mut self.file, length)
    }

    fn sync(&mut self) -> io::Result<()> {
        if *self.refuse.lock().unwrap() == "sync" {
            return Err(io::Error::other("the disk is gone"));
        }
        Disk::sync(&mut self.file)
    }

    fn metadata(&self) -> io::Result<Metadata> {
        File::metadata(&self.file)
    }
}

/// Gives `sink` a disk with so much room.
fn shrink(
    sink: &mut FileSink,
    path: &Path,
    room: u64,
) -> (Arc<AtomicU64>, Arc<Mutex<&'static str>>) {
    let file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
    let room = Arc::new(AtomicU64::new(room));
    let refuse = Arc::new(Mutex::new(""));
    sink.file = Box::new(Small { file, room: Arc::clone(&room), refuse: Arc::clone(&refuse) });
    (room, refuse)
}

#[test]
fn a_file_is_rotated_by_size_and_the_chain_runs_through() {
    let mut rig = Rig::new();
    let mut sink = rig.builder().rotate_at(20_000).open().unwrap();
    for _ in 0..40 {
        rig.write_all(&mut sink, 10);
    }
    sink.close().unwrap();
    let files = rig.files();
    assert!(files.len() > 3, "{files:?}");
    assert_eq!(files[0], "audit.000001.jsonl");
    assert_eq!(files.last().unwrap(), "audit.jsonl");
    let report = rig.verify();
    assert!(report.is_intact(), "{:?}", report.findings);
    assert_eq!(report.chains.len(), 1);
    assert_eq!(report.chains[0].end, ChainEnd::Clean);
    assert_eq!(rig.counts(), (0..400).collect::<Vec<_>>());
    for name in &files[..files.len() - 1] {
        let text = std::fs::read_to_string(rig.folder.path().join(name)).unwrap();
        assert!(text.len() < 26_000, "{name}: {}", text.len());
        assert!(text.lines().last().unwrap().contains("\"occasion\":\"rotation\""), "{name}");
    }
    std::fs::remove_file(rig.folder.path().join(&files[1])).unwrap();
    let report = rig.verify();
    assert!(matches!(report.findings[0].kind, FindingKind::Missing { .. }), "a file is gone");

    // The oldest may be gone: nobody keeps them for ever.
    std::fs::remove_file(rig.folder.path().join(&files[0])).unwrap();
    let report = rig.verify();
    assert!(report.is_intact(), "{:?}", report.findings);
    assert_eq!(report.notes[0].kind, FindingKind::BeginsLate);
    // But not the first line of a file.
    let text = std::fs::read_to_string(rig.folder.path().join(&files[2])).unwrap();
    let (_, rest) = text.split_once('\n').unwrap();
    std::fs::write(rig.folder.path().join(&files[2]), rest).unwrap();
    assert!(matches!(rig.verify().findings[0].kind, FindingKind::Missing { .. }));
}

#[test]
fn a_file_is_rotated_by_age_also_while_nothing_comes() {
    let mut rig = Rig::new();
    let mut sink = rig.builder().rotate_every(Duration::from_secs(60)).open().unwrap();
    rig.write_all(&mut sink, 3);
    rig.hand.advance(Duration::from_secs(59));
    sink.tick().unwrap();
    assert_eq!(rig.files(), ["audit.jsonl"]);
    rig.hand.advance(Duration::from_secs(1));
    sink.tick().unwrap();
    assert_eq!(rig.files(), ["audit.000001.jsonl", "audit.jsonl"]);
    drop(sink);
    std::fs::write(rig.path(), "").unwrap(); // Killed between two files: the new one is empty.
    let mut sink = rig.open();
    rig.write_all(&mut sink, 1);
    let report = rig.verify();
    assert!(report.is_intact(), "{:?}", report.findings);
    assert_eq!(report.chains[0].end, ChainEnd::Continued);
    assert_eq!(report.chains[1].continues.as_ref(), Some(&report.chains[0].id));
}

#[test]
fn a_file_that_cannot_be_set_aside_is_written_on() {
    let mut rig = Rig::new();
    let mut sink = rig.builder().rotate_at(2_000).open().unwrap();
    let nowhere = Place::new(Path::new("/nowhere/audit.jsonl"), 0o600).unwrap();
    let place = std::mem::replace(&mut sink.place, nowhere);
    for _ in 0..20 {
        rig.write_all(&mut sink, 1);
    }
    assert!(sink.trouble.is_some(), "told at the next tick");
    assert_eq!(rig.text().matches("\"rotation\"").count(), 1, "not tried again at once");
    sink.place = place;
    rig.hand.advance(RETRY);
    rig.write_all(&mut sink, 1);
    sink.close().unwrap();
    assert_eq!(rig.files(), ["audit.000001.jsonl", "audit.jsonl"]);
    assert!(rig.verify().is_intact());
    assert_eq!(rig.counts(), (0..21).collect::<Vec<_>>());
}

#[test]
fn a_file_is_young_or_old_by_its_first_record() {
    let mut rig = Rig::new();
    let mut sink = rig.builder().rotate_every(Duration::from_secs(60)).open().unwrap();
    rig.write_all(&mut sink, 3);
    drop(sink);
    rig.hand.advance(Duration::from_secs(61));
    let mut sink = rig.builder().rotate_every(Duration::from_secs(60)).open().unwrap();
    sink.tick().unwrap();
    assert_eq!(rig.files().len(), 2, "a restart does not make it young");
}

#[test]
fn every_restart_continues_the_chain_before() {
    let mut rig = Rig::new();
    for clean in [true, false, true] {
        let mut sink = rig.open();
        rig.write_all(&mut sink, 5);
        if clean {
            sink.close().unwrap();
        }
        drop(sink);
        rig.hand.advance(Duration::from_secs(1));
    }
    let report = rig.verify();
    assert!(report.is_intact(), "{:?}", report.findings);
    let ends: Vec<_> = report.chains.iter().map(|chain| chain.end).collect();
    assert_eq!(ends, [ChainEnd::Clean, ChainEnd::Continued, ChainEnd::Clean]);
    assert_eq!(rig.counts(), (0..15).collect::<Vec<_>>());

    // Between two runs, the end of the first is cut off: the shutdown, or more.
    let text = rig.text();
    let lines: Vec<_> = text.lines().collect();
    let second = lines.iter().position(|line| line.contains("\"continues\"")).unwrap();
    let cut: String = [&lines[..second - 2], &lines[second..]].concat().join("\n") + "\n";
    std::fs::write(rig.path(), cut).unwrap();
    assert_eq!(rig.verify().findings[0].kind, FindingKind::BrokenLink);
}

#[test]
fn a_torn_line_at_every_byte_is_accounted_for() {
    let mut rig = Rig::new();
    let mut sink = rig.open();
    rig.write_all(&mut sink, 2);
    let before = rig.text().len();
    rig.write_all(&mut sink, 1);
    drop(sink);
    let whole = std::fs::read(rig.path()).unwrap();
    for cut in before..=whole.len() {
        std::fs::write(rig.path(), &whole[..cut]).unwrap();
        let mut sink = rig.open();
        rig.write_all(&mut sink, 1);
        sink.close().unwrap();
        drop(sink);
        let report = rig.verify();
        assert!(report.is_intact(), "{cut}: {:?}", report.findings);
        // With all but its newline, it is whole.
        let torn = u64::from(cut > before && cut < whole.len() - 1);
        assert_eq!(report.torn, torn, "{cut}");
        assert_eq!(report.chains.len(), 2, "{cut}");

        // The unfinished line is part of what is proved.
        let text = std::fs::read(rig.path()).unwrap();
        if torn == 1 {
            let without = [&text[..before], &text[cut + 1..]].concat();
            std::fs::write(rig.path(), without).unwrap();
            assert!(rig.verify().is_intact(), "{cut}: it held no record");
            let more = [&text[..before], b"x", &text[before..]].concat();
            std::fs::write(rig.path(), more).unwrap();
            assert_eq!(rig.verify().findings[0].kind, FindingKind::Unchained, "{cut}");
        }
    }
}

#[test]
fn a_start_that_is_torn_itself_is_accounted_for_by_the_next() {
    let mut rig = Rig::new();
    let mut sink = rig.open();
    rig.write_all(&mut sink, 2);
    drop(sink);
    rig.hand.advance(Duration::from_secs(1));
    let good = std::fs::read(rig.path()).unwrap();
    for first in [&b""[..], b"{\"sch", b"{\"schema\":1"] {
        for second in [&b""[..], b"\n", b"\n{", b"\n{\"schema\":1,\"record\":\"cha"] {
            std::fs::write(rig.path(), [&good, first, second].concat()).unwrap();
            let mut sink = rig.open();
            rig.write_all(&mut sink, 1);
            sink.close().unwrap();
            drop(sink);
            let report = rig.verify();
            assert!(report.is_intact(), "{first:?} {second:?}: {:?}", report.findings);
        }
    }
    // A whole line is none: somebody else wrote it while nobody held the file.
    for end in ["", "\n"] {
        std::fs::write(rig.path(), [&good, &b"{\"schema\":1}"[..], end.as_bytes()].concat())
            .unwrap();
        let mut sink = rig.open();
        sink.close().unwrap();
        drop(sink);
        assert_eq!(rig.verify().findings[0].kind, FindingKind::Unchained, "{end:?}");
    }
    // A start whose checkpoint is torn, twice, is vouched for by the chain that goes on.
    std::fs::write(rig.path(), &good).unwrap();
    for torn in [&b"{\"sch"[..], b"{\"schema\":1,\"rec"] {
        let before = std::fs::read(rig.path()).unwrap();
        std::fs::write(rig.path(), [&before, torn].concat()).unwrap();
        drop(rig.open());
        let text = rig.text();
        let end = text.trim_end().rfind('\n').unwrap();
        std::fs::write(rig.path(), text.get(..=end).unwrap()).unwrap();
    }
    let alone = rig.verify();
    assert_eq!((alone.found, alone.torn), (2, 0), "{:?}", alone.findings);
    rig.open().close().unwrap();
    let report = rig.verify();
    assert!(report.is_intact(), "{:?}", report.findings);
    assert_eq!(report.torn, 2);
    // In a file that holds nothing else.
    for torn in [&b"{"[..], b"{\"schema\":1,\"rec", b"{\"sch\n{\"sche"] {
        std::fs::write(rig.path(), torn).unwrap();
        let mut sink = rig.open();
        rig.write_all(&mut sink, 1);
        drop(sink);
        let report = rig.verify();
        assert!(report.is_intact(), "{torn:?}: {:?}", report.findings);
    }
}

#[test]
fn a_restart_that_is_killed_at_any_byte_leaves_what_the_next_can_go_on_from() {
    let mut rig = Rig::new();
    let mut sink = rig.open();
    rig.write_all(&mut sink, 2);
    drop(sink);
    let good = std::fs::read(rig.path()).unwrap();
    for first in [&b""[..], b"{\"sch", b"{\"sch\n{\"schem"] {
        let before = [&good, first].concat();
        std::fs::write(rig.path(), &before).unwrap();
        drop(rig.open()); // writes a start and its checkpoint
        let whole = std::fs::read(rig.path()).unwrap();
        // Around the ends of lines all, and between them some: each costs signatures and syncs.
        let near = |cut: &usize| {
            let around = cut.saturating_sub(2)..(cut + 2).min(whole.len());
            cut.is_multiple_of(37) || whole[around].contains(&b'\n')
        };
        for cut in (before.len()..=whole.len()).filter(near) {
            std::fs::write(rig.path(), &whole[..cut]).unwrap();
            let mut sink = rig.open();
            rig.write_all(&mut sink, 1);
            sink.close().unwrap();
            drop(sink);
            let report = rig.verify();
            assert!(report.is_intact(), "{first:?} {cut}: {:?}", report.findings);
        }
    }
}

#[test]
fn a_full_disk_loses_what_it_says_and_nothing_else() {
    let mut rig = Rig::new();
    let mut sink = rig.open();
    rig.write_all(&mut sink, 2);
    let length = rig.text().len();
    for spare in [0, 1, 300, 700] {
        let (room, _) = shrink(&mut sink, &rig.path(), spare);
        for _ in 0..3 {
            for _ in 0..4 {
                rig.write(&mut sink).unwrap();
            }
            sink.flush().unwrap_err();
            rig.count -= 4;
            assert_eq!(rig.text().len(), length, "{spare}: cut back");
        }
        room.store(u64::MAX, Ordering::Relaxed);
    }
    rig.write_all(&mut sink, 4);
    sink.close().unwrap();
    let report = rig.verify();
    assert!(report.is_intact(), "{:?}", report.findings);
    assert_eq!(report.chains.len(), 1, "the same chain goes on");
    assert_eq!(rig.counts(), (0..6).collect::<Vec<_>>());
}

#[test]
fn a_file_that_cannot_be_cut_back_is_read_anew() {
    let mut rig = Rig::new();
    let mut sink = rig.open();
    rig.write_all(&mut sink, 2);
    let (_, refuse) = shrink(&mut sink, &rig.path(), 500);
    *refuse.lock().unwrap() = "cut";
    for _ in 0..4 {
        rig.write(&mut sink).unwrap();
    }
    sink.flush().unwrap_err();
    rig.write_all(&mut sink, 4);
    sink.close().unwrap();
    let report = rig.verify();
    assert!(report.is_intact(), "{:?}", report.findings);
    assert_eq!(report.chains.len(), 2);
    assert_eq!(report.torn, 1);
    let counts = rig.counts();
    assert!(counts.ends_with(&[6, 7, 8, 9]) && counts.starts_with(&[0, 1]), "{counts:?}");
}

#[test]
fn what_the_disk_does_not_confirm_is_not_acknowledged() {
    let mut rig = Rig::new();
    let mut sink = rig.builder().sync(SyncPolicy::EachGroup).open().unwrap();
    rig.write_all(&mut sink, 2);
    let (_, refuse) = shrink(&mut sink, &rig.path(), u64::MAX);
    *refuse.lock().unwrap() = "sync";
    rig.write(&mut sink).unwrap();
    sink.flush().unwrap_err();
    rig.write_all(&mut sink, 1);
    assert!(rig.verify().is_intact());
    assert_eq!(rig.verify().chains.len(), 2, "opened anew");

    let mut relaxed = Rig::new();
    let every = Duration::from_secs(1);
    let mut sink = relaxed.builder().sync(SyncPolicy::Interval(every)).open().unwrap();
    let (_, refuse) = shrink(&mut sink, &relaxed.path(), u64::MAX);
    *refuse.lock().unwrap() = "sync";
    relaxed.write_all(&mut sink, 1);
    relaxed.hand.advance(every);
    relaxed.write(&mut sink).unwrap();
    sink.flush().unwrap_err();
}

#[test]
fn checkpoints_come_by_number_by_time_and_reach_the_anchor() {
    let mut rig = Rig::new();
    let told = Arc::new(Mutex::new(Vec::<String>::new()));
    let anchor = Arc::clone(&told);
    let chaining = Chaining::signed(key(7))
        .every(3, Duration::from_secs(10))
        .anchor(move |line| anchor.lock().unwrap().push(line.to_owned()));
    let mut sink = rig.builder().chaining(chaining).open().unwrap();
    let occasions = || -> Vec<String> {
        let told = told.lock().unwrap();
        let value = |line: &String| serde_json::from_str::<serde_json::Value>(line).unwrap();
        told.iter().map(|line| value(line)["occasion"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(occasions(), ["start"]);
    rig.write_all(&mut sink, 4);
    rig.hand.advance(Duration::from_secs(10));
    sink.tick().unwrap();
    rig.hand.advance(Duration::from_secs(10));
    sink.tick().unwrap(); // Nothing new: no checkpoint.
    sink.close().unwrap();
    assert_eq!(occasions(), ["start", "records", "time", "shutdown"]);
    let mut verifier = Verifier::new().trust(key(7).verifying_key());
    for line in told.lock().unwrap().iter() {
        verifier = verifier.expect(line).unwrap();
    }
    verifier.read_file(rig.path()).unwrap();
    assert!(verifier.finish().is_intact());
}

/// A clock that is set back a day keeps nothing from the disk, unsigned, or in the same file.
#[test]
fn a_clock_that_goes_back_holds_nothing_up() {
    let mut rig = Rig::new();
    let every = Duration::from_secs(10);
    let mut sink =
        rig.builder().sync(SyncPolicy::Interval(every)).rotate_every(3 * every).open().unwrap();
    rig.hand.jump(-86_400_000);
    rig.write_all(&mut sink, 1);
    rig.hand.advance(every);
    rig.write_all(&mut sink, 1);
    assert!(!sink.unsynced);
    assert_eq!(rig.text().matches("\"occasion\":\"time\"").count(), 1);
    rig.hand.advance(2 * every);
    sink.tick().unwrap();
    assert_eq!(rig.files(), ["audit.000001.jsonl", "audit.jsonl"]);
}

#[test]
fn a_new_file_and_its_start_are_on_disk_at_once() {
    let rig = Rig::new();
    for (policy, unsynced) in [(SyncPolicy::EachGroup, false), (SyncPolicy::Never, true)] {
        let sink = rig.builder().sync(policy).open().unwrap();
        assert_eq!(sink.unsynced, unsynced, "{policy:?}");
        drop(sink);
    }
}

#[test]
fn an_anchor_hears_of_no_checkpoint_that_was_not_written() {
    let mut rig = Rig::new();
    let told = Arc::new(Mutex::new(0));
    let anchor = Arc::clone(&told);
    let chaining = Chaining::signed(key(7))
        .every(2, Duration::from_secs(10))
        .anchor(move |_| *anchor.lock().unwrap() += 1);
    let mut sink = rig.builder().chaining(chaining).open().unwrap();
    shrink(&mut sink, &rig.path(), 100);
    for _ in 0..5 {
        rig.write(&mut sink).unwrap();
    }
    sink.flush().unwrap_err();
    assert_eq!(*told.lock().unwrap(), 1, "the start");
}

#[test]
fn only_one_writer_has_a_file() {
    let rig = Rig::new();
    let sink = rig.open();
    let error = rig.builder().open().unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::File);
    assert!(error.to_string().starts_with("another writer has the audit file"), "{error}");
    drop(sink);
    rig.builder().open().unwrap();
}

#[test]
fn a_file_that_was_moved_away_is_not_written_to_any_more() {
    let mut rig = Rig::new();
    let mut sink = rig.open();
    rig.write_all(&mut sink, 2);
    std::fs::rename(rig.path(), rig.folder.path().join("audit.jsonl.1")).unwrap();
    sink.tick().unwrap();
    rig.write_all(&mut sink, 2);
    sink.close().unwrap();
    assert_eq!(rig.files(), ["audit.jsonl", "audit.jsonl.1"]);
    let report = rig.verify();
    assert!(report.is_intact(), "{:?}", report.findings);
    assert_eq!((report.chains.len(), report.records), (1, 8));
}

#[test]
fn a_file_without_a_chain_is_set_aside() {
    let mut rig = Rig::new();
    std::fs::write(rig.path(), "{\"schema\":1,\"record\":\"gap\"}\n").unwrap();
    let mut sink = rig.open();
    rig.write_all(&mut sink, 1);
    sink.close().unwrap();
    assert_eq!(rig.files(), ["audit.000001.jsonl", "audit.jsonl"]);
    let mut verifier = Verifier::new().trust(key(7).verifying_key());
    verifier.read_file(rig.path()).unwrap();
    assert!(verifier.finish().is_intact());
    assert_eq!(rig.verify().findings[0].kind, FindingKind::Unchained, "the old one proves nothing");
}

#[cfg(unix)]
#[test]
fn files_are_private_and_regular() {
    use std::os::unix::fs::PermissionsExt as _;

    let rig = Rig::new();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    let mut sink = rig.open();
    assert_eq!(mode(&rig.path()), 0o600);
    sink.place.set_aside().unwrap();
    sink.next_file().unwrap();
    assert_eq!(mode(&rig.path()), 0o600, "the next one too");
    drop(sink);

    let link = rig.folder.path().join("link.jsonl");
    std::os::unix::fs::symlink(rig.path(), &link).unwrap();
    for path in [link, PathBuf::from("/dev/null"), rig.folder.path().to_owned()] {
        let error = FileSink::builder(&path).open().unwrap_err();
        assert_eq!(error.kind(), ConfigErrorKind::File, "{path:?}");
    }
}

#[test]
fn limits_of_zero_are_errors() {
    let rig = Rig::new();
    for builder in [rig.builder().rotate_at(0), rig.builder().rotate_every(Duration::ZERO)] {
        assert_eq!(builder.open().unwrap_err().kind(), ConfigErrorKind::Setting);
    }
    let missing = FileSink::builder(rig.folder.path().join("no\nfolder/audit.jsonl"));
    let error = missing.open().unwrap_err();
    assert!(!error.to_string().contains('\n'), "{error}");
}
