//! What web pages of allowed origins are told (R-007, R-008; Fetch standard, "CORS protocol").

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use portcullis_core::GateBody;

use super::layer::EdgeConfig;

const EXPOSED: HeaderValue = HeaderValue::from_static(
    "WWW-Authenticate, Mcp-Session-Id, MCP-Protocol-Version, DPoP-Nonce, Retry-After",
);

/// The request headers that a page may send, beside `mcp-param-…`.
const ALLOWED: &[&str] = &[
    "authorization",
    "content-type",
    "accept",
    "dpop",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
    "mcp-method",
    "mcp-name",
];

/// The answer to a preflight (recipe 4.16).
pub(crate) fn preflight<B>(
    config: &EdgeConfig,
    origin: HeaderValue,
    asked: &HeaderMap,
) -> Response<GateBody<B>> {
    let mut response = Response::new(GateBody::own(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, config.methods.clone());
    if let Some(allowed) = allowed(asked) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    }
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    let vary = HeaderValue::from_static("Origin, Access-Control-Request-Headers");
    headers.insert(header::VARY, vary);
    response
}

/// Those of the headers asked for that a page may send.
fn allowed(asked: &HeaderMap) -> Option<HeaderValue> {
    let names = asked.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS).iter();
    let names = names.flat_map(|names| names.to_str().unwrap_or_default().split(','));
    let names = names.map(|name| name.trim().to_ascii_lowercase());
    let allowed: Vec<_> = names
        .filter(|name| {
            ALLOWED.contains(&name.as_str())
                || name.strip_prefix("mcp-param-").is_some_and(|rest| {
                    !rest.is_empty() && http::HeaderName::from_bytes(rest.as_bytes()).is_ok()
                })
        })
        .collect();
    if allowed.is_empty() { None } else { HeaderValue::from_str(&allowed.join(", ")).ok() }
}

/// Puts the CORS headers of an answer right: the service's own are removed, because only the edge
/// knows which origins are allowed, and `origin` gets those it is due.
pub(crate) fn finish(headers: &mut HeaderMap, origin: Option<HeaderValue>) {
    let is_cors = |name: &&http::HeaderName| name.as_str().starts_with("access-control-");
    if headers.keys().any(|name| is_cors(&name)) {
        let foreign: Vec<_> = headers.keys().filter(is_cors).cloned().collect();
        for name in foreign {
            headers.remove(name);
        }
    }
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
}
