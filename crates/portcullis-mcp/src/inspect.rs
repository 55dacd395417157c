//! What a request asks for: the pure decision, steps 6 to 13 of requirements 0.3.

use bytes::Bytes;
use http::HeaderMap;
use portcullis_core::{Caller, Denial, Era, HiddenAs, McpMessage, Method, Reason, Text, Version};

use crate::config::InspectConfig;
use crate::era::{self, Signal};
pub(crate) use crate::head::{check_head, rewrite_head};
use crate::mirror::Named;
use crate::parse::{self, Member, Message, Parsed, Shape};
use crate::questions::Questions;
use crate::task::{self, Task};
use crate::{build, custom, head, mirror, rewrite};

mod batch;
mod inspected;

use batch::batch;
pub(crate) use inspected::{Disposition, Inspected, SessionUse};

/// What to do after the head was checked.
#[derive(Debug)]
pub(crate) enum Plan {
    /// Read the body, then [`inspect`].
    ReadBody,
    /// There is no body to read: a legacy `GET` or `DELETE`.
    NoBody(Box<Inspected>),
}

/// Steps 9 to 13. `body` is the complete body of a `POST` whose head was checked.
pub(crate) fn inspect(
    config: &InspectConfig,
    caller: &Caller,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Inspected, Denial> {
    let mut message = Parsed::default();
    parse::parse_into(&mut message, body, &config.limits)?;
    parsed(config, caller, headers, body, &message)
}

/// Steps 10 to 13.
pub(crate) fn parsed(
    config: &InspectConfig,
    caller: &Caller,
    headers: &HeaderMap,
    body: &Bytes,
    parsed: &Parsed<'_>,
) -> Result<Inspected, Denial> {
    match parsed {
        Parsed::One(message) => one(config, caller, headers, body, message),
        Parsed::Batch(messages) => batch(config, caller, headers, body, messages),
    }
}

fn one(
    config: &InspectConfig,
    caller: &Caller,
    headers: &HeaderMap,
    body: &Bytes,
    message: &Message<'_>,
) -> Result<Inspected, Denial> {
    let id = message.id.clone().and_then(|range| Text::slice_of(body, range));
    // A response's id was the server's: an error about it names none.
    let id = id.as_ref().filter(|_| message.shape == Shape::Request);
    let named = Named::of(headers);
    let header = era::header(named.version, id)?;
    match era::classify(config, header, message, id)? {
        Signal::Modern(version) => {
            if message.shape == Shape::Response {
                return Err(Denial::invalid_request(Reason::UnexpectedResponse));
            }
            mirror::check(headers, named, message, id)?;
            if message.params.meta.related.is_some() {
                // In this revision no message belongs to a task, but some servers would believe it.
                return Err(task::foreign(body, message, Reason::TaskNotOwned));
            }
            let mut inspected = modern(config, caller, version, body, message)?;
            inspected.head_fits = head::fits(&inspected, named);
            if let McpMessage::Request(request) = &inspected.message {
                custom::check(&config.catalogue, headers, request, config.limits.json())?;
            }
            Ok(inspected)
        }
        Signal::Legacy(named) if is_initialize(message) => {
            // Whatever session the client names, this begins another.
            let version = match message.params.protocol_version {
                Member::Text(text) => Version::parse(&text.decoded()),
                Member::Absent | Member::Wrong => None,
            };
            let version = version.filter(|v| v.era() == Era::Legacy && config.supports(*v));
            let version = version.or(named).or(config.newest_legacy());
            let version = version.unwrap_or(Version::V2025_11_25);
            legacy(config, caller, version, SessionUse::Begins, body, message)
        }
        Signal::Legacy(named) => {
            let session = head::session(config, caller, headers)?;
            let version = head::version(config, named, session.as_ref(), id)?;
            if message.shape == Shape::Response && session.is_none() {
                // Nobody could say whose question it answers.
                return Err(Denial::session_required(None));
            }
            legacy(config, caller, version, SessionUse::of(session), body, message)
        }
    }
}

fn modern(
    config: &InspectConfig,
    caller: &Caller,
    version: Version,
    body: &Bytes,
    message: &Message<'_>,
) -> Result<Inspected, Denial> {
    task::check_allowed(config, version, body, message)?;
    task::check_declared(version, body, message)?;
    let task = task::of(config, caller, version, body, message)?;
    let watched = task::watched(config, caller, version, body, message)?;
    let rewritten = rewrite::modern(config, body, message, task.as_ref(), watched.as_deref());
    let rebuilt = rebuilt(config, version, SessionUse::None, (body, rewritten), message, task)?;
    Ok(Inspected { watched: watched.map(Vec::into_boxed_slice), ..rebuilt })
}

fn legacy(
    config: &InspectConfig,
    caller: &Caller,
    version: Version,
    session: SessionUse,
    body: &Bytes,
    message: &Message<'_>,
) -> Result<Inspected, Denial> {
    task::check_allowed(config, version, body, message)?;
    let questions = questions(config, caller, &session);
    let task = task::of(config, caller, version, body, message)?;
    let only = std::slice::from_ref(message);
    let rewritten = rewrite::legacy(config, caller, body, only, questions, task.as_ref())?;
    rebuilt(config, version, session, (body, rewritten), message, task)
}

/// What is forwarded of a message: `body` as it came, or what it was rewritten to.
fn rebuilt(
    config: &InspectConfig,
    version: Version,
    session: SessionUse,
    (body, rewritten): (&Bytes, Option<Bytes>),
    message: &Message<'_>,
    task: Option<Task>,
) -> Result<Inspected, Denial> {
    check_known(config, message)?;
    if matches!(session, SessionUse::None) && is_about_request(message) {
        return Ok(Inspected::new(version, session, body.clone(), None));
    }
    let Some(rewritten) = rewritten else {
        let built = built(config, version, message, body, None)?;
        return Ok(Inspected::new(version, session, body.clone(), built));
    };
    // Read again, so that what policy sees is what is forwarded.
    match parse::parse(&rewritten, &config.limits)? {
        Parsed::One(message) => {
            let built = built(config, version, &message, &rewritten, task.as_ref())?;
            let task = task.map(Box::new);
            Ok(Inspected { task, ..Inspected::new(version, session, rewritten.clone(), built) })
        }
        Parsed::Batch(_) => Err(Denial::invalid_request(Reason::BadRpc)),
    }
}

/// The message, unless it calls a tool of which the definition is known not to be the approved one.
fn built(
    config: &InspectConfig,
    version: Version,
    message: &Message<'_>,
    body: &Bytes,
    task: Option<&Task>,
) -> Result<Option<McpMessage>, Denial> {
    let built = build::message(version, message, body, task)?;
    if let (Some(McpMessage::Request(request)), Some(pins)) = (&built, &config.pins)
        && request.method() == Method::ToolsCall
        && let Some(tool) = request.targets().next()
        && !pins.may_call(tool.name())
    {
        let hidden = HiddenAs::Unknown(tool.kind(), tool.name());
        return Err(Denial::hidden(request, hidden, Reason::ToolUnapproved));
    }
    Ok(built)
}

/// Refuses a notification that no revision has, where the deployment is strict (requirements 2.2).
fn check_known(config: &InspectConfig, message: &Message<'_>) -> Result<(), Denial> {
    let is_known = || Method::parse(&message.method).is_some_and(Method::is_notification);
    if config.strict && message.shape == Shape::Notification && !is_known() {
        return Err(Denial::invalid_request(Reason::UnknownMethod));
    }
    Ok(())
}

/// Whether a notification means a request by the id, or the token, that one side gave it in their session. Outside
/// one it could be anybody's: it goes no further.
fn is_about_request(message: &Message<'_>) -> bool {
    message.shape == Shape::Notification
        && matches!(&*message.method, "notifications/cancelled" | "notifications/progress")
}

fn is_initialize(message: &Message<'_>) -> bool {
    message.shape == Shape::Request && message.method == "initialize"
}

/// What the server may have asked in the session.
fn questions<'q>(
    config: &'q InspectConfig,
    caller: &'q Caller,
    session: &'q SessionUse,
) -> Option<Questions<'q>> {
    match session {
        SessionUse::Open { upstream_id: session, .. } => {
            Some(Questions { config, caller, session })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
