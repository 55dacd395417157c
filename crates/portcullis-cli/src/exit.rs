//! How the program ends: what is printed where, and the exit code.

use std::io;
use std::process::ExitCode;

use anstream::{AutoStream, ColorChoice};
use clap::Parser as _;
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::{Cli, Color, Command};
use crate::escape;
use crate::page::Page;
use crate::problem::Problem;
use crate::{audit, cases, diff, explain, pins, schema, validate, visible};

/// There is something to complain about.
pub(crate) const COMPLAINT: u8 = 1;
/// An input cannot be read or used.
pub(crate) const UNUSABLE: u8 = 3;

/// What a command has to say, in both forms.
pub(crate) struct Said {
    /// For people.
    pub(crate) text: String,
    /// For machines; `None` when they get the text.
    json: Option<String>,
    pub(crate) complaint: bool,
}

impl Said {
    pub(crate) fn new(page: Page, report: &impl Serialize, complaint: bool) -> Self {
        // Our own reports have string keys and finite numbers.
        let json = serde_json::to_string_pretty(report).unwrap_or_default();
        Self { text: page.into_text(), json: Some(json), complaint }
    }

    /// Nothing: it was said already.
    pub(crate) fn nothing() -> Self {
        Self::raw(String::new())
    }

    /// Text that is the same for people and machines.
    pub(crate) fn raw(text: String) -> Self {
        Self { text, json: None, complaint: false }
    }
}

/// An input that could not be used: what every command says with `--json` in place of its report.
#[derive(JsonSchema, Serialize)]
pub(crate) struct Unusable {
    /// The version of this format: 1.
    schema: u32,
    /// `error`.
    command: &'static str,
    /// What is wrong.
    problems: Vec<Problem>,
}

pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match &cli.command {
        Command::Validate(args) => validate::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Visible(args) => visible::run(args),
        Command::Test(args) => cases::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Schema(args) => schema::run(args),
        Command::Completions(args) => Ok(schema::completions(args)),
        Command::Man(args) => schema::man(args),
        Command::Pins(args) => pins::run(args),
        Command::Audit(args) => audit::run(args, cli.color, cli.json),
        #[cfg(feature = "roster")]
        Command::Roster(args) => crate::roster::run(args),
    };
    let (said, code) = match outcome {
        Ok(said) => {
            let code = if said.complaint { COMPLAINT } else { 0 };
            (said, code)
        }
        Err(problem) => {
            let mut page = Page::new();
            problem.show(&mut page);
            print(AutoStream::new(io::stderr(), choice(cli.color)), &page.into_text());
            let report = Unusable { schema: 1, command: "error", problems: vec![problem] };
            (Said { text: String::new(), ..Said::new(Page::new(), &report, true) }, UNUSABLE)
        }
    };
    match said.json.filter(|_| cli.json) {
        Some(json) => print(io::stdout().lock(), &(escape::json(json.trim_end()) + "\n")),
        None => print(AutoStream::new(io::stdout(), choice(cli.color)), &said.text),
    }
    ExitCode::from(code)
}

/// Where to write bit by bit.
pub(crate) fn stream(color: Color, json: bool) -> Box<dyn io::Write> {
    if json {
        Box::new(io::stdout())
    } else {
        Box::new(AutoStream::new(io::stdout(), choice(color)))
    }
}

fn choice(color: Color) -> ColorChoice {
    match color {
        // Of `NO_COLOR`, `CLICOLOR`, `CLICOLOR_FORCE`, `TERM` and the terminal itself.
        Color::Auto => ColorChoice::Auto,
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    }
}

/// Writes, and is silent about a reader that has heard enough: the exit code still says how it went.
fn print(mut stream: impl io::Write, text: &str) {
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
}
