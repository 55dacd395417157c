//! Joins spans through `tracing-opentelemetry`.

use opentelemetry::Context;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::{Join, TraceContext};

/// Joins spans that `tracing-opentelemetry` exports; see
/// [`WatchLayer::join`](crate::WatchLayer::join).
///
/// By default the gate begins a trace of its own (or goes on with one that stands around it) and
/// links to the client's: a client cannot choose ids, and its sampling decides nothing here.
#[derive(Clone, Copy, Debug, Default)]
pub struct OtelJoin {
    parent: bool,
}

impl OtelJoin {
    /// Spans link to the client's trace.
    #[must_use]
    pub fn linked() -> Self {
        Self::default()
    }

    /// Spans belong to the client's trace, as the header `traceparent` says; a context in
    /// `params._meta` comes too late for that and is linked to.
    ///
    /// Any client can then make the gate's spans part of any trace, and decide whether they are
    /// recorded. For clients that you run, or behind an ingress that sets the header on every
    /// request.
    #[must_use]
    pub fn danger_parent_by_client() -> Self {
        Self { parent: true }
    }
}

impl Join for OtelJoin {
    fn by_header(&self, span: &Span, context: &TraceContext) {
        let remote = remote(context);
        if self.parent {
            // An error says that the span is of no interest to the exporter.
            let _ = span.set_parent(Context::new().with_remote_span_context(remote));
        } else {
            span.add_link(remote);
        }
    }

    fn trace_id(&self, span: &Span) -> Option<[u8; 16]> {
        let context = span.context();
        let context = context.span().span_context().clone();
        (context.is_valid() && context.is_sampled()).then(|| context.trace_id().to_bytes())
    }

    fn by_message(&self, span: &Span, context: &TraceContext) {
        span.add_link(remote(context));
    }

    fn named(&self, span: &Span, name: &str) {
        span.context().span().update_name(name.to_owned());
    }
}

fn remote(context: &TraceContext) -> SpanContext {
    let state = context.state().and_then(|state| state.parse().ok());
    SpanContext::new(
        TraceId::from_bytes(context.trace_id()),
        SpanId::from_bytes(context.parent_id()),
        if context.is_sampled() { TraceFlags::SAMPLED } else { TraceFlags::NOT_SAMPLED },
        true,
        state.unwrap_or(TraceState::NONE),
    )
}
