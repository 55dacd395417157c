//! `portcullis audit verify`: whether records are what their writers wrote.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use clap::Args;
use portcullis_audit::{
    ChainEnd, ChainReport, Finding, FindingKind, Report, Verifier, VerifyingKey,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::read;
use super::tables::grouped;
use crate::exit::Said;
use crate::input;
use crate::page::{BAD, BOLD, CARE, DIM, GOOD, NAME, PLAIN, Page, span};
use crate::problem::Problem;

/// The most findings, and the most chains, that text shows.
const SHOWN: usize = 50;

#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    /// Files of records, or folders of such: all that there are, in any order
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A public key whose signatures are trusted (PEM or JWK); without one, signatures are not checked
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// A file with checkpoints that were kept elsewhere, a line each: the records must hold them
    #[arg(long, value_name = "FILE", requires = "key")]
    expect: Vec<PathBuf>,
    /// Chains may lack their first files although older ones are here: several writers, whose old
    /// files are deleted
    #[arg(long)]
    from_middle: bool,
    /// Complain about notes as well: files that are missing at the start, unfinished ends, …
    #[arg(long)]
    deny_notes: bool,
    /// The writers have all been stopped: a chain that does not end with its writer's word for it is wrong.
    /// So is then whatever was cut off a file's end
    #[arg(long)]
    ended: bool,
}

/// What `portcullis audit verify --json` writes.
#[derive(JsonSchema, Serialize)]
pub(crate) struct VerifyReport {
    /// The version of this format: 1.
    schema: u32,
    /// `audit verify`.
    command: &'static str,
    /// Whether nothing is wrong with what was read. Without trusted keys this only says that the chains
    /// are in themselves consistent.
    intact: bool,
    /// Whether any key was trusted: without one, signatures are not checked.
    signatures_checked: bool,
    /// How many files were read.
    files: u64,
    /// How many lines.
    lines: u64,
    /// How many of them are chained records.
    records: u64,
    /// How many records the writers say they lost.
    dropped: u64,
    /// Unfinished lines of writers that were killed, which the next start accounts for.
    torn: u64,
    /// How many findings there are.
    found: u64,
    /// What is wrong: the first 1000.
    findings: Vec<Found>,
    /// What proves nothing wrong, and is worth a look: the first 1000.
    notes: Vec<Found>,
    /// Every chain, in order of time.
    chains: Vec<Chain>,
    /// Ids of keys that signed and are not trusted.
    unknown_keys: Vec<String>,
}

/// Something that was found.
#[derive(JsonSchema, Serialize)]
struct Found {
    /// The file; empty where it is about a whole chain.
    file: String,
    /// The line, from 1; 0 where it is about a whole chain.
    line: u64,
    /// The chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    chain: Option<String>,
    /// The number of the record in its chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    /// What it is, in a word: `changed`, `missing`, `reordered`, `no_end`, ….
    kind: String,
    /// What it is, in words.
    message: String,
}

/// What one writer wrote between its start and its end.
#[derive(JsonSchema, Serialize)]
struct Chain {
    /// Its id.
    id: String,
    /// The chain that it continues.
    #[serde(skip_serializing_if = "Option::is_none")]
    continues: Option<String>,
    /// The number of its first record that was read.
    first_seq: u64,
    /// The number of its last record.
    last_seq: u64,
    /// How many records were read.
    records: u64,
    /// The time of its first record (RFC 3339).
    from: Option<String>,
    /// The time of its last record.
    until: Option<String>,
    /// How it ends: `clean`, `continued` or `open`.
    end: &'static str,
    /// The time up to which good signatures vouch for it; null for none.
    proved_until: Option<String>,
    /// Records after that, which are chained only.
    unsigned: u64,
    /// Ids of the keys whose signatures were good.
    keys: Vec<String>,
}

pub(crate) fn run(args: &VerifyArgs) -> Result<Said, Problem> {
    let mut verifier = Verifier::new();
    if args.from_middle {
        verifier = verifier.from_middle();
    }
    for path in &args.key {
        let key = VerifyingKey::parse(&input::text(path)?);
        verifier = verifier.trust(key.map_err(|error| fail(path, &error.to_string()))?);
    }
    for path in &args.expect {
        input::each_line(path, |line| {
            verifier.add_anchor(line).map_err(|error| fail(path, &error.to_string()))
        })?;
    }
    for path in read::files(&args.files)? {
        let name = input::name(&path);
        let read = if input::is_stdin(&path) {
            verifier.read(&name, io::stdin().lock())
        } else {
            File::open(&path).and_then(|file| verifier.read(&name, file))
        };
        read.map_err(|error| fail(&path, &format!("cannot be read: {}", input::cause(&error))))?;
    }
    let report = verifier.finish();
    let mut report = told(&report);
    if args.ended {
        report.want_ends();
    }
    let complaint = !report.intact || args.deny_notes && !report.notes.is_empty();
    let mut page = Page::new();
    show(&report, !args.expect.is_empty(), &mut page);
    Ok(Said::new(page, &report, complaint))
}

fn fail(path: &std::path::Path, message: &str) -> Problem {
    Problem::new(message).in_file(input::name(path))
}

fn told(report: &Report) -> VerifyReport {
    VerifyReport {
        schema: 1,
        command: "audit verify",
        intact: report.is_intact() && report.records > 0,
        signatures_checked: report.signatures_checked,
        files: report.sources,
        lines: report.lines,
        records: report.records,
        dropped: report.dropped,
        torn: report.torn,
        found: report.found,
        findings: report.findings.iter().map(found).collect(),
        notes: report.notes.iter().map(found).collect(),
        chains: report.chains.iter().map(chain).collect(),
        unknown_keys: report.unknown_keys.clone(),
    }
}

impl VerifyReport {
    /// Finds fault with chains that do not end with their writer's word for it.
    fn want_ends(&mut self) {
        let open = self.chains.iter().filter(|chain| chain.end == "open");
        let missing = open.map(|chain| Found {
            file: String::new(),
            line: 0,
            chain: Some(chain.id.clone()),
            seq: Some(chain.last_seq),
            kind: "no_end".to_owned(),
            message: "its writer does not say that it ended: what followed may have been cut off"
                .to_owned(),
        });
        let missing: Vec<Found> = missing.collect();
        self.found = self.found.saturating_add(missing.len() as u64);
        self.intact &= missing.is_empty();
        self.findings.extend(missing);
    }
}

fn found(finding: &Finding) -> Found {
    Found {
        file: finding.source.clone(),
        line: finding.line,
        chain: finding.chain.clone(),
        seq: finding.seq,
        kind: word(finding.kind),
        message: finding.kind.to_string(),
    }
}

/// The kind's own word, whether or not a number goes with it.
fn word(kind: FindingKind) -> String {
    match serde_json::to_value(kind) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(serde_json::Value::Object(members)) => {
            members.keys().next().cloned().unwrap_or_default()
        }
        _ => String::new(),
    }
}

fn chain(chain: &ChainReport) -> Chain {
    Chain {
        id: chain.id.clone(),
        continues: chain.continues.clone(),
        first_seq: chain.first_seq,
        last_seq: chain.last_seq,
        records: chain.records,
        from: chain.from.clone(),
        until: chain.to.clone(),
        end: match chain.end {
            ChainEnd::Clean => "clean",
            ChainEnd::Continued => "continued",
            _ => "open",
        },
        proved_until: chain.signed_to.clone(),
        unsigned: chain.unsigned,
        keys: chain.keys.clone(),
    }
}

fn show(report: &VerifyReport, expected: bool, page: &mut Page) {
    let what = match (report.intact, report.signatures_checked) {
        (true, true) => span(GOOD.bold(), "INTACT"),
        (true, false) => span(CARE.bold(), "CONSISTENT"),
        (false, _) if report.records == 0 && report.found == 0 => span(BAD.bold(), "NO CHAIN"),
        (false, _) => span(BAD.bold(), "NOT INTACT"),
    };
    let records = format!(
        "  {} records in {}, {}",
        grouped(report.records),
        counted(report.chains.len() as u64, "chain", "chains"),
        counted(report.files, "file", "files"),
    );
    page.line(2, &[what, span(PLAIN, records)]);
    let mut remark = |text: String| page.line(2, &[span(PLAIN, format!("  {text}"))]);
    if !report.signatures_checked {
        remark(
            "No key was given, so no signature was checked: whoever can write these files could \
             have written all of it."
                .to_owned(),
        );
    }
    if report.records == 0 {
        remark("Nothing here is chained, so nothing can be said about it.".to_owned());
    }
    if report.dropped > 0 {
        let lost = counted(report.dropped, "record", "records");
        remark(format!("The writers themselves say that they lost {lost}."));
    }
    if report.torn > 0 {
        let lines = counted(report.torn, "unfinished line is", "unfinished lines are");
        remark(format!("{lines} accounted for: a writer was killed."));
    }
    let open = report.chains.iter().filter(|chain| chain.end == "open").count() as u64;
    if open > 0 {
        let chains = counted(open, "chain has no end", "chains have no end");
        remark(format!(
            "{chains}: what a writer wrote after it would not be missed here. Checkpoints that \
             were kept elsewhere (--expect) would tell."
        ));
    } else if report.records > 0 && !expected {
        remark(
            "Whole chains after the last one would not be missed here. Checkpoints that were kept \
             elsewhere (--expect) would tell."
                .to_owned(),
        );
    }
    for key in &report.unknown_keys {
        remark(format!("A key that is not trusted has signed: {key}"));
    }
    findings("Wrong", BAD, &report.findings, report.found, page);
    findings("Worth a look", CARE, &report.notes, report.notes.len() as u64, page);
    if report.chains.is_empty() {
        return;
    }
    page.blank();
    page.line(
        0,
        &[span(BOLD, "Time covered"), span(DIM, "  (UTC; a chain is what one writer wrote)")],
    );
    report.chains.iter().take(SHOWN).for_each(|chain| show_chain(chain, page));
    if report.chains.len() > SHOWN {
        page.line(0, &[span(DIM, format!("  and {} more", report.chains.len() - SHOWN))]);
    }
}

fn show_chain(chain: &Chain, page: &mut Page) {
    let at = |time: &Option<String>| {
        let time = time.as_deref().unwrap_or("-");
        // To the second, as in the other tables.
        time.get(..19).unwrap_or(time).replacen('T', " ", 1)
    };
    let end = match chain.end {
        "clean" => span(GOOD, "its writer ended in order"),
        "continued" => span(PLAIN, "its writer was killed, and another chain goes on"),
        _ => span(CARE, "no end: it is being written, or its writer was killed, or it was cut off"),
    };
    let id: String = chain.id.chars().take(8).collect();
    let records = format!("{}, ", counted(chain.records, "record", "records"));
    page.item(2, span(NAME, id), 8, &[span(PLAIN, records), end]);
    let span_of_time = format!("from {} until {}", at(&chain.from), at(&chain.until));
    page.item(2, span(PLAIN, ""), 8, &[span(PLAIN, span_of_time)]);
    let rest = match chain.unsigned {
        0 => String::new(),
        rest => format!("; {} after that", counted(rest, "record", "records")),
    };
    let proof = match &chain.proved_until {
        Some(_) => {
            let until = format!("proved by signatures until {}", at(&chain.proved_until));
            [span(GOOD, until), span(CARE, rest)]
        }
        None => [span(DIM, "not proved by any signature"), span(PLAIN, "")],
    };
    page.item(2, span(PLAIN, ""), 8, &proof);
}

fn findings(title: &str, style: anstyle::Style, list: &[Found], all: u64, page: &mut Page) {
    if list.is_empty() {
        return;
    }
    page.blank();
    page.line(0, &[span(BOLD, title)]);
    // Many lines in a row with one and the same fault are one thing to see.
    let runs: Vec<&[Found]> = list
        .chunk_by(|one, next| {
            one.file == next.file
                && one.message == next.message
                && one.line + 1 == next.line
                && one.chain == next.chain
        })
        .collect();
    let mut seen = 0;
    for run in runs.iter().take(SHOWN) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        seen += run.len() as u64;
        let lines = if run.len() > 1 {
            format!("{}-{}", first.line, last.line)
        } else {
            first.line.to_string()
        };
        let seq = first.seq.filter(|_| run.len() == 1);
        let place = match &first.chain {
            Some(chain) if first.file.is_empty() => {
                format!("chain {}: ", chain.chars().take(8).collect::<String>())
            }
            _ => format!("{}:{lines}: ", first.file),
        };
        let said = [
            span(PLAIN, "  "),
            span(NAME, place),
            span(style, &*first.message),
            span(DIM, seq.map(|seq| format!(" (record {seq})")).unwrap_or_default()),
        ];
        page.line(4, &said);
    }
    let rest = all.saturating_sub(seen);
    if rest > 0 {
        page.line(0, &[span(DIM, format!("  and {} more", grouped(rest)))]);
    }
}

fn counted(number: u64, one: &str, several: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { several })
}
