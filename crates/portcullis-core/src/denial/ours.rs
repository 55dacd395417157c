//! Trouble on our side (recipe 4.16).

use std::time::Duration;

use http::{HeaderValue, StatusCode, header};

use super::{Denial, DenialKind};
use crate::{Era, Reason, Text, Version};

/// Trouble on our side (recipe 4.16).
impl Denial {
    /// 429 with `-31429` (recipe 4.16).
    #[must_use]
    pub fn rate_limited(id: Option<&Text>, retry_after: Duration) -> Self {
        Self::rpc(
            DenialKind::RateLimited,
            Reason::RateLimited,
            StatusCode::TOO_MANY_REQUESTS,
            id,
            (-31429, "Too many requests", None),
        )
        .with(header::RETRY_AFTER, HeaderValue::from(retry_after.as_secs()))
        .no_store()
    }

    /// 503 for requests that are too many where 429 must not be said (R-087), or of which nobody
    /// knows whether they are.
    #[must_use]
    pub fn overloaded(id: Option<&Text>, retry_after: Duration) -> Self {
        Self::rpc(
            DenialKind::Overloaded,
            Reason::RateLimited,
            StatusCode::SERVICE_UNAVAILABLE,
            id,
            (-32603, "Temporarily unavailable", None),
        )
        .with(header::RETRY_AFTER, HeaderValue::from(retry_after.as_secs()))
        .no_store()
    }

    /// 502 for a service that failed or broke the protocol (recipe 4.16, R-086).
    #[must_use]
    pub fn upstream(id: Option<&Text>) -> Self {
        Self::rpc(
            DenialKind::Upstream,
            Reason::UpstreamError,
            StatusCode::BAD_GATEWAY,
            id,
            (-32603, "Upstream error", None),
        )
        .no_store()
    }

    /// 504 for a service that took too long (R-086).
    #[must_use]
    pub fn upstream_timeout(id: Option<&Text>) -> Self {
        Self::rpc(
            DenialKind::Upstream,
            Reason::UpstreamError,
            StatusCode::GATEWAY_TIMEOUT,
            id,
            (-32603, "Upstream timed out", None),
        )
        .no_store()
    }

    /// 503 for a service that says that it cannot answer now, or is being started (R-086).
    #[must_use]
    pub fn upstream_unavailable(id: Option<&Text>, retry_after: Duration) -> Self {
        Self::rpc(
            DenialKind::Upstream,
            Reason::UpstreamError,
            StatusCode::SERVICE_UNAVAILABLE,
            id,
            (-32603, "Upstream temporarily unavailable", None),
        )
        .with(header::RETRY_AFTER, HeaderValue::from(retry_after.as_secs()))
        .no_store()
    }

    /// For an answer that needs client capabilities which the client did not declare (R-063, R-080): 400
    /// `-32021`, and in legacy versions, which do not have that code, 200 `-32600` (R-062). `capabilities` is a
    /// JSON object shaped like the client's own declaration.
    #[must_use]
    pub fn missing_capability(
        version: Version,
        id: Option<&Text>,
        capabilities: &'static str,
    ) -> Self {
        let data = format!(r#"{{"requiredCapabilities":{capabilities}}}"#);
        let (status, code) = match version.era() {
            Era::Legacy => (StatusCode::OK, -32600),
            Era::Modern => (StatusCode::BAD_REQUEST, -32021),
        };
        Self::rpc(
            DenialKind::Upstream,
            Reason::UpstreamError,
            status,
            id,
            (code, "Missing required client capability", Some(&data)),
        )
        .no_store()
    }

    /// 503 for a decision that could not be recorded (R-267).
    #[must_use]
    pub fn audit_unavailable(id: Option<&Text>) -> Self {
        Self::rpc(
            DenialKind::AuditUnavailable,
            Reason::AuditUnavailable,
            StatusCode::SERVICE_UNAVAILABLE,
            id,
            (-32603, "Temporarily unavailable", None),
        )
        .with(header::RETRY_AFTER, HeaderValue::from_static("5"))
        .no_store()
    }

    /// 503 for a hook that failed, without which nothing may pass.
    #[must_use]
    pub fn hook_failed(id: Option<&Text>) -> Self {
        Self::rpc(
            DenialKind::HookFailed,
            Reason::HookFailed,
            StatusCode::SERVICE_UNAVAILABLE,
            id,
            (-32603, "Temporarily unavailable", None),
        )
        .with(header::RETRY_AFTER, HeaderValue::from_static("5"))
        .no_store()
    }

    /// 500 for a stack with a layer missing. `what` goes to the error log, never to the client.
    #[must_use]
    pub fn miswired(what: &'static str) -> Self {
        tracing::error!(target: "portcullis", "miswired stack: {what}");
        Self::rpc(
            DenialKind::Miswired,
            Reason::Miswired,
            StatusCode::INTERNAL_SERVER_ERROR,
            None,
            (-32603, "Internal error", None),
        )
        .no_store()
    }
}
