//! `portcullis roster list`: who was seen, and who is blocked.

use std::collections::HashMap;

use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::Serialize;

use super::rows::{self, PersonOnRoster};
use super::store::{StoreArgs, answer, everyone};
use crate::audit::{Cell, Table, csv};
use crate::exit::Said;
use crate::page::{BAD, BOLD, DIM, PLAIN, Page, Span, span};
use crate::problem::Problem;
use crate::time;

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Only those who came since this time: RFC 3339, a date, or how long ago (24h, 30d)
    #[arg(long, value_name = "TIME", value_parser = time::parse_past)]
    since: Option<i64>,
    /// Only those of this identity provider
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Only those who are blocked
    #[arg(long)]
    blocked: bool,
    /// The form of the list
    #[arg(long, value_name = "FORM", default_value = "text")]
    format: Form,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Form {
    /// A table for a terminal
    Text,
    /// A table for spreadsheets
    Csv,
}

/// What `portcullis roster list --json` writes.
#[derive(JsonSchema, Serialize)]
pub(crate) struct ListReport {
    /// The version of this format: 1.
    schema: u32,
    /// `roster list`.
    command: &'static str,
    /// Who was seen or is blocked, by last use.
    people: Vec<PersonOnRoster>,
}

pub(crate) fn run(args: &ListArgs) -> Result<Said, Problem> {
    let mut store = args.store.open()?;
    let mut blocks: HashMap<_, _> =
        answer(store.blocks())?.into_iter().map(|block| (block.id.clone(), block)).collect();
    let mut people: Vec<PersonOnRoster> = everyone(store.as_mut())?
        .into_iter()
        .map(|person| {
            let block = blocks.remove(&person.id);
            PersonOnRoster::seen(person, block.as_ref())
        })
        .collect();
    let mut never: Vec<_> = blocks.into_values().collect();
    never.sort_by(|one, two| one.id.cmp(&two.id));
    people.extend(never.iter().map(|block| PersonOnRoster::of(&block.id, Some(block))));
    people.retain(|person| {
        args.since.is_none_or(|since| person.came_since(since))
            && args.issuer.as_ref().is_none_or(|issuer| *issuer == person.issuer)
            && (person.is_blocked() || !args.blocked)
    });
    rows::sort(&mut people);
    let blocked = people.iter().filter(|person| person.is_blocked()).count();
    let mut page = Page::new();
    let mut heading = vec![span(BOLD, counted(people.len(), "person", "people"))];
    if blocked > 0 {
        heading.extend([span(PLAIN, ", "), span(BAD, format!("{blocked} blocked"))]);
    }
    page.line(0, &heading);
    let text = write(&people, args.format, page);
    let report = ListReport { schema: 1, command: "roster list", people };
    let mut said = Said::new(Page::new(), &report, false);
    said.text = text;
    Ok(said)
}

/// A number of something.
pub(super) fn counted(number: usize, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

/// `people` in the form that is wanted: under `page` in text.
pub(super) fn write(people: &[PersonOnRoster], form: Form, mut page: Page) -> String {
    if form == Form::Csv {
        return csv::write(&rows::table(people, true));
    }
    let Table { head, rows, .. } = rows::table(people, false);
    let rows: Vec<Vec<Span>> = rows
        .iter()
        .map(|row| {
            row.iter()
                .enumerate()
                .map(|(column, cell)| {
                    let style = match (column, cell) {
                        (_, Cell::Time(_)) => DIM,
                        (5, _) => BAD,
                        _ => PLAIN,
                    };
                    span(style, cell.shown())
                })
                .collect()
        })
        .collect();
    if !rows.is_empty() {
        page.table(2, &head, &rows);
    }
    page.into_text()
}
