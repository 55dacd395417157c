//! What spans say, and what they do not.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use http::Request;
use http_body_util::BodyExt as _;
use portcullis_core::{Method, Note, RequestFacts as _, TargetKind};
use portcullis_telemetry::{Join, Telemetry, TraceContext, WatchLayer};
use tower::{Layer as _, ServiceExt as _};
use tracing::field::{Field, Visit};
use tracing::span;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

use crate::common::*;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

type Fields = BTreeMap<String, String>;

/// Keeps what is said on every span of requests, and what happened in which.
#[derive(Clone, Default)]
struct Keeper {
    spans: Arc<Mutex<BTreeMap<u64, Fields>>>,
    events_inside: Arc<Mutex<usize>>,
}

impl Keeper {
    fn only(&self) -> Fields {
        let spans = self.spans.lock().unwrap();
        assert_eq!(spans.len(), 1, "one span per request");
        spans.values().next().unwrap().clone()
    }
}

struct Write<'a>(&'a mut Fields);

impl Visit for Write<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> tracing_subscriber::Layer<S> for Keeper {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, _: Context<'_, S>) {
        if attributes.metadata().target() == "portcullis::request" {
            let mut spans = self.spans.lock().unwrap();
            attributes.record(&mut Write(spans.entry(id.into_u64()).or_default()));
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, _: Context<'_, S>) {
        if let Some(fields) = self.spans.lock().unwrap().get_mut(&id.into_u64()) {
            values.record(&mut Write(fields));
        }
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        let inside = context.event_span(event).is_some_and(|span| span.name() == "mcp");
        *self.events_inside.lock().unwrap() += usize::from(inside);
    }
}

/// What is said of `request` to `gate`.
async fn seen_by(
    keeper: &Keeper,
    watch: impl FnOnce(WatchLayer) -> WatchLayer,
    request: Request<()>,
    gate: Gate,
) {
    let subscriber = tracing_subscriber::registry().with(keeper.clone());
    let telemetry = Telemetry::new();
    telemetry.tool_names("notes", ["get_notes"]);
    let _guard = tracing::subscriber::set_default(subscriber);
    let answer = watch(telemetry.layer("notes")).layer(gate).oneshot(request).await.unwrap();
    answer.into_body().collect().await.unwrap();
}

async fn span_of(request: Request<()>, gate: Gate) -> Fields {
    let keeper = Keeper::default();
    seen_by(&keeper, |watch| watch, request, gate).await;
    keeper.only()
}

#[track_caller]
fn says(fields: &Fields, rows: &[(&str, &str)]) {
    for (name, value) in rows {
        assert_eq!(fields.get(*name).map(String::as_str), Some(*value), "{name} in {fields:#?}");
    }
}

#[tokio::test]
async fn a_call_is_told_by_the_conventions() {
    let request = with_headers(&[
        ("authorization", "Bearer secret-token"),
        ("mcp-session-id", "secret-session"),
        ("traceparent", PARENT),
    ]);
    let fields = span_of(
        request,
        gate(|request| {
            sign_in(request, &call("get_notes"));
            allow(request, 0, &call("get_notes"));
            text("{}")
        }),
    )
    .await;
    says(
        &fields,
        &[
            ("otel.name", "tools/call get_notes"),
            ("otel.kind", "server"),
            ("mcp.method.name", "tools/call"),
            ("mcp.protocol.version", "2026-07-28"),
            ("gen_ai.tool.name", "get_notes"),
            ("gen_ai.operation.name", "execute_tool"),
            ("jsonrpc.request.id", "request-7"),
            ("network.transport", "tcp"),
            ("network.protocol.name", "http"),
            ("http.response.status_code", "200"),
            ("portcullis.route", "notes"),
            ("portcullis.decision", "allow"),
            ("portcullis.rule", "read"),
            ("portcullis.client_trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"),
            ("portcullis.client_span_id", "00f067aa0ba902b7"),
        ],
    );
    for absent in
        ["error.type", "otel.status_code", "portcullis.reason", "rpc.response.status_code"]
    {
        assert!(!fields.contains_key(absent), "{absent}");
    }
    assert_eq!(fields["mcp.session.id"].len(), 16);
    for secret in ["secret", "alice", "id.example"] {
        assert!(!format!("{fields:?}").contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn failures_are_told_by_the_conventions() {
    type Act = fn(&mut Request<()>) -> Answer;
    let rows: [(&str, Act, &str, &str); 5] = [
        (
            "a refusal by policy",
            |request| {
                sign_in(request, &call("made_up"));
                let denial = deny(request, 0, "made_up");
                refuse(denial)
            },
            "-32602",
            "deny",
        ),
        (
            "no token",
            |_| {
                let challenge = portcullis_core::Challenge::without_metadata(["a"]).unwrap();
                refuse(portcullis_core::Denial::no_token(&challenge))
            },
            "unauthenticated",
            "challenge",
        ),
        (
            "a tool that fails",
            |request| {
                sign_in(request, &call("get_notes"));
                allow(request, 0, &call("get_notes"));
                request.trail().unwrap().note(Note::ToolError);
                text("{}")
            },
            "tool_error",
            "allow",
        ),
        (
            "a JSON-RPC error",
            |request| {
                sign_in(request, &call("get_notes"));
                allow(request, 0, &call("get_notes"));
                request.trail().unwrap().note(Note::RpcError { code: -32000 });
                text("{}")
            },
            "-32000",
            "allow",
        ),
        (
            "a service that fails",
            |request| {
                sign_in(request, &call("get_notes"));
                allow(request, 0, &call("get_notes"));
                let mut answer = text("oops");
                *answer.status_mut() = http::StatusCode::BAD_GATEWAY;
                answer
            },
            "service_error",
            "allow",
        ),
    ];
    for (name, act, error, decision) in rows {
        let fields = span_of(Request::new(()), gate(act)).await;
        assert_eq!(
            fields.get("error.type").map(String::as_str),
            Some(error),
            "{name}: {fields:#?}"
        );
        assert_eq!(fields["otel.status_code"], "ERROR", "{name}");
        assert_eq!(fields["portcullis.decision"], decision, "{name}");
    }
}

/// Nobody fills traces with names of their own: those that policy neither knows nor allowed stay out.
#[tokio::test]
async fn names_that_were_refused_stay_out() {
    let fields = span_of(
        Request::new(()),
        gate(|request| {
            sign_in(request, &call("made_up"));
            refuse(deny(request, 0, "made_up"))
        }),
    )
    .await;
    assert_eq!(fields["otel.name"], "tools/call");
    assert!(!format!("{fields:?}").contains("made_up"), "{fields:#?}");
    // Allowed by a pattern: said, and not in the name of the span.
    let fields = span_of(
        Request::new(()),
        gate(|request| {
            sign_in(request, &call("note_77"));
            allow(request, 0, &call("note_77"));
            text("{}")
        }),
    )
    .await;
    says(&fields, &[("otel.name", "tools/call"), ("gen_ai.tool.name", "note_77")]);
    // Known and refused.
    let fields = span_of(
        Request::new(()),
        gate(|request| {
            sign_in(request, &call("get_notes"));
            refuse(deny(request, 0, "get_notes"))
        }),
    )
    .await;
    says(&fields, &[("otel.name", "tools/call get_notes"), ("portcullis.reason", "default_deny")]);
}

#[tokio::test]
async fn resources_are_told_on_demand_and_without_their_secrets() {
    let reading = || {
        gate(|request| {
            let uri = "https://bob:pw@files.example/a/b?token=secret#x";
            let message = message(Method::ResourcesRead, Some((TargetKind::Resource, uri)), "{}");
            sign_in(request, &message);
            allow(request, 0, &message);
            text("{}")
        })
    };
    let fields = span_of(Request::new(()), reading()).await;
    assert!(!fields.contains_key("mcp.resource.uri"));
    let keeper = Keeper::default();
    seen_by(&keeper, WatchLayer::resource_uris, Request::new(()), reading()).await;
    says(&keeper.only(), &[("mcp.resource.uri", "https://files.example/a/b")]);
    for secret in ["bob", "pw", "secret"] {
        assert!(!format!("{:?}", keeper.only()).contains(secret), "{secret}");
    }
}

#[derive(Clone, Default)]
struct Joins(Arc<Mutex<Vec<String>>>);

impl Join for Joins {
    fn by_header(&self, _: &tracing::Span, context: &TraceContext) {
        self.0.lock().unwrap().push(format!("header {context:?}"));
    }

    fn by_message(&self, _: &tracing::Span, context: &TraceContext) {
        self.0.lock().unwrap().push(format!("message {context:?}"));
    }
}

#[tokio::test]
async fn contexts_of_clients_are_handed_to_who_joins() {
    let other = PARENT.replace("4bf9", "aaaa");
    let raw = format!(r#"{{"id":1,"params":{{"_meta":{{"traceparent":"{other}"}}}}}}"#);
    let speaking = move || {
        let raw = raw.clone();
        gate(move |request| {
            tracing::info!("inside the span of the request");
            let message = message(Method::ToolsCall, Some((TargetKind::Tool, "get_notes")), &raw);
            sign_in(request, &message);
            allow(request, 0, &message);
            text("{}")
        })
    };
    let (joins, keeper) = (Joins::default(), Keeper::default());
    let request = with_headers(&[("traceparent", PARENT)]);
    let join = joins.clone();
    seen_by(&keeper, |watch| watch.join(join), request, speaking()).await;
    assert_eq!(*joins.0.lock().unwrap(), [format!("header {PARENT}"), format!("message {other}")]);
    // The message's own context is the later one, and the conventions prefer it.
    says(&keeper.only(), &[("portcullis.client_trace_id", &other[3..35])]);
    assert_eq!(*keeper.events_inside.lock().unwrap(), 1, "events belong to the span");

    let joins = Joins::default();
    let request = with_headers(&[("traceparent", "00-nonsense-x-01")]);
    let join = joins.clone();
    let keeper = Keeper::default();
    seen_by(&keeper, |watch| watch.join(join), request, gate(|_| text("{}"))).await;
    assert!(joins.0.lock().unwrap().is_empty(), "what is not valid is no context");
}

#[tokio::test]
async fn nobody_listening_costs_no_span() {
    let telemetry = Telemetry::new();
    let watch = telemetry.layer("notes").join(Joins::default());
    let request = with_headers(&[("traceparent", PARENT)]);
    let answer = watch.layer(gate(|_| text("{}"))).oneshot(request).await.unwrap();
    answer.into_body().collect().await.unwrap();
}
