//! Changes to a body that is forwarded.

use std::ops::Range;

use bytes::Bytes;
use portcullis_core::{Denial, Era, McpMessage, Reason, Version};

use crate::config::InspectConfig;
use crate::json::{JsonError, Scanner};
use crate::names;
use crate::parse::{Member, Message, Shape};
use crate::questions::Questions;
use crate::task::{self, RELATED, Task};

/// What must change in a legacy body, or `None` when it can go on as it came.
///
/// Members of `_meta` that only modern requests have are left out, so that a service which looks
/// for them cannot see another era than policy did. An `initialize` that proposes a version
/// which is not enabled here proposes the newest that is. Responses and tasks get
/// the ids that the server knows.
///
/// # Errors
/// A response to what nobody asked in this session.
pub(crate) fn legacy(
    config: &InspectConfig,
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
            edits.extend(questions.and_then(|questions| related(questions, body, message)));
        }
        if let (Some(task), Member::Text(id)) = (task, message.params.task_id) {
            // Nothing in it needs escaping: that is why it was sealed.
            edits.push((id.range(), task.upstream_id.clone()));
        }
        let params = &message.params;
        if let (true, Some(range)) = (params.meta.modern, params.meta.range.clone()) {
            edits.push((range.clone(), without_modern(config, body, range)));
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

/// The task that a response belongs to, under the name that the server knows. One of which nobody
/// knows it keeps the name it has: it is a note beside the answer.
fn related(
    questions: Questions<'_>,
    body: &Bytes,
    message: &Message<'_>,
) -> Option<(Range<usize>, String)> {
    let Questions { config, caller, .. } = questions;
    let raw = body.get(message.range.clone())?;
    let path = &["result", "_meta", RELATED, "taskId"];
    let (range, id) = task::find(raw, path, config.limits.json()).ok()??;
    let task = config.sessions.open_task(&id, caller, &config.resource).ok()?;
    let start = message.range.start;
    Some((start + range.start..start + range.end, task.upstream_id))
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

/// The object at `range` without the members of modern requests; all others byte for byte.
fn without_modern(config: &InspectConfig, body: &Bytes, range: Range<usize>) -> String {
    let mut kept = Vec::new();
    let object = body.get(range).unwrap_or_default();
    let scanned = Scanner::new(object, config.limits.json()).and_then(|mut scanner| {
        scanner.object(|scanner, name| {
            let value = scanner.skip()?;
            if !names::MODERN_META.contains(&&*name.decoded()) {
                kept.push(format!("\"{}\":{}", name.raw(), scanner.slice(value)));
            }
            Ok::<_, JsonError>(())
        })
    });
    // The object was scanned before; if it could not be read now, nothing of it may pass.
    if scanned.is_ok() { format!("{{{}}}", kept.join(",")) } else { "{}".to_owned() }
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
