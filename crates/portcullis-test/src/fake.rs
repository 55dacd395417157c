//! An MCP server that answers as told and remembers what reached it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::BodyExt as _;
use portcullis_core::{Caller, McpMessage, Permit, RequestFacts as _};
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::Service;

use crate::{Answer, ChunkedBody};

/// A request that reached the [`FakeMcp`], read to its end.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Seen {
    /// The HTTP method.
    pub method: Method,
    /// The request target.
    pub uri: Uri,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body; what came before the failure when [`body_failed`](Self::body_failed).
    pub body: Bytes,
    /// Whether reading the body failed.
    pub body_failed: bool,
    /// The fact of who is calling.
    pub caller: Option<Caller>,
    /// The fact of what is asked.
    pub message: Option<McpMessage>,
    /// The fact of why it may pass.
    pub permit: Option<Permit>,
}

impl Seen {
    /// The body as JSON; `null` when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

type Respond = dyn Fn(&Seen) -> Answer + Send + Sync;

/// An MCP server for tests: a tower service, clonable, all clones sharing one memory.
///
/// [`new`](Self::new) answers each JSON-RPC request with an empty result under its id, and
/// everything else with 202. It panics when called without having been polled ready, which is how
/// it catches a layer that calls a fresh clone.
pub struct FakeMcp {
    shared: Arc<Shared>,
    ready: bool,
}

struct Shared {
    respond: Box<Respond>,
    script: Mutex<VecDeque<Answer>>,
    seen: watch::Sender<Vec<Seen>>,
}

impl FakeMcp {
    /// A server that answers `{}` to every request.
    #[must_use]
    pub fn new() -> Self {
        Self::answering(|seen| match seen.json() {
            Value::Object(message)
                if message.contains_key("id") && message.contains_key("method") =>
            {
                let id = &message["id"];
                Answer::json(json!({ "jsonrpc": "2.0", "id": id, "result": {} }).to_string())
            }
            _ => Answer::accepted(),
        })
    }

    /// A server that answers what `respond` says.
    pub fn answering(respond: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        Self {
            shared: Arc::new(Shared {
                respond: Box::new(respond),
                script: Mutex::default(),
                seen: watch::Sender::default(),
            }),
            ready: false,
        }
    }

    /// A server that answers every request with this JSON.
    pub fn json(body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self::answering(move |_| Answer::json(body.clone()))
    }

    /// Answers the next requests from `answers`, in order, before falling back.
    #[must_use]
    pub fn script(self, answers: impl IntoIterator<Item = Answer>) -> Self {
        self.shared.script().extend(answers);
        self
    }

    /// Adds one answer to the end of the script.
    pub fn push(&self, answer: Answer) {
        self.shared.script().push_back(answer);
    }

    /// The requests that arrived, in order.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.borrow().clone()
    }

    /// How many requests arrived.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shared.seen.borrow().len()
    }

    /// The latest request.
    ///
    /// # Panics
    /// When none arrived.
    #[must_use]
    pub fn last(&self) -> Seen {
        self.shared.seen.borrow().last().expect("no request reached the server").clone()
    }

    /// Waits until `count` requests have arrived.
    pub async fn arrived(&self, count: usize) {
        // The sender lives as long as `self`.
        self.shared.seen.subscribe().wait_for(|seen| seen.len() >= count).await.unwrap();
    }
}

impl Shared {
    fn script(&self) -> std::sync::MutexGuard<'_, VecDeque<Answer>> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer<B>(&self, request: Request<B>) -> Response<ChunkedBody>
    where
        B: http_body::Body<Data = Bytes>,
    {
        let (parts, body) = request.into_parts();
        let (body, body_failed) = read(body).await;
        let seen = Seen {
            caller: parts.caller().cloned(),
            message: parts.message().cloned(),
            permit: parts.permit().cloned(),
            method: parts.method,
            uri: parts.uri,
            headers: parts.headers,
            body,
            body_failed,
        };
        self.seen.send_modify(|all| all.push(seen.clone()));
        let scripted = self.script().pop_front();
        let answer = scripted.unwrap_or_else(|| (self.respond)(&seen));
        if answer.hangs() {
            std::future::pending::<()>().await;
        }
        answer.into_response()
    }
}

async fn read<B: http_body::Body<Data = Bytes>>(body: B) -> (Bytes, bool) {
    let mut body = std::pin::pin!(body);
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame.map(http_body::Frame::into_data) {
            Ok(Ok(data)) => bytes.extend_from_slice(&data),
            Ok(Err(_trailers)) => {}
            Err(_) => return (bytes.into(), true),
        }
    }
    (bytes.into(), false)
}

impl<B> Service<Request<B>> for FakeMcp
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
{
    type Response = Response<ChunkedBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without having been polled ready");
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { Ok(shared.answer(request).await) })
    }
}

// By hand: the readiness of one clone is not the next one's.
impl Clone for FakeMcp {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), ready: false }
    }
}

impl Default for FakeMcp {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for FakeMcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeMcp").field("count", &self.count()).finish_non_exhaustive()
    }
}
