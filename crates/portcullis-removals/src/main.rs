//! Takes the checks of portcullis out, one by one, and looks whether the tests that are named for them fail.
//!
//! The ledger is `tests/removals/*.toml`: which check answers for which requirement, how the code reads without it, and
//! the tests that then fail. All removals go into one copy of the workspace, as switches that an environment
//! variable throws, so that one build serves them all.

mod build;
mod copy;
mod ledger;
mod trial;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::ledger::{Check, Ledger};

/// What went wrong, in words for the terminal.
type Result<T, E = String> = std::result::Result<T, E>;

#[derive(Parser)]
#[command(about, version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Build once, take each check out, and run its tests: exits with 1 when one of them passes all the same.
    Run {
        /// Names of checks, files of the ledger (`json`), or rows (`R-024`); all of them without.
        only: Vec<String>,
    },
    /// Say which check answers for a row, and which tests say so.
    Show {
        /// A row, the name of a check, or a file of the ledger.
        only: Vec<String>,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().verb {
        Verb::Run { only } => run(&only),
        Verb::Show { only } => show(&only),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(why) => {
            anstream::eprintln!("removals: {why}");
            ExitCode::from(2)
        }
    }
}

/// The root of this workspace.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

fn run(only: &[String]) -> Result<bool> {
    let root = root();
    let ledger = Ledger::read(&root)?;
    let chosen = chosen(&ledger, only)?;
    let copy = copy::with_switches(&root, &ledger)?;
    anstream::println!("building the tests with a switch at each of {} checks", ledger.check.len());
    let programs = build::tests_of(&root, &copy, &ledger)?;
    trial::all(&programs, &chosen)
}

fn show(only: &[String]) -> Result<bool> {
    let ledger = Ledger::read(&root())?;
    for check in chosen(&ledger, only)? {
        anstream::println!(
            "{}: {}\n  {}",
            check.rows.join(", "),
            check.name,
            check.tests.join("\n  ")
        );
    }
    for exempt in &ledger.exempt {
        if only.is_empty() || exempt.rows.iter().any(|row| only.contains(row)) {
            anstream::println!("{}: {}", exempt.rows.join(", "), exempt.why);
        }
    }
    Ok(true)
}

fn chosen<'a>(ledger: &'a Ledger, only: &[String]) -> Result<Vec<&'a Check>> {
    let is_meant = |check: &Check, word: &String| {
        check.name == *word || check.file == *word || check.rows.contains(word)
    };
    let is_known = |word: &String| {
        ledger.check.iter().any(|check| is_meant(check, word))
            || ledger.exempt.iter().any(|exempt| exempt.rows.contains(word))
    };
    if let Some(word) = only.iter().find(|word| !is_known(word)) {
        return Err(format!("`{word}` is no check, file or row of the ledger"));
    }
    let is_chosen =
        |check: &&Check| only.is_empty() || only.iter().any(|word| is_meant(check, word));
    Ok(ledger.check.iter().filter(is_chosen).collect())
}
