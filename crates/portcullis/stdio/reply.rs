//! One request, and its answer as lines.

use std::error::Error;
use std::future::poll_fn;
use std::pin::pin;

use bytes::Bytes;
use futures_core::Stream as _;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt as _;
use portcullis_core::Buffered;
use serde_json::{Value, json};
use sse_stream::SseStream;
use tokio::sync::mpsc;
use tower_service::Service;

pub(super) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// JSON-RPC codes of answers that are made here.
const NOT_SIGNED_IN: i32 = -31401;
pub(super) const INVALID_REQUEST: i32 = -32600;
const INTERNAL: i32 = -32603;

pub(super) type Out = mpsc::Sender<Bytes>;

/// What `initialize` settles.
pub(super) struct Settled {
    pub(super) session: Option<HeaderValue>,
    pub(super) version: Option<HeaderValue>,
}

/// Makes one request and writes every message of its answer. What the service answers without a
/// message becomes an error for `id`, so that nobody waits for ever.
pub(super) async fn call<S, B>(
    service: S,
    request: Request<Buffered>,
    id: Value,
    out: &Out,
) -> Option<Settled>
where
    S: Service<Request<Buffered>, Response = Response<B>>,
    B: Body<Data = Bytes>,
    B::Error: Error + Send + Sync + 'static,
{
    let Ok(response) = send(service, request).await else {
        answer(&id, INTERNAL, "Internal error", out).await;
        return None;
    };
    let (head, body) = response.into_parts();
    let session = head.headers.get(SESSION).cloned();
    let streamed = head
        .headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"));
    let version = if streamed && head.status.is_success() {
        events(body, &id, out).await
    } else {
        whole(head.status, body, &id, out).await
    };
    head.status.is_success().then_some(Settled { session, version })
}

pub(super) async fn send<S>(
    mut service: S,
    request: Request<Buffered>,
) -> Result<S::Response, S::Error>
where
    S: Service<Request<Buffered>>,
{
    poll_fn(|cx| service.poll_ready(cx)).await?;
    service.call(request).await
}

/// Writes the one message of a body, if it is one. Yields the revision that it settles.
async fn whole<B>(status: StatusCode, body: B, id: &Value, out: &Out) -> Option<HeaderValue>
where
    B: Body<Data = Bytes>,
{
    // The gate has bounded what the server says.
    let Ok(body) = body.collect().await else {
        answer(id, INTERNAL, "The answer broke off", out).await;
        return None;
    };
    let body = body.to_bytes();
    if let Some(message) = Message::read(&body) {
        let named = message.name(id, &body).unwrap_or_else(|| trimmed(&body));
        let _gone = out.send(named).await;
        return message.version;
    }
    match status {
        status if status.is_success() => {}
        StatusCode::UNAUTHORIZED => {
            answer(id, NOT_SIGNED_IN, "The access token is invalid or expired", out).await;
        }
        _ => {
            let text = format!("The request was refused with HTTP status {}", status.as_u16());
            answer(id, INTERNAL, &text, out).await;
        }
    }
    None
}

/// Writes the messages of a stream as they come. Yields the revision that one settles.
pub(super) async fn events<B>(body: B, id: &Value, out: &Out) -> Option<HeaderValue>
where
    B: Body<Data = Bytes>,
    B::Error: Error + Send + Sync + 'static,
{
    let mut stream = pin!(SseStream::new(body));
    let (mut answered, mut version) = (id.is_null(), None);
    while let Some(Ok(event)) = poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
        // An event without data keeps the stream open, or names a place to resume from.
        let Some(data) = event.data.filter(|data| !data.is_empty()) else { continue };
        let Some(message) = Message::read(data.as_bytes()) else { continue };
        answered |= message.answers.as_ref() == Some(id);
        version = message.version.or(version);
        if out.send(trimmed(data.as_bytes())).await.is_err() {
            return version;
        }
    }
    if !answered {
        answer(id, INTERNAL, "The answer broke off", out).await;
    }
    version
}

/// What is seen of a message on its way to the client.
struct Message {
    /// The id that it answers to.
    answers: Option<Value>,
    version: Option<HeaderValue>,
}

impl Message {
    fn read(bytes: &[u8]) -> Option<Self> {
        let message: Value = serde_json::from_slice(bytes).ok()?;
        let version = message.get("result").and_then(|r| r.get("protocolVersion")?.as_str());
        let version = version.and_then(|version| HeaderValue::try_from(version).ok());
        let answers = message.get("id").filter(|_| message.get("method").is_none()).cloned();
        let is_message = message.is_array() || message.get("jsonrpc").is_some();
        is_message.then_some(Self { answers, version })
    }

    /// An error that answers to nobody, as one for `id`: who is calling is settled before the message is read,
    /// and over HTTP the request itself says whose answer it is.
    fn name(&self, id: &Value, bytes: &[u8]) -> Option<Bytes> {
        if id.is_null() || self.answers.as_ref().is_some_and(|answers| !answers.is_null()) {
            return None;
        }
        let mut message: Value = serde_json::from_slice(bytes).ok()?;
        message.get("error")?;
        message.as_object_mut()?.insert("id".to_owned(), id.clone());
        Some(message.to_string().into())
    }
}

fn trimmed(message: &[u8]) -> Bytes {
    Bytes::copy_from_slice(message.trim_ascii())
}

/// An error for a request; for anything else nobody waits.
async fn answer(id: &Value, code: i32, text: &str, out: &Out) {
    if !id.is_null() {
        let _gone = out.send(error(id, code, text)).await;
    }
}

pub(super) fn error(id: &Value, code: i32, text: &str) -> Bytes {
    let error = json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": text}});
    error.to_string().into()
}
