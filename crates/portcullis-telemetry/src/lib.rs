//! Metrics, health checks and traces for gates in front of MCP servers, as tower middleware.
//!
//! [`Telemetry`] holds the numbers of a process. Its [`layer`](Telemetry::layer) goes around a gate
//! and watches: how many requests there are and what comes of them, what was decided and why, how
//! long that took. Sources ([`Telemetry::watch`]) say how it stands with keys, policy and audit sinks.
//! [`Health`] answers probes and Prometheus; a meter of OpenTelemetry gets the same numbers.
//!
//! ```
//! use http::{Request, Response};
//! use portcullis_core::{Challenge, Denial, GateBody};
//! use portcullis_telemetry::Telemetry;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let telemetry = Telemetry::new();
//!
//! // Stands for a gate that refuses everyone.
//! let challenge = Challenge::new("https://mcp.example.com/.well-known/oauth-protected-resource", ["mcp:read"])?;
//! let gate = service_fn(move |_: Request<()>| {
//!     let response = Denial::no_token(&challenge).into_response::<GateBody<http_body_util::Empty<_>>>();
//!     async move { Ok::<Response<_>, std::convert::Infallible>(response) }
//! });
//! let service = ServiceBuilder::new().layer(telemetry.layer("notes")).service(gate);
//!
//! let response = service.oneshot(Request::new(())).await?;
//! http_body_util::BodyExt::collect(response.into_body()).await?;
//! let metrics = telemetry.metrics_text();
//! assert!(metrics.contains(r#"portcullis_requests_total{route="notes",outcome="unauthenticated",status="401"} 1"#));
//! # Ok(())
//! # }
//! ```
//!
//! # Metrics
//! [`METRICS`] lists them, with their labels. Labels are words of this gate's own, or of its
//! configuration: routes, issuers, sinks, and tools that policy spells out ([`Telemetry::tools`]).
//! Nothing of a request becomes a label, so that no client can make time series, and nobody's identity
//! is one (R-273).
//!
//! An identity regression does not look like an outage: `portcullis_requests_total` has the outcomes
//! `unauthenticated` (401) and `forbidden` (403) apart from `gate_error` and `service_error` (5xx).
//!
//! Why not the instruments of OpenTelemetry or of a Prometheus client: what a request pays is a few
//! atomic additions, the text format is three kinds of lines, and both libraries change more often
//! than this should. With the feature `opentelemetry`, `Telemetry::export_to` reads the same
//! numbers for OTLP.
//!
//! # Health
//! [`Health`] answers `/live`, `/ready` and `/metrics`. Not ready: [`Unready`]. Trouble ahead of time:
//! [`Warning`]. Both are in the body of `/ready`, and in metrics.
//!
//! # Traces
//! Each request is one span of `tracing`, target `portcullis::request`, with the attributes that
//! OpenTelemetry's conventions for MCP name: `mcp.method.name`, `mcp.protocol.version`,
//! `gen_ai.tool.name`, `gen_ai.prompt.name`, `jsonrpc.request.id`, `rpc.response.status_code`,
//! `http.response.status_code`, `error.type`, and `mcp.session.id` by another name: with the id itself
//! its reader could use the session.
//! `portcullis.route`, `portcullis.decision`, `portcullis.reason` and `portcullis.rule` say what the gate did. There is no
//! token, argument, result or person in it, and no name of a tool, prompt or resource that policy neither knows nor allowed.
//!
//! The trace context of the client, in the headers `traceparent` and `tracestate` or in
//! `params._meta` (SEP-414), is unverified: by default it is only said. [`WatchLayer::join`] joins
//! traces; with the feature `tracing-opentelemetry`, `OtelJoin` links them, or lets the client's be
//! the parent.
//!
//! # What it refuses by default
//! Nothing: it watches. `/ready` says no when nothing is watched, no issuer's keys are usable or an
//! audit sink does not take records.
//!
//! # What it does not do
//! It records no audit trail: metrics may be lost and traces may be sampled. It exports nothing by
//! itself, and serves health checks without TLS and sign-in.
//!
//! # Where to put it
//! [`WatchLayer`] outside everything, also outside `portcullis-audit`; [`StopwatchLayer`] directly
//! around the service behind the gate. [`Health`] on a listener of its own. The `portcullis` crate's
//! feature `telemetry` connects a whole gate.
//!
//! # Features
#![cfg_attr(feature = "document-features", doc = document_features::document_features!())]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod body;
mod certificate;
mod export;
mod eye;
mod family;
mod future;
mod health;
mod instrument;
mod join;
mod layer;
mod meta;
#[cfg(feature = "opentelemetry")]
mod otel;
#[cfg(feature = "tracing-opentelemetry")]
mod otel_join;
mod ready;
mod report;
mod route;
#[cfg(feature = "serve")]
mod serve;
mod service;
mod span;
mod stopwatch;
mod telemetry;
mod text;
mod tools;
mod trace_context;
mod words;

pub use body::WatchBody;
pub use certificate::CertificateFile;
pub use family::{METRICS, Metric, MetricKind};
pub use future::ResponseFuture;
pub use health::Health;
pub use join::Join;
pub use layer::WatchLayer;
#[cfg(feature = "tracing-opentelemetry")]
pub use otel_join::OtelJoin;
pub use ready::{Finding, Readiness, Unready, Warning};
pub use report::{AuditSink, Expiry, ExpiryKind, Keys, Policy, Report, Roster, Source, TokenCache};
pub use service::Watch;
pub use stopwatch::{Stopwatch, StopwatchFuture, StopwatchLayer};
pub use telemetry::{Telemetry, TelemetryBuilder};
pub use tools::ToolNames;
pub use trace_context::TraceContext;
pub use words::label_words;
