//! `portcullis schema`, `completions` and `man`: what describes files and the program itself.

use clap::CommandFactory as _;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, schema_for};
use serde::Serialize;

use crate::args::{Cli, CompletionArgs, ManArgs, SchemaArgs, SchemaOf};
use crate::audit::{AuditReport, VerifyReport};
use crate::cases::{CasesFile, TestReport};
use crate::diff::DiffReport;
use crate::exit::{Said, Unusable};
use crate::explain::ExplainReport;
use crate::pins::PinsReport;
use crate::problem::Problem;
use crate::validate::ValidateReport;
use crate::visible::VisibleReport;

/// What `portcullis … --json` writes. `schema` grows when a member changes its meaning or goes; new
/// members do not change it.
#[expect(dead_code, reason = "stands for all of them in the schema")]
#[derive(JsonSchema, Serialize)]
#[serde(untagged)]
enum Output {
    Validate(ValidateReport),
    Explain(Box<ExplainReport>),
    Visible(VisibleReport),
    Test(TestReport),
    Diff(DiffReport),
    Pins(PinsReport),
    AuditReport(AuditReport),
    AuditVerify(VerifyReport),
    #[cfg(feature = "roster")]
    RosterList(crate::roster::ListReport),
    #[cfg(feature = "roster")]
    RosterStale(crate::roster::StaleReport),
    #[cfg(feature = "roster")]
    RosterBlock(crate::roster::BlockReport),
    Error(Unusable),
}

pub(crate) fn run(args: &SchemaArgs) -> Result<Said, Problem> {
    let schema = match args.of {
        SchemaOf::Policy => portcullis_rbac::Policy::json_schema(),
        SchemaOf::Cases => schema_for!(CasesFile).to_value(),
        SchemaOf::Output => {
            // Of what is written, not of what would be read.
            let settings = SchemaSettings::draft2020_12().for_serialize();
            settings.into_generator().into_root_schema_for::<Output>().to_value()
        }
    };
    let text = serde_json::to_string_pretty(&schema)
        .map_err(|error| Problem::new(format!("the schema cannot be written: {error}")))?;
    Ok(Said::raw(text + "\n"))
}

pub(crate) fn completions(args: &CompletionArgs) -> Said {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "portcullis", &mut text);
    Said::raw(String::from_utf8_lossy(&text).into_owned())
}

pub(crate) fn man(args: &ManArgs) -> Result<Said, Problem> {
    let mut program = Cli::command();
    program.build();
    let command = match &args.command {
        None => Some(program),
        Some(name) => program.find_subcommand(name).cloned().map(|command| {
            // Nobody has a section of their own for `explain`.
            let page = format!("portcullis-{name}");
            command.name(page)
        }),
    };
    let command = command.ok_or_else(|| {
        Problem::new(format!("there is no command {}", args.command.as_deref().unwrap_or_default()))
    })?;
    let mut text = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut text)
        .map_err(|error| Problem::new(format!("the page cannot be written: {error}")))?;
    Ok(Said::raw(String::from_utf8_lossy(&text).into_owned()))
}
