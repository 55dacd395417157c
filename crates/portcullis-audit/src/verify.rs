//! Whether records are what their writers wrote.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::time::Duration;

use portcullis_crypto::sha256;

use crate::chain::trailer::{self, Trailer};
use crate::error::{ConfigError, ConfigErrorKind};
use crate::time::Rfc3339;
use crate::{Finding, FindingKind, Report, VerifyingKey};

mod chained;
mod join;
pub(crate) mod line;
pub(crate) mod report;
mod segment;

use line::Facts;
use segment::Segment;

/// The longest line that is read. No record is nearly as long.
const LINE_MAX: usize = 1024 * 1024;
/// How many findings are kept; further ones are counted.
const FINDINGS: usize = 1000;
/// How many pieces of chains are kept in mind: one for each chain in each file.
const SEGMENTS: usize = 100_000;
/// How long after the settled time a checkpoint may be due, before it is noted.
const LATE: Duration = Duration::from_secs(60);
/// What a clock may go back without a note.
const BACK: Duration = Duration::from_secs(5);

/// Reads chained records and finds what was changed, removed, reordered, cut off or put in.
///
/// ```
/// use portcullis_audit::{Verifier, VerifyingKey};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let key_file = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
/// let mut verifier = Verifier::new().trust(VerifyingKey::parse(key_file)?);
/// verifier.read("audit.jsonl", &b""[..])?; // for real: each file of the folder, in any order
/// let report = verifier.finish();
/// assert!(report.is_intact());
/// # Ok(())
/// # }
/// ```
///
/// Files may be given in any order, and lines of several writers may be mixed within one. Memory is
/// bounded: a few hundred bytes for each chain in each file, whatever their length.
///
/// See [`Chaining`](crate::Chaining) for what can be lost unseen, and [`expect`](Self::expect) for
/// the way to see that too.
#[must_use = "nothing is found until files are read"]
#[derive(Default)]
pub struct Verifier {
    keys: Vec<VerifyingKey>,
    from_middle: bool,
    /// By chain and by number.
    anchors: HashMap<String, HashMap<u64, Vec<Anchor>>>,
    sources: Vec<String>,
    segments: Vec<Segment>,
    report: Report,
}

/// A checkpoint that was kept elsewhere.
#[derive(Debug)]
struct Anchor {
    hash: [u8; 32],
    seen: bool,
}

/// What was read of one source so far.
struct Reading {
    source: usize,
    line: u64,
    /// The last piece of each chain.
    open: HashMap<String, usize>,
    /// Lines that belong to no chain, until it is known whether a start accounts for them.
    loose: Vec<u64>,
    loose_count: u64,
    loose_bytes: u64,
}

impl Verifier {
    /// A verifier that trusts no key yet: it checks chains, and no signatures.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts the signatures of `key`. With one trusted key or more, every chain must be signed.
    pub fn trust(mut self, key: VerifyingKey) -> Self {
        self.report.signatures_checked = true;
        self.keys.push(key);
        self
    }

    /// Lets chains lack their first files, or the chain before them, although older chains are here:
    /// that is a note then ([`FindingKind::BeginsLate`]), and a finding by default
    /// ([`FindingKind::FilesMissing`]). It is for several writers whose old files are deleted after
    /// some time. The oldest chain may always lack what was before it.
    pub fn from_middle(mut self) -> Self {
        self.from_middle = true;
        self
    }

    /// Expects a checkpoint that an [`anchor`](crate::Chaining::anchor) kept elsewhere, given as its
    /// line: the records must hold it.
    ///
    /// # Errors
    /// The line is no checkpoint, or its signature is not that of a key trusted so far.
    pub fn expect(mut self, checkpoint: &str) -> Result<Self, ConfigError> {
        self.add_anchor(checkpoint).map(|()| self)
    }

    /// Like [`expect`](Self::expect), for very many. The last one of each chain is enough to find that
    /// its end was cut off.
    ///
    /// # Errors
    /// As for [`expect`](Self::expect).
    pub fn add_anchor(&mut self, checkpoint: &str) -> Result<(), ConfigError> {
        let line = checkpoint.trim_end().as_bytes();
        let wrong = |message| Err(ConfigError::new(ConfigErrorKind::Setting, message));
        let Some(trailer) = trailer::read(line) else {
            return wrong("not a checkpoint of a chain");
        };
        let key = Facts::read(line).and_then(|facts| self.key(facts.key()?).cloned());
        let signed = |key: &VerifyingKey| {
            trailer.signature.is_some_and(|signature| key.verify(&trailer.message(), &signature))
        };
        if !key.as_ref().is_some_and(signed) {
            return wrong("the checkpoint is not signed by a trusted key");
        }
        let chain = self.anchors.entry(trailer.chain.to_owned()).or_default();
        let expected = chain.entry(trailer.seq).or_default();
        let hash = sha256(line);
        if expected.iter().all(|known| known.hash != hash) {
            expected.push(Anchor { hash, seen: false });
        }
        Ok(())
    }

    /// Reads records from `reader`, which findings call `name`.
    ///
    /// # Errors
    /// Reading fails. What was read before counts.
    pub fn read(&mut self, name: &str, reader: impl Read) -> io::Result<()> {
        let source = self.sources.len();
        self.sources.push(name.to_owned());
        self.report.sources += 1;
        let mut reading = Reading {
            source,
            line: 0,
            open: HashMap::new(),
            loose: Vec::new(),
            loose_count: 0,
            loose_bytes: 0,
        };
        let mut reader = BufReader::with_capacity(64 * 1024, reader);
        let mut line = Vec::new();
        loop {
            line.clear();
            let limit = LINE_MAX as u64 + 1;
            let read = reader.by_ref().take(limit).read_until(b'\n', &mut line);
            if !matches!(read, Ok(1..)) {
                self.settle(&mut reading);
                return read.map(|_| ());
            }
            reading.line += 1;
            self.report.lines += 1;
            let whole = line.last() == Some(&b'\n');
            if !whole && line.len() > LINE_MAX {
                self.find(&reading, None, FindingKind::TooLong);
                if let Err(cause) = reader.skip_until(b'\n') {
                    self.settle(&mut reading);
                    return Err(cause);
                }
                continue;
            }
            self.take(&mut reading, &line, whole);
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be opened or read.
    #[cfg(feature = "file")]
    pub fn read_file(&mut self, path: impl AsRef<std::path::Path>) -> io::Result<()> {
        let path = path.as_ref();
        self.read(&path.to_string_lossy(), std::fs::File::open(path)?)
    }

    /// What was found.
    #[must_use]
    pub fn finish(mut self) -> Report {
        self.join();
        self.report
    }

    fn take(&mut self, reading: &mut Reading, line: &[u8], whole: bool) {
        let body = line.strip_suffix(b"\n").unwrap_or(line);
        match (trailer::read(body), Facts::read(body)) {
            (Some(trailer), Some(facts)) if whole => self.chained(reading, body, &trailer, &facts),
            // It was not acknowledged: the newline is written with the record.
            (Some(_), Some(_)) => self.note(reading, None, FindingKind::Torn),
            // A writer's unfinished line is never JSON, since its last brace is missing: this one
            // was put in, and programs that read records take it for one.
            _ if is_json(body) => self.find(reading, None, FindingKind::Unchained),
            _ if !whole => self.note(reading, None, FindingKind::Torn),
            _ => {
                reading.loose_count += 1;
                reading.loose_bytes = reading.loose_bytes.saturating_add(line.len() as u64);
                if reading.loose.len() < FINDINGS {
                    reading.loose.push(reading.line);
                }
            }
        }
    }

    /// Reports the lines that no start accounted for.
    fn settle(&mut self, reading: &mut Reading) {
        if reading.loose_count == 0 {
            return;
        }
        let beyond = reading.loose_count.saturating_sub(reading.loose.len() as u64);
        for line in std::mem::take(&mut reading.loose) {
            let source = self.name(reading.source);
            self.found(Finding {
                source,
                line,
                chain: None,
                seq: None,
                kind: FindingKind::Unchained,
            });
        }
        self.report.found = self.report.found.saturating_add(beyond);
        reading.forget_loose();
    }

    fn key(&self, id: &str) -> Option<&VerifyingKey> {
        self.keys.iter().find(|key| key.id() == id)
    }

    fn name(&self, source: usize) -> String {
        self.sources.get(source).cloned().unwrap_or_default()
    }

    fn finding(
        &self,
        reading: &Reading,
        trailer: Option<&Trailer<'_>>,
        kind: FindingKind,
    ) -> Finding {
        Finding {
            source: self.name(reading.source),
            line: reading.line,
            chain: trailer.map(|trailer| trailer.chain.to_owned()),
            seq: trailer.map(|trailer| trailer.seq),
            kind,
        }
    }

    fn find(&mut self, reading: &Reading, trailer: Option<&Trailer<'_>>, kind: FindingKind) {
        let finding = self.finding(reading, trailer, kind);
        self.found(finding);
    }

    fn note(&mut self, reading: &Reading, trailer: Option<&Trailer<'_>>, kind: FindingKind) {
        let note = self.finding(reading, trailer, kind);
        self.noted(note);
    }

    fn found(&mut self, finding: Finding) {
        self.report.found = self.report.found.saturating_add(1);
        if self.report.findings.len() < FINDINGS {
            self.report.findings.push(finding);
        }
    }

    fn noted(&mut self, note: Finding) {
        if self.report.notes.len() < FINDINGS {
            self.report.notes.push(note);
        }
    }
}

impl Reading {
    fn forget_loose(&mut self) {
        self.loose.clear();
        self.loose_count = 0;
        self.loose_bytes = 0;
    }
}

/// Whether `line` is any JSON value at all.
fn is_json(line: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
}

/// A time since the epoch as RFC 3339, UTC.
fn shown(at: Duration) -> String {
    Rfc3339(at).to_string()
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("keys", &self.keys)
            .field("sources", &self.sources.len())
            .field("found", &self.report.found)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests;
