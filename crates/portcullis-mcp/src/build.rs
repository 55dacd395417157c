//! From a parsed message to the fact that policy reads.

use std::ops::Range;

use bytes::Bytes;
use portcullis_core::{
    Arguments, Denial, Era, McpMessage, McpNotification, McpRequest, McpRequestParts, McpResponse,
    Method, Reason, Target, TargetKind, TaskUse, Text, Version,
};

use crate::json::Str;
use crate::parse::{ArgumentsAt, Member, Message, Params, Shape};
use crate::session::Task;

/// How many resources, and how many tasks, one subscription may name. Policy is asked about each.
pub(crate) const MAX_SUBSCRIPTIONS: usize = 1000;

/// The message as `version` understands it. `None` for a notification that nobody would understand
/// and that is dropped.
///
/// # Errors
/// A method that `version` does not have, a target that is missing or has the wrong
/// type.
pub(crate) fn message(
    version: Version,
    message: &Message<'_>,
    body: &Bytes,
    task: Option<&Task>,
) -> Result<Option<McpMessage>, Denial> {
    let raw = part(body, message);
    let method = Method::parse(&message.method)
        .filter(|method| method.is_in(version) && is_enabled(*method));
    let id = || message.id.clone().and_then(|range| Text::slice_of(body, range));
    let no_id = || Denial::invalid_request(Reason::BadRpc);
    match message.shape {
        Shape::Notification => Ok(method
            .filter(|method| method.is_notification())
            .map(|method| McpMessage::Notification(McpNotification::new(version, method, raw)))),
        Shape::Response => {
            let id = id().ok_or_else(no_id)?;
            Ok(Some(McpMessage::Response(McpResponse::new(version, id, raw))))
        }
        Shape::Request => {
            let id = id().ok_or_else(no_id)?;
            let Some(method) = method.filter(|method| !method.is_notification()) else {
                return Err(Denial::unknown_method(&id, version.era()));
            };
            let invalid = |what| Denial::invalid_params(&id, what, Reason::BadRpc);
            let (target, more_targets) = match task {
                Some(task) => of_task(task),
                None => targets(method, &message.params, body).map_err(invalid)?,
            };
            let arguments = arguments(&message.params.arguments, body).map_err(invalid)?;
            let parts =
                McpRequestParts { version, method, id, target, more_targets, arguments, raw };
            let task_use = task_use(version, method, message);
            Ok(Some(McpMessage::Request(McpRequest::from(parts).with_task_use(task_use))))
        }
    }
}

/// Whether a call may run as a task. In the modern era `params.task` means nothing.
fn task_use(version: Version, method: Method, message: &Message<'_>) -> TaskUse {
    let params = &message.params;
    match (method, version.era()) {
        (Method::ToolsCall, Era::Legacy) if params.task => TaskUse::Asked,
        (Method::ToolsCall, Era::Modern) => match &params.meta.tasks {
            Some(Range { start, end }) => {
                let offset = |at: &usize| at.saturating_sub(message.range.start);
                TaskUse::Offered(offset(start)..offset(end))
            }
            None => TaskUse::None,
        },
        _ => TaskUse::None,
    }
}

/// Tasks that clients run for servers are not offered: notices about them go no further.
fn is_enabled(method: Method) -> bool {
    method != Method::NotificationsTasksStatus
}

/// The task, as the client calls it, and the tool that it runs, whose right it needs.
fn of_task(task: &Task) -> (Option<Target>, Vec<Target>) {
    let id = Target::new(TargetKind::Task, Text::from(task.client_id.as_str()));
    (Some(id), vec![Target::new(TargetKind::Tool, Text::from(task.tool.as_str()))])
}

/// What `method` acts on (requirements 2.1). Only these members count: a `uri` beside a tool's
/// `name` means nothing.
fn targets(
    method: Method,
    params: &Params<'_>,
    body: &Bytes,
) -> Result<(Option<Target>, Vec<Target>), &'static str> {
    let one = |kind, member: &Member<'_>, what| match member {
        Member::Text(name) => Ok((Some(Target::new(kind, text(body, *name))), Vec::new())),
        Member::Absent | Member::Wrong => Err(what),
    };
    const NAME: &str = "name must be a string";
    const URI: &str = "uri must be a string";
    match method {
        Method::Initialize => match params.protocol_version {
            Member::Text(_) => Ok((None, Vec::new())),
            Member::Absent | Member::Wrong => Err("protocolVersion must be a string"),
        },
        Method::ToolsCall => one(TargetKind::Tool, &params.name, NAME),
        Method::PromptsGet => one(TargetKind::Prompt, &params.name, NAME),
        // Whose task it would be is known before.
        method if method.is_about_task() => Err("taskId must be a string"),
        Method::ResourcesRead | Method::ResourcesSubscribe | Method::ResourcesUnsubscribe => {
            one(TargetKind::Resource, &params.uri, URI)
        }
        Method::CompletionComplete => {
            let reference = &params.reference;
            match reference.kind {
                Member::Text(kind) if kind.eq("ref/prompt") => {
                    one(TargetKind::Prompt, &reference.name, "ref.name must be a string")
                }
                Member::Text(kind) if kind.eq("ref/resource") => {
                    let kind = match reference.uri {
                        Member::Text(uri) if uri.decoded().contains('{') => {
                            TargetKind::ResourceTemplate
                        }
                        _ => TargetKind::Resource,
                    };
                    one(kind, &reference.uri, "ref.uri must be a string")
                }
                _ => Err("ref.type must be ref/prompt or ref/resource"),
            }
        }
        Method::SubscriptionsListen => match &params.listen {
            None => Err("notifications must be an object"),
            Some(listen) if listen.wrong => {
                Err("resourceSubscriptions must be an array of strings")
            }
            Some(listen) if listen.resources.len() > MAX_SUBSCRIPTIONS => {
                Err("resourceSubscriptions names too many resources")
            }
            Some(listen) => {
                let resource = |uri: &Str<'_>| Target::new(TargetKind::Resource, text(body, *uri));
                let mut targets = listen.resources.iter().map(resource);
                Ok((targets.next(), targets.collect()))
            }
        },
        _ => Ok((None, Vec::new())),
    }
}

fn arguments(at: &ArgumentsAt, body: &Bytes) -> Result<Option<Arguments>, &'static str> {
    match at {
        ArgumentsAt::Absent => Ok(None),
        ArgumentsAt::Wrong => Err("arguments must be an object"),
        ArgumentsAt::Object { range, names, total } => {
            // INVARIANT: the scanner found `range` in `body`.
            let mut arguments = Arguments::new(body.slice(range.clone()));
            for name in names.iter().take(*total) {
                let offset = |at: u32| (at as usize).saturating_sub(range.start);
                arguments.push_key(offset(name.0)..offset(name.1));
            }
            for _ in names.len()..*total {
                arguments.push_key(0..0); // Past the recorded ones only the count grows.
            }
            Ok(Some(arguments))
        }
    }
}

/// The message's own bytes.
fn part(body: &Bytes, message: &Message<'_>) -> Bytes {
    if message.range == (0..body.len()) { body.clone() } else { body.slice(message.range.clone()) }
}

/// The string as text: a slice of the body when nothing in it is escaped.
fn text(body: &Bytes, string: Str<'_>) -> Text {
    let plain = (!string.escaped()).then(|| Text::slice_of(body, string.range())).flatten();
    plain.unwrap_or_else(|| Text::from(&*string.decoded()))
}
