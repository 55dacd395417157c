//! `portcullis roster stale`: who has left and still comes in.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use portcullis_roster::{UserList, stale};
use schemars::JsonSchema;
use serde::Serialize;

use super::list::{Form, counted, write};
use super::rows::{self, PersonOnRoster};
use super::store::{StoreArgs, answer};
use crate::exit::Said;
use crate::page::{BAD, BOLD, DIM, GOOD, PLAIN, Page, span};
use crate::problem::Problem;
use crate::{input, time};

#[derive(Args, Debug)]
pub(crate) struct StaleArgs {
    /// The export of the identity provider: CSV with a header if it is called so (.csv), otherwise JSON, a
    /// line each
    #[arg(long, value_name = "FILE")]
    list: PathBuf,
    #[command(flatten)]
    store: StoreArgs,
    /// The column of the export, or the member of its objects, that has the `sub` of tokens
    #[arg(long, value_name = "NAME", default_value = "id")]
    column: String,
    /// It has e-mail addresses: compare those, in any letter case
    #[arg(long)]
    by_email: bool,
    /// Only those of this identity provider; without it, everybody is compared with the export
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Also clients on their own behalf
    #[arg(long)]
    clients_too: bool,
    /// Only those who came since this time: RFC 3339, a date, or how long ago (24h, 30d)
    #[arg(long, value_name = "TIME", default_value = "31d", value_parser = time::parse_past)]
    since: i64,
    /// The form of the list
    #[arg(long, value_name = "FORM", default_value = "text")]
    format: Form,
}

/// What `portcullis roster stale --json` writes.
#[derive(JsonSchema, Serialize)]
pub(crate) struct StaleReport {
    /// The version of this format: 1.
    schema: u32,
    /// `roster stale`.
    command: &'static str,
    /// How many the export names.
    listed: usize,
    /// From when on people count (RFC 3339).
    since: String,
    /// Who came since and is not in the export, by last use.
    people: Vec<PersonOnRoster>,
}

pub(crate) fn run(args: &StaleArgs) -> Result<Said, Problem> {
    let text = input::text(&args.list)?;
    let is_csv = args.list.extension().is_some_and(|end| end.eq_ignore_ascii_case("csv"));
    let list = if is_csv {
        UserList::from_csv(&text, &args.column)
    } else {
        UserList::from_json_lines(&text, &args.column)
    };
    let mut list =
        list.map_err(|error| Problem::new(error.to_string()).in_file(input::name(&args.list)))?;
    if let Some(issuer) = &args.issuer {
        list = list.issuer(issuer);
    }
    if args.by_email {
        list = list.by_email();
    }
    if args.clients_too {
        list = list.clients_too();
    }
    let mut store = args.store.open()?;
    let since = Duration::from_millis(u64::try_from(args.since).unwrap_or_default());
    let blocks = answer(store.blocks())?;
    let mut people: Vec<PersonOnRoster> = answer(stale(store.as_mut(), &list, since))?
        .into_iter()
        .map(|person| {
            let block = blocks.iter().find(|block| block.id == person.id);
            PersonOnRoster::seen(person, block)
        })
        .collect();
    rows::sort(&mut people);
    let from = time::format(args.since, "%Y-%m-%d %H:%M");
    let mut page = Page::new();
    if people.is_empty() {
        let said = format!("Everybody who came since {from} is in the export");
        page.line(0, &[span(GOOD, said), span(DIM, format!(" of {}.", list.len()))]);
    } else {
        let are = if people.len() == 1 { "is" } else { "are" };
        page.line(
            0,
            &[
                span(BAD.bold(), counted(people.len(), "person", "people")),
                span(BOLD, format!(" came since {from} and {are} not in the export")),
                span(PLAIN, format!(" of {}:", list.len())),
            ],
        );
    }
    let complaint = !people.is_empty();
    let text = write(&people, args.format, page);
    let report = StaleReport {
        schema: 1,
        command: "roster stale",
        listed: list.len(),
        since: time::format(args.since, "%Y-%m-%dT%H:%M:%SZ"),
        people,
    };
    let mut said = Said::new(Page::new(), &report, complaint);
    said.text = text;
    Ok(said)
}
