//! Tasks of 2025-11-25, and of the extension of 2026-07-28: ids that clients see, and ids that the service behind knows (R-211).

use std::ops::Range;

use portcullis_core::{
    Caller, Denial, Era, HiddenAs, McpRequest, McpRequestParts, Method, Reason, TargetKind, Text,
    Version,
};

use crate::build::MAX_SUBSCRIPTIONS;
use crate::config::InspectConfig;
use crate::json::{JsonError, JsonLimits, Kind, Scanner, Str};
use crate::names::META_RELATED;
use crate::parse::{Member, Message, Shape};
pub(crate) use crate::session::Task;
use crate::splice::Splice;
use crate::violation::{BAD_RPC, Violation};

/// What a client declares that knows the tasks of 2026-07-28.
const DECLARED: &str = r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;

/// Refuses what is about tasks where the deployment has none (R-216), as a server without tasks does.
pub(crate) fn check_allowed(
    config: &InspectConfig,
    version: Version,
    body: &bytes::Bytes,
    message: &Message<'_>,
) -> Result<(), Denial> {
    if config.allow_tasks || message.shape != Shape::Request {
        return Ok(());
    }
    let refused = match Method::parse(&message.method) {
        // In the modern era the member means nothing.
        Some(Method::ToolsCall) => message.params.task && version.era() == Era::Legacy,
        Some(method) => method.is_about_task() || method == Method::TasksList,
        None => false,
    };
    match message.id.clone().and_then(|range| Text::slice_of(body, range)) {
        Some(id) if refused => {
            Err(Denial::unknown_method(&id, version.era()).because(Reason::PolicyDenied))
        }
        _ => Ok(()),
    }
}

/// Refuses a modern request about tasks whose client does not declare that it knows them.
pub(crate) fn check_declared(
    version: Version,
    body: &bytes::Bytes,
    message: &Message<'_>,
) -> Result<(), Denial> {
    let method = Method::parse(&message.method).filter(|method| method.is_in(version));
    let listens = || message.params.listen.as_ref().is_some_and(|listen| listen.tasks.is_some());
    let needs = match method {
        Some(Method::SubscriptionsListen) => listens(),
        method => method.is_some_and(Method::is_about_task),
    };
    if message.params.meta.tasks.is_some() || !needs {
        return Ok(());
    }
    match message.id.clone().and_then(|range| Text::slice_of(body, range)) {
        Some(id) => Err(Denial::undeclared_capability(&id, DECLARED)),
        None => Ok(()), // A notification of that name is dropped.
    }
}

/// The task that a message is about. `None` for other messages, and where there is no id: that
/// is for the building of the message to refuse.
///
/// # Errors
/// An id of somebody else, and one that nobody was given: the same answer (X-166).
pub(crate) fn of(
    config: &InspectConfig,
    caller: &Caller,
    version: Version,
    body: &bytes::Bytes,
    message: &Message<'_>,
) -> Result<Option<Task>, Denial> {
    let method = Method::parse(&message.method).filter(|method| method.is_in(version));
    let (Shape::Request, Some(method), Member::Text(id)) =
        (message.shape, method.filter(|method| method.is_about_task()), message.params.task_id)
    else {
        return Ok(None);
    };
    let task = config.sessions.open_task(&id.decoded(), caller, &config.resource);
    let task = task.map_err(|reason| not_found(version, method, body, message, reason))?;
    config.tasks.note(config, caller, &task.upstream_id, &task.tool);
    Ok(Some(task))
}

/// The tasks of which a subscription wants news: the caller's own. Others are left out without a word, so
/// that nobody learns which there are (R-211). `None` when it says nothing about tasks.
///
/// # Errors
/// More than one subscription may name.
pub(crate) fn watched(
    config: &InspectConfig,
    caller: &Caller,
    version: Version,
    body: &bytes::Bytes,
    message: &Message<'_>,
) -> Result<Option<Vec<Task>>, Denial> {
    let listens = Method::parse(&message.method) == Some(Method::SubscriptionsListen)
        && Method::SubscriptionsListen.is_in(version);
    let range = message.params.listen.as_ref().and_then(|listen| listen.tasks.clone());
    let (true, Some(range)) = (listens, range) else { return Ok(None) };
    let named = body.get(range).unwrap_or_default();
    let mut tasks: Vec<Task> = Vec::new();
    let mut count = 0_usize;
    // What is of another type names no task. All of it was scanned before.
    let _read = Scanner::new(named, config.limits.json()).and_then(|mut scanner| {
        if !config.allow_tasks || scanner.peek()? != Kind::Array {
            return scanner.pass();
        }
        scanner.array(|scanner| {
            count += 1;
            if count > MAX_SUBSCRIPTIONS || scanner.peek()? != Kind::String {
                return scanner.pass();
            }
            let id = scanner.string()?.decoded();
            if let Ok(task) = config.sessions.open_task(&id, caller, &config.resource)
                && !tasks.iter().any(|known| known.upstream_id == task.upstream_id)
            {
                tasks.push(task);
            }
            Ok(())
        })
    });
    if count <= MAX_SUBSCRIPTIONS {
        return Ok(Some(tasks));
    }
    let id = message.id.clone().and_then(|range| Text::slice_of(body, range)).unwrap_or_default();
    Err(Denial::invalid_params(&id, "taskIds names too many tasks", Reason::BadRpc))
}

/// The id, as the server knows it, of the task that a message says it belongs to (R-211). `None` when
/// it says nothing of the kind.
///
/// # Errors
/// A task of somebody else, or of nobody: servers may act on the task that is named there. A notification
/// is dropped.
pub(crate) fn related(
    config: &InspectConfig,
    caller: &Caller,
    body: &bytes::Bytes,
    message: &Message<'_>,
) -> Result<Option<String>, Denial> {
    let Some(related) = message.params.meta.related else { return Ok(None) };
    let task = match related {
        Member::Text(id) => config.sessions.open_task(&id.decoded(), caller, &config.resource),
        Member::Absent | Member::Wrong => Err(Reason::TaskNotOwned),
    };
    task.map(|task| Some(task.upstream_id)).map_err(|reason| foreign(body, message, reason))
}

/// The answer to a message that says it belongs to a task which the caller has not.
pub(crate) fn foreign(body: &bytes::Bytes, message: &Message<'_>, reason: Reason) -> Denial {
    match message.shape {
        Shape::Request => not_found(Version::V2025_11_25, Method::TasksGet, body, message, reason),
        Shape::Notification => Denial::dropped(reason),
        Shape::Response => Denial::invalid_request(reason),
    }
}

/// The answer to a request about a task that the caller has not.
fn not_found(
    version: Version,
    method: Method,
    body: &bytes::Bytes,
    message: &Message<'_>,
    reason: Reason,
) -> Denial {
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
}

/// What says in `_meta` that a message belongs to the task `id`. Nothing in an id needs escaping: that
/// is why it was sealed.
pub(crate) fn related_object(id: &str) -> String {
    format!(r#"{{"taskId":"{id}"}}"#)
}

/// Whether a message may say that it belongs to a task. What looks so and does not costs another
/// reading.
fn may_relate(message: &[u8]) -> bool {
    memchr::memmem::find(message, b"related-task").is_some()
        || memchr::memmem::find(message, b"\\u").is_some()
}

/// Where the `_meta` at `path` in `message` is, and what to put there so that the task it belongs to
/// has the name that `new` gives it. Where there is none, nobody is told that it belongs to a task.
/// `None` when it does not say that.
pub(crate) fn relate(
    message: &[u8],
    path: &[&str],
    limits: JsonLimits,
    new: impl FnOnce(&str) -> Result<Option<String>, Violation>,
) -> Result<Option<(Range<usize>, String)>, Violation> {
    if !may_relate(message) {
        return Ok(None);
    }
    let Some(range) = object(message, path, limits)? else { return Ok(None) };
    let object = message.get(range.clone()).unwrap_or_default();
    let mut id = None;
    Scanner::new(object, limits)?.object(|scanner, name| {
        if !name.eq(META_RELATED) {
            return scanner.pass().map_err(Violation::from);
        }
        let mut said = None;
        walk(scanner, &["taskId"], &mut said)?;
        id = Some(said.ok_or(BAD_RPC)?.1);
        Ok(())
    })?;
    let Some(id) = id else { return Ok(None) };
    let new = new(&id)?.map(|id| related_object(&id));
    let members = members(object, limits, |name, value| match name {
        META_RELATED => new.clone(),
        _ => Some(value.to_owned()),
    })?;
    Ok(Some((range, members)))
}

/// The members of `object`, each with the value that `value` gives it; those without one are left
/// out.
pub(crate) fn members(
    object: &[u8],
    limits: JsonLimits,
    mut value: impl FnMut(&str, &str) -> Option<String>,
) -> Result<String, JsonError> {
    let mut kept = Vec::new();
    Scanner::new(object, limits)?.object(|scanner, name| {
        let range = scanner.skip()?;
        if let Some(value) = value(&name.decoded(), scanner.slice(range)) {
            kept.push(format!("\"{}\":{value}", name.raw()));
        }
        Ok::<_, JsonError>(())
    })?;
    Ok(format!("{{{}}}", kept.join(",")))
}

/// Where the object at `path` in `message` is.
pub(crate) fn object(
    message: &[u8],
    path: &[&str],
    limits: JsonLimits,
) -> Result<Option<Range<usize>>, Violation> {
    let mut found = None;
    object_at(&mut Scanner::new(message, limits)?, path, &mut found)?;
    Ok(found)
}

/// Finds the object at `path`.
fn object_at(
    scanner: &mut Scanner<'_>,
    path: &[&str],
    found: &mut Option<Range<usize>>,
) -> Result<(), Violation> {
    match (path, scanner.peek()?) {
        ([first, rest @ ..], Kind::Object) => scanner.object(|scanner, name| {
            if name.eq(first) {
                return object_at(scanner, rest, found);
            }
            scanner.pass().map_err(Violation::from)
        }),
        ([], Kind::Object) => {
            *found = Some(scanner.skip()?);
            Ok(())
        }
        _ => scanner.pass().map_err(Violation::from),
    }
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

/// The shortest id that is looked for in texts: shorter ones may be anything.
const MIN_ID: usize = 8;

/// A text of the service's, between its quotes, with the id that the client knows wherever the task's own
/// stands as a word. `None` when it stands nowhere. A text with escapes in it goes as a whole.
pub(crate) fn reworded(said: Str<'_>, upstream_id: &str, client_id: &str) -> Option<String> {
    if upstream_id.len() < MIN_ID {
        return None;
    }
    let text = said.decoded();
    let is_apart =
        |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || matches!(c, '-' | '_'));
    let mut new = String::new();
    let mut copied = 0;
    for (start, found) in text.match_indices(upstream_id) {
        let end = start + found.len();
        let before = text.get(..start).unwrap_or_default().chars().next_back();
        let after = text.get(end..).unwrap_or_default().chars().next();
        if is_apart(before) && is_apart(after) {
            new.push_str(text.get(copied..start).unwrap_or_default());
            new.push_str(client_id);
            copied = end;
        }
    }
    if copied == 0 {
        return None;
    }
    if said.escaped() {
        return Some(String::new());
    }
    new.push_str(text.get(copied..).unwrap_or_default());
    Some(new)
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
