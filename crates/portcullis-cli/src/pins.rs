//! `portcullis pins`: the definitions of tools, as a list has them.

use std::collections::BTreeMap;

use portcullis_mcp::ToolPins;
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::PinsArgs;
use crate::exit::Said;
use crate::input;
use crate::page::{BAD, CARE, GOOD, NAME, PLAIN, Page, span};
use crate::problem::Problem;

/// What `portcullis pins --check … --json` writes.
#[derive(JsonSchema, Serialize)]
pub(crate) struct PinsReport {
    /// The version of this format: 1.
    schema: u32,
    /// `pins`.
    command: &'static str,
    /// Whether each tool is listed as it is pinned, and no other.
    same: bool,
    /// The tools that are not as they are pinned, in order of names.
    changes: Vec<PinChange>,
}

/// A tool that is not as it is pinned.
#[derive(JsonSchema, Serialize)]
struct PinChange {
    /// The name.
    tool: String,
    /// `changed`: it has another definition; `new`: it has no pin; `missing`: it is not listed.
    change: &'static str,
    /// The pinned digest; null for none.
    pinned: Option<String>,
    /// The digest of what is listed; null for none.
    listed: Option<String>,
}

/// The file that gates read.
#[derive(Serialize)]
struct Pins {
    tools: BTreeMap<String, String>,
}

pub(crate) fn run(args: &PinsArgs) -> Result<Said, Problem> {
    let mut tools = BTreeMap::new();
    for path in &args.lists {
        let fail = |message: String| Problem::new(message).in_file(input::name(path));
        let list = input::bytes(path)?;
        let pins = ToolPins::of_list(&list).map_err(|error| fail(error.to_string()))?;
        for (tool, digest) in pins.pins() {
            if tools.insert(tool.clone(), digest).is_some() {
                return Err(fail(format!("lists {tool:?} a second time")));
            }
        }
    }
    let Some(path) = &args.check else {
        let text = serde_json::to_string_pretty(&Pins { tools })
            .map_err(|error| Problem::new(format!("the pins cannot be written: {error}")))?;
        return Ok(Said::raw(text + "\n"));
    };
    let pinned = ToolPins::from_json(&input::text(path)?)
        .map_err(|error| Problem::new(error.to_string()).in_file(input::name(path)))?;
    let changes = changes(&pinned.pins(), &tools);
    let report = PinsReport { schema: 1, command: "pins", same: changes.is_empty(), changes };
    let mut page = Page::new();
    show(&report, tools.len(), &mut page);
    Ok(Said::new(page, &report, !report.same))
}

fn changes(pinned: &BTreeMap<String, String>, listed: &BTreeMap<String, String>) -> Vec<PinChange> {
    let mut names: Vec<_> = pinned.keys().chain(listed.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let changes = names.into_iter().filter_map(|tool| {
        let (was, is) = (pinned.get(tool), listed.get(tool));
        let change = match (was, is) {
            (Some(was), Some(is)) if was == is => return None,
            (Some(_), Some(_)) => "changed",
            (None, _) => "new",
            (_, None) => "missing",
        };
        let (pinned, listed) = (was.cloned(), is.cloned());
        Some(PinChange { tool: tool.clone(), change, pinned, listed })
    });
    changes.collect()
}

fn show(report: &PinsReport, listed: usize, page: &mut Page) {
    if report.same {
        let said = format!("as pinned: {listed} {}", if listed == 1 { "tool" } else { "tools" });
        page.line(0, &[span(GOOD, said)]);
    }
    for PinChange { tool, change, .. } in &report.changes {
        let (style, said) = match *change {
            "changed" => (BAD, "has another definition"),
            "new" => (CARE, "has no pin"),
            _ => (PLAIN, "is pinned and not listed"),
        };
        page.line(2, &[span(NAME, tool.as_str()), span(style, format!(" {said}"))]);
    }
}
