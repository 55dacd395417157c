//! The members of `params` that count.

use std::ops::Range;

use portcullis_core::Arguments;

use super::{Fault, refuse_unclear, refuse_variant, text};
use crate::json::{JsonError, Kind, Scanner, Str};
use crate::names;

/// The members of `params` that policy, version and session rules read.
#[derive(Debug, Default)]
pub(crate) struct Params<'a> {
    pub(crate) name: Member<'a>,
    pub(crate) uri: Member<'a>,
    pub(crate) task_id: Member<'a>,
    pub(crate) protocol_version: Member<'a>,
    pub(crate) arguments: ArgumentsAt,
    pub(crate) meta: Meta<'a>,
    pub(crate) reference: Reference<'a>,
    pub(crate) listen: Option<Listen<'a>>,
    /// Whether `task` is there: the call is to run as a task of 2025-11-25.
    pub(crate) task: bool,
}

/// A member that should be a string.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Member<'a> {
    #[default]
    Absent,
    /// Present, and something else than a string.
    Wrong,
    Text(Str<'a>),
}

/// A range of the body, in half the space.
pub(crate) type Place = (u32, u32);

/// Where `params.arguments` is.
#[derive(Debug, Default)]
pub(crate) enum ArgumentsAt {
    /// Not there, or `null`.
    #[default]
    Absent,
    /// Present, and something else than an object.
    Wrong,
    Object {
        range: Range<usize>,
        /// The first names, as places in the body.
        names: [Place; Arguments::MAX_KEYS],
        total: usize,
    },
}

/// `params._meta`.
#[derive(Debug, Default)]
pub(crate) struct Meta<'a> {
    /// Where it is, when it is an object.
    pub(crate) range: Option<Range<usize>>,
    pub(crate) version: Member<'a>,
    /// Whether `clientCapabilities` is there and an object.
    pub(crate) capabilities: bool,
    /// Where the client declares its extensions, if the tasks of 2026-07-28 are among them.
    pub(crate) tasks: Option<Range<usize>>,
    /// Whether it has any member that belongs to modern requests only.
    pub(crate) modern: bool,
    /// The task that the message says it belongs to, where it says so.
    pub(crate) related: Option<Member<'a>>,
}

/// `params.ref` of `completion/complete`.
#[derive(Debug, Default)]
pub(crate) struct Reference<'a> {
    pub(crate) kind: Member<'a>,
    pub(crate) name: Member<'a>,
    pub(crate) uri: Member<'a>,
}

/// `params.notifications` of `subscriptions/listen`.
#[derive(Debug, Default)]
pub(crate) struct Listen<'a> {
    pub(crate) resources: Vec<Str<'a>>,
    /// Where the value of `taskIds` is.
    pub(crate) tasks: Option<Range<usize>>,
    /// Whether something has the wrong type.
    pub(crate) wrong: bool,
}

/// Reads `params`, which must be an object.
pub(super) fn read<'a>(
    scanner: &mut Scanner<'a>,
    params: &mut Params<'a>,
    fault: &mut Fault,
) -> Result<(), JsonError> {
    scanner.object(|scanner, name| {
        match &*name.decoded() {
            "name" => params.name = text(scanner)?,
            "uri" => params.uri = text(scanner)?,
            "taskId" => params.task_id = text(scanner)?,
            "protocolVersion" => params.protocol_version = text(scanner)?,
            "arguments" => arguments(scanner, &mut params.arguments)?,
            "_meta" if scanner.peek()? == Kind::Object => {
                meta(scanner, &mut params.meta, fault)?;
            }
            "ref" if scanner.peek()? == Kind::Object => {
                params.reference = reference(scanner, fault)?;
            }
            "notifications" if scanner.peek()? == Kind::Object => {
                params.listen = Some(listen(scanner, fault)?);
            }
            // Of another type it is no request for a task, but some servers would take it for one.
            "task" => match scanner.peek()? {
                Kind::Object => {
                    params.task = true;
                    scanner.object(|scanner, name| {
                        refuse_variant(&name.decoded(), &names::TASK, fault);
                        scanner.pass()
                    })?;
                }
                kind => {
                    params.task = kind != Kind::Null;
                    scanner.pass()?;
                }
            },
            other => {
                refuse_unclear(other, &names::PARAMS, fault);
                scanner.pass()?;
            }
        }
        Ok(())
    })
}

fn arguments(scanner: &mut Scanner<'_>, found: &mut ArgumentsAt) -> Result<(), JsonError> {
    match scanner.peek()? {
        Kind::Object => {}
        Kind::Null => return scanner.pass(),
        _ => {
            *found = ArgumentsAt::Wrong;
            return scanner.pass();
        }
    }
    let start = scanner.at();
    let mut names = [(0, 0); Arguments::MAX_KEYS];
    let mut total = 0;
    scanner.object(|scanner, name| {
        if let Some(slot) = names.get_mut(total) {
            let Range { start, end } = name.range();
            let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
            *slot = (offset(start), offset(end));
        }
        total += 1;
        scanner.pass()
    })?;
    *found = ArgumentsAt::Object { range: start..scanner.at_end(), names, total };
    Ok(())
}

fn meta<'a>(
    scanner: &mut Scanner<'a>,
    meta: &mut Meta<'a>,
    fault: &mut Fault,
) -> Result<(), JsonError> {
    let start = scanner.at();
    scanner.object(|scanner, name| {
        let name = name.decoded();
        meta.modern |= names::MODERN_META.contains(&&*name);
        match &*name {
            names::META_VERSION => meta.version = text(scanner)?,
            names::META_CAPABILITIES => {
                meta.capabilities = scanner.peek()? == Kind::Object;
                if meta.capabilities {
                    meta.tasks = capabilities(scanner)?;
                } else {
                    scanner.pass()?;
                }
            }
            names::META_RELATED => meta.related = Some(related(scanner, fault)?),
            other => {
                refuse_variant(other, &names::META, fault);
                scanner.pass()?;
            }
        }
        Ok::<_, JsonError>(())
    })?;
    meta.range = Some(start..scanner.at_end());
    Ok(())
}

/// Reads what a client declares; where its `extensions` are, if tasks are among them.
fn capabilities(scanner: &mut Scanner<'_>) -> Result<Option<Range<usize>>, JsonError> {
    let mut found = None;
    scanner.object(|scanner, name| {
        if !name.eq("extensions") || scanner.peek()? != Kind::Object {
            return scanner.pass();
        }
        let start = scanner.at();
        let mut tasks = false;
        scanner.object(|scanner, name| {
            tasks |= name.eq(names::TASKS) && scanner.peek()? == Kind::Object;
            scanner.pass()
        })?;
        found = tasks.then(|| start..scanner.at_end());
        Ok(())
    })?;
    Ok(found)
}

fn related<'a>(scanner: &mut Scanner<'a>, fault: &mut Fault) -> Result<Member<'a>, JsonError> {
    let mut id = Member::Wrong;
    if scanner.peek()? != Kind::Object {
        scanner.pass()?;
        return Ok(id);
    }
    scanner.object(|scanner, name| {
        if name.eq("taskId") {
            id = text(scanner)?;
            return Ok(());
        }
        refuse_variant(&name.decoded(), &names::TASK, fault);
        scanner.pass()
    })?;
    Ok(id)
}

fn reference<'a>(scanner: &mut Scanner<'a>, fault: &mut Fault) -> Result<Reference<'a>, JsonError> {
    let mut reference = Reference::default();
    scanner.object(|scanner, name| {
        match &*name.decoded() {
            "type" => reference.kind = text(scanner)?,
            "name" => reference.name = text(scanner)?,
            "uri" => reference.uri = text(scanner)?,
            other => {
                refuse_variant(other, &names::REF, fault);
                scanner.pass()?;
            }
        }
        Ok::<_, JsonError>(())
    })?;
    Ok(reference)
}

fn listen<'a>(scanner: &mut Scanner<'a>, fault: &mut Fault) -> Result<Listen<'a>, JsonError> {
    let mut listen = Listen::default();
    scanner.object(|scanner, name| {
        match &*name.decoded() {
            "resourceSubscriptions" if scanner.peek()? == Kind::Array => {
                scanner.array(|scanner| {
                    match text(scanner)? {
                        Member::Text(uri) => listen.resources.push(uri),
                        Member::Absent | Member::Wrong => listen.wrong = true,
                    }
                    Ok::<_, JsonError>(())
                })?;
            }
            "taskIds" => listen.tasks = Some(scanner.skip()?),
            other => {
                listen.wrong |= other == "resourceSubscriptions";
                refuse_unclear(other, &names::NOTIFICATIONS, fault);
                scanner.pass()?;
            }
        }
        Ok::<_, JsonError>(())
    })?;
    Ok(listen)
}
