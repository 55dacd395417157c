//! What there is to ask about a message.

use portcullis_core::{McpMessage, McpRequest, Method, Target, TargetKind, TaskUse};

use super::Asker;
use crate::{Authorizer, Query};

/// The question that a target of a request brings up; `None` for a task, which only its owner asks about.
pub(super) fn query<'a>(
    Asker { caller, source }: Asker<'a>,
    request: &'a McpRequest,
    target: Option<&'a Target>,
    as_task: bool,
) -> Option<Query<'a>> {
    let mut query = Query::new(caller, request.version(), request.method());
    if let Some(target) = target {
        query = query.on(target.kind(), target.name());
    }
    if let Some(target) = target.filter(|_| is_about_task(request)) {
        if target.kind() == TargetKind::Task {
            return None;
        }
        // With which arguments it was called is past.
        let call = Query::new(caller, request.version(), Method::ToolsCall);
        query = call.on(target.kind(), target.name()).in_a_list();
    }
    if let Some(arguments) = request.arguments() {
        query = query.with_arguments(arguments);
    }
    if let Some(address) = source {
        query = query.from_address(address);
    }
    Some(if as_task { query.as_task() } else { query })
}

/// Whether the question at this place is whether a call may run as a task: the one behind its targets.
pub(super) fn is_about_beginning<A: Authorizer>(
    authorizer: &A,
    request: &McpRequest,
    place: usize,
) -> bool {
    request.method() == Method::ToolsCall
        && *request.task_use() != TaskUse::None
        && place == request.targets().count()
        && authorizer.decides_tasks()
}

pub(super) enum Asked<'a> {
    About(&'a McpRequest),
    Nothing,
    Nonsense,
}

pub(super) fn asked(message: &McpMessage) -> Asked<'_> {
    match message {
        McpMessage::Request(request) => match request.method() {
            // Clients find out with these which era a server speaks. A denial would mislead
            // them, so no policy is asked.
            Method::Initialize | Method::Ping | Method::ServerDiscover => Asked::Nothing,
            // Each item is asked about when the list is there.
            Method::ToolsList
            | Method::PromptsList
            | Method::ResourcesList
            | Method::ResourceTemplatesList => Asked::Nothing,
            // News that lists have changed; the resources it names are asked about.
            Method::SubscriptionsListen if request.targets().next().is_none() => Asked::Nothing,
            // Without an `id` it would execute and never answer; with one it is no notification.
            method if method.is_notification() => Asked::Nonsense,
            _ => Asked::About(request),
        },
        // They have no target, and a session does not survive the loss of some of them.
        McpMessage::Notification(notification) if notification.method().is_notification() => {
            Asked::Nothing
        }
        McpMessage::Response(_) | McpMessage::NoMessage(_) => Asked::Nothing,
        _ => Asked::Nonsense,
    }
}

/// Whether a request is about a task of which it is known whose it is, and which tool it runs.
fn is_about_task(request: &McpRequest) -> bool {
    request.method().is_about_task()
        && request.targets().any(|target| target.kind() == TargetKind::Tool)
}
