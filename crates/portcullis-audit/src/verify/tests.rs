use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis_core::{Clock, ManualClock};
use proptest::prelude::*;

use super::*;
use crate::chain::Chain;
use crate::chain::record::Occasion;
use crate::record::{Record, Suppressed};
use crate::{ChainEnd, Chaining, CheckpointSigner as _, SigningKey};

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).unwrap()
}

/// Lines of one chain, made by hand.
struct Writer {
    chain: Chain,
    clock: Clock,
    hand: ManualClock,
    out: Vec<u8>,
}

impl Writer {
    fn new(chaining: Chaining) -> Self {
        let (clock, hand) = Clock::manual(1_795_000_000);
        Self { chain: Chain::new(chaining, clock.clone()).unwrap(), clock, hand, out: Vec::new() }
    }

    fn signed() -> Self {
        Self::new(Chaining::signed(key(7)).every(5, Duration::from_secs(3600)))
    }

    fn start(mut self) -> Self {
        self.chain.start(None, 0, &mut self.out).unwrap();
        self.checkpoint(Occasion::Start);
        self
    }

    fn checkpoint(&mut self, occasion: Occasion) {
        self.chain.checkpoint(occasion, &mut self.out).unwrap();
    }

    fn write(mut self, records: u64) -> Self {
        for count in 0..records {
            self.hand.advance(Duration::from_millis(10));
            let at = self.clock.unix();
            let event_id = crate::id::Ids::new().unwrap().at(at);
            let mut line = Vec::new();
            let record = Record::Suppressed(Suppressed { at, event_id, count });
            crate::encode::encode(&record, &mut line).unwrap();
            self.chain.link(&line, &mut self.out).unwrap();
            if let Some(occasion) = self.chain.due() {
                self.checkpoint(occasion);
            }
        }
        self
    }

    fn end(mut self) -> Vec<String> {
        self.checkpoint(Occasion::Shutdown);
        self.lines()
    }

    fn lines(self) -> Vec<String> {
        String::from_utf8(self.out).unwrap().lines().map(str::to_owned).collect()
    }
}

/// A start, its checkpoint, 12 records, two checkpoints among them, and a shutdown: 17 lines.
fn genuine() -> Vec<String> {
    Writer::signed().start().write(12).end()
}

fn text(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn trusting() -> Verifier {
    Verifier::new().trust(key(7).verifying_key())
}

fn verify(lines: &[String]) -> Report {
    let mut verifier = trusting();
    verifier.read("audit", text(lines).as_bytes()).unwrap();
    verifier.finish()
}

fn kinds(findings: &[Finding]) -> Vec<FindingKind> {
    findings.iter().map(|finding| finding.kind).collect()
}

#[test]
fn what_was_written_is_intact() {
    let lines = genuine();
    let report = verify(&lines);
    assert!(report.is_intact(), "{report:?}");
    assert_eq!(kinds(&report.notes), []);
    assert_eq!((report.lines, report.records), (17, 17));
    let [chain] = report.chains.as_slice() else { panic!("one chain") };
    assert_eq!((chain.first_seq, chain.last_seq, chain.records), (0, 16, 17));
    assert_eq!((chain.signed_seq, chain.unsigned, chain.end), (Some(16), 0, ChainEnd::Clean));
    assert_eq!(chain.from.as_deref(), Some("2026-11-18T11:06:40.000Z"));
    assert_eq!(chain.signed_to.as_deref(), Some("2026-11-18T11:06:40.120Z"));
    assert_eq!(chain.keys, [key(7).verifying_key().id()]);
}

#[test]
fn tampering_is_found() {
    use FindingKind::*;
    type Tamper = fn(&mut Vec<String>);
    let rows: [(&str, Tamper, &[FindingKind]); 15] = [
        ("a value", |it| it[4] = it[4].replace("\"count\":", "\"count\":1"), &[Changed]),
        ("a space", |it| it[4] = it[4].replacen(':', ": ", 1), &[Changed]),
        (
            "the start",
            |it| it[0] = it[0].replace("\"checkpoint_records\":5", "\"checkpoint_records\":9"),
            &[Changed],
        ),
        ("a record gone", |it| drop(it.remove(4)), &[Missing { count: 1 }]),
        ("three gone", |it| drop(it.drain(4..7)), &[Missing { count: 3 }]),
        ("the start gone", |it| drop(it.remove(0)), &[Missing { count: 1 }]),
        ("swapped", |it| it.swap(4, 5), &[Missing { count: 1 }, Reordered]),
        ("twice", |it| it.insert(5, it[4].clone()), &[Reordered]),
        ("put in, without a chain", |it| it.insert(5, "{\"schema\":1}".into()), &[Unchained]),
        ("put in, no JSON", |it| it.insert(5, "x".into()), &[Unchained]),
        ("an empty line", |it| it.insert(5, String::new()), &[Unchained]),
        (
            "the trailer gone",
            |it| it[4] = "{\"schema\":1}".into(),
            &[Unchained, Missing { count: 1 }],
        ),
        (
            "a signature",
            |it| {
                let last = it.last_mut().unwrap();
                let at = last.find("signature").unwrap() + 20;
                let other = if last.as_bytes()[at] == b'A' { "B" } else { "A" };
                last.replace_range(at..=at, other);
            },
            &[BadSignature],
        ),
        (
            "a signature gone",
            |it| {
                let last = it.last_mut().unwrap();
                let at = last.find(",\"signature").unwrap();
                last.replace_range(at.., "}");
            },
            &[BadSignature],
        ),
        (
            "another key's name",
            |it| {
                let last = it.last_mut().unwrap();
                *last = last.replace("\"key\":\"", "\"key\":\"x");
            },
            &[UnknownKey],
        ),
    ];
    for (name, tamper, expected) in rows {
        let mut lines = genuine();
        tamper(&mut lines);
        let report = verify(&lines);
        assert_eq!(kinds(&report.findings), expected, "{name}");
    }
}

/// A start of a chain that never was, which calls so many bytes before it unfinished.
fn forged_start(torn: usize) -> String {
    let mut writer = Writer::new(Chaining::unsigned());
    writer.chain.start(None, torn as u64, &mut writer.out).unwrap();
    writer.lines().remove(0)
}

#[test]
fn a_whole_record_is_never_an_unfinished_line() {
    use FindingKind::*;
    let record = "{\"schema\":1,\"record\":\"decision\",\"decision\":\"allow\"}";
    type Row<'a> = (&'a str, &'a [&'a str], &'a [FindingKind], &'a [FindingKind]);
    let rows: [Row<'_>; 6] = [
        ("a record", &[record], &[Unchained], &[OnlyStart]),
        ("of another type", &["{\"schema\":1,\"record\":7}"], &[Unchained], &[OnlyStart]),
        ("any JSON", &["7"], &[Unchained], &[OnlyStart]),
        ("no JSON, but nobody signed", &["{\"sch"], &[Unchained], &[OnlyStart]),
        ("several", &["{", record, "{\"sch"], &[Unchained; 3], &[OnlyStart]),
        ("nothing before it", &[], &[], &[OnlyStart]),
    ];
    for (name, before, found, notes) in rows {
        let bytes = before.iter().map(|line| line.len() + 1).sum();
        for at in [0, 5, 17] {
            let mut lines = genuine();
            lines.insert(at, forged_start(bytes));
            for line in before.iter().rev() {
                lines.insert(at, (*line).to_owned());
            }
            let report = verify(&lines);
            assert_eq!(kinds(&report.findings), found, "{name} at {at}");
            assert_eq!(kinds(&report.notes), notes, "{name} at {at}");
            assert_eq!((report.found, report.torn), (found.len() as u64, 0), "{name} at {at}");
        }
    }

    // The sink itself accounts for what was appended while it was down.
    for (name, line, intact) in [("torn", "{\"sch", true), ("put in", record, false)] {
        let mut lines = genuine();
        lines.push(line.to_owned());
        let mut writer = Writer::signed();
        writer.chain.start(None, line.len() as u64 + 1, &mut writer.out).unwrap();
        writer.checkpoint(Occasion::Start);
        lines.extend(writer.write(1).end());
        let report = verify(&lines);
        assert_eq!((report.is_intact(), report.torn), (intact, u64::from(intact)), "{name}");
    }

    // Without its newline, at the very end.
    let mut verifier = trusting();
    verifier.read("audit", (text(&genuine()) + record).as_bytes()).unwrap();
    assert_eq!(kinds(&verifier.finish().findings), [Unchained]);
}

#[test]
fn only_a_signed_shutdown_ends_a_chain() {
    let lines = genuine();
    for kept in 2..lines.len() {
        let mut cut = lines[..kept].to_vec();
        for signature in [false, true] {
            let mut forged = lines[lines.len() - 1].clone();
            if !signature {
                let at = forged.find(",\"signature").unwrap();
                forged.replace_range(at.., "}");
                let at = forged.find(",\"key\"").unwrap();
                let behind = forged.rfind(",\"chain\"").unwrap();
                forged.replace_range(at..behind, "");
            }
            cut.push(forged);
            let cut_and_ended = rechained_from(&cut, kept);
            cut.pop();
            let report = verify(&cut_and_ended);
            let genuine = signature && kept == lines.len() - 1;
            assert_eq!(report.chains[0].end == ChainEnd::Clean, genuine, "{kept}");
            let found = kinds(&report.findings);
            if genuine {
                assert_eq!(found, [], "{kept}");
            } else {
                assert_eq!(found, [FindingKind::BadSignature], "{kept}");
            }
        }
    }
}

#[test]
fn a_missing_beginning_is_found_behind_older_chains() {
    use FindingKind::*;
    let chain = |minute: u64, left: Option<&[String]>| {
        let mut writer = Writer::signed();
        let left = left.map(|lines| {
            let line = lines.last().unwrap();
            let trailer = trailer::read(line.as_bytes()).unwrap();
            let (chain, seq) = (trailer.chain.to_owned(), trailer.seq);
            crate::chain::Left { chain, seq, hash: sha256(line.as_bytes()), clean: true }
        });
        // A later one has a later id.
        writer.hand.advance(Duration::from_secs(60 * minute));
        writer.chain.start(left.as_ref(), 0, &mut writer.out).unwrap();
        writer.checkpoint(Occasion::Start);
        writer = writer.write(12);
        writer.checkpoint(Occasion::Rotation);
        let first = writer.out.iter().filter(|&&byte| byte == b'\n').count();
        writer.chain.resume(&mut writer.out).unwrap();
        let lines = writer.write(9).end();
        (lines, first)
    };
    let (one, at) = chain(0, None);
    let (two, _) = chain(1, Some(&one));
    let (three, _) = chain(2, Some(&two));
    type Row<'a> = (&'a str, &'a [&'a [String]], bool, &'a [FindingKind], &'a [FindingKind]);
    let rows: [Row<'_>; 7] = [
        ("all", &[&one, &two, &three], false, &[], &[]),
        ("the oldest file gone", &[&one[at..], &two, &three], false, &[], &[BeginsLate]),
        ("the oldest chain gone", &[&two, &three], false, &[], &[BeginsLate]),
        ("a later first file", &[&one, &two[at..]], false, &[FilesMissing], &[]),
        ("the one in the middle", &[&one, &three], false, &[FilesMissing], &[]),
        ("the same, allowed", &[&one, &three], true, &[], &[BeginsLate]),
        ("its first file, allowed", &[&one, &two[at..]], true, &[], &[BeginsLate]),
    ];
    for (name, files, allowed, found, notes) in rows {
        let mut verifier = trusting();
        if allowed {
            verifier = verifier.from_middle();
        }
        for lines in files {
            verifier.read("audit", text(lines).as_bytes()).unwrap();
        }
        let report = verifier.finish();
        assert_eq!(kinds(&report.findings), found, "{name}");
        assert_eq!(kinds(&report.notes), notes, "{name}");
    }
}

#[test]
fn an_end_that_is_not_signed_for_too_long_is_noted() {
    // Five records or an hour are agreed; the minute is for slow signers.
    for (name, records, seconds, late) in [
        ("in time", 4, 3600, false),
        ("with a minute", 4, 3655, false),
        ("too long", 1, 3700, true),
        ("too many", 6, 1, true),
    ] {
        let mut lines = genuine();
        lines.truncate(7 + 1);
        let signed = lines.iter().rposition(|line| line.contains("\"signature")).unwrap();
        lines.truncate(signed + 1);
        let at = Duration::from_secs(1_795_000_000 + seconds);
        for _ in 0..records {
            let mut line = lines[2].clone();
            let from = line.find("\"ts\":\"").unwrap() + 6;
            line.replace_range(from..from + 24, &shown(at));
            lines.push(line);
        }
        let report = verify(&rechained_from(&lines, signed + 1));
        assert!(report.is_intact(), "{name}: {:?}", report.findings);
        let expected: &[FindingKind] = if late { &[FindingKind::Overdue] } else { &[] };
        assert_eq!(kinds(&report.notes), expected, "{name}");
    }
}

#[test]
fn a_finding_says_which_record() {
    let mut lines = genuine();
    lines[4] = lines[4].replace("\"count\":", "\"count\":1");
    let report = verify(&lines);
    let finding = &report.findings[0];
    assert_eq!((finding.line, finding.seq), (5, Some(4)));
    assert_eq!(
        finding.to_string(),
        "audit:5: this record or the one after it was changed (record 4)"
    );
}

/// Makes the chain anew after a change, as anybody can who has no key.
fn rechained(lines: &[String]) -> Vec<String> {
    rechained_from(lines, 0)
}

/// The same from a line on; those before it stay, signatures and all.
fn rechained_from(lines: &[String], from: usize) -> Vec<String> {
    let mut out = lines[..from].to_vec();
    let mut prev = out.last().map_or([0; 32], |line| sha256(line.as_bytes()));
    let mut seq = from;
    for line in &lines[from..] {
        let trailer = trailer::read(line.as_bytes()).unwrap();
        let at = line.find(&format!(",\"seq\":{}", trailer.seq)).unwrap();
        let end = line.find(",\"signature").map_or("}", |at| line.split_at(at).1);
        let mut digits = Vec::new();
        crate::chain::hex::push_hex(&prev, &mut digits);
        let prev_text = String::from_utf8(digits).unwrap();
        let kept = line.get(..at).unwrap();
        let line = format!("{kept},\"seq\":{seq},\"prev\":\"{prev_text}\"{end}");
        (prev, seq) = (sha256(line.as_bytes()), seq + 1);
        out.push(line);
    }
    out
}

#[test]
fn a_chain_that_was_made_anew_has_no_good_signature() {
    let mut lines = genuine();
    assert_eq!(rechained(&lines), lines, "the helper is right");
    lines[4] = lines[4].replace("\"count\":", "\"count\":1");
    let anew = rechained(&lines);
    let report = verify(&anew);
    // The first checkpoint is before the change; the other three are not.
    assert_eq!(kinds(&report.findings), [FindingKind::BadSignature; 3]);
    assert_eq!(report.chains[0].signed_seq, Some(1));

    let mut blind = Verifier::new();
    blind.read("audit", text(&anew).as_bytes()).unwrap();
    let report = blind.finish();
    assert!(report.is_intact() && !report.signatures_checked, "only signatures show it");
}

#[test]
fn a_chain_without_signatures_is_none_to_those_who_trust_a_key() {
    let forged = Writer::new(Chaining::unsigned()).start().write(3).end();
    let expected = [FindingKind::BadSignature, FindingKind::Unsigned];
    assert_eq!(kinds(&verify(&forged).findings), expected);
    let mut blind = Verifier::new();
    blind.read("audit", text(&forged).as_bytes()).unwrap();
    assert!(blind.finish().is_intact());
}

#[test]
fn a_chain_of_another_key_is_not_trusted() {
    let settings = Chaining::signed(key(8)).every(100, Duration::from_secs(3600));
    let other = Writer::new(settings).start().write(3).end();
    let report = verify(&other);
    let expected = [FindingKind::UnknownKey, FindingKind::UnknownKey, FindingKind::Unsigned];
    assert_eq!(kinds(&report.findings), expected);
    assert_eq!(report.unknown_keys, [key(8).verifying_key().id()]);
}

#[test]
fn records_of_another_chain_do_not_fit() {
    let (ours, other) = (genuine(), genuine());
    // Taken from elsewhere, genuine as they are.
    let mut spliced = ours.clone();
    spliced.splice(4..7, other[4..7].iter().cloned());
    let report = verify(&spliced);
    let found = kinds(&report.findings);
    assert!(found.contains(&FindingKind::Missing { count: 3 }), "{found:?}");
    assert!(found.contains(&FindingKind::Unsigned), "the splinter has no signature: {found:?}");
}

#[test]
fn the_end_that_can_be_cut_unseen_is_what_the_docs_say() {
    let lines = genuine();
    for kept in 1..=lines.len() {
        let report = verify(&lines[..kept]);
        assert!(report.is_intact(), "{kept}: a writer that was killed looks the same");
        let [chain] = report.chains.as_slice() else { panic!("one chain") };
        let clean = kept == lines.len();
        assert_eq!(chain.end == ChainEnd::Clean, clean, "{kept}: but it did not end in order");
        assert!(chain.unsigned <= 6, "{kept}: not more is unsigned than agreed");
    }
}

#[test]
fn an_anchor_finds_every_cut_before_it() {
    let lines = genuine();
    let checkpoints: Vec<_> =
        (0..lines.len()).filter(|&at| lines[at].contains("\"signature\"")).collect();
    assert_eq!(checkpoints.len(), 4);
    for &anchored in &checkpoints {
        for kept in 0..=lines.len() {
            let mut verifier = trusting().expect(&lines[anchored]).unwrap();
            verifier.read("audit", text(&lines[..kept]).as_bytes()).unwrap();
            let report = verifier.finish();
            assert_eq!(report.is_intact(), kept > anchored, "{anchored} anchored, {kept} kept");
        }
    }
    let error = trusting().expect(&lines[4]).unwrap_err();
    assert_eq!(error.to_string(), "the checkpoint is not signed by a trusted key");
    trusting().expect("x").unwrap_err();
    Verifier::new().expect(&lines[checkpoints[0]]).unwrap_err();
}

#[test]
fn files_may_come_in_any_order_and_mixed() {
    let (one, two) = (genuine(), genuine());
    let pieces = [&one[..3], &one[3..9], &one[9..], &two[..8], &two[8..]];
    let orders = [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 4, 0, 3, 1]];
    for order in orders {
        let mut verifier = trusting();
        for index in order {
            verifier.read(&index.to_string(), text(pieces[index]).as_bytes()).unwrap();
        }
        let report = verifier.finish();
        assert!(report.is_intact(), "{order:?}: {:?}", report.findings);
        assert_eq!(report.chains.len(), 2);
        assert!(report.chains.iter().all(|chain| chain.end == ChainEnd::Clean));
    }
    let mixed: Vec<_> = one.iter().zip(&two).flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
    assert!(verify(&mixed).is_intact(), "two writers to one stream");

    // A file from the middle is gone; the first is gone; a file is there twice.
    let read = |order: &[usize]| {
        let mut verifier = trusting();
        for &index in order {
            verifier.read("file", text(pieces[index]).as_bytes()).unwrap();
        }
        verifier.finish()
    };
    assert_eq!(kinds(&read(&[0, 2]).findings), [FindingKind::Missing { count: 6 }]);
    assert_eq!(kinds(&read(&[1, 2]).findings), [FindingKind::Missing { count: 3 }]);
    assert_eq!(kinds(&read(&[0, 1, 1, 2]).findings), [FindingKind::Reordered]);
}

#[test]
fn long_lines_and_many_findings_take_bounded_memory() {
    let mut verifier = Verifier::new();
    let long = io::repeat(b'x').take(3 * LINE_MAX as u64).chain(&b"\n"[..]);
    verifier.read("long", long).unwrap();
    let bad = "x\n".repeat(5000);
    verifier.read("bad", bad.as_bytes()).unwrap();
    let report = verifier.finish();
    assert_eq!(report.findings[0].kind, FindingKind::TooLong);
    assert_eq!((report.findings.len(), report.found), (FINDINGS, 5001));
}

#[test]
fn a_last_line_without_its_end_is_noted() {
    let mut lines = text(&genuine());
    lines.truncate(lines.len() - 10);
    let mut verifier = trusting();
    verifier.read("audit", lines.as_bytes()).unwrap();
    let report = verifier.finish();
    assert!(report.is_intact());
    assert_eq!(kinds(&report.notes), [FindingKind::Torn]);
    assert_eq!(report.chains[0].end, ChainEnd::Open);
}

#[test]
fn a_clock_that_goes_back_is_noted() {
    let mut lines = Writer::new(Chaining::unsigned()).start().write(2).lines();
    lines[1] = lines[1].replace("2026-11-18T11:06:40", "2026-11-18T10:06:40");
    let report = {
        let mut verifier = Verifier::new();
        verifier.read("audit", text(&rechained(&lines)).as_bytes()).unwrap();
        verifier.finish()
    };
    assert!(report.is_intact());
    assert_eq!(kinds(&report.notes), [FindingKind::ClockBack]);
}

#[test]
fn a_new_key_names_the_one_before() {
    struct Two(bool);
    impl crate::CheckpointSigner for Two {
        fn key_id(&self) -> String {
            key(7 + u8::from(self.0)).key_id()
        }
        fn sign(&mut self, message: &[u8]) -> io::Result<[u8; 64]> {
            let signature = key(7 + u8::from(self.0)).sign(message);
            self.0 = true;
            signature
        }
    }
    let lines = Writer::new(Chaining::signed(Two(false))).start().write(3).end();
    let last: serde_json::Value = serde_json::from_str(lines.last().unwrap()).unwrap();
    assert_eq!(last["previous_key"], key(7).key_id());
    let mut verifier = trusting().trust(key(8).verifying_key());
    verifier.read("audit", text(&lines).as_bytes()).unwrap();
    let report = verifier.finish();
    assert!(report.is_intact(), "{report:?}");
    assert_eq!(report.chains[0].keys, [key(7).key_id(), key(8).key_id()]);
}

#[test]
fn a_signer_that_fails_costs_no_record() {
    let out = Arc::new(Mutex::new(Vec::new()));
    struct Shared(Arc<Mutex<Vec<u8>>>);
    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let broken = (key(7).verifying_key(), |_: &[u8]| Err(io::Error::other("the service is down")));
    let chaining = Chaining::signed(broken).every(2, Duration::from_secs(1));
    let inner = crate::JsonLines::new(Shared(Arc::clone(&out)));
    let mut sink = crate::ChainedSink::new(inner, chaining).unwrap();
    let event_id = crate::id::Ids::new().unwrap().at(Duration::ZERO);
    let record = Record::Suppressed(Suppressed { at: Duration::ZERO, event_id, count: 1 });
    for _ in 0..10 {
        crate::Sink::write(&mut sink, &record, b"{\"schema\":1}\n").unwrap();
        crate::Sink::flush(&mut sink).unwrap();
    }
    let lines = String::from_utf8(out.lock().unwrap().clone()).unwrap();
    assert_eq!(lines.lines().count(), 11, "a start and ten records");
    let mut verifier = trusting();
    verifier.read("audit", lines.as_bytes()).unwrap();
    assert_eq!(kinds(&verifier.finish().findings), [FindingKind::Unsigned]);
}

/// The same, signed again: what only the holder of the key can do.
fn resigned(lines: &[String]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for line in rechained(lines) {
        let line = relinked(&line, out.last());
        let Some(at) = line.find(",\"signature") else {
            out.push(line);
            continue;
        };
        let mut bytes = format!("{}}}\n", line.get(..at).unwrap()).into_bytes();
        trailer::sign(&mut bytes, 0, &mut key(7)).unwrap();
        out.push(String::from_utf8(bytes).unwrap().trim_end().to_owned());
    }
    out
}

/// A line that names the line before.
fn relinked(line: &str, before: Option<&String>) -> String {
    let Some(before) = before else { return line.to_owned() };
    let mut digits = Vec::new();
    crate::chain::hex::push_hex(&sha256(before.as_bytes()), &mut digits);
    let at = line.rfind("\"prev\":\"").unwrap() + 8;
    let (start, rest) = line.split_at(at);
    format!("{start}{}{}", String::from_utf8(digits).unwrap(), rest.get(64..).unwrap())
}

#[test]
fn an_anchor_finds_what_the_holder_of_the_key_wrote_anew() {
    let lines = genuine();
    assert_eq!(resigned(&lines), lines, "the helper is right");
    let mut other = lines.clone();
    other[4] = other[4].replace("\"count\":", "\"count\":1");
    let other = resigned(&other);
    assert!(verify(&other).is_intact(), "signatures alone do not show it");
    let mut verifier = trusting().expect(lines.last().unwrap()).unwrap();
    verifier.read("audit", text(&other).as_bytes()).unwrap();
    let found = kinds(&verifier.finish().findings);
    assert_eq!(found, [FindingKind::AnchorMissing { count: 0 }]);
}

/// Signatures would find these too, where there are any.
#[test]
fn chains_without_signatures_hold_together_across_files_and_restarts() {
    let blind = |sources: &[String]| {
        let mut verifier = Verifier::new();
        for source in sources {
            verifier.read("file", source.as_bytes()).unwrap();
        }
        kinds(&verifier.finish().findings)
    };
    let first = Writer::new(Chaining::unsigned()).start().write(3).lines();
    let last = first.last().unwrap();
    let left = crate::chain::Left {
        chain: trailer::read(last.as_bytes()).unwrap().chain.to_owned(),
        seq: 3,
        hash: sha256(last.as_bytes()),
        clean: false,
    };
    let mut second = Writer::new(Chaining::unsigned());
    second.hand.advance(Duration::from_secs(1));
    second.chain.start(Some(&left), 0, &mut second.out).unwrap();
    let second = text(&second.lines());
    assert_eq!(blind(&[text(&first), second.clone()]), []);
    // Two files of one chain.
    assert_eq!(blind(&[text(&first[..2]), text(&first[2..])]), []);
    let mut changed = first.clone();
    changed[1] = changed[1].replace("\"count\":", "\"count\":1");
    let found = blind(&[text(&changed[..2]), text(&changed[2..])]);
    assert_eq!(found, [FindingKind::Changed], "across files");
    // What the second chain says of the first.
    let mut changed = first.clone();
    changed[3] = changed[3].replace("\"count\":", "\"count\":1");
    let rows = [
        ("another last line", text(&changed), second.clone()),
        ("another number", text(&first), second.replace("\"seq\":3", "\"seq\":2")),
        ("another end", text(&first), second.replace("\"clean\":false", "\"clean\":true")),
    ];
    for (name, first, second) in rows {
        assert_eq!(blind(&[first, second]), [FindingKind::BrokenLink], "{name}");
    }
}

#[test]
fn a_checkpoint_is_not_made_another_record() {
    let mut lines = genuine();
    let last = lines.last_mut().unwrap();
    *last = last.replace("\"record\":\"checkpoint\"", "\"record\":\"chackpoint\"");
    assert_eq!(kinds(&verify(&lines).findings), [FindingKind::BadSignature]);
}

/// What follows does not vouch for it: the last two lines, each bit of each byte.
#[test]
fn no_byte_of_the_end_can_be_changed_unseen() {
    let lines = genuine();
    let whole = text(&lines).into_bytes();
    let end = whole.len() - text(&lines[lines.len() - 2..]).len();
    for at in end..whole.len() {
        for by in (0..8).map(|bit| 1 << bit) {
            let seen = is_seen(whole.clone(), at, by);
            assert!(seen, "byte {at} by {by}");
        }
    }
}

/// Whether anything shows that this byte was changed.
fn is_seen(mut bytes: Vec<u8>, at: usize, by: u8) -> bool {
    bytes[at] ^= by;
    let mut verifier = trusting();
    verifier.read("audit", bytes.as_slice()).unwrap();
    let report = verifier.finish();
    // The very last newline alone: as of a writer that is at work.
    let torn = at + 1 == bytes.len() && kinds(&report.notes).contains(&FindingKind::Torn);
    !report.is_intact() || torn
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_byte_can_be_changed_unseen(at in 0_usize..6000, by in 1_u8..=255) {
        let bytes = text(&genuine()).into_bytes();
        let at = at % bytes.len();
        prop_assert!(is_seen(bytes, at, by), "byte {at} by {by}");
    }

    #[test]
    fn anything_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut verifier = trusting();
        verifier.read("any", bytes.as_slice()).unwrap();
        let _ = verifier.finish();
    }

    #[test]
    fn lines_in_any_order_are_never_intact(order in Just((0..17_usize).collect::<Vec<_>>()).prop_shuffle()) {
        let lines = genuine();
        let shuffled: Vec<_> = order.iter().map(|&at| lines[at].clone()).collect();
        prop_assert_eq!(verify(&shuffled).is_intact(), order.is_sorted());
    }
}
