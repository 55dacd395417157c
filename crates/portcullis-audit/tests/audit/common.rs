//! Stand-ins for the layers between audit and the user's service.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use portcullis_audit::{AuditLayer, AuditLayerBuilder, MemorySink};
use portcullis_core::{
    Acknowledgement, Arguments, Caller, Challenge, Clock, Decided, Denial, Era, GateBody, Glance,
    HiddenAs, Look, ManualClock, McpMessage, McpNotification, McpRequestParts, Method, NoMessage,
    Permit, Principal, Reason, RequestFacts as _, Target, TargetKind, Text, TokenInfo, Version,
    View,
};
use serde_json::Value;
use tower::{Layer as _, ServiceExt as _, service_fn};

pub(crate) const TOKEN: &str = "eyJhbGciOiJFUzI1NiJ9.c2VjcmV0LXRva2Vu.c2lnbmF0dXJl";
pub(crate) const SECRET: &str = "hunter2-argument-value";

pub(crate) type Body = GateBody<Full<Bytes>>;

#[derive(Debug)]
struct Everything;

impl View for Everything {
    fn glance(&self, _: &Caller, _: Version, _: TargetKind, _: &str) -> Glance {
        Glance::Shown
    }

    fn look(&self, _: Caller, _: Version, items: Vec<(TargetKind, Text)>) -> Look {
        Box::pin(async move { vec![true; items.len()] })
    }
}

/// A layer with a sink in memory and a clock that stands still.
pub(crate) fn audit(set: impl FnOnce(AuditLayerBuilder) -> AuditLayerBuilder) -> Audited {
    let sink = MemorySink::new();
    let (clock, hand) = Clock::manual(1_795_000_000);
    let builder = AuditLayer::builder().sink(sink.clone()).clock(clock);
    Audited { layer: set(builder).build().unwrap(), sink, hand }
}

pub(crate) struct Audited {
    pub(crate) layer: AuditLayer,
    pub(crate) sink: MemorySink,
    pub(crate) hand: ManualClock,
}

impl Audited {
    /// Sends a request through `inside` and reads the answer to its end.
    pub(crate) async fn send(&self, inside: impl FnOnce(&mut Request<()>) -> Response<Body>) {
        self.send_request(request(), inside).await;
    }

    pub(crate) async fn send_request(
        &self,
        request: Request<()>,
        inside: impl FnOnce(&mut Request<()>) -> Response<Body>,
    ) {
        let response = self.respond(request, inside).await;
        response.into_body().collect().await.unwrap();
    }

    /// Sends a request and returns the answer, unread.
    pub(crate) async fn respond(
        &self,
        request: Request<()>,
        inside: impl FnOnce(&mut Request<()>) -> Response<Body>,
    ) -> Response<portcullis_audit::AuditBody<Body>> {
        let mut inside = Some(inside);
        let service = service_fn(move |mut request: Request<()>| {
            let response = inside.take().expect("called once")(&mut request);
            async move { Ok::<_, Infallible>(response) }
        });
        self.layer.layer(service).oneshot(request).await.unwrap()
    }

    /// Everything recorded so far, as JSON.
    pub(crate) async fn records(&self) -> Vec<Value> {
        self.layer.flush().await;
        self.sink.lines().iter().map(|line| valid(line)).collect()
    }
}

/// A line, which must be as published and lose nothing when it is read.
pub(crate) fn valid(line: &str) -> Value {
    static SCHEMA: std::sync::LazyLock<jsonschema::Validator> = std::sync::LazyLock::new(|| {
        let schema = include_str!("../../audit.schema.json");
        jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap()
    });
    let value: Value = serde_json::from_str(line).unwrap();
    let errors: Vec<_> = SCHEMA.iter_errors(&value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{line}: {errors:?}");
    let entry: portcullis_audit::Entry = serde_json::from_str(line).unwrap();
    assert_eq!(serde_json::to_value(entry).unwrap(), value);
    value
}

pub(crate) fn request() -> Request<()> {
    Request::builder()
        .method("POST")
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("user-agent", "agent/1.0")
        .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .body(())
        .unwrap()
}

pub(crate) fn alice() -> Caller {
    let token = TokenInfo { id: Some("t-1".into()), algorithm: Some("ES256"), key_id: None };
    let alice = Principal::builder("https://id.example", "alice").scope("mcp:read").token(token);
    Caller::Verified(alice.build().into())
}

/// A request for `method`, about `target` if there is one.
pub(crate) fn message(method: Method, target: Option<&str>) -> McpMessage {
    let json = format!(r#"{{"path":"{SECRET}","mode":"{SECRET}"}}"#);
    let raw = Bytes::from(format!(r#"{{"id":7,"params":{{"arguments":{json}}}}}"#));
    let mut arguments = Arguments::new(Bytes::from(json.clone()));
    arguments.push_key(2..6);
    let mode = json.find("mode").unwrap();
    arguments.push_key(mode..mode + 4);
    let kind = match method {
        Method::ResourcesRead | Method::SubscriptionsListen => TargetKind::Resource,
        _ => TargetKind::Tool,
    };
    McpMessage::Request(
        McpRequestParts {
            version: Version::V2025_11_25,
            method,
            id: Text::from_static("7"),
            target: target.map(|name| Target::new(kind, Text::from(name))),
            more_targets: Vec::new(),
            arguments: (method == Method::ToolsCall).then_some(arguments),
            raw,
        }
        .into(),
    )
}

pub(crate) fn call(tool: &str) -> McpMessage {
    message(Method::ToolsCall, Some(tool))
}

pub(crate) fn notification() -> McpMessage {
    let raw = Bytes::from_static(b"{}");
    let method = Method::NotificationsInitialized;
    McpMessage::Notification(McpNotification::new(Version::V2025_11_25, method, raw))
}

pub(crate) fn stream() -> McpMessage {
    McpMessage::NoMessage(NoMessage::Stream(Version::V2025_11_25))
}

pub(crate) fn batch(messages: Vec<McpMessage>) -> McpMessage {
    McpMessage::Batch(Arc::from(messages))
}

pub(crate) fn permit() -> Permit {
    Permit::new(Text::from_static("r1"), Text::from_static("v7"), Arc::new(Everything))
}

pub(crate) fn hidden(message: &McpMessage) -> Denial {
    let McpMessage::Request(request) = message else { panic!("requests only") };
    assert_eq!(request.era(), Era::Legacy);
    let name = request.targets().next().map_or("", Target::name);
    Denial::hidden(request, HiddenAs::Unknown(TargetKind::Tool, name), Reason::DefaultDeny)
        .by_rule(Text::from_static("default"), Text::from_static("v7"))
}

pub(crate) fn challenge() -> Challenge {
    Challenge::new("https://mcp.example.com/.well-known/oauth-protected-resource", ["mcp:read"])
        .unwrap()
}

/// What the layers inside do with a request that they let through to policy.
pub(crate) fn sign_in(request: &mut Request<()>, message: &McpMessage) {
    request.set_caller(alice());
    request.set_message(message.clone());
}

/// What policy does to let the request run.
pub(crate) fn allow(
    request: &Request<()>,
    element: usize,
    message: &McpMessage,
) -> Acknowledgement {
    let permit = permit();
    let verdict = Ok(&permit);
    request.trail().unwrap().decided(&Decided { element, message, verdict })
}

/// What policy does to refuse it.
pub(crate) fn deny(request: &Request<()>, element: usize, message: &McpMessage) -> Denial {
    let denial = hidden(message);
    let verdict = Err(&denial);
    let decided = Decided { element, message, verdict };
    let _ = request.trail().unwrap().decided(&decided);
    denial
}

pub(crate) fn ok(body: &'static str) -> Response<Body> {
    Response::new(GateBody::inner(Full::new(Bytes::from_static(body.as_bytes()))))
}
