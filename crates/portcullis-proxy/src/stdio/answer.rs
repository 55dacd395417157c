//! From a request to its answer.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::Body;
use portcullis_core::{
    Denial, Era, McpMessage, Method, NoMessage, Reason, RequestFacts as _, Text,
};

use super::child::Child;
use super::converse::{Messages, converse, one, several};
use super::envelope::Kind;
use super::events::{Events, Listener};
use super::fault::Fault;
use super::outcome::{Outcome, empty, events};
use super::person::Person;
use super::pool::{Pool, Whose};
use crate::ProxyBody;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

type Answer = Result<Response<ProxyBody>, Denial>;

/// Answers one request.
pub(super) async fn answer<B>(pool: Arc<Pool>, request: Request<B>) -> Response<ProxyBody>
where
    B: Body<Data = Bytes> + Send + 'static,
{
    decide(&pool, request).await.unwrap_or_else(ProxyBody::refuse)
}

async fn decide<B>(pool: &Arc<Pool>, request: Request<B>) -> Answer
where
    B: Body<Data = Bytes> + Send + 'static,
{
    let (parts, body) = request.into_parts();
    let person = Person::of(parts.caller(), pool.config.anonymous)?;
    let Some(message) = parts.message() else {
        return Err(Denial::miswired("no inspection outside a command"));
    };
    let id = match message {
        McpMessage::Request(request) => Some(request.id()),
        _ => None,
    };
    if pool.is_closing() {
        return Err(Fault::Busy(std::time::Duration::from_secs(1)).denial(id));
    }
    match message {
        McpMessage::NoMessage(NoMessage::Stream(_)) => {
            let (child, _) = session(pool, &parts.headers, &person, None)?;
            let outlet = child.table().open_stream();
            let listener = Listener { child, outlet, numbers: Vec::new() };
            Ok(events(Events::new(listener, VecDeque::new())))
        }
        McpMessage::NoMessage(NoMessage::EndSession(_)) => {
            let (child, name) = session(pool, &parts.headers, &person, None)?;
            pool.end_session(name);
            child.stop();
            Ok(empty(StatusCode::NO_CONTENT))
        }
        McpMessage::NoMessage(_) => Ok(empty(StatusCode::ACCEPTED)),
        McpMessage::Request(request) => {
            let text = read(body, pool.config.max_message).await?;
            let messages = one(&text, Kind::Request)?;
            match (request.era(), request.method()) {
                (Era::Modern, method) => {
                    modern(pool, &person, request.id(), method, messages).await
                }
                (_, Method::Initialize) => initialize(pool, &person, request.id(), messages).await,
                _ => {
                    let (child, _) = session(pool, &parts.headers, &person, id)?;
                    converse(pool, &child, id, messages).await.map(Outcome::into_legacy)
                }
            }
        }
        // MCP 2026-07-28 has no notification of clients over HTTP.
        McpMessage::Notification(notification) if notification.version().era() == Era::Modern => {
            Ok(empty(StatusCode::ACCEPTED))
        }
        McpMessage::Notification(_) | McpMessage::Response(_) | McpMessage::Batch(_) => {
            let text = read(body, pool.config.max_message).await?;
            let messages = match message {
                McpMessage::Notification(_) => one(&text, Kind::Notification)?,
                McpMessage::Response(_) => one(&text, Kind::Response)?,
                _ => several(&text)?,
            };
            let (child, _) = session(pool, &parts.headers, &person, None)?;
            converse(pool, &child, None, messages).await.map(Outcome::into_legacy)
        }
        _ => Err(Denial::miswired("a message of a kind that a command does not know")),
    }
}

/// The session that the header names, if it is this person's.
fn session<'h>(
    pool: &Pool,
    headers: &'h HeaderMap,
    person: &Person,
    id: Option<&Text>,
) -> Result<(Arc<Child>, &'h str), Denial> {
    let mut names = headers.get_all(SESSION).iter();
    let name = match (names.next(), names.next()) {
        (None, _) => return Err(Denial::session_required(id)),
        (Some(name), None) => name.to_str().unwrap_or_default(),
        (Some(_), Some(_)) => return Err(Denial::session_not_found(Reason::SessionUnknown)),
    };
    match pool.session(name, person) {
        Ok(child) => Ok((child, name)),
        Err(Whose::Nobodys) => Err(Denial::session_not_found(Reason::SessionUnknown)),
        Err(Whose::Anothers) => Err(Denial::session_not_found(Reason::SessionPrincipalMismatch)),
    }
}

/// A request of 2026-07-28.
async fn modern(
    pool: &Arc<Pool>,
    person: &Person,
    id: &Text,
    method: Method,
    messages: Messages<'_>,
) -> Answer {
    if pool.has_only_sessions() {
        return Err(Denial::unknown_method(id, Era::Modern));
    }
    let child = pool.modern(person).await.map_err(|fault| fault.denial(Some(id)))?;
    let outcome = converse(pool, &child, Some(id), messages).await;
    // Clients that know both eras ask this first. A server that knows only sessions may end for it, or
    // wait for what it knows; its client shall open a session.
    if outcome.is_err() && method == Method::ServerDiscover && !child.table().has_answered() {
        pool.learn_only_sessions();
        return Err(Denial::unknown_method(id, Era::Modern));
    }
    outcome.map(Outcome::into_modern)
}

/// A request that opens a session, with a child of its own.
async fn initialize(
    pool: &Arc<Pool>,
    person: &Person,
    id: &Text,
    messages: Messages<'_>,
) -> Answer {
    let child = pool.legacy(person).await.map_err(|fault| fault.denial(Some(id)))?;
    let mut unborn = Unborn(Some(Arc::clone(&child)));
    let outcome = converse(pool, &child, Some(id), messages).await?;
    let began = matches!(outcome, Outcome::Document { code: None, .. });
    let mut response = outcome.into_legacy();
    if began {
        let name = pool.name(&child).and_then(|name| HeaderValue::try_from(name).ok());
        let name = name.ok_or_else(|| Fault::Broken.denial(Some(id)))?;
        response.headers_mut().insert(SESSION, name);
        unborn.0 = None;
    }
    Ok(response)
}

/// A child whose session has no name yet, and ends if it never gets one.
struct Unborn(Option<Arc<Child>>);

impl Drop for Unborn {
    fn drop(&mut self) {
        if let Some(child) = &self.0 {
            child.stop();
        }
    }
}

async fn read<B>(body: B, max: usize) -> Result<String, Denial>
where
    B: Body<Data = Bytes>,
{
    let mut body = pin!(body);
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let frame = frame.map_err(|_| Denial::bad_http(Reason::BodyFailed))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > max {
            return Err(Denial::body_too_large());
        }
        bytes.extend_from_slice(&data);
    }
    String::from_utf8(bytes).map_err(|_| Denial::parse_error())
}
