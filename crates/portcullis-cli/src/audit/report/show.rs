//! The report for people, at a terminal.

use super::{By, ReportArgs, cut, table};
use crate::audit::tables::{self, Cell, grouped};
use crate::audit::tally::Tally;
use crate::page::{BAD, BOLD, CARE, DIM, GOOD, NAME, PLAIN, Page, Span, span};
use crate::{escape, time};

/// How much is shown of a name: whoever calls chooses it. CSV, HTML and JSON have all of it.
const MAX_CELL: usize = 160;

pub(super) fn show(tally: &Tally, files: usize, args: &ReportArgs, page: &mut Page) {
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
