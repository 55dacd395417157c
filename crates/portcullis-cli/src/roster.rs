//! `portcullis roster`: who uses the servers, who has left, and who may not come in.

use clap::{Args, Subcommand};

use crate::exit::Said;
use crate::problem::Problem;

mod block;
mod list;
mod rows;
mod stale;
mod store;

pub(crate) use block::BlockReport;
pub(crate) use list::ListReport;
pub(crate) use stale::StaleReport;

#[derive(Args, Debug)]
pub(crate) struct RosterArgs {
    #[command(subcommand)]
    command: RosterCommand,
}

#[derive(Debug, Subcommand)]
enum RosterCommand {
    /// Say who was seen, and who is blocked
    List(list::ListArgs),
    /// Say who was seen lately and is not in an export of the identity provider
    ///
    /// For access reviews. Exits with 1 if there is anybody.
    Stale(stale::StaleArgs),
    /// Block somebody at once
    ///
    /// Every gate that has this roster refuses them within its polling interval, 2 seconds by default,
    /// and ends what they have open.
    Block(block::BlockArgs),
    /// Let somebody in again
    ///
    /// Exits with 1 if they were not blocked.
    Unblock(block::UnblockArgs),
}

pub(crate) fn run(args: &RosterArgs) -> Result<Said, Problem> {
    match &args.command {
        RosterCommand::List(args) => list::run(args),
        RosterCommand::Stale(args) => stale::run(args),
        RosterCommand::Block(args) => block::run(args),
        RosterCommand::Unblock(args) => block::lift(args),
    }
}
