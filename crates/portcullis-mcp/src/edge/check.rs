//! What the edge refuses.

use http::{HeaderMap, HeaderValue, Method, Uri, Version, header};
use portcullis_core::{Denial, Reason};

use super::authority::{Authority, Origin};
use super::layer::EdgeConfig;

/// The head of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
    pub(crate) version: Version,
    pub(crate) headers: &'a HeaderMap,
}

/// The verdict, with the origin to which CORS headers are due, refused or not.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) origin: Option<HeaderValue>,
    pub(crate) outcome: Result<Pass, Denial>,
}

/// How a request passes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pass {
    /// To the service.
    Forward,
    /// It is a CORS preflight, answered here.
    Preflight,
}

/// Checks the head, in the order of requirements 0.3.
pub(crate) fn check(config: &EdgeConfig, head: Head<'_>) -> Verdict {
    let origin = framing(head.headers)
        .and_then(|()| within_limits(config, head.headers))
        .and_then(|()| host(config, head))
        .and_then(|host| origin(config, head.headers, host));
    match origin {
        Err(denial) => Verdict { origin: None, outcome: Err(denial) },
        Ok(origin) => {
            let outcome = if !is_endpoint(config, head.uri) {
                Err(Denial::not_found())
            } else if is_preflight(head) {
                Ok(Pass::Preflight)
            } else {
                Ok(Pass::Forward)
            };
            Verdict { origin: origin.cloned(), outcome }
        }
    }
}

/// Refuses lengths that another server could read differently, and codings of the message that nobody took
/// off (RFC 9112 §6.1, §7). The HTTP server in front should have; this is for those that do not.
fn framing(headers: &HeaderMap) -> Result<(), Denial> {
    let lengths = headers.get_all(header::CONTENT_LENGTH).iter().count();
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let chunked = match (codings.next(), codings.next()) {
        (None, _) => false,
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => true,
        _ => return Err(Denial::bad_http(Reason::BadFraming)),
    };
    if lengths > 1 || lengths == 1 && chunked {
        return Err(Denial::bad_http(Reason::BadFraming));
    }
    Ok(())
}

fn within_limits(config: &EdgeConfig, headers: &HeaderMap) -> Result<(), Denial> {
    let limits = &config.limits;
    let mut bytes = 0;
    let mut long = false;
    for (name, value) in headers {
        bytes += name.as_str().len() + value.len() + 4; // The colon, a space and the line end.
        long |= value.len() > limits.mcp_header && name.as_str().starts_with("mcp-");
    }
    if long || bytes > limits.header_bytes || headers.len() > limits.header_fields {
        return Err(Denial::headers_too_large());
    }
    Ok(())
}

/// The host that the request is for, if it is allowed.
fn host<'h>(config: &EdgeConfig, head: Head<'h>) -> Result<Authority<'h>, Denial> {
    let bad = || Denial::bad_http(Reason::BadHost);
    let mut fields = head.headers.get_all(header::HOST).iter();
    let field = fields.next();
    if fields.next().is_some() {
        return Err(bad());
    }
    // Before HTTP/2 the field is mandatory, whatever the request target says (RFC 9112 section 3.2).
    if field.is_none() && head.version < Version::HTTP_2 {
        return Err(bad());
    }
    let field = field.map(|field| field.to_str().ok().and_then(Authority::parse));
    let target = head.uri.authority().map(|target| Authority::parse(target.as_str()));
    let default = config.scheme.default_port();
    let host = match (field, target) {
        (Some(Some(field)), Some(Some(target))) if !field.is(&target, default) => {
            return Err(bad());
        }
        (Some(host), None) | (None | Some(Some(_)), Some(host)) => host,
        // A field that is no host, beside a request target that has one.
        (Some(None), Some(_)) => None,
        (None, None) => return Err(bad()),
    };
    host.filter(|host| {
        config.hosts.iter().any(|allowed| allowed.is(host, default))
            || config.loopback && host.is_loopback()
    })
    .ok_or_else(Denial::host)
}

/// The origin, if there is one and it is allowed: a configured one, or the one that the
/// request is for.
fn origin<'h>(
    config: &EdgeConfig,
    headers: &'h HeaderMap,
    host: Authority<'_>,
) -> Result<Option<&'h HeaderValue>, Denial> {
    let mut fields = headers.get_all(header::ORIGIN).iter();
    let Some(field) = fields.next() else { return Ok(None) };
    if fields.next().is_some() {
        return Err(Denial::origin());
    }
    let origin = field.to_str().ok().and_then(Origin::parse).ok_or_else(Denial::origin)?;
    let own = Origin::new(config.scheme, host);
    if own.is(&origin) || config.origins.iter().any(|allowed| allowed.is(&origin)) {
        Ok(Some(field))
    } else {
        Err(Denial::origin())
    }
}

/// Whether the path is the endpoint's, byte for byte. The query does not count.
fn is_endpoint(config: &EdgeConfig, uri: &Uri) -> bool {
    if config.nested { matches!(uri.path(), "" | "/") } else { uri.path() == config.path }
}

fn is_preflight(head: Head<'_>) -> bool {
    head.method == Method::OPTIONS
        && head.headers.contains_key(header::ORIGIN)
        && head.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}
