//! Lists: an item stays where its caller may use it.

use std::ops::Range;

use portcullis_core::TargetKind;

use super::item::item;
use super::pass::Pass;
use super::{expect, member, skip};
use crate::custom;
use crate::json::{Kind, Scanner, Str};
use crate::names::Known;
use crate::task;
use crate::violation::{BAD_RPC, Violation};

/// The lists that a result may have, and what names their items.
pub(super) static LISTS: Known =
    Known::new(&["tools", "prompts", "resources", "resourceTemplates", "tasks"]);

pub(super) fn list(name: &str) -> Option<(TargetKind, &'static str)> {
    Some(match name {
        "tools" => (TargetKind::Tool, "name"),
        "prompts" => (TargetKind::Prompt, "name"),
        "resources" => (TargetKind::Resource, "uri"),
        "resourceTemplates" => (TargetKind::ResourceTemplate, "uriTemplate"),
        "tasks" => (TargetKind::Task, "taskId"),
        _ => return None,
    })
}

impl<'a> Pass<'_, '_, 'a> {
    pub(super) fn list(&mut self, scanner: &mut Scanner<'a>, name: &str) -> Result<(), Violation> {
        expect(scanner, Kind::Array)?; // X-145.
        match list(name) {
            Some(list) => self.items(scanner, list),
            None => Err(BAD_RPC),
        }
    }

    /// Filters the lists among the members of an object that has no need to have any.
    pub(super) fn lists_in(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Violation> {
        scanner.object(|scanner, name| match member(name, &LISTS)? {
            Some(known) => self.list(scanner, known),
            None => skip(scanner),
        })
    }

    /// Filters a list whose items are objects that are named by `key`.
    pub(super) fn items(
        &mut self,
        scanner: &mut Scanner<'a>,
        (kind, key): (TargetKind, &str),
    ) -> Result<(), Violation> {
        let notices = kind == TargetKind::Tool && self.judge.notices();
        self.keep(scanner, |pass, scanner| {
            let uis = kind == TargetKind::Tool && pass.facets.tool_uis;
            let start = scanner.at();
            let item = item(scanner, key, notices, uis)?;
            let definition = start..scanner.at_end();
            if let Some(ui) = item.ui {
                pass.ui(scanner, &ui);
            }
            let Some(name) = item.name else {
                pass.judge.hide(kind, None); // It cannot be authorized (R-223).
                return Ok(false);
            };
            if kind == TargetKind::Task {
                let is_own = pass.own_task(name);
                if let (Some(said), Some((_, own))) = (item.status, pass.renames.last()) {
                    let new = task::reworded(said, &name.decoded(), own);
                    pass.renames.extend(new.map(|new| (said.range(), new)));
                }
                return Ok(is_own);
            }
            if notices {
                pass.judge.notice(name, item.hints);
            }
            let is_usable = kind != TargetKind::Tool
                || (pass.is_approved(name, scanner.slice(definition))
                    && (!pass.facets.modern
                        || pass.is_usable(name, item.schema.map(|schema| scanner.slice(schema)))));
            if !is_usable {
                return Ok(false);
            }
            // Asked before it is known whether the tool is shown: a second pass must ask the same.
            let support = item.task_support.filter(|_| kind == TargetKind::Tool);
            let said = support.map(|range| (scanner.slice(range.clone()), range));
            let told = said.filter(|(said, _)| !pass.runs_as_task(name, said));
            Ok(pass.judge.shows(kind, name)
                && told.is_none_or(|(said, range)| pass.forbid_tasks(name, said, range)))
        })
    }

    /// Whether the caller may call the tool as a task, if that is what it says that it is for (R-216).
    fn runs_as_task(&mut self, tool: Str<'a>, said: &str) -> bool {
        said == r#""forbidden""#
            || !self.facets.no_tasks
                && (!self.judge.decides_tasks() || self.judge.runs_as_task(tool))
    }

    /// Has a tool say that it does not run as a task. One that runs in no other way is left out: no call
    /// of it could succeed.
    fn forbid_tasks(&mut self, tool: Str<'a>, said: &str, support: Range<usize>) -> bool {
        let needs_task = Scanner::new(said.as_bytes(), self.facets.limits)
            .and_then(|mut said| said.string())
            .is_ok_and(|said| said.eq("required"));
        if needs_task {
            self.judge.hide(TargetKind::Tool, Some(tool));
        } else {
            self.renames.push((support, r#""forbidden""#.to_owned()));
        }
        !needs_task
    }

    /// Whether the task is the caller's and runs a tool that they may call; then they see it under
    /// the id that they know (R-211).
    pub(super) fn own_task(&mut self, id: Str<'a>) -> bool {
        let known = self.facets.tasks.and_then(|tasks| tasks.named(&id.decoded()));
        let Some((name, tool)) = known else {
            self.judge.hide(TargetKind::Task, None);
            return false;
        };
        self.renames.push((id.range(), name));
        self.judge.shows_name(TargetKind::Tool, &tool)
    }

    /// Whether the tool's definition is the one that was approved (R-238).
    fn is_approved(&mut self, name: Str<'a>, definition: &str) -> bool {
        let Some(pins) = self.facets.pins else { return true };
        let approved = pins.may_show(&name.decoded(), definition.as_bytes(), self.facets.limits);
        if !approved {
            self.judge.hide(TargetKind::Tool, Some(name));
        }
        approved
    }

    /// Whether the tool's headers are declared as they must be (R-057); what they are is kept.
    fn is_usable(&mut self, name: Str<'a>, schema: Option<&str>) -> bool {
        let declared = schema.map(|schema| custom::params(schema.as_bytes(), self.facets.limits));
        let params = match declared.unwrap_or(Ok(Vec::new())) {
            Ok(params) => params,
            Err(invalid) => {
                let tool = name.decoded();
                tracing::warn!(?tool, %invalid, "tool left out: its x-mcp-header cannot be used");
                self.judge.hide(TargetKind::Tool, Some(name));
                return false;
            }
        };
        if let Some(catalogue) = self.facets.catalogue
            && !(params.is_empty() && catalogue.is_empty())
        {
            self.declared.push((name, params));
        }
        true
    }
}
