//! Records from files of JSON lines.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Seek as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Deserialize;

use crate::input;
use crate::problem::Problem;

/// The longest line that is read, in bytes. Records are far shorter.
const MAX_LINE: u64 = 1 << 20;

/// The longest text that a record holds, in bytes. Of a longer one, which no gate writes, this much is kept.
const MAX_TEXT: usize = 1024;

/// What reports need of a record. Other members, and kinds of records that came later, are no error.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Record {
    pub(crate) record: String,
    pub(crate) ts: String,
    pub(crate) event_id: Option<String>,
    pub(crate) resource: Option<String>,
    pub(crate) server: Option<String>,
    pub(crate) method: Option<String>,
    pub(crate) target_type: Option<String>,
    pub(crate) target: Option<String>,
    pub(crate) principal: Option<Person>,
    pub(crate) decision: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) rule_id: Option<String>,
    pub(crate) source_ip: Option<String>,
    pub(crate) duration_ms: Option<u64>,
    pub(crate) http_status: Option<u16>,
    pub(crate) result_type: Option<String>,
    pub(crate) bytes_out: Option<u64>,
    pub(crate) dropped: Option<u64>,
    pub(crate) count: Option<u64>,
    pub(crate) event: Option<String>,
    pub(crate) about: Option<String>,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
    pub(crate) detail: Option<String>,
}

/// Who called.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[serde(default)]
pub(crate) struct Person {
    pub(crate) iss: Option<String>,
    pub(crate) sub: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) kind: Option<String>,
}

impl Record {
    /// The record on a line; `None` when it is none.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let mut record: Self = serde_json::from_slice(line).ok()?;
        if line.len() > MAX_TEXT {
            record.clip();
        }
        (!record.record.is_empty() && record.at().is_some()).then_some(record)
    }

    /// Cuts texts that are too long for a record.
    fn clip(&mut self) {
        let person = self.principal.iter_mut().flat_map(|person| {
            [&mut person.iss, &mut person.sub, &mut person.client_id, &mut person.kind]
        });
        let own = [
            &mut self.event_id,
            &mut self.resource,
            &mut self.server,
            &mut self.method,
            &mut self.target_type,
            &mut self.target,
            &mut self.decision,
            &mut self.reason,
            &mut self.rule_id,
            &mut self.source_ip,
            &mut self.result_type,
            &mut self.event,
            &mut self.about,
            &mut self.from,
            &mut self.to,
            &mut self.detail,
        ];
        let texts = own.into_iter().chain(person).flatten();
        for text in texts.chain([&mut self.record, &mut self.ts]) {
            if text.len() > MAX_TEXT {
                let end = (0..=MAX_TEXT).rev().find(|&end| text.is_char_boundary(end));
                text.truncate(end.unwrap_or_default());
                text.push('…');
            }
        }
    }

    /// The server, by its name, or by its resource where it has none.
    pub(crate) fn server(&self) -> Option<&String> {
        self.server.as_ref().or(self.resource.as_ref())
    }

    /// When, in milliseconds since the Unix epoch.
    pub(crate) fn at(&self) -> Option<i64> {
        self.ts.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
    }
}

impl Person {
    /// The person, for tables.
    pub(crate) fn shown(&self) -> String {
        match (&self.sub, self.kind.as_deref()) {
            (Some(sub), _) => sub.clone(),
            (None, Some("anonymous")) => "(not signed in)".to_owned(),
            (None, _) => self.client_id.clone().unwrap_or_else(|| "(unknown)".to_owned()),
        }
    }
}

/// Something on a line.
#[derive(Debug)]
pub(crate) enum Line {
    Record(Box<Record>),
    /// A line that is no record: torn, too long, or of another format.
    Other,
}

/// Lines of a file, one by one.
pub(crate) struct Lines<R> {
    reader: R,
    /// What the last line consists of.
    pub(crate) bytes: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, bytes: Vec::new() }
    }

    /// The next line; `None` at the end. What follows the last line break is left, as long as it may
    /// become a line. Empty lines are nothing.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            if self.bytes.ends_with(b"\n") || self.bytes.len() as u64 >= MAX_LINE {
                self.bytes.clear();
            }
            let room = MAX_LINE.saturating_sub(self.bytes.len() as u64);
            let read = (&mut self.reader).take(room).read_until(b'\n', &mut self.bytes)?;
            if self.bytes.ends_with(b"\n") {
                if self.bytes.trim_ascii().is_empty() {
                    continue;
                }
                return Ok(Some(match Record::parse(&self.bytes) {
                    Some(record) => Line::Record(Box::new(record)),
                    None => Line::Other,
                }));
            }
            if self.bytes.len() as u64 >= MAX_LINE {
                // The rest of it is as little a record as its start.
                return Ok(Some(Line::Other));
            }
            if read == 0 {
                return Ok(None);
            }
        }
    }

    /// Whether something follows the last line break.
    pub(crate) fn is_torn(&self) -> bool {
        !self.bytes.is_empty() && !self.bytes.ends_with(b"\n")
    }
}

impl Lines<BufReader<File>> {
    /// Starts anew in a file that has become shorter: somebody has emptied it to go on in it.
    pub(crate) fn rewind_if_cut(&mut self) -> io::Result<()> {
        if self.reader.get_ref().metadata()?.len() < self.reader.stream_position()? {
            self.reader.rewind()?;
            self.bytes.clear();
        }
        Ok(())
    }
}

/// The files that `paths` name: of a folder those whose names hold `.jsonl`, oldest records first.
pub(crate) fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Problem> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let found = in_folder(path).map_err(|error| {
            let cause = input::cause(&error);
            Problem::new(format!("cannot be read: {cause}")).in_file(input::name(path))
        })?;
        if found.is_empty() {
            return Err(Problem::new("has no files of records (.jsonl)").in_file(input::name(path)));
        }
        files.extend(found);
    }
    if files.len() > 1 {
        files.sort_by_cached_key(|path| (first_time(path), path.clone()));
    }
    Ok(files)
}

/// The files of a folder that may hold records, by name.
pub(crate) fn in_folder(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let named = path.file_name().and_then(|name| name.to_str());
        if path.is_file() && named.is_some_and(holds_records) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// `audit.jsonl`, `audit.000001.jsonl`, `audit.jsonl.1`; not the lock beside them.
fn holds_records(name: &str) -> bool {
    name.contains(".jsonl") && !name.ends_with(".lock")
}

/// When the first record of a file was made.
fn first_time(path: &Path) -> Option<i64> {
    if input::is_stdin(path) {
        return None;
    }
    let mut lines = Lines::new(BufReader::new(File::open(path).ok()?));
    loop {
        match lines.next().ok()?? {
            Line::Record(record) => return record.at(),
            Line::Other => {}
        }
    }
}

/// Hands every line of `files` to `take`.
pub(crate) fn each(files: &[PathBuf], mut take: impl FnMut(Line)) -> Result<(), Problem> {
    for path in files {
        let fail = |error: io::Error| {
            let cause = input::cause(&error);
            Problem::new(format!("cannot be read: {cause}")).in_file(input::name(path))
        };
        if input::is_stdin(path) {
            through(&mut Lines::new(io::stdin().lock()), &mut take).map_err(fail)?;
        } else {
            let file = File::open(path).map_err(fail)?;
            let mut lines = Lines::new(BufReader::with_capacity(1 << 16, file));
            through(&mut lines, &mut take).map_err(fail)?;
        }
    }
    Ok(())
}

fn through(lines: &mut Lines<impl BufRead>, take: &mut impl FnMut(Line)) -> io::Result<()> {
    while let Some(line) = lines.next()? {
        take(line);
    }
    if lines.is_torn() {
        take(Line::Other);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &[u8]) -> Vec<bool> {
        let mut lines = Lines::new(text);
        let mut kinds = Vec::new();
        through(&mut lines, &mut |line| kinds.push(matches!(line, Line::Record(_)))).unwrap();
        kinds
    }

    #[test]
    fn what_is_no_record_is_counted_and_passed_over() {
        let good = "{\"record\":\"gap\",\"ts\":\"2026-11-21T09:00:00.000Z\",\"new\":1}\n";
        let rows: [(&str, String, &[bool]); 7] = [
            ("records", format!("{good}{good}"), &[true, true]),
            ("an empty line", format!("{good}\n{good}"), &[true, true]),
            ("a torn line", format!("{good}{{\"rec"), &[true, false]),
            ("a torn line inside", format!("{{\"rec\n{good}"), &[false, true]),
            ("other JSON", format!("{{\"class_uid\":6003}}\n{good}"), &[false, true]),
            ("no time", "{\"record\":\"gap\"}\n".to_owned(), &[false]),
            (
                "a long line",
                format!("{}\n{good}", "x".repeat(MAX_LINE as usize + 5)),
                &[false, false, true],
            ),
        ];
        for (name, text, expected) in rows {
            assert_eq!(kinds(text.as_bytes()), expected, "{name}");
        }
    }

    /// A writer at work: half a line is read again when it is whole.
    #[test]
    fn half_a_line_waits_for_the_rest() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut lines = Lines::new(BufReader::new(File::open(file.path()).unwrap()));
        let line = "{\"record\":\"gap\",\"ts\":\"2026-11-21T09:00:00.000Z\"}\n";
        std::fs::write(file.path(), line.get(..20).unwrap()).unwrap();
        assert!(lines.next().unwrap().is_none() && lines.is_torn());
        std::fs::write(file.path(), line).unwrap();
        assert!(matches!(lines.next().unwrap(), Some(Line::Record(_))));
        assert!(lines.next().unwrap().is_none() && !lines.is_torn());
    }
}
