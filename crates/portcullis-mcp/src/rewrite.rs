//! Changes to a body that is forwarded.

use std::ops::Range;

use bytes::Bytes;
use portcullis_core::{Caller, Denial, Era, McpMessage, Reason, Version};

use crate::config::InspectConfig;
use crate::json::Scanner;
use crate::names;
use crate::parse::{Member, Message, Shape};
use crate::questions::Questions;
use crate::task::{self, Task};

/// What must change in a legacy body, or `None` when it can go on as it came.
///
/// Members of `_meta` that only modern requests have are left out, so that a service which looks
/// for them cannot see another era than policy did. An `initialize` that proposes a version
/// which is not enabled here proposes the newest that is. Responses and tasks get
/// the ids that the server knows.
///
/// # Errors
/// A response to what nobody asked in this session; what belongs to a task of somebody else.
pub(crate) fn legacy(
    config: &InspectConfig,
    caller: &Caller,
    body: &Bytes,
    messages: &[Message<'_>],
    questions: Option<Questions<'_>>,
    task: Option<&Task>,
) -> Result<Option<Bytes>, Denial> {
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    for message in messages {
        if message.shape == Shape::Response {
            let range = message.id.clone().unwrap_or_default();
            let name = body.get(range.clone()).and_then(|name| std::str::from_utf8(name).ok());
            let id = name.zip(questions).and_then(|(name, questions)| questions.id(name));
            let id = id.ok_or_else(|| Denial::invalid_request(Reason::UnexpectedResponse))?;
            edits.push((range, id));
            edits.extend(answered(config, caller, body, message)?);
        }
        if let (Some(task), Member::Text(id)) = (task, message.params.task_id) {
            // Nothing in it needs escaping: that is why it was sealed.
            edits.push((id.range(), task.upstream_id.clone()));
        }
        let params = &message.params;
        let related = task::related(config, caller, body, message)?;
        if let (true, Some(range)) =
            (params.meta.modern || related.is_some(), params.meta.range.clone())
        {
            edits.push((range.clone(), meta(config, body, range, related.as_deref())));
        }
        if let (Member::Text(version), Some(newest)) =
            (params.protocol_version, config.newest_legacy())
            && message.shape == Shape::Request
            && message.method == "initialize"
        {
            let enabled = Version::parse(&version.decoded())
                .is_some_and(|v| v.era() == Era::Legacy && config.supports(v));
            if !enabled {
                edits.push((version.range(), newest.as_str().to_owned()));
            }
        }
    }
    Ok((!edits.is_empty()).then(|| apply(body, edits)))
}

/// What must change in a modern body, or `None` when it can go on as it came: tasks get the ids that the
/// server knows, and only the caller's are `watched` for news. Where tasks are not allowed, nobody is known
/// to know them.
pub(crate) fn modern(
    config: &InspectConfig,
    body: &Bytes,
    message: &Message<'_>,
    task: Option<&Task>,
    watched: Option<&[Task]>,
) -> Option<Bytes> {
    let mut edits = Vec::new();
    let params = &message.params;
    if let (Some(task), Member::Text(id)) = (task, params.task_id) {
        edits.push((id.range(), task.upstream_id.clone()));
    }
    if let Some(named) = params.listen.as_ref().and_then(|listen| listen.tasks.clone()) {
        // Nothing in them needs escaping: that is why they were sealed.
        let ids =
            watched.unwrap_or_default().iter().map(|task| format!("\"{}\"", task.upstream_id));
        edits.push((named, format!("[{}]", ids.collect::<Vec<_>>().join(","))));
    }
    if let (false, Some(extensions)) = (config.allow_tasks, &params.meta.tasks) {
        let object = body.get(extensions.clone()).unwrap_or_default();
        let others = task::members(object, config.limits.json(), |name, value| {
            (name != names::TASKS).then(|| value.to_owned())
        });
        // The object was scanned before; if it could not be read now, nothing of it may pass.
        edits.push((extensions.clone(), others.unwrap_or_else(|_| "{}".to_owned())));
    }
    (!edits.is_empty()).then(|| apply(body, edits))
}

/// The task that a response says it belongs to, under the name that the server knows.
fn answered(
    config: &InspectConfig,
    caller: &Caller,
    body: &Bytes,
    message: &Message<'_>,
) -> Result<Option<(Range<usize>, String)>, Denial> {
    let raw = body.get(message.range.clone()).unwrap_or_default();
    let refused = || Denial::invalid_request(Reason::TaskNotOwned);
    let own = |id: &str| match config.sessions.open_task(id, caller, &config.resource) {
        Ok(task) => Ok(Some(task.upstream_id)),
        Err(_) => Err(crate::violation::BAD_RPC),
    };
    let edit = task::relate(raw, &["result", "_meta"], config.limits.json(), own);
    let edit = edit.map_err(|_| refused())?;
    let start = message.range.start;
    Ok(edit.map(|(range, meta)| (start + range.start..start + range.end, meta)))
}

fn apply(body: &Bytes, mut edits: Vec<(Range<usize>, String)>) -> Bytes {
    edits.sort_by_key(|(range, _)| range.start);
    let mut new = Vec::with_capacity(body.len());
    let mut at = 0;
    for (range, text) in edits {
        new.extend(body.get(at..range.start).unwrap_or_default());
        new.extend(text.as_bytes());
        at = range.end;
    }
    new.extend(body.get(at..).unwrap_or_default());
    new.into()
}

/// The `_meta` object at `range` without the members of modern requests, and with the task that it
/// belongs to under the name `related`; all others byte for byte.
fn meta(
    config: &InspectConfig,
    body: &Bytes,
    range: Range<usize>,
    related: Option<&str>,
) -> String {
    let object = body.get(range).unwrap_or_default();
    let rebuilt = task::members(object, config.limits.json(), |name, value| match related {
        _ if names::MODERN_META.contains(&name) => None,
        Some(id) if name == names::META_RELATED => Some(task::related_object(id)),
        _ => Some(value.to_owned()),
    });
    // The object was scanned before; if it could not be read now, nothing of it may pass.
    rebuilt.unwrap_or_else(|_| "{}".to_owned())
}

/// A batch of exactly these messages.
pub(crate) fn array(messages: &[McpMessage]) -> Bytes {
    let mut array = vec![b'['];
    for message in messages {
        if array.len() > 1 {
            array.push(b',');
        }
        array.extend_from_slice(match message {
            McpMessage::Request(request) => request.raw(),
            McpMessage::Notification(notification) => notification.raw(),
            McpMessage::Response(response) => response.raw(),
            _ => b"null", // INVARIANT: a batch holds none of the others.
        });
    }
    array.push(b']');
    array.into()
}

/// An id as a key: equal for equal ids however they are escaped, different for a string and a number.
pub(crate) fn id_key(body: &Bytes, range: Range<usize>) -> String {
    let token = body.get(range).and_then(|token| std::str::from_utf8(token).ok());
    let token = token.unwrap_or_default();
    let limits = crate::json::JsonLimits { depth: 0, values: 1 };
    let string = Scanner::new(token.as_bytes(), limits).and_then(|mut scanner| scanner.string());
    string.map_or_else(|_| token.to_owned(), |string| format!("\"{}", string.decoded()))
}
