//! What else a server says about what it has, where the deployment wants it checked (requirements 2.5).

use std::ops::Range;

use portcullis_core::TargetKind;

use super::item::item;
use super::pass::Pass;
use super::{expect, member, skip};
use crate::json::{JsonError, Kind, Scanner, Str};
use crate::names::{self, Known};
use crate::task;
use crate::violation::Violation;

/// What leads to the tools that a server offers the client's model.
static OFFER: Known = Known::new(&["tools"]);
static INPUT: Known = Known::new(&["params"]);

/// The UI of MCP Apps that a tool names in its `_meta`.
pub(super) struct Ui<'a> {
    meta: Range<usize>,
    /// `None` for what names no resource that could be authorized.
    uris: Vec<Option<Str<'a>>>,
}

/// Reads the `_meta` of a tool; `None` when it names no UI.
pub(super) fn ui<'a>(scanner: &mut Scanner<'a>) -> Result<Option<Ui<'a>>, Violation> {
    let start = scanner.at();
    let mut uris = Vec::new();
    scanner.object(|scanner, name| {
        let name = name.decoded();
        match scanner.peek()? {
            Kind::Object if is_ui(&name) => scanner.object(|scanner, name| {
                if is_uri(&name.decoded()) {
                    uris.push(uri(scanner)?);
                    return Ok(());
                }
                skip(scanner)
            }),
            _ if is_flat(&name) => {
                uris.push(uri(scanner)?);
                Ok(())
            }
            _ => skip(scanner),
        }
    })?;
    let meta = start..scanner.at_end();
    Ok((!uris.is_empty()).then_some(Ui { meta, uris }))
}

fn uri<'a>(scanner: &mut Scanner<'a>) -> Result<Option<Str<'a>>, Violation> {
    if scanner.peek()? == Kind::String {
        return Ok(Some(scanner.string()?));
    }
    skip(scanner).map(|()| None)
}

// Some clients read names whatever their case.

fn is_ui(name: &str) -> bool {
    name.eq_ignore_ascii_case("ui")
}

fn is_uri(name: &str) -> bool {
    name.eq_ignore_ascii_case("resourceUri")
}

/// As earlier drafts of MCP Apps have it.
fn is_flat(name: &str) -> bool {
    name.eq_ignore_ascii_case("ui/resourceUri")
}

impl<'a> Pass<'_, '_, 'a> {
    /// Leaves the UI out of a tool's `_meta`, unless the caller may read it.
    pub(super) fn ui(&mut self, scanner: &Scanner<'a>, ui: &Ui<'a>) {
        let mut shown = true;
        // Each is asked about, whatever was said before: questions must come in the same order again.
        for uri in &ui.uris {
            shown &= match uri {
                Some(uri) => self.judge.shows(TargetKind::Resource, *uri),
                None => {
                    self.judge.hide(TargetKind::Resource, None);
                    false
                }
            };
        }
        if !shown {
            let meta = scanner.slice(ui.meta.clone());
            let without = task::members(meta.as_bytes(), self.facets.limits, |name, value| {
                self.without_ui(name, value)
            });
            // It was scanned before; if it could not be read now, nothing of it may pass.
            self.renames.push((ui.meta.clone(), without.unwrap_or_else(|_| "{}".to_owned())));
        }
    }

    fn without_ui(&self, name: &str, value: &str) -> Option<String> {
        if is_flat(name) {
            return None;
        }
        if !is_ui(name) || !value.starts_with('{') {
            return Some(value.to_owned());
        }
        let kept = |name: &str, value: &str| (!is_uri(name)).then(|| value.to_owned());
        task::members(value.as_bytes(), self.facets.limits, kept).ok()
    }

    /// Leaves out of `capabilities` the features of which the caller may use nothing.
    pub(super) fn capabilities(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Violation> {
        expect(scanner, Kind::Object)?;
        let range = scanner.skip()?;
        let said = scanner.slice(range.clone());
        let mut idle = false;
        let kept = task::members(said.as_bytes(), self.facets.limits, |name, value| {
            if name == "extensions" && value.starts_with('{') {
                let kept = self.extensions(value, &mut idle);
                return Some(kept.unwrap_or_else(|_| "{}".to_owned()));
            }
            let is_used = self.is_used(name);
            idle |= !is_used;
            is_used.then(|| value.to_owned())
        })?;
        if idle {
            self.splice.replace(range, &kept);
        }
        Ok(())
    }

    fn extensions(&self, said: &str, idle: &mut bool) -> Result<String, JsonError> {
        task::members(said.as_bytes(), self.facets.limits, |name, value| {
            let is_used = name != names::TASKS || self.is_used("tasks");
            *idle |= !is_used;
            is_used.then(|| value.to_owned())
        })
    }

    /// Whether the caller may use something of a feature.
    fn is_used(&self, feature: &str) -> bool {
        let offers = |kind| self.judge.offers(kind);
        let resources = || offers(TargetKind::Resource) || offers(TargetKind::ResourceTemplate);
        match feature {
            "tools" => offers(TargetKind::Tool),
            "prompts" => offers(TargetKind::Prompt),
            "resources" => resources(),
            "completions" => offers(TargetKind::Prompt) || resources(),
            "tasks" => !self.facets.no_tasks && offers(TargetKind::Tool),
            _ => true,
        }
    }

    /// Reads what a service asks of its client before it goes on.
    pub(super) fn input_requests(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Violation> {
        // What is of another kind is refused when it is compared with what the client can give.
        if !self.facets.sampling_tools || scanner.peek()? != Kind::Object {
            return skip(scanner);
        }
        scanner.object(|scanner, _| {
            if scanner.peek()? != Kind::Object {
                return skip(scanner);
            }
            scanner.object(|scanner, name| match member(name, &INPUT)? {
                Some(_) if scanner.peek()? == Kind::Object => self.offer(scanner),
                _ => skip(scanner),
            })
        })
    }

    /// Leaves out of the parameters of a server's request the tools that the caller may not call. By their
    /// shape: only requests for a completion have any.
    pub(super) fn offer(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Violation> {
        scanner.object(|scanner, name| match member(name, &OFFER)? {
            Some(_) => {
                expect(scanner, Kind::Array)?;
                self.keep(scanner, |pass, scanner| {
                    // These are no tools of a list: nothing is learnt from them.
                    let Some(name) = item(scanner, "name", false, false)?.name else {
                        pass.judge.hide(TargetKind::Tool, None);
                        return Ok(false);
                    };
                    Ok(pass.judge.shows(TargetKind::Tool, name))
                })
            }
            None => skip(scanner),
        })
    }
}
