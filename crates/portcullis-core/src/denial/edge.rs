//! Refusals of the HTTP edge (recipes 4.5 to 4.9).

use http::{HeaderName, HeaderValue, StatusCode, header};

use super::{Body, Denial, DenialKind};
use crate::Reason;

/// The HTTP edge (recipes 4.5 to 4.9).
impl Denial {
    /// 403 for an `Origin` that is not allowed (recipe 4.5).
    #[must_use]
    pub fn origin() -> Self {
        Self::rpc(
            DenialKind::Edge,
            Reason::BadOrigin,
            StatusCode::FORBIDDEN,
            None,
            (-32600, "Origin not allowed", None),
        )
        .no_store()
    }

    /// 403 for a `Host` that is not allowed (recipe 4.5).
    #[must_use]
    pub fn host() -> Self {
        Self::rpc(
            DenialKind::Edge,
            Reason::BadHost,
            StatusCode::FORBIDDEN,
            None,
            (-32600, "Host not allowed", None),
        )
        .no_store()
    }

    /// 400 for a request that HTTP itself does not allow: no `Host`, two of them, an authority
    /// that contradicts it.
    #[must_use]
    pub fn bad_http(reason: Reason) -> Self {
        Self::rpc(
            DenialKind::Malformed,
            reason,
            StatusCode::BAD_REQUEST,
            None,
            (-32600, "Invalid Request", None),
        )
        .no_store()
    }

    /// 404 for a path where no MCP endpoint is. Not JSON-RPC: the body is unread.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(
            DenialKind::NotFound,
            Reason::BadPath,
            StatusCode::NOT_FOUND,
            Body::Plain("Not found"),
        )
        .no_store()
    }

    /// 431 for headers past the limits.
    #[must_use]
    pub fn headers_too_large() -> Self {
        Self::rpc(
            DenialKind::Malformed,
            Reason::TooLarge,
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            None,
            (-32600, "Request header fields too large", None),
        )
        .no_store()
    }

    /// 413 for a body past the limit (recipe 4.6).
    #[must_use]
    pub fn body_too_large() -> Self {
        Self::rpc(
            DenialKind::Malformed,
            Reason::TooLarge,
            StatusCode::PAYLOAD_TOO_LARGE,
            None,
            (-32600, "Request body too large", None),
        )
        .with(header::CONNECTION, HeaderValue::from_static("close"))
    }

    /// 408 for a body that does not arrive in time (recipe 4.6).
    #[must_use]
    pub fn body_too_slow() -> Self {
        Self::rpc(
            DenialKind::Malformed,
            Reason::TooSlow,
            StatusCode::REQUEST_TIMEOUT,
            None,
            (-32600, "Request body timeout", None),
        )
        .with(header::CONNECTION, HeaderValue::from_static("close"))
    }

    /// 415 for a `Content-Type` other than `application/json` (recipe 4.7).
    #[must_use]
    pub fn content_type() -> Self {
        Self::rpc(
            DenialKind::Malformed,
            Reason::BadMedia,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            None,
            (-32600, "Content-Type must be application/json", None),
        )
        .with(HeaderName::from_static("accept-post"), HeaderValue::from_static("application/json"))
    }

    /// 415 for a content coding (recipe 4.7).
    #[must_use]
    pub fn content_encoding() -> Self {
        Self::rpc(
            DenialKind::Malformed,
            Reason::BadMedia,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            None,
            (-32600, "Content-Encoding not supported", None),
        )
        .with(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))
    }

    /// 406 for an `Accept` that leaves out a type the answer may have (recipe 4.8).
    #[must_use]
    pub fn not_acceptable() -> Self {
        Self::rpc(
            DenialKind::Malformed,
            Reason::BadMedia,
            StatusCode::NOT_ACCEPTABLE,
            None,
            (-32600, "Accept must include application/json and text/event-stream", None),
        )
    }

    /// 405 with the methods that are offered (recipe 4.9).
    #[must_use]
    pub fn method_not_allowed(allow: &'static str) -> Self {
        Self::new(
            DenialKind::Malformed,
            Reason::BadHttpMethod,
            StatusCode::METHOD_NOT_ALLOWED,
            Body::Empty,
        )
        .with(header::ALLOW, HeaderValue::from_static(allow))
    }
}
