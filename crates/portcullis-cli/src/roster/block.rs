//! `portcullis roster block` and `unblock`.

use clap::Args;
use portcullis_core::Clock;
use portcullis_roster::{Block, PersonId};
use schemars::JsonSchema;
use serde::Serialize;

use super::store::{StoreArgs, answer};
use crate::exit::Said;
use crate::page::{BOLD, CARE, NAME, PLAIN, Page, span};
use crate::problem::Problem;

#[derive(Args, Debug)]
struct Whom {
    /// The identity provider (`iss`), as the roster shows it
    #[arg(value_name = "ISSUER")]
    issuer: String,
    /// The name there (`sub`), as the roster shows it
    #[arg(value_name = "SUBJECT")]
    subject: String,
}

#[derive(Args, Debug)]
pub(crate) struct BlockArgs {
    #[command(flatten)]
    whom: Whom,
    #[command(flatten)]
    store: StoreArgs,
    /// Who says so, for the record
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct UnblockArgs {
    #[command(flatten)]
    whom: Whom,
    #[command(flatten)]
    store: StoreArgs,
}

/// What `portcullis roster block --json` and `unblock --json` write.
#[derive(JsonSchema, Serialize)]
pub(crate) struct BlockReport {
    /// The version of this format: 1.
    schema: u32,
    /// `roster block` or `roster unblock`.
    command: &'static str,
    /// Who vouches for them (`iss`).
    issuer: String,
    /// Their name there (`sub`).
    subject: String,
    /// Whether they are on the roster: nobody else has come in under this name.
    known: bool,
    /// Whether they were blocked before.
    was_blocked: bool,
}

pub(crate) fn run(args: &BlockArgs) -> Result<Said, Problem> {
    let mut store = args.store.open()?;
    let id = PersonId::new(&args.whom.issuer, &args.whom.subject);
    let known = answer(store.person(&id))?.is_some();
    let was_blocked = answer(store.blocks())?.iter().any(|block| block.id == id);
    let mut block = Block::new(id, Clock::system().unix());
    if let Some(by) = &args.by {
        block = block.by(by);
    }
    if let Some(note) = &args.note {
        block = block.note(note);
    }
    answer(store.block(&block))?;
    let mut page = Page::new();
    let name = span(NAME, &*args.whom.subject);
    page.line(0, &[span(BOLD, "Blocked"), span(PLAIN, ": "), name]);
    page.line(
        2,
        &[span(
            PLAIN,
            "  Gates with this roster refuse them once they look: within 2 seconds by default.",
        )],
    );
    if !known {
        let unknown =
            "  Nobody on the roster has this issuer and subject: see that they are right.";
        page.line(2, &[span(CARE, unknown)]);
    }
    Ok(Said::new(page, &report("roster block", &args.whom, known, was_blocked), false))
}

pub(crate) fn lift(args: &UnblockArgs) -> Result<Said, Problem> {
    let mut store = args.store.open()?;
    let id = PersonId::new(&args.whom.issuer, &args.whom.subject);
    let known = answer(store.person(&id))?.is_some();
    let was_blocked = answer(store.unblock(&id))?;
    let mut page = Page::new();
    let name = span(NAME, &*args.whom.subject);
    let head = if was_blocked { span(BOLD, "Unblocked") } else { span(CARE, "Not blocked") };
    page.line(0, &[head, span(PLAIN, ": "), name]);
    let report = report("roster unblock", &args.whom, known, was_blocked);
    Ok(Said::new(page, &report, !was_blocked))
}

fn report(command: &'static str, whom: &Whom, known: bool, was_blocked: bool) -> BlockReport {
    let Whom { issuer, subject } = whom;
    let (issuer, subject) = (issuer.clone(), subject.clone());
    BlockReport { schema: 1, command, issuer, subject, known, was_blocked }
}
