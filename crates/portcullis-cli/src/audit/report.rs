//! `portcullis audit report`: who did what.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use portcullis_core::Clock;
use schemars::JsonSchema;
use serde::Serialize;

use super::filter::Filter;
use super::tables::{self, Cell, Table, grouped};
use super::tally::{Counts, Tally, Target};
use super::{csv, html, read};
use crate::exit::Said;
use crate::page::{BAD, BOLD, CARE, DIM, GOOD, NAME, PLAIN, Page, Span, span};
use crate::problem::Problem;
use crate::{escape, input, time};

/// How much is shown of a name in text: whoever calls chooses it. CSV, HTML and JSON have all of it.
const MAX_CELL: usize = 160;

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

/// What `portcullis audit report --json` writes.
#[derive(JsonSchema, Serialize)]
pub(crate) struct AuditReport {
    /// The version of this format: 1.
    schema: u32,
    /// `audit report`.
    command: &'static str,
    /// The time of the first record (RFC 3339); null where there is none.
    from: Option<String>,
    /// The time of the last.
    until: Option<String>,
    /// How many records were counted.
    records: u64,
    /// Lines that are no records.
    unreadable: u64,
    /// Records that the trail itself says are missing.
    missing: u64,
    /// Failures to sign in that were counted and not recorded one by one.
    suppressed: u64,
    /// Refusals of too many kinds to tell all apart: of each person, `denied` has them together, with
    /// `(others)` for a name.
    denied_together: u64,
    /// Messages about nothing in particular (lists, pings, notifications), which are not calls.
    other_messages: u64,
    /// All calls.
    calls: Calls,
    /// Who called, by last use.
    people: Vec<PersonRow>,
    /// What was used, by calls.
    tools: Vec<ToolRow>,
    /// What was refused, latest first.
    denied: Vec<DenialRow>,
}

/// Calls, and how they went.
#[derive(JsonSchema, Serialize)]
struct Calls {
    /// How many.
    calls: u64,
    /// How many were allowed.
    allowed: u64,
    /// How many policy denied.
    denied: u64,
    /// How many were answered with a challenge.
    challenged: u64,
    /// How many were refused because something failed at the gate.
    errors: u64,
    /// How many of those allowed ended in an error, or broke off.
    failed: u64,
}

/// A person or client.
#[derive(JsonSchema, Serialize)]
struct PersonRow {
    /// `sub`, or what stands for it.
    person: String,
    /// Who vouches for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    /// The OAuth client.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(flatten)]
    calls: Calls,
    /// How many different tools, prompts and resources.
    targets: usize,
    /// The first call.
    first_use: String,
    /// The last call.
    last_use: String,
}

/// A tool, prompt or resource.
#[derive(JsonSchema, Serialize)]
struct ToolRow {
    /// `tool`, `prompt`, `resource`, …, or the method.
    kind: String,
    /// Its name or URI.
    name: String,
    /// The server that has it, by its name, or by its resource where it has none; empty where records do not say.
    server: String,
    #[serde(flatten)]
    calls: Calls,
    /// How many people and clients.
    people: usize,
    /// How long calls took on average, in milliseconds; null where none ended.
    mean_ms: Option<u64>,
    /// The last call.
    last_use: String,
}

/// What was refused to whom.
#[derive(JsonSchema, Serialize)]
struct DenialRow {
    /// `sub`, or what stands for it.
    person: String,
    /// `tool`, `prompt`, `resource`, …, or the method.
    kind: String,
    /// Its name or URI.
    name: String,
    /// The server that has it, as above.
    server: String,
    /// `deny`, `challenge` or `error`.
    decision: String,
    /// Why.
    reason: String,
    /// The rule.
    rule: String,
    /// How often.
    times: u64,
    /// The last time.
    last: String,
}

pub(crate) fn run(args: &ReportArgs) -> Result<Said, Problem> {
    let mut tally = Tally::new();
    let files = read::files(&args.files)?;
    read::each(&files, |line| tally.add(&line, &args.filter))?;
    let mut page = Page::new();
    let text = match args.format {
        Format::Text => {
            show(&tally, files.len(), args, &mut page);
            page.into_text()
        }
        Format::Csv => csv::write(&cut(table(&tally, args.by.unwrap_or(By::People)), args.top, 0)),
        Format::Html => {
            let now = i64::try_from(Clock::system().unix().as_millis()).unwrap_or(i64::MAX);
            html::write(&args.title, &tally, now, |table| cut(table, args.top, 200))
        }
    };
    let mut said = Said::new(Page::new(), &report(&tally), false);
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

fn calls(counts: Counts) -> Calls {
    let Counts { calls, allowed, denied, challenged, errors, failed } = counts;
    Calls { calls, allowed, denied, challenged, errors, failed }
}

fn report(tally: &Tally) -> AuditReport {
    let at = |millis: i64| time::format(millis, "%Y-%m-%dT%H:%M:%SZ");
    let mut people: Vec<_> = tally.person_names.names.iter().zip(&tally.people).collect();
    people.sort_by_key(|(name, person)| (std::cmp::Reverse(person.last), (*name).clone()));
    let mut tools: Vec<_> = tally.target_names.names.iter().zip(&tally.targets).collect();
    tools.sort_by_key(|(name, tool)| (std::cmp::Reverse(tool.counts.calls), (*name).clone()));
    let mut denied: Vec<_> = tally.denials.iter().collect();
    denied.sort_by_key(|(denial, (_, last))| (std::cmp::Reverse(*last), (*denial).clone()));
    AuditReport {
        schema: 1,
        command: "audit report",
        from: tally.span.map(|(first, _)| at(first)),
        until: tally.span.map(|(_, last)| at(last)),
        records: tally.records,
        unreadable: tally.unreadable,
        missing: tally.dropped,
        suppressed: tally.suppressed,
        denied_together: tally.folded,
        other_messages: tally.other,
        calls: calls(tally.total),
        people: people
            .into_iter()
            .map(|(name, person)| PersonRow {
                person: name.shown(),
                issuer: name.iss.clone(),
                client_id: name.client_id.clone(),
                calls: calls(person.counts),
                targets: person.others.len(),
                first_use: at(person.first),
                last_use: at(person.last),
            })
            .collect(),
        tools: tools
            .into_iter()
            .map(|(target, tool)| ToolRow {
                kind: target.kind.clone(),
                name: target.name.clone(),
                server: target.server.clone(),
                calls: calls(tool.counts),
                people: tool.others.len(),
                mean_ms: tool.millis.checked_div(tool.ended),
                last_use: at(tool.last),
            })
            .collect(),
        denied: denied
            .into_iter()
            .map(|(denial, (times, last))| {
                let person = tally.person_names.names.get(denial.person);
                let Target { kind, name, server } = tally.target(denial.target);
                DenialRow {
                    person: person.map(read::Person::shown).unwrap_or_default(),
                    kind,
                    name,
                    server,
                    decision: denial.decision.clone(),
                    reason: denial.reason.clone(),
                    rule: denial.rule.clone(),
                    times: *times,
                    last: at(*last),
                }
            })
            .collect(),
    }
}

/// What the trail says of itself.
pub(crate) fn remarks(tally: &Tally) -> Vec<String> {
    let mut remarks = Vec::new();
    if tally.dropped > 0 || tally.gaps > 0 {
        let missing = counted(tally.dropped, "record is", "records are");
        let places = counted(tally.gaps, "place", "places");
        remarks.push(format!("{missing} missing: the trail says so in {places}."));
    }
    if tally.unreadable > 0 {
        let lines = counted(tally.unreadable, "line is no record", "lines are no records");
        remarks.push(format!("{lines}."));
    }
    if tally.suppressed > 0 {
        let failures =
            counted(tally.suppressed, "failure to sign in was", "failures to sign in were");
        remarks.push(format!("{failures} counted and not recorded."));
    }
    if tally.folded > 0 {
        let refusals = counted(tally.folded, "refusal is", "refusals are");
        remarks.push(format!(
            "{refusals} of too many kinds to tell apart, and shown for each person together."
        ));
    }
    remarks
}

fn counted(number: u64, one: &str, several: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { several })
}

fn show(tally: &Tally, files: usize, args: &ReportArgs, page: &mut Page) {
    let Some((first, last)) = tally.span else {
        page.line(0, &[span(PLAIN, "No records.")]);
        for remark in remarks(tally) {
            page.line(2, &[span(CARE, remark)]);
        }
        return;
    };
    let at = time::of_millis;
    page.line(
        2,
        &[span(BOLD, &*args.title), span(DIM, format!("  {} to {} UTC", at(first), at(last)))],
    );
    let total = tally.total;
    page.line(
        2,
        &[
            span(BOLD, format!("  {} calls: ", grouped(total.calls))),
            span(GOOD, format!("{} allowed", grouped(total.allowed))),
            span(PLAIN, format!(" ({} failed), ", grouped(total.failed))),
            span(BAD, format!("{} denied", grouped(total.denied))),
            span(PLAIN, ", "),
            span(CARE, format!("{} challenged", grouped(total.challenged))),
            span(PLAIN, format!(", {} errors", grouped(total.errors))),
        ],
    );
    let counted = format!(
        "  {} people and clients, {} tools and others, {} other messages, {} records in {files} file{}",
        grouped(tally.people.len() as u64),
        grouped(tally.targets.len() as u64),
        grouped(tally.other),
        grouped(tally.records),
        if files == 1 { "" } else { "s" },
    );
    page.line(2, &[span(PLAIN, counted)]);
    for remark in remarks(tally) {
        page.line(2, &[span(CARE, format!("  {remark}"))]);
    }
    if args.by.is_none_or(|by| by == By::Time) {
        chart(tally, page);
    }
    let wanted = |by| args.by.is_none_or(|only| only == by);
    // Eighty columns have no room for all of them; which server says something only where there are several.
    let (tools, denied): (&[usize], &[usize]) = if tally.has_servers() {
        (&[0, 1, 9, 2, 4, 5, 6, 8], &[0, 1, 7, 3, 4, 5, 6])
    } else {
        (&[0, 1, 2, 4, 5, 6, 7, 8], &[0, 1, 3, 4, 5, 6])
    };
    let narrow: [(By, &[usize]); 3] =
        [(By::People, &[0, 2, 3, 5, 6, 7, 9]), (By::Tools, tools), (By::Denied, denied)];
    for (by, columns) in narrow.into_iter().filter(|(by, _)| wanted(*by)) {
        let all = table(tally, by);
        let (title, number) = (all.title, all.rows.len());
        let table = cut(all, args.top, 15);
        if table.rows.is_empty() {
            continue;
        }
        page.blank();
        let more = match number - table.rows.len() {
            0 => String::new(),
            rest => format!("  ({} of {number}: --top 0 shows all)", number - rest),
        };
        page.line(0, &[span(BOLD, title), span(DIM, more)]);
        let head: Vec<String> = columns
            .iter()
            .filter_map(|column| table.head.get(*column).map(|title| title.to_uppercase()))
            .collect();
        let head: Vec<&str> = head.iter().map(String::as_str).collect();
        let rows: Vec<Vec<Span>> = table
            .rows
            .iter()
            .map(|row| {
                let cells = columns.iter().enumerate().filter_map(|(at, column)| {
                    let style = if at == 0 { NAME } else { PLAIN };
                    row.get(*column)
                        .map(|cell: &Cell| span(style, escape::shortened(&cell.shown(), MAX_CELL)))
                });
                cells.collect()
            })
            .collect();
        page.table(2, &head, &rows);
    }
}

/// Calls over time, as bars of text.
fn chart(tally: &Tally, page: &mut Page) {
    const WIDTH: u64 = 40;
    let (minutes, buckets) = tables::buckets(tally, 24);
    let most = buckets.iter().map(|bucket| bucket.counts.calls).max().unwrap_or_default().max(1);
    page.blank();
    let title = format!("Calls and refusals, for each {}", tables::length(minutes));
    page.line(0, &[span(BOLD, title)]);
    for bucket in buckets {
        let length = |count: u64| {
            let cells = (count * WIDTH).div_ceil(most);
            "█".repeat(usize::try_from(cells).unwrap_or_default())
        };
        let refused = bucket.counts.refused();
        let mut said = vec![
            span(GOOD, length(bucket.counts.allowed)),
            span(BAD, length(refused)),
            span(PLAIN, format!(" {}", grouped(bucket.counts.calls))),
        ];
        if refused > 0 {
            said.push(span(BAD, format!(", {} refused", grouped(refused))));
        }
        let at = time::format(bucket.start, "%Y-%m-%d %H:%M");
        page.item(2, span(DIM, at), 16, &said);
    }
}
