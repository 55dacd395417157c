//! How spans meet the client's trace.

use tracing::Span;

use crate::TraceContext;

/// Joins the span of a request to the trace that the client names.
///
/// `tracing` knows no traces of other processes, so this is for whoever exports its spans: with the
/// feature `tracing-opentelemetry` there is `OtelJoin`. Without any, spans only say the client's
/// ids in `portcullis.client_trace_id` and `portcullis.client_span_id`.
pub trait Join: Send + Sync + 'static {
    /// The span of a request was made and not entered yet; `context` is from the header
    /// `traceparent`.
    fn by_header(&self, span: &Span, context: &TraceContext);

    /// The trace that the span belongs to, for audit records to name. Asked right after
    /// [`by_header`](Self::by_header), and also where there was none.
    fn trace_id(&self, span: &Span) -> Option<[u8; 16]> {
        let _ = span;
        None
    }

    /// The message that the request carries says `context` in `params._meta`. The span has begun.
    fn by_message(&self, span: &Span, context: &TraceContext);

    /// The request turned out to be `name`, such as `tools/call get_notes`. The span has begun; its
    /// field `otel.name` says so too, which exporters may not read any more.
    fn named(&self, span: &Span, name: &str) {
        let _ = (span, name);
    }
}
