//! `portcullis audit`: reads audit trails.

use clap::{Args, Subcommand};

use crate::args::Color;
use crate::exit::Said;
use crate::problem::Problem;

pub(crate) mod csv;
mod filter;
mod html;
mod read;
mod report;
mod tables;
mod tail;
mod tally;
mod verify;

pub(crate) use report::AuditReport;
#[cfg(feature = "roster")]
pub(crate) use tables::{Cell, Table};
pub(crate) use verify::VerifyReport;

#[derive(Args, Debug)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Say what of a trail is intact, which record broke, and which time is covered
    ///
    /// Exits with 1 if anything is wrong.
    Verify(verify::VerifyArgs),
    /// Show records, a line each, and follow the files
    ///
    /// With --json, records are written as they are, one by one.
    Tail(Box<tail::TailArgs>),
    /// Say who did what: tables, CSV, or a page of HTML
    Report(Box<report::ReportArgs>),
}

pub(crate) fn run(args: &AuditArgs, color: Color, json: bool) -> Result<Said, Problem> {
    match &args.command {
        AuditCommand::Verify(args) => verify::run(args),
        AuditCommand::Tail(args) => tail::run(args, color, json),
        AuditCommand::Report(args) => report::run(args),
    }
}
