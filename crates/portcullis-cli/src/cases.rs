//! `portcullis test`: tables of expectations, run against a policy.

use schemars::JsonSchema;
use serde::Serialize;

use crate::args::TestArgs;
use crate::exit::Said;
use crate::page::{BAD, BOLD, CARE, DIM, GOOD, PLAIN, Page, span};
use crate::problem::Problem;
use crate::{input, junit};

mod file;
mod runner;

pub(crate) use file::CasesFile;
use runner::file;

/// What `portcullis test --json` writes.
#[derive(JsonSchema, Serialize)]
pub(crate) struct TestReport {
    /// The version of this format: 1.
    schema: u32,
    /// `test`.
    command: &'static str,
    /// Whether there is nothing to complain about.
    ok: bool,
    /// How many cases passed.
    passed: usize,
    /// How many failed.
    failed: usize,
    /// Each file, in the order of the command line.
    files: Vec<FileReport>,
}

/// The cases of one file.
#[derive(JsonSchema, Serialize)]
pub(crate) struct FileReport {
    /// The file, as it was named.
    pub(crate) file: String,
    /// The policy.
    pub(crate) policy: String,
    /// The cases, in the order of the file.
    pub(crate) cases: Vec<CaseReport>,
    /// Rules of the policy that decided no case.
    pub(crate) idle_rules: Vec<String>,
}

/// One case.
#[derive(JsonSchema, Serialize)]
pub(crate) struct CaseReport {
    /// Its name.
    pub(crate) name: String,
    /// The line of the file, from 1.
    pub(crate) line: u64,
    /// Whether everything was as expected.
    pub(crate) passed: bool,
    /// What was not, a sentence each.
    pub(crate) failures: Vec<String>,
}

pub(crate) fn run(args: &TestArgs) -> Result<Said, Problem> {
    let mut files = Vec::new();
    for path in &args.files {
        files.push(file(path, args)?);
    }
    let cases = || files.iter().flat_map(|file| &file.cases);
    if cases().next().is_none() {
        return Err(Problem::new("no case was run: a test of nothing would always pass"));
    }
    let passed = cases().filter(|case| case.passed).count();
    let failed = cases().count() - passed;
    let idle = args.all_rules && files.iter().any(|file| !file.idle_rules.is_empty());
    let ok = failed == 0 && !idle;
    if let Some(path) = &args.junit {
        std::fs::write(path, junit::report(&files)).map_err(|error| {
            let cause = input::cause(&error);
            Problem::new(format!("cannot be written: {cause}")).in_file(input::name(path))
        })?;
    }
    let report = TestReport { schema: 1, command: "test", ok, passed, failed, files };
    let mut page = Page::new();
    show(&report, args, &mut page);
    Ok(Said::new(page, &report, !ok))
}

fn show(report: &TestReport, args: &TestArgs, page: &mut Page) {
    for file in &report.files {
        let policy = format!("  (policy {})", file.policy);
        page.line(0, &[span(BOLD, &*file.file), span(DIM, policy)]);
        for case in &file.cases {
            if case.passed {
                if !args.quiet {
                    page.item(2, span(GOOD, "ok"), 4, &[span(PLAIN, &*case.name)]);
                }
                continue;
            }
            let place = format!("  {}:{}", file.file, case.line);
            page.item(
                2,
                span(BAD.bold(), "FAIL"),
                4,
                &[span(PLAIN, &*case.name), span(DIM, place)],
            );
            for failure in &case.failures {
                page.item(2, span(PLAIN, ""), 4, &[span(BAD, &**failure)]);
            }
        }
        if !file.idle_rules.is_empty() && args.filter.is_none() {
            let style = if args.all_rules { BAD } else { CARE };
            let idle = file.idle_rules.join(", ");
            page.item(
                2,
                span(style, "note"),
                4,
                &[span(PLAIN, format!("no case is decided by: {idle}"))],
            );
        }
        page.blank();
    }
    let style = if report.ok { GOOD } else { BAD };
    let result = format!("{} passed, {} failed", report.passed, report.failed);
    page.line(0, &[span(style.bold(), result)]);
}
