//! Who asks.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Method as HttpMethod, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use portcullis_core::{
    Buffered, Caller, McpMessage, McpNotification, McpRequestParts, McpResponse, Method, NoMessage,
    Principal, RequestFacts as _, Text, Version,
};
use portcullis_proxy::{ProxyBody, StdioUpstream};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tower::ServiceExt as _;

pub const LEGACY: Version = Version::V2025_11_25;
pub const MODERN: Version = Version::V2026_07_28;

/// A body that arrives when it is told to.
struct Late {
    go: oneshot::Receiver<()>,
    body: Option<Bytes>,
}

impl Body for Late {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.body.is_none() {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.go)
            .poll(cx)
            .map(|_| self.body.take().map(|bytes| Ok(Frame::data(bytes))))
    }
}

#[derive(Clone)]
pub struct Client {
    upstream: StdioUpstream,
    caller: Option<Caller>,
    version: Version,
    pub session: Option<String>,
    /// A second one in the same request.
    pub also: Option<String>,
}

pub fn caller(subject: &str) -> Caller {
    Caller::Verified(Principal::builder("https://id.example", subject).build().into())
}

impl Client {
    /// A client of 2026-07-28.
    pub fn modern(upstream: &StdioUpstream, subject: &str) -> Self {
        let caller = Some(caller(subject));
        Self { upstream: upstream.clone(), caller, version: MODERN, session: None, also: None }
    }

    /// A client of an earlier revision, without a session yet.
    pub fn legacy(upstream: &StdioUpstream, subject: &str) -> Self {
        Self { version: LEGACY, ..Self::modern(upstream, subject) }
    }

    /// The same, with a session.
    pub async fn in_session(upstream: &StdioUpstream, subject: &str) -> Self {
        let mut client = Self::legacy(upstream, subject);
        let opened = client.initialize().await;
        assert_eq!(opened.status, 200, "{opened:?}");
        client.session = opened.session();
        assert!(client.session.is_some());
        client
    }

    pub fn at(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    pub fn called_by(mut self, caller: Option<Caller>) -> Self {
        self.caller = caller;
        self
    }

    pub async fn initialize(&self) -> Answered {
        let params = json!({"protocolVersion": self.version.as_str(), "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"}});
        self.ask(0, "initialize", params).await
    }

    pub async fn ask(&self, id: impl Into<Value>, method: &str, params: Value) -> Answered {
        Answered::read(self.send(&request(id, method, params)).await).await
    }

    pub async fn call(&self, id: impl Into<Value>, tool: &str, arguments: Value) -> Answered {
        self.ask(id, "tools/call", json!({"name": tool, "arguments": arguments})).await
    }

    /// The text that a tool answers.
    pub async fn text(&self, tool: &str) -> String {
        self.call(1, tool, json!({})).await.text()
    }

    /// Sends the bytes of a message, or of several.
    pub async fn send(&self, body: &str) -> Response<ProxyBody> {
        self.post(body, self.message(body)).await
    }

    /// The same, where the body arrives when `go` says so.
    pub async fn send_late(&self, body: &str, go: oneshot::Receiver<()>) -> Response<ProxyBody> {
        let bytes = Bytes::copy_from_slice(body.as_bytes());
        let late = Late { go, body: Some(bytes) };
        self.ask_with(HttpMethod::POST, self.message(body), late).await
    }

    async fn post(&self, body: &str, message: McpMessage) -> Response<ProxyBody> {
        self.request(HttpMethod::POST, message, Bytes::copy_from_slice(body.as_bytes())).await
    }

    pub async fn get(&self) -> Response<ProxyBody> {
        let message = McpMessage::NoMessage(NoMessage::Stream(self.version));
        self.request(HttpMethod::GET, message, Bytes::new()).await
    }

    pub async fn delete(&self) -> StatusCode {
        let message = McpMessage::NoMessage(NoMessage::EndSession(self.version));
        self.request(HttpMethod::DELETE, message, Bytes::new()).await.status()
    }

    async fn request(
        &self,
        method: HttpMethod,
        message: McpMessage,
        body: Bytes,
    ) -> Response<ProxyBody> {
        self.ask_with(method, message, Buffered::new(body)).await
    }

    async fn ask_with<B>(
        &self,
        method: HttpMethod,
        message: McpMessage,
        body: B,
    ) -> Response<ProxyBody>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        for session in self.session.iter().chain(&self.also) {
            request.headers_mut().append("mcp-session-id", session.parse().unwrap());
        }
        if let Some(caller) = self.caller.clone() {
            request.set_caller(caller);
        }
        request.set_message(message);
        self.upstream.clone().oneshot(request).await.unwrap()
    }

    /// What inspection would say of it.
    fn message(&self, body: &str) -> McpMessage {
        let version = self.version;
        let message: Value = serde_json::from_str(body).unwrap();
        if let Value::Array(each) = &message {
            return McpMessage::Batch(
                each.iter().map(|one| self.message(&one.to_string())).collect(),
            );
        }
        let raw = Bytes::copy_from_slice(body.as_bytes());
        let id = message.get("id").map(|id| Text::from(id.to_string()));
        let method =
            message["method"].as_str().map(|name| Method::parse(name).unwrap_or(Method::Ping));
        match (method, id) {
            (Some(method), Some(id)) => McpMessage::Request(
                McpRequestParts {
                    version,
                    method,
                    id,
                    target: None,
                    more_targets: Vec::new(),
                    arguments: None,
                    raw,
                }
                .into(),
            ),
            (Some(method), None) => {
                McpMessage::Notification(McpNotification::new(version, method, raw))
            }
            (None, Some(id)) => McpMessage::Response(McpResponse::new(version, id, raw)),
            (None, None) => panic!("{body}"),
        }
    }
}

pub fn request(id: impl Into<Value>, method: &str, params: Value) -> String {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params}).to_string()
}

/// An answer that was read to its end.
#[derive(Debug)]
pub struct Answered {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answered {
    pub async fn read(response: Response<ProxyBody>) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Self { status: parts.status, headers: parts.headers, body }
    }

    pub fn session(&self) -> Option<String> {
        self.headers.get("mcp-session-id").map(|id| id.to_str().unwrap().to_owned())
    }

    pub fn is_stream(&self) -> bool {
        self.headers["content-type"] == "text/event-stream"
    }

    /// The messages, in the order in which they came.
    pub fn messages(&self) -> Vec<Value> {
        match self.is_stream() {
            false => vec![serde_json::from_str(&self.body).unwrap()],
            true => events(&self.body),
        }
    }

    /// What was answered last.
    pub fn last(&self) -> Value {
        self.messages().pop().unwrap_or_else(|| panic!("{self:?}"))
    }

    /// The text that a tool answered.
    pub fn text(&self) -> String {
        let last = self.last();
        let text = last["result"]["content"][0]["text"].as_str();
        text.unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }
}

pub fn events(text: &str) -> Vec<Value> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The next message of a stream; `None` at its end.
pub async fn next(body: &mut Pin<Box<ProxyBody>>) -> Option<Value> {
    loop {
        let frame = body.frame().await?.unwrap();
        let text = String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap();
        if let Some(message) = events(&text).pop() {
            return Some(message);
        }
        assert!(!body.is_end_stream());
    }
}
