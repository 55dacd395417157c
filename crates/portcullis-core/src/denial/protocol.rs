//! Refusals of JSON-RPC, versions and sessions (recipes 4.4, 4.10, 4.11).

use http::StatusCode;

use super::{Body, Denial, DenialKind};
use crate::rejection::json_string;
use crate::{Era, Reason, Text, Version};

/// JSON-RPC, versions and sessions (recipes 4.4, 4.10, 4.11).
impl Denial {
    /// 400 `-32700`: not JSON (recipe 4.11).
    #[must_use]
    pub fn parse_error() -> Self {
        Self::rpc(
            DenialKind::Malformed,
            Reason::BadJson,
            StatusCode::BAD_REQUEST,
            None,
            (-32700, "Parse error", None),
        )
        .no_store()
    }

    /// 400 `-32600`: JSON, but not a message that may be sent here (recipe 4.11).
    #[must_use]
    pub fn invalid_request(reason: Reason) -> Self {
        Self::rpc(
            DenialKind::Malformed,
            reason,
            StatusCode::BAD_REQUEST,
            None,
            (-32600, "Invalid Request", None),
        )
        .no_store()
    }

    /// 400 `-32602` for parameters that are missing or of the wrong type. `what` is a fixed phrase,
    /// never a client's text.
    #[must_use]
    pub fn invalid_params(id: &Text, what: &'static str, reason: Reason) -> Self {
        Self::rpc(
            DenialKind::Malformed,
            reason,
            StatusCode::BAD_REQUEST,
            Some(id),
            (-32602, &format!("Invalid params: {what}"), None),
        )
        .no_store()
    }

    /// 400 `-32020` (recipe 4.4). `what` is a fixed phrase; the two values are never echoed.
    #[must_use]
    pub fn header_mismatch(id: Option<&Text>, what: &'static str) -> Self {
        Self::rpc(
            DenialKind::HeaderMismatch,
            Reason::HeaderMismatch,
            StatusCode::BAD_REQUEST,
            id,
            (-32020, &format!("Header mismatch: {what}"), None),
        )
        .no_store()
    }

    /// 400 `-32022` with the versions that are supported (recipe 4.11, R-040). The client's string
    /// is echoed up to 64 characters.
    #[must_use]
    pub fn unsupported_version(id: Option<&Text>, requested: &str, supported: &[Version]) -> Self {
        Self::version_error(id, "Unsupported protocol version", requested, supported)
    }

    /// 400 `-32022` for `initialize` at an endpoint without sessions (recipe 4.11, R-042).
    #[must_use]
    pub fn no_handshake(id: &Text, requested: &str, supported: &[Version]) -> Self {
        let names: Vec<_> = supported.iter().map(|version| version.as_str()).collect();
        let message = format!(
            "Unsupported protocol version. This server supports only {} (no initialize handshake)",
            names.join(", ")
        );
        Self::version_error(Some(id), &message, requested, supported)
    }

    fn version_error(
        id: Option<&Text>,
        message: &str,
        requested: &str,
        supported: &[Version],
    ) -> Self {
        let requested: String = requested.chars().take(64).collect();
        let supported: Vec<_> = supported.iter().map(|version| format!("\"{version}\"")).collect();
        let data = format!(
            r#"{{"supported":[{}],"requested":{}}}"#,
            supported.join(","),
            json_string(&requested)
        );
        Self::rpc(
            DenialKind::Version,
            Reason::BadVersion,
            StatusCode::BAD_REQUEST,
            id,
            (-32022, message, Some(&data)),
        )
        .no_store()
    }

    /// 400 for a version header that differs from what the session negotiated (recipe 4.11, R-041).
    #[must_use]
    pub fn not_negotiated(id: Option<&Text>, negotiated: Version) -> Self {
        Self::rpc(
            DenialKind::Version,
            Reason::BadVersion,
            StatusCode::BAD_REQUEST,
            id,
            (
                -32600,
                &format!("MCP-Protocol-Version does not match the negotiated version {negotiated}"),
                None,
            ),
        )
        .no_store()
    }

    /// 400 `-32602` for a `_meta` member that a modern request must have (recipe 4.11, R-038).
    #[must_use]
    pub fn missing_meta(id: &Text, member: &'static str) -> Self {
        Self::rpc(
            DenialKind::Version,
            Reason::BadMeta,
            StatusCode::BAD_REQUEST,
            Some(id),
            (-32602, &format!("Invalid params: missing _meta field {member}"), None),
        )
        .no_store()
    }

    /// 400 `-32021` for a request that needs a capability of its client's which it does not declare
    /// (R-063). `capabilities` is a JSON object shaped like the client's own declaration.
    #[must_use]
    pub fn undeclared_capability(id: &Text, capabilities: &'static str) -> Self {
        Self::missing_capability(Version::V2026_07_28, Some(id), capabilities)
            .change(|inner| inner.kind = DenialKind::Version)
            .because(Reason::BadMeta)
    }

    /// A method that this revision does not have: 404 in the modern era, in-band in the legacy one,
    /// where a 404 would end the session (recipe 4.11).
    #[must_use]
    pub fn unknown_method(id: &Text, era: Era) -> Self {
        let status = match era {
            Era::Legacy => StatusCode::OK,
            Era::Modern => StatusCode::NOT_FOUND,
        };
        Self::rpc(
            DenialKind::UnknownMethod,
            Reason::UnknownMethod,
            status,
            Some(id),
            (-32601, "Method not found", None),
        )
        .no_store()
    }

    /// 404 for a session that is unknown, ended, forged or somebody else's: the same bytes for all
    /// (recipe 4.10, R-433).
    #[must_use]
    pub fn session_not_found(reason: Reason) -> Self {
        Self::new(
            DenialKind::Session,
            reason,
            StatusCode::NOT_FOUND,
            Body::Plain("Session not found"),
        )
        .no_store()
    }

    /// 400 for a request without the session id it needs (recipe 4.10).
    #[must_use]
    pub fn session_required(id: Option<&Text>) -> Self {
        Self::rpc(
            DenialKind::Session,
            Reason::SessionRequired,
            StatusCode::BAD_REQUEST,
            id,
            (-32600, "Mcp-Session-Id header required", None),
        )
        .no_store()
    }
}
