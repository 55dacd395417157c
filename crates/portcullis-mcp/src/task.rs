//! Tasks of 2025-11-25, and of the extension of 2026-07-28: ids that clients see, and ids that the service behind knows (R-211).

use portcullis_core::{
    Caller, Denial, Era, HiddenAs, McpRequest, McpRequestParts, Method, Reason, TargetKind, Text,
    Version,
};

use crate::build::MAX_SUBSCRIPTIONS;
use crate::config::InspectConfig;
use crate::json::{Kind, Scanner};
use crate::parse::{Member, Message, Shape};
pub(crate) use crate::session::Task;

mod named;

pub(crate) use named::{MIN_ID, find, members, object, relate, related_object, replace, reworded};

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
