//! `portcullis audit tail`: records as they come.

use std::collections::{HashMap, VecDeque};
use std::fs::{File, Metadata};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::filter::Filter;
use super::read::{self, Line, Lines, Record};
use crate::args::Color;
use crate::exit::{self, Said};
use crate::page::{BAD, BOLD, CARE, DIM, GOOD, NAME, PLAIN, Page, Span, span};
use crate::problem::Problem;
use crate::{escape, input, time};

/// How often files are looked at.
const PAUSE: Duration = Duration::from_millis(200);
/// How many looks a file gets that no name leads to any more: its writer may still be at its last records.
const LAST_LOOKS: u32 = 50;
/// How much is shown of a name: whoever calls chooses it, and the next line is of interest too.
const MAX_NAME: usize = 160;
/// The most decisions whose outcome is waited for.
const MAX_OPEN: usize = 10_000;

#[derive(Args, Debug)]
pub(crate) struct TailArgs {
    /// Files of records, or folders of such
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Go on with what is written from now on, also to the files that follow
    #[arg(long, short)]
    follow: bool,
    /// How many records to show of what is there
    #[arg(long, short = 'n', value_name = "NUMBER", default_value_t = 20)]
    lines: usize,
    /// Show how calls ended, too, when they ended well
    #[arg(long)]
    outcomes: bool,
    #[command(flatten)]
    filter: Filter,
}

pub(crate) fn run(args: &TailArgs, color: Color, json: bool) -> Result<Said, Problem> {
    let mut shower = Shower { args, json, open: HashMap::new(), order: VecDeque::new() };
    let mut out = exit::stream(color, json);
    let mut last: VecDeque<Shown> = VecDeque::new();
    let mut followed = Followed { paths: &args.files, files: Vec::new() };
    let files = read::files(&args.files)?;
    for path in &files {
        let fail = |error: io::Error| {
            Problem::new(format!("cannot be read: {}", input::cause(&error)))
                .in_file(input::name(path))
        };
        let mut keep = |shown: Shown| {
            if last.len() == args.lines {
                last.pop_front();
            }
            if args.lines > 0 {
                last.push_back(shown);
            }
        };
        if input::is_stdin(path) {
            shower.through(&mut Lines::new(io::stdin().lock()), &mut keep).map_err(fail)?;
        } else {
            let mut open = Open::new(path).map_err(fail)?;
            shower.through(&mut open.lines, &mut keep).map_err(fail)?;
            followed.files.push(open);
        }
    }
    let mut write = |text: &str| out.write_all(text.as_bytes()).and_then(|()| out.flush());
    let shown = last.iter().try_for_each(|shown| write(&shown.text()));
    if args.follow && shown.is_ok() {
        // Until the reader of our output is gone, or somebody ends the program.
        while followed.look(&mut shower, &mut write).is_ok() {
            std::thread::sleep(PAUSE);
        }
    }
    Ok(Said::nothing())
}

/// A file that is read as it grows.
struct Open {
    lines: Lines<BufReader<File>>,
    identity: Identity,
    /// How often it was looked at since no name leads to it.
    nameless: u32,
}

impl Open {
    fn new(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let identity = Identity::of(&file.metadata()?);
        Ok(Self { lines: Lines::new(BufReader::new(file)), identity, nameless: 0 })
    }
}

/// What tells a file from another that has taken its name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Identity(u64, u64);

impl Identity {
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self(metadata.dev(), metadata.ino())
    }

    #[cfg(not(unix))]
    fn of(metadata: &Metadata) -> Self {
        let created = metadata.created().ok();
        let since =
            created.and_then(|at| at.duration_since(std::time::SystemTime::UNIX_EPOCH).ok());
        Self(0, since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// The files that are followed.
struct Followed<'a> {
    paths: &'a [PathBuf],
    files: Vec<Open>,
}

impl Followed<'_> {
    /// Shows what was written since the last look, in files that have changed their names or are
    /// new as well.
    fn look(
        &mut self,
        shower: &mut Shower<'_>,
        write: &mut impl FnMut(&str) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut written = Ok(());
        for open in &mut self.files {
            let mut show = |shown: Shown| {
                if written.is_ok() {
                    written = write(&shown.text());
                }
            };
            // What cannot be read now may be readable at the next look.
            let _ = open.lines.rewind_if_cut();
            let _ = shower.through(&mut open.lines, &mut show);
        }
        written?;
        let mut named = Vec::new();
        for path in self.current() {
            let Ok(metadata) = std::fs::metadata(&path) else { continue };
            let identity = Identity::of(&metadata);
            named.push(identity);
            if !self.files.iter().any(|open| open.identity == identity) {
                self.files.extend(Open::new(&path).ok());
            }
        }
        self.files.retain_mut(|open| {
            open.nameless = if named.contains(&open.identity) { 0 } else { open.nameless + 1 };
            open.nameless < LAST_LOOKS
        });
        Ok(())
    }

    fn current(&self) -> Vec<PathBuf> {
        let files = self.paths.iter().flat_map(|path| {
            if path.is_dir() {
                read::in_folder(path).unwrap_or_default()
            } else {
                vec![path.clone()]
            }
        });
        files.filter(|path| !input::is_stdin(path)).collect()
    }
}

/// What is to be shown. Text is made of it when it is: of a long trail most is not.
enum Shown {
    /// A record, and what it belongs to if it is an outcome.
    Record(i64, Box<Record>, Option<Box<Record>>),
    /// A record as it is.
    Raw(Vec<u8>),
    Other,
}

impl Shown {
    fn text(&self) -> String {
        let mut page = Page::new();
        match self {
            Self::Record(at, record, decision) => {
                page.line(20, &line(*at, record, decision.as_deref()));
            }
            Self::Raw(bytes) => {
                let line = String::from_utf8_lossy(bytes);
                return escape::json(line.trim_end()) + "\n";
            }
            Self::Other => page.line(2, &[span(CARE, "a line that is no record")]),
        }
        page.into_text()
    }
}

/// Chooses records.
struct Shower<'a> {
    args: &'a TailArgs,
    json: bool,
    /// Decisions that were shown, for their outcomes.
    open: HashMap<String, Box<Record>>,
    /// Their ids, oldest first; some have had their outcomes.
    order: VecDeque<String>,
}

impl Shower<'_> {
    fn through(
        &mut self,
        lines: &mut Lines<impl io::BufRead>,
        show: &mut impl FnMut(Shown),
    ) -> io::Result<()> {
        while let Some(line) = lines.next()? {
            let shown = match line {
                Line::Record(record) => self.choose(record, &lines.bytes),
                Line::Other if self.json || !self.args.filter.is_open() => None,
                Line::Other => Some(Shown::Other),
            };
            if let Some(shown) = shown {
                show(shown);
            }
        }
        Ok(())
    }

    fn choose(&mut self, record: Box<Record>, bytes: &[u8]) -> Option<Shown> {
        let at = record.at().filter(|at| self.args.filter.in_time(*at))?;
        let mut decision = None;
        match record.record.as_str() {
            "decision" if self.args.filter.wants(&record) => self.remember(&record),
            "decision" => return None,
            "outcome" => {
                let decided = self.open.remove(record.event_id.as_ref()?)?;
                let fine = ended_well(&record);
                // How a refusal ended is no news.
                let refused = decided.decision.as_deref() != Some("allow");
                if (fine || refused) && !self.args.outcomes {
                    return None;
                }
                decision = Some(decided);
            }
            // What vouches for the others: `verify` looks at it.
            "checkpoint" => return None,
            // Gaps and other events of the trail itself, unless something else is wanted.
            _ if self.args.filter.is_open() => {}
            _ => return None,
        }
        if self.json {
            return Some(Shown::Raw(bytes.to_vec()));
        }
        Some(Shown::Record(at, record, decision))
    }

    fn remember(&mut self, record: &Record) {
        let Some(id) = &record.event_id else { return };
        if self.order.len() == MAX_OPEN
            && let Some(oldest) = self.order.pop_front()
        {
            self.open.remove(&oldest);
        }
        self.open.insert(id.clone(), Box::new(record.clone()));
        self.order.push_back(id.clone());
    }
}

/// One record; `decision` is what an outcome belongs to.
fn line(at: i64, record: &Record, decision: Option<&Record>) -> Vec<Span> {
    let mut line = vec![span(DIM, time::of_millis(at)), span(PLAIN, " ")];
    let about = decision.unwrap_or(record);
    match record.record.as_str() {
        "decision" => {
            let word = record.decision.as_deref().unwrap_or("decision");
            let style = match word {
                "allow" => GOOD,
                "challenge" | "undecided" => CARE,
                _ => BAD.bold(),
            };
            line.push(span(style, format!("{word:<9} ")));
            line.extend(subject(about));
            let mut why: Vec<&str> = Vec::new();
            why.extend(record.reason.as_deref());
            why.extend(record.rule_id.as_deref().filter(|rule| !why.contains(rule)));
            if !why.is_empty() {
                line.push(span(DIM, format!(" ({})", why.join(", "))));
            }
        }
        "outcome" => {
            let word = record.result_type.as_deref().unwrap_or("outcome");
            let style = if ended_well(record) { DIM } else { CARE };
            line.push(span(style, format!("{word:<9} ")));
            line.extend(subject(about));
            let mut how = Vec::new();
            how.extend(record.http_status.map(|status| format!("HTTP {status}")));
            how.extend(record.duration_ms.map(|millis| format!("{millis} ms")));
            how.extend(record.bytes_out.map(|bytes| format!("{bytes} bytes")));
            how.extend(record.reason.clone());
            line.push(span(DIM, format!(" ({})", how.join(", "))));
        }
        "gap" => {
            let lost = record.dropped.unwrap_or_default();
            line.push(span(BAD.bold(), format!("gap       {lost} records are missing")));
        }
        "suppressed" => {
            let count = record.count.unwrap_or_default();
            line.push(span(CARE, format!("not shown {count} failures to sign in")));
        }
        "chain" => line.push(span(DIM, "start     a writer begins a chain of records")),
        "event" => {
            line.push(span(CARE, format!("{:<9} ", "event")));
            line.push(span(BOLD, record.event.as_deref().unwrap_or_default()));
            let change = match (&record.from, &record.to) {
                (Some(from), Some(to)) => Some(format!("{from} to {to}")),
                (from, to) => from.clone().or_else(|| to.clone()),
            };
            let told = [record.about.clone(), change, record.reason.clone(), record.detail.clone()];
            for text in told.into_iter().flatten() {
                line.push(span(PLAIN, format!("  {}", escape::shortened(&text, MAX_NAME))));
            }
        }
        other => line.push(span(BOLD, other)),
    }
    line
}

/// Whether an outcome is no error.
fn ended_well(outcome: &Record) -> bool {
    !matches!(outcome.result_type.as_deref(), Some("error" | "is_error" | "aborted"))
}

/// Who did what.
fn subject(record: &Record) -> Vec<Span> {
    let person = record.principal.clone().unwrap_or_default();
    let mut who = person.shown();
    if let (Some(client), Some(_)) = (&person.client_id, &person.sub) {
        who = format!("{} ({client})", escape::shortened(&who, MAX_NAME));
    }
    who = escape::shortened(&who, MAX_NAME);
    if record.principal.is_none() {
        who = match &record.source_ip {
            Some(address) => format!("({address})"),
            None => "(nobody)".to_owned(),
        };
    }
    let method = record.method.as_deref().unwrap_or("request");
    let mut spans = vec![span(NAME, who), span(PLAIN, format!("  {method}"))];
    if let Some(target) = &record.target {
        spans.push(span(BOLD, format!(" {}", escape::shortened(target, MAX_NAME))));
    }
    if let Some(server) = &record.server {
        spans.push(span(DIM, format!(" at {}", escape::shortened(server, MAX_NAME))));
    }
    spans
}
