//! A gate like a real one, with a server behind it that answers what it is told to.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use portcullis_core::{
    Buffered, Caller, Challenge, Denial, McpMessage, Method, RequestFacts as _, ResponseFacts as _,
    Version,
};
use portcullis_mcp::{Inspect, InspectLayer};
use portcullis_rbac::{Policy, Rbac, RbacLayer};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use tower_layer::Layer as _;
use tower_service::Service;

use crate::ask::Asked;
use crate::problem::Problem;
use crate::tools::Lists;

/// Where the metadata of the gate that is played would be.
const METADATA: &str = "https://mcp.example/.well-known/oauth-protected-resource/mcp";

type Stack = Inspect<Watch<Rbac<Server, Arc<Policy>>>>;

/// The id of a task, as the server behind the gate knows it.
const TASK: &str = "task";

/// Inspection and authorization, as a gate runs them.
pub(crate) struct Gate {
    stack: Stack,
    /// The same gate before it had the policy: who may no longer use a tool may have a task of it.
    before: Stack,
    seen: Arc<Mutex<Seen>>,
    runtime: tokio::runtime::Runtime,
    pub(crate) policy: Arc<Policy>,
    pub(crate) server: Option<String>,
    pub(crate) lists: Lists,
    /// The address that requests come from.
    pub(crate) from: Option<IpAddr>,
}

/// What came of a request.
#[derive(Debug)]
pub(crate) struct Answered {
    /// What inspection made of it; `None` when it was refused there.
    pub(crate) message: Option<McpMessage>,
    /// Why it was refused, if it was.
    pub(crate) denial: Option<Denial>,
    /// Whether the server got it.
    pub(crate) reached: bool,
    pub(crate) answer: Answer,
}

/// What a client gets.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The header fields, in order.
    pub(crate) headers: Vec<(String, String)>,
    /// The body, as the bytes that are sent.
    pub(crate) body: String,
}

/// What inner parts of the stack saw.
#[derive(Debug, Default)]
struct Seen {
    message: Option<McpMessage>,
    reached: bool,
    answer: Bytes,
}

impl Gate {
    pub(crate) fn new(
        policy: Policy,
        server: Option<String>,
        lists: Lists,
    ) -> Result<Self, Problem> {
        let policy = Arc::new(policy);
        let challenge = Challenge::new(METADATA, std::iter::empty::<&str>())
            .map_err(|error| Problem::new(error.to_string()))?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let inspect = InspectLayer::new();
        let stack = |policy: &Arc<Policy>| {
            let mut rbac = RbacLayer::new(Arc::clone(policy), challenge.clone());
            if let Some(server) = &server {
                rbac = rbac.server(server.clone());
            }
            let inner = rbac.layer(Server { seen: Arc::clone(&seen) });
            inspect.layer(Watch { inner, seen: Arc::clone(&seen) })
        };
        let before = stack(&Arc::new(Policy::danger_permit_all()));
        let stack = stack(&policy);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|error| Problem::new(format!("cannot start: {error}")))?;
        let mut gate = Self { stack, before, seen, runtime, policy, server, lists, from: None };
        if gate.lists.result.get("tools").is_some() {
            // A gate knows annotations from the lists that passed.
            let caller = gate.policy.stand_in(&portcullis_rbac::Audience::Everyone);
            let list = Asked::new(Method::ToolsList.as_str(), None, None, None, false)?;
            if let Some(caller) = caller {
                let result = gate.lists.result.clone();
                gate.ask_with(&caller, &list, &result);
            }
        }
        Ok(gate)
    }

    /// Sends a request through.
    pub(crate) fn ask(&mut self, caller: &Caller, asked: &Asked) -> Answered {
        if let Some(tool) = &asked.task_of {
            let result = json!({ "taskId": TASK, "status": "working" });
            let begun = json!({ "task": result });
            let answered = self.send(self.before.clone(), caller, &Asked::task(tool), &begun);
            let body: serde_json::Value =
                serde_json::from_str(&answered.answer.body).unwrap_or_default();
            let id = body.pointer("/result/task/taskId").and_then(|id| id.as_str());
            return self.ask_with(caller, &asked.about(id.unwrap_or_default()), &result);
        }
        // A list that is known is answered with, so that it can be seen how it is filtered.
        let result = match asked.list_member() {
            Some(member) if self.lists.result.get(member).is_some() => self.lists.result.clone(),
            _ => json!({}),
        };
        self.ask_with(caller, asked, &result)
    }

    fn ask_with(&mut self, caller: &Caller, asked: &Asked, result: &serde_json::Value) -> Answered {
        self.send(self.stack.clone(), caller, asked, result)
    }

    fn send(
        &self,
        mut stack: Stack,
        caller: &Caller,
        asked: &Asked,
        result: &serde_json::Value,
    ) -> Answered {
        let answer = json!({ "jsonrpc": "2.0", "id": 1, "result": result });
        *self.seen() = Seen { answer: answer.to_string().into(), ..Seen::default() };
        let mut request = asked.request();
        request.set_caller(caller.clone());
        if let Some(address) = self.from {
            request.set_source_address(address);
        }
        let response = self.runtime.block_on(async {
            let Ok(()) = std::future::poll_fn(|cx| {
                Service::<Request<Full<Bytes>>>::poll_ready(&mut stack, cx)
            })
            .await;
            let Ok(response) = stack.call(request).await;
            let denial = response.denial().cloned();
            let (parts, body) = response.into_parts();
            let bytes = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            (parts, denial, bytes)
        });
        let (parts, denial, bytes) = response;
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = parts.headers.iter();
        let answer = Answer {
            status: parts.status.as_u16(),
            headers: headers.map(|(name, value)| (name.to_string(), text(value))).collect(),
            body: String::from_utf8_lossy(&bytes).into_owned(),
        };
        let seen = std::mem::take(&mut *self.seen());
        Answered { message: seen.message, denial, reached: seen.reached, answer }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sees what inspection made of a request.
#[derive(Clone)]
struct Watch<S> {
    inner: S,
    seen: Arc<Mutex<Seen>>,
}

impl<S: Service<Request<Buffered>>> Service<Request<Buffered>> for Watch<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Buffered>) -> Self::Future {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.message = request.message().cloned();
        drop(seen);
        self.inner.call(request)
    }
}

/// The server behind the gate.
#[derive(Clone)]
struct Server {
    seen: Arc<Mutex<Seen>>,
}

impl Service<Request<Buffered>> for Server {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Buffered>) -> Self::Future {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.reached = true;
        let mut response = Response::new(Full::new(seen.answer.clone()));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        ready(Ok(response))
    }
}

/// The revision with this name.
pub(crate) fn version(name: &str) -> Result<Version, Problem> {
    Version::parse(name).ok_or_else(|| {
        let known = Version::ALL.map(|version| version.as_str()).join(", ");
        Problem::new(format!("no revision of MCP is called {name:?}: there are {known}"))
    })
}
