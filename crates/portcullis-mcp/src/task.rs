//! Tasks of 2025-11-25: ids that clients see, and ids that the service behind knows.

use std::ops::Range;

use portcullis_core::{
    Caller, Denial, HiddenAs, McpRequest, McpRequestParts, Method, TargetKind, Text, Version,
};

use crate::config::InspectConfig;
use crate::json::{JsonLimits, Kind, Scanner};
use crate::parse::{Member, Message, Shape};
pub(crate) use crate::session::Task;
use crate::splice::Splice;
use crate::violation::{BAD_RPC, Violation};

/// The key in `_meta` of the task that a message belongs to.
pub(crate) const RELATED: &str = "io.modelcontextprotocol/related-task";

/// Whether `method` is about one task.
pub(crate) fn is_about_task(method: Method) -> bool {
    matches!(method, Method::TasksGet | Method::TasksResult | Method::TasksCancel)
}

/// The task that a legacy message is about. `None` for other messages, and where there is no id: that
/// is for the building of the message to refuse.
///
/// # Errors
/// An id of somebody else, and one that nobody was given: the same answer.
pub(crate) fn of(
    config: &InspectConfig,
    caller: &Caller,
    version: Version,
    body: &bytes::Bytes,
    message: &Message<'_>,
) -> Result<Option<Task>, Denial> {
    let method = Method::parse(&message.method).filter(|method| method.is_in(version));
    let (Shape::Request, Some(method), Member::Text(id)) =
        (message.shape, method.filter(|method| is_about_task(*method)), message.params.task_id)
    else {
        return Ok(None);
    };
    let task = config.sessions.open_task(&id.decoded(), caller, &config.resource);
    task.map(Some).map_err(|reason| {
        let id = message.id.clone().and_then(|range| Text::slice_of(body, range));
        let request = McpRequest::from(McpRequestParts {
            version,
            method,
            id: id.unwrap_or_default(),
            target: None,
            more_targets: Vec::new(),
            arguments: None,
            raw: bytes::Bytes::new(),
        });
        Denial::hidden(&request, HiddenAs::Unknown(TargetKind::Task, ""), reason)
    })
}

/// Where the string at `path` in `message` is, between its quotes, and what it says.
pub(crate) fn find(
    message: &[u8],
    path: &[&str],
    limits: JsonLimits,
) -> Result<Option<(Range<usize>, String)>, Violation> {
    let mut found = None;
    walk(&mut Scanner::new(message, limits)?, path, &mut found)?;
    Ok(found)
}

fn walk(
    scanner: &mut Scanner<'_>,
    path: &[&str],
    found: &mut Option<(Range<usize>, String)>,
) -> Result<(), Violation> {
    match (path, scanner.peek()?) {
        ([first, rest @ ..], Kind::Object) => scanner.object(|scanner, name| {
            if name.eq(first) {
                return walk(scanner, rest, found);
            }
            scanner.pass().map_err(Violation::from)
        }),
        ([], Kind::String) => {
            let text = scanner.string()?;
            *found = Some((text.range(), text.decoded().into_owned()));
            Ok(())
        }
        // An id of another type is none that anybody could name.
        ([], _) => Err(BAD_RPC),
        _ => scanner.pass().map_err(Violation::from),
    }
}

/// `message` with `new` of the string at `path` in its place; `None` when nothing is there.
pub(crate) fn replace(
    message: &[u8],
    path: &[&str],
    limits: JsonLimits,
    new: impl FnOnce(&str) -> Option<String>,
) -> Result<Option<Vec<u8>>, Violation> {
    let Some((range, said)) = find(message, path, limits)? else { return Ok(None) };
    let mut splice = Splice::new(message, 0);
    splice.replace(range, &new(&said).ok_or(BAD_RPC)?);
    Ok(splice.finish(message.len()))
}
