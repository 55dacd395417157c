//! The span of a request, by OpenTelemetry's conventions for MCP.

use http::header::HeaderMap;
use portcullis_core::{McpMessage, TargetKind};
use portcullis_crypto::sha256;
use tracing::{Span, field};

use crate::TraceContext;
use crate::trace_context::hex;
use crate::words::Asked;

/// The longest text of a client's that gets into a span.
const MAX_TEXT: usize = 256;

/// Opens the span of a request. Fields that nobody knows yet are empty.
pub(crate) fn open(route: &str, headers: &HeaderMap) -> Span {
    let span = tracing::info_span!(
        target: "portcullis::request",
        "mcp",
        otel.name = field::Empty,
        otel.kind = "server",
        otel.status_code = field::Empty,
        portcullis.route = route,
        portcullis.request_id = field::Empty,
        portcullis.decision = field::Empty,
        portcullis.reason = field::Empty,
        portcullis.rule = field::Empty,
        portcullis.client_trace_id = field::Empty,
        portcullis.client_span_id = field::Empty,
        mcp.method.name = field::Empty,
        mcp.protocol.version = field::Empty,
        mcp.session.id = field::Empty,
        mcp.resource.uri = field::Empty,
        gen_ai.operation.name = field::Empty,
        gen_ai.tool.name = field::Empty,
        gen_ai.prompt.name = field::Empty,
        jsonrpc.request.id = field::Empty,
        rpc.response.status_code = field::Empty,
        http.response.status_code = field::Empty,
        error.type = field::Empty,
        network.transport = "tcp",
        network.protocol.name = "http",
    );
    if !span.is_disabled()
        && let Some(session) = headers.get("mcp-session-id")
    {
        span.record("mcp.session.id", session_name(session.as_bytes()));
    }
    span
}

/// A name for a session: its id would let whoever reads it into the session.
fn session_name(id: &[u8]) -> String {
    let digest = sha256(id);
    hex(digest.first_chunk::<8>().map_or(&[], |half| half.as_slice()))
}

/// Says what audit records call the request.
pub(crate) fn recorded_as(span: &Span, id: [u8; 16]) {
    if span.is_disabled() {
        return;
    }
    let digits = hex(&id);
    let mut text = String::with_capacity(36);
    for (at, digit) in digits.chars().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    span.record("portcullis.request_id", text);
}

/// Says where the client says the request belongs.
pub(crate) fn client_context(span: &Span, context: &TraceContext) {
    span.record("portcullis.client_trace_id", hex(&context.trace_id()));
    span.record("portcullis.client_span_id", hex(&context.parent_id()));
}

/// Says what is asked, as far as it is the protocol's words. Names follow when policy has decided.
pub(crate) fn asked(span: &Span, asked: Asked, message: &McpMessage) {
    span.record("mcp.method.name", asked.as_str());
    if let McpMessage::Request(request) = message {
        span.record("mcp.protocol.version", request.version().as_str());
        if let Some(id) = plain(request.id().as_str().trim_matches('"')) {
            span.record("jsonrpc.request.id", id);
        }
    }
    if asked.as_str() == "tools/call" {
        span.record("gen_ai.operation.name", "execute_tool");
    }
}

/// Says on what: only what policy knows or has allowed, so that nobody fills traces with made-up
/// names.
pub(crate) fn target(span: &Span, kind: TargetKind, name: &str) {
    let Some(name) = plain(name) else { return };
    match kind {
        TargetKind::Tool => {
            span.record("gen_ai.tool.name", name);
        }
        TargetKind::Prompt => {
            span.record("gen_ai.prompt.name", name);
        }
        _ => {}
    }
}

/// Says which resource, without what may be secret in its URI: userinfo, query and fragment.
pub(crate) fn resource(span: &Span, uri: &str) {
    let bare = uri.split(['?', '#']).next().unwrap_or_default();
    let bare = match bare.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        None => bare.to_owned(),
    };
    if let Some(uri) = plain(&bare) {
        span.record("mcp.resource.uri", uri);
    }
}

/// Text that can neither forge a line nor deceive who reads it.
fn plain(text: &str) -> Option<&str> {
    let good = text.len() <= MAX_TEXT && text.bytes().all(|c| c == b' ' || c.is_ascii_graphic());
    (good && !text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_another_name() {
        let name = session_name(b"secret");
        assert_eq!(name, "2bb80d537b1da3e3", "the start of its SHA-256");
        assert_ne!(name, session_name(b"secreu"));
    }

    #[test]
    fn only_plain_text_gets_into_spans() {
        let long = "x".repeat(257);
        let rows = [
            ("a name", "get_notes", true),
            ("two words", "get notes", true),
            ("a line", "a\nb", false),
            ("a colour", "\u{1b}[31m", false),
            ("another direction", "a\u{202e}b", false),
            ("too long", &long, false),
            ("nothing", "", false),
        ];
        for (name, text, good) in rows {
            assert_eq!(plain(text).is_some(), good, "{name}");
        }
    }
}
