//! One item of a list, as far as the gate cares.

use std::ops::Range;

use portcullis_core::ToolHints;

use super::surface::{self, Ui};
use crate::json::{Kind, Scanner, Str};
use crate::violation::Violation;

/// An item of a list.
#[derive(Default)]
pub(super) struct Item<'a> {
    /// Its name, if it is an object that has one.
    pub(super) name: Option<Str<'a>>,
    /// Where its `inputSchema` is, if that may declare a header.
    pub(super) schema: Option<Range<usize>>,
    /// What it says about itself, where that is wanted.
    pub(super) hints: ToolHints,
    /// Where it says whether it runs as a task.
    pub(super) task_support: Option<Range<usize>>,
    /// What it says about the status of a task.
    pub(super) status: Option<Str<'a>>,
    /// Which UI it names, where that is wanted.
    pub(super) ui: Option<Ui<'a>>,
}

/// Reads one item.
pub(super) fn item<'a>(
    scanner: &mut Scanner<'a>,
    key: &str,
    notices: bool,
    uis: bool,
) -> Result<Item<'a>, Violation> {
    if scanner.peek()? != Kind::Object {
        scanner.skip()?;
        return Ok(Item::default());
    }
    let mut found = None;
    let mut schema = None;
    let mut hints = ToolHints::default();
    let mut task_support = None;
    let mut status = None;
    let mut ui = None;
    let mut twin = false;
    scanner.object(|scanner, name| {
        if name.eq(key) && scanner.peek()? == Kind::String {
            found = Some(scanner.string()?);
        } else if name.eq("inputSchema") {
            let (range, marked) = scanner.skip_marking()?;
            schema = marked.then_some(range);
        } else if notices && name.eq("annotations") && scanner.peek()? == Kind::Object {
            annotations(scanner, &mut hints)?;
        } else if name.eq("execution") && scanner.peek()? == Kind::Object {
            scanner.object(|scanner, name| {
                let value = scanner.skip()?;
                if name.eq("taskSupport") {
                    task_support = Some(value);
                }
                Ok::<_, Violation>(())
            })?;
        } else if name.eq("statusMessage") && scanner.peek()? == Kind::String {
            status = Some(scanner.string()?);
        } else if uis && name.eq("_meta") && scanner.peek()? == Kind::Object {
            ui = surface::ui(scanner)?;
        } else {
            twin |= is_twin(name, key);
            scanner.skip()?;
        }
        Ok::<_, Violation>(())
    })?;
    Ok(Item { name: found.filter(|_| !twin), schema, hints, task_support, status, ui })
}

/// Whether a client could show the item under a name that nobody checked, because it ignores case or drops a NUL.
#[inline]
fn is_twin(name: Str<'_>, key: &str) -> bool {
    if name.escaped() {
        let name = name.decoded();
        return name.eq_ignore_ascii_case(key) || name.contains('\0');
    }
    name.raw().len() == key.len() && name.raw().eq_ignore_ascii_case(key)
}

/// The annotations of a tool that are hints. One that is no boolean says nothing.
fn annotations(scanner: &mut Scanner<'_>, hints: &mut ToolHints) -> Result<(), Violation> {
    scanner.object(|scanner, name| {
        let is_bool = scanner.peek()? == Kind::Bool;
        let range = scanner.skip()?;
        let said = is_bool.then(|| scanner.slice(range) == "true");
        match &*name.decoded() {
            "readOnlyHint" => hints.read_only = said,
            "destructiveHint" => hints.destructive = said,
            "idempotentHint" => hints.idempotent = said,
            "openWorldHint" => hints.open_world = said,
            _ => {}
        }
        Ok(())
    })
}
