//! A stack around inspection, and what goes in and comes out of it.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::needless_pass_by_value,
    reason = "each test file uses a part, and says what it sends in place"
)]

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use portcullis_core::{
    Acknowledgement, Buffered, Caller, Decided, Denial, Glance, Look, McpMessage, Note, Permit,
    Principal, Recorder, RequestFacts as _, ResponseFacts as _, TargetKind, Text, Trail, Version,
    View,
};
use portcullis_mcp::{FilterBody, InspectLayer};
use portcullis_test::{Answer, ChunkedBody, FakeMcp, Seen};
use serde_json::{Value, json};
use tower::{Layer as _, Service, ServiceExt as _};

/// Hides what has `secret` in its name, and needs time to think about what has `later`.
#[derive(Debug, Default)]
pub struct NoSecrets {
    /// The number of the policy.
    pub policy: Arc<AtomicU32>,
}

impl View for NoSecrets {
    fn glance(&self, _: &Caller, _: Version, _: TargetKind, name: &str) -> Glance {
        match name {
            name if name.contains("later") => Glance::Later,
            name if name.contains("secret") => Glance::Hidden,
            _ => Glance::Shown,
        }
    }

    fn version(&self) -> Option<Text> {
        Some(format!("v{}", self.policy.load(Ordering::Relaxed)).into())
    }

    fn offers(&self, _: &Caller, _: Version, kind: TargetKind) -> bool {
        kind == TargetKind::Tool
    }

    fn look(&self, _: Caller, _: Version, items: Vec<(TargetKind, Text)>) -> Look {
        Box::pin(async move {
            tokio::task::yield_now().await;
            items.iter().map(|(_, name)| !name.as_str().contains("secret")).collect()
        })
    }
}

/// Permits every request, and has refused some elements of batches.
#[derive(Clone, Debug)]
pub struct Permits<S> {
    pub inner: S,
    pub refused: Vec<Denial>,
    pub policy: Arc<AtomicU32>,
}

impl<S> Permits<S> {
    pub fn new(inner: S) -> Self {
        Self { inner, refused: Vec::new(), policy: Arc::default() }
    }
}

impl<S, B> Service<Request<Buffered>> for Permits<S>
where
    S: Service<Request<Buffered>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Buffered>) -> Self::Future {
        let view = NoSecrets { policy: Arc::clone(&self.policy) };
        let permit = Permit::new(Text::from("rule"), Text::from("v0"), Arc::new(view));
        let permit = permit.with_refused(self.refused.clone());
        let response = self.inner.call(request);
        Box::pin(async move {
            let mut response = response.await?;
            response.set_permit(permit);
            Ok(response)
        })
    }
}

/// What a trail was told.
#[derive(Clone, Debug, Default)]
pub struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Recorder for Notes {
    fn caller(&self, _: &Caller) {}

    fn message(&self, _: &McpMessage) {}

    fn decided(&self, _: &Decided<'_>) -> Acknowledgement {
        Acknowledgement::Recorded
    }

    fn note(&self, note: Note<'_>) {
        self.0.lock().unwrap().push(format!("{note:?}"));
    }

    fn note_for(&self, element: usize, note: Note<'_>) {
        self.0.lock().unwrap().push(format!("{element}: {note:?}"));
    }
}

pub fn alice() -> Caller {
    Caller::Verified(Principal::builder("https://id.example", "alice").build().into())
}

pub type Answered = Response<FilterBody<ChunkedBody>>;

/// Sends `request` as alice through inspection and a permit to `server`.
pub async fn send(
    layer: &InspectLayer,
    server: &FakeMcp,
    request: Request<Full<Bytes>>,
) -> Answered {
    send_as(alice(), layer, server, request).await
}

pub async fn send_as(
    caller: Caller,
    layer: &InspectLayer,
    server: &FakeMcp,
    mut request: Request<Full<Bytes>>,
) -> Answered {
    request.set_caller(caller);
    layer.layer(Permits::new(server.clone())).oneshot(request).await.unwrap()
}

/// The same, and what the trail was told.
pub async fn send_noted(
    layer: &InspectLayer,
    server: &FakeMcp,
    mut request: Request<Full<Bytes>>,
) -> (Answered, Notes) {
    let notes = Notes::default();
    request.set_trail(Trail::new(Arc::new(notes.clone())));
    (send(layer, server, request).await, notes)
}

/// Who called.
pub fn subject(seen: &Seen) -> &str {
    seen.caller.as_ref().and_then(Caller::principal).unwrap().subject()
}

/// A response, read to its end.
#[derive(Debug)]
pub struct Whole {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Whole {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The JSON of each event that has any.
    pub fn events(&self) -> Vec<Value> {
        let data = self
            .text
            .split("\n\n")
            .filter_map(|event| event.lines().find_map(|line| line.strip_prefix("data: ")));
        data.filter(|data| !data.is_empty())
            .map(|data| serde_json::from_str(data).unwrap())
            .collect()
    }
}

pub async fn whole(response: Answered) -> Whole {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Whole {
        status: parts.status,
        headers: parts.headers,
        text: String::from_utf8(bytes.to_vec()).unwrap(),
    }
}

/// What must happen soon, where nothing else would end the wait.
pub async fn soon<F: Future>(it: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), it).await.expect("it happens")
}

/// The next piece of a stream as text; `None` at its end.
pub async fn next(response: &mut Answered) -> Option<String> {
    let frame = soon(response.body_mut().frame()).await?.unwrap();
    Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
}

fn post() -> http::request::Builder {
    Request::post("/mcp")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
}

/// A legacy POST of `body` with the version header, if there is one.
pub fn legacy(version: Option<&str>, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let mut builder = post();
    if let Some(version) = version {
        builder = builder.header("mcp-protocol-version", version);
    }
    builder.body(Full::new(body.into())).unwrap()
}

/// A legacy request of 2025-06-18.
pub fn ask(method: &str, params: Value) -> Request<Full<Bytes>> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    legacy(Some("2025-06-18"), body.to_string())
}

/// A modern request with id 1.
pub fn modern(method: &str, params: Value) -> Request<Full<Bytes>> {
    modern_with(json!(1), method, params, json!({}))
}

pub fn modern_with(
    id: Value,
    method: &str,
    mut params: Value,
    capabilities: Value,
) -> Request<Full<Bytes>> {
    let mut builder =
        post().header("mcp-protocol-version", "2026-07-28").header("mcp-method", method);
    let name = match method {
        "tools/call" | "prompts/get" => params["name"].as_str(),
        "resources/read" => params["uri"].as_str(),
        _ => None,
    };
    if let Some(name) = name {
        builder = builder.header("mcp-name", name);
    }
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": capabilities,
    });
    let body = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
    builder.body(Full::new(body.to_string().into())).unwrap()
}

/// A JSON-RPC response with id 1.
pub fn result(result: Value) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "result": result }).to_string()
}

/// One event.
pub fn event(data: &str) -> String {
    format!("data: {data}\n\n")
}

/// A server that answers with these events.
pub fn streaming<C: Into<Bytes>>(chunks: impl IntoIterator<Item = C>) -> FakeMcp {
    FakeMcp::new().script([Answer::sse(chunks)])
}

/// The methods that answer with lists: method, list, key.
pub const LISTS: [(&str, &str, &str); 4] = [
    ("tools/list", "tools", "name"),
    ("prompts/list", "prompts", "name"),
    ("resources/list", "resources", "uri"),
    ("resources/templates/list", "resourceTemplates", "uriTemplate"),
];
