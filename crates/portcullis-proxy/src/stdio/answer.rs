//! From a request to its answer.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::Body;
use portcullis_core::{
    Denial, Era, McpMessage, Method, NoMessage, Reason, RequestFacts as _, Text,
};
use tokio::time::{Instant, timeout_at};

use super::child::Child;
use super::envelope::{self, Envelope, Kind};
use super::events::{Events, Listener};
use super::fault::Fault;
use super::outlet::{Item, Outlet};
use super::person::Person;
use super::pool::{Pool, Whose};
use super::table::Told;
use crate::ProxyBody;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

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

/// What a client sends at once.
struct Messages<'a> {
    each: Vec<(&'a str, Envelope)>,
    batch: bool,
}

/// The one message, of the kind that inspection has found.
fn one(text: &str, kind: Kind) -> Result<Messages<'_>, Denial> {
    let envelope = Envelope::read(text).filter(|envelope| envelope.kind == kind);
    let envelope = envelope.ok_or_else(|| Denial::invalid_request(Reason::BadRpc))?;
    Ok(Messages { each: vec![(text, envelope)], batch: false })
}

/// The messages of a batch (2025-03-26).
fn several(text: &str) -> Result<Messages<'_>, Denial> {
    let invalid = || Denial::invalid_request(Reason::BadRpc);
    let each = envelope::batch(text).ok_or_else(invalid)?;
    let each = each.into_iter().map(|text| Some((text, Envelope::read(text)?)));
    let each: Vec<_> = each.collect::<Option<_>>().ok_or_else(invalid)?;
    Ok(Messages { each, batch: true })
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

/// What a child answers.
enum Outcome {
    /// There is nothing to answer.
    Nothing,
    /// An answer, and its code when it is one error.
    Document {
        body: Bytes,
        code: Option<i64>,
    },
    Events(Events),
}

impl Outcome {
    fn into_legacy(self) -> Response<ProxyBody> {
        match self {
            Self::Nothing => empty(StatusCode::ACCEPTED),
            Self::Document { body, .. } => document(StatusCode::OK, body),
            Self::Events(body) => events(body),
        }
    }

    /// The same, with the status of errors that MCP 2026-07-28 gives one.
    fn into_modern(self) -> Response<ProxyBody> {
        match self {
            Self::Document { body, code: Some(code) } => {
                let status = match code {
                    -32601 => StatusCode::NOT_FOUND,
                    -32700 | -32600 | -32022..=-32020 => StatusCode::BAD_REQUEST,
                    _ => StatusCode::OK,
                };
                document(status, body)
            }
            other => other.into_legacy(),
        }
    }
}

/// Says the messages to the child, and waits for what it answers first: an answer alone, or something on
/// the way to it.
async fn converse(
    pool: &Pool,
    child: &Arc<Child>,
    id: Option<&Text>,
    messages: Messages<'_>,
) -> Result<Outcome, Denial> {
    let asked = messages.each.iter().filter(|(_, envelope)| envelope.kind == Kind::Request).count();
    let mut listener = Listener {
        child: Arc::clone(child),
        outlet: Outlet::for_answers(asked, pool.config.max_message),
        numbers: Vec::with_capacity(asked),
    };
    let mut lines = Vec::with_capacity(messages.each.len());
    {
        let mut table = child.table();
        let mut fault = None;
        for (text, envelope) in &messages.each {
            if envelope.kind == Kind::Request {
                match table.ask(text, envelope, &listener.outlet) {
                    Ok((number, line)) => {
                        listener.numbers.push(number);
                        lines.push(line);
                    }
                    Err(cannot) => fault = fault.or(Some(cannot)),
                }
            } else {
                match table.tell(text, envelope) {
                    Told::Say(line) => lines.push(line),
                    // What comes with others goes the way of unknown notifications.
                    Told::Unasked if !messages.batch => {
                        return Err(Denial::invalid_request(Reason::UnexpectedResponse));
                    }
                    Told::Unasked | Told::Nothing => {}
                }
            }
        }
        if let Some(fault) = fault {
            // Nothing of it has been said yet.
            table.give_up(&listener.numbers);
            return Err(fault.denial(id));
        }
    }
    // From here on nobody knows what has been done of it.
    let answers = child.table().has_answered();
    let limit =
        if answers { pool.config.answer } else { pool.config.start.min(pool.config.answer) };
    let deadline = Instant::now() + limit;
    let first = async {
        for line in lines {
            child.say(line).await?;
        }
        let mut early = VecDeque::new();
        loop {
            match listener.outlet.next().await {
                Some(item @ Item::Message(_)) => {
                    early.push_back(item);
                    return Ok((early, false));
                }
                Some(Item::Failed(fault, _)) if !messages.batch => return Err(fault),
                Some(item) => early.push_back(item),
                None => return Ok((early, true)),
            }
        }
    };
    match timeout_at(deadline, first).await {
        // All that was asked has been cancelled.
        Ok(Ok((early, true))) if early.is_empty() && asked > 0 => {
            Ok(Outcome::Events(Events::new(listener, early)))
        }
        Ok(Ok((early, true))) => Ok(whole(early, messages.batch)),
        Ok(Ok((early, false))) => Ok(Outcome::Events(Events::new(listener, early))),
        Ok(Err(fault)) => Err(fault.denial(id)),
        Err(_) => {
            listener.give_up();
            if !child.table().has_answered() {
                child.stop();
            }
            let upstream = &pool.config.name;
            tracing::warn!(target: "portcullis::proxy", upstream, "a command took too long to answer");
            Err(Fault::Slow.denial(id))
        }
    }
}

/// The answers, when nothing was said beside them.
fn whole(answers: VecDeque<Item>, batch: bool) -> Outcome {
    let mut body = BytesMut::new();
    let mut code = None;
    for answer in answers {
        if !body.is_empty() {
            body.extend_from_slice(b",");
        }
        match answer {
            Item::Answer(answer, failed) => {
                body.extend_from_slice(&answer);
                code = failed;
            }
            Item::Failed(fault, id) => {
                let denial = fault.denial(Some(&Text::from(&*id)));
                body.extend_from_slice(denial.rpc_object().unwrap_or_default().as_bytes());
            }
            Item::Message(_) => {}
        }
    }
    if body.is_empty() {
        return Outcome::Nothing;
    }
    if batch {
        body = [b"[", &*body, b"]"].concat().as_slice().into();
        code = None;
    }
    Outcome::Document { body: body.freeze(), code }
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

fn empty(status: StatusCode) -> Response<ProxyBody> {
    let mut response = Response::new(ProxyBody::empty());
    *response.status_mut() = status;
    response
}

fn document(status: StatusCode, body: Bytes) -> Response<ProxyBody> {
    let mut response = Response::new(ProxyBody::full(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn events(body: Events) -> Response<ProxyBody> {
    let mut response = Response::new(ProxyBody::events(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}
