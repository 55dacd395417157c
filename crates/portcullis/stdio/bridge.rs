//! Lines in, requests to the gated service, messages out.

use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::pin::pin;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Response};
use http_body::Body;
use portcullis_core::{Buffered, one_line};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tower_service::Service;

use super::GRACE;
use super::envelope::{Envelope, Kind, MCP_VERSION};
use super::lines::{self, Line};
use super::reply::{INVALID_REQUEST, Out, SESSION, call, error, events, send};

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
        writer.write_all(&one_line(&message)).await?;
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
