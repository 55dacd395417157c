//! `portcullis`: checks, explains, compares and tests access policies for MCP servers, reads their audit
//! trails, and keeps their rosters. The README of this crate shows each command; `portcullis help` lists them.

mod args;
mod ask;
mod audit;
mod cases;
mod diff;
mod escape;
mod exit;
mod explain;
mod gate;
mod input;
mod junit;
mod names;
mod page;
mod pins;
mod problem;
mod report;
#[cfg(feature = "roster")]
mod roster;
mod schema;
mod source;
mod time;
mod tools;
mod validate;
mod visible;
mod who;

use std::process::ExitCode;

fn main() -> ExitCode {
    exit::run()
}
