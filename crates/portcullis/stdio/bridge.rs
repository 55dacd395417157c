//! Lines in, requests to the gated service, messages out.

use std::collections::HashMap;
use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::pin::pin;

use bytes::Bytes;
use futures_core::Stream as _;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt as _;
use portcullis_core::Buffered;
use serde_json::{Value, json};
use sse_stream::SseStream;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tower_service::Service;

use super::GRACE;
use super::envelope::{Envelope, Kind, MCP_VERSION};
use super::lines::{self, Line};

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
/// JSON-RPC codes of answers that are made here.
const NOT_SIGNED_IN: i32 = -31401;
const INVALID_REQUEST: i32 = -32600;
const INTERNAL: i32 = -32603;

type Out = mpsc::Sender<Bytes>;

/// Serves until `reader` ends or `writer` fails.
pub(super) async fn run<S, B>(
    service: S,
    authorization: Option<HeaderValue>,
    max_line: usize,
    reader: impl AsyncRead + Unpin,
    writer: impl AsyncWrite + Unpin,
) -> io::Result<()>
where
    S: Service<Request<Buffered>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Error + Send + Sync + 'static,
{
    let (out, messages) = mpsc::channel(64);
    let bridge = Bridge {
        service,
        authorization,
        out,
        session: None,
        version: None,
        calls: JoinSet::new(),
        streams: JoinSet::new(),
        running: HashMap::new(),
    };
    let written = write(messages, writer);
    let served = bridge.serve(BufReader::new(reader), max_line);
    let (mut written, mut served) = (pin!(written), pin!(served));
    tokio::select! {
        // With nobody to read the answers, there is nothing left to do.
        failed = &mut written => failed,
        served = &mut served => {
            // All senders are gone: this ends when everything is written.
            written.await?;
            served
        }
    }
}

async fn write(
    mut messages: mpsc::Receiver<Bytes>,
    mut writer: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    while let Some(message) = messages.recv().await {
        writer.write_all(&message).await?;
        writer.write_all(b"\n").await?;
        writer.flush().await?;
    }
    Ok(())
}

struct Bridge<S> {
    service: S,
    authorization: Option<HeaderValue>,
    out: Out,
    session: Option<HeaderValue>,
    /// The revision that was negotiated (before 2026-07-28).
    version: Option<HeaderValue>,
    calls: JoinSet<String>,
    /// What ends with the client and not by itself.
    streams: JoinSet<String>,
    /// The running requests, by id.
    running: HashMap<String, AbortHandle>,
}

impl<S, B> Bridge<S>
where
    S: Service<Request<Buffered>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Error + Send + Sync + 'static,
{
    async fn serve(
        mut self,
        mut reader: BufReader<impl AsyncRead + Unpin>,
        max_line: usize,
    ) -> io::Result<()> {
        loop {
            let line = {
                // Kept over the turns: it may have read a part of a line already.
                let mut line = pin!(lines::next(&mut reader, max_line));
                loop {
                    tokio::select! {
                        line = &mut line => break line?,
                        Some(ended) = self.calls.join_next() => self.forget(ended),
                        Some(ended) = self.streams.join_next() => self.forget(ended),
                    }
                }
            };
            match line {
                Line::Whole(line) => self.take(line).await,
                Line::TooLong => {
                    let answer = error(&Value::Null, INVALID_REQUEST, "The message is too large");
                    let _gone = self.out.send(answer).await;
                }
                Line::End => break,
            }
        }
        self.close().await;
        Ok(())
    }

    fn forget(&mut self, ended: Result<String, tokio::task::JoinError>) {
        match ended {
            Ok(key) => drop(self.running.remove(&key)),
            // Which one was cancelled is not told.
            Err(_) => self.running.retain(|_, task| !task.is_finished()),
        }
    }

    async fn take(&mut self, line: Bytes) {
        let envelope = Envelope::read(&line);
        if let Some(cancelled) = envelope.cancels.as_ref().filter(|_| self.session.is_none()) {
            // Over HTTP, a request without a session is cancelled by dropping it.
            if let Some(task) = self.running.remove(&cancelled.to_string()) {
                task.abort();
            }
            return;
        }
        let request = self.request(Method::POST, &envelope, line);
        let (service, out, id) = (self.service.clone(), self.out.clone(), envelope.id.clone());
        match envelope.kind {
            // The next line may need what this one settles.
            Kind::Initialize => {
                if let Some(settled) = call(service, request, id, &out).await {
                    self.session = settled.session;
                    self.version = settled.version;
                }
            }
            Kind::Initialized => {
                call(service, request, id, &out).await;
                self.listen();
            }
            Kind::Other => {
                call(service, request, id, &out).await;
            }
            Kind::Batch => {
                self.calls.spawn(async move {
                    call(service, request, id, &out).await;
                    String::new()
                });
            }
            Kind::Request | Kind::Listen => {
                let key = id.to_string();
                let ended = key.clone();
                let task = async move {
                    call(service, request, id, &out).await;
                    ended
                };
                let tasks =
                    if envelope.kind == Kind::Listen { &mut self.streams } else { &mut self.calls };
                self.running.insert(key, tasks.spawn(task));
            }
        }
    }

    /// Opens the stream for what the server says unasked. Servers that have none answer 405.
    fn listen(&mut self) {
        if self.session.is_none() {
            return;
        }
        let request = self.request(Method::GET, &Envelope::default(), Bytes::new());
        let (service, out) = (self.service.clone(), self.out.clone());
        self.streams.spawn(async move {
            if let Ok(response) = send(service, request).await
                && response.status().is_success()
            {
                events(response.into_body(), &Value::Null, &out).await;
            }
            String::new()
        });
    }

    /// The client is gone: lets what it asked for end, and then the session.
    async fn close(mut self) {
        self.streams.abort_all();
        let drained = async { while self.calls.join_next().await.is_some() {} };
        let _late = tokio::time::timeout(GRACE, drained).await;
        self.calls.abort_all();
        if self.session.is_some() {
            let request = self.request(Method::DELETE, &Envelope::default(), Bytes::new());
            let _late = tokio::time::timeout(GRACE, send(self.service.clone(), request)).await;
        }
    }

    fn request(&self, method: Method, envelope: &Envelope, body: Bytes) -> Request<Buffered> {
        let accept = match method {
            Method::GET => "text/event-stream",
            _ => "application/json, text/event-stream",
        };
        let posted = method == Method::POST;
        let mut request = Request::new(Buffered::new(body));
        *request.method_mut() = method;
        let headers = request.headers_mut();
        // Servers check it against DNS rebinding; there is no name to rebind here.
        headers.insert(HOST, HeaderValue::from_static("localhost"));
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        if posted {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let known = [
            (AUTHORIZATION, &self.authorization),
            (SESSION, &self.session),
            (MCP_VERSION, &self.version),
        ];
        // A message that names its revision belongs to no session.
        let stateless = envelope.version.is_some();
        for (name, value) in known {
            if let Some(value) = value.as_ref().filter(|_| name == AUTHORIZATION || !stateless) {
                headers.insert(name, value.clone());
            }
        }
        envelope.mirror(headers);
        request
    }
}

/// What `initialize` settles.
struct Settled {
    session: Option<HeaderValue>,
    version: Option<HeaderValue>,
}

async fn send<S>(mut service: S, request: Request<Buffered>) -> Result<S::Response, S::Error>
where
    S: Service<Request<Buffered>>,
{
    poll_fn(|cx| service.poll_ready(cx)).await?;
    service.call(request).await
}

/// Makes one request and writes every message of its answer. What the service answers without a
/// message becomes an error for `id`, so that nobody waits for ever.
async fn call<S, B>(service: S, request: Request<Buffered>, id: Value, out: &Out) -> Option<Settled>
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
        let named = message.name(id, &body).unwrap_or_else(|| one_line(&body));
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
async fn events<B>(body: B, id: &Value, out: &Out) -> Option<HeaderValue>
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
        if out.send(one_line(data.as_bytes())).await.is_err() {
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
}

impl Message {
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

/// The message without line breaks. JSON has them only between tokens, where a space does as well.
fn one_line(message: &[u8]) -> Bytes {
    let trimmed = message.trim_ascii();
    trimmed.iter().map(|b| if matches!(b, b'\n' | b'\r') { b' ' } else { *b }).collect()
}

/// An error for a request; for anything else nobody waits.
async fn answer(id: &Value, code: i32, text: &str, out: &Out) {
    if !id.is_null() {
        let _gone = out.send(error(id, code, text)).await;
    }
}

fn error(id: &Value, code: i32, text: &str) -> Bytes {
    let error = json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": text}});
    error.to_string().into()
}
