//! `portcullis audit report`: who did what.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use portcullis_core::Clock;

use super::filter::Filter;
use super::tables::{self, Table};
use super::tally::Tally;
use super::{csv, html, read};
use crate::exit::Said;
use crate::input;
use crate::page::Page;
use crate::problem::Problem;

mod json;
mod show;

pub(crate) use json::AuditReport;
pub(crate) use show::remarks;

#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    /// Files of records, or folders of such
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Which table; text and HTML have all of them
    #[arg(long, value_name = "TABLE")]
    by: Option<By>,
    /// The form of the report
    #[arg(long, value_name = "FORM", default_value = "text")]
    format: Format,
    /// Write it to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The most rows of a table; 0 for all. 15 in text, all in CSV, 200 in HTML
    #[arg(long, value_name = "NUMBER")]
    top: Option<usize>,
    /// The heading of the page
    #[arg(long, value_name = "TEXT", default_value = "Audit report")]
    title: String,
    #[command(flatten)]
    filter: Filter,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum By {
    /// People and clients, by last use
    People,
    /// Tools, prompts and resources, by calls
    Tools,
    /// What was refused
    Denied,
    /// Calls over time
    Time,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Format {
    /// Tables for a terminal
    Text,
    /// One table for spreadsheets (people, unless --by names another)
    Csv,
    /// A page with charts, in one file, for any browser
    Html,
}

pub(crate) fn run(args: &ReportArgs) -> Result<Said, Problem> {
    let mut tally = Tally::new();
    let files = read::files(&args.files)?;
    read::each(&files, |line| tally.add(&line, &args.filter))?;
    let mut page = Page::new();
    let text = match args.format {
        Format::Text => {
            show::show(&tally, files.len(), args, &mut page);
            page.into_text()
        }
        Format::Csv => csv::write(&cut(table(&tally, args.by.unwrap_or(By::People)), args.top, 0)),
        Format::Html => {
            let now = i64::try_from(Clock::system().unix().as_millis()).unwrap_or(i64::MAX);
            html::write(&args.title, &tally, now, |table| cut(table, args.top, 200))
        }
    };
    let mut said = Said::new(Page::new(), &json::report(&tally), false);
    match &args.output {
        None => said.text = text,
        Some(path) => {
            std::fs::write(path, anstream::adapter::strip_str(&text).to_string()).map_err(
                |error| {
                    Problem::new(format!("cannot be written: {}", input::cause(&error)))
                        .in_file(input::name(path))
                },
            )?;
        }
    }
    Ok(said)
}

fn table(tally: &Tally, by: By) -> Table {
    match by {
        By::People => tables::people(tally),
        By::Tools => tables::tools(tally),
        By::Denied => tables::denials(tally),
        By::Time => tables::over_time(tally, 10_000),
    }
}

/// The first rows: as many as are wanted, and all for 0.
fn cut(mut table: Table, top: Option<usize>, usual: usize) -> Table {
    let most = top.unwrap_or(usual);
    if most > 0 {
        table.rows.truncate(most);
    }
    table
}
