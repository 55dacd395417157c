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
use crate::exit::Said;
use crate::input;
use crate::page::Page;
use crate::problem::Problem;

mod text;

use text::show;

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
