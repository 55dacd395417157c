//! `portcullis audit tail`: records as they come.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::filter::Filter;
use super::read::{self, Line, Lines, Record};
use crate::args::Color;
use crate::exit::{self, Said};
use crate::page::{CARE, Page, span};
use crate::problem::Problem;
use crate::{escape, input};

mod follow;
mod line;

use follow::{Followed, Open};
use line::{ended_well, line};

/// How often files are looked at.
const PAUSE: Duration = Duration::from_millis(200);
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
