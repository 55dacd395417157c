//! What the edge refuses.

use http::{HeaderMap, HeaderValue, Method, Uri, Version, header};
use portcullis_core::{Denial, Reason};

use super::authority::{Authority, Origin};
use super::layer::EdgeConfig;
use super::strip;
use crate::lines::Lines;

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
    /// Whether an HTTP/1 connection still carries a body when the answer goes out early.
    pub(crate) unread: bool,
    /// Whether there are headers that have no business inside.
    pub(crate) strip: bool,
}

/// How a request passes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pass {
    /// To the service.
    Forward,
    /// It is a CORS preflight, answered here.
    Preflight,
}

/// What one look at all headers shows.
#[derive(Default)]
struct Seen<'h> {
    length: Lines<'h>,
    host: Lines<'h>,
    origin: Lines<'h>,
    coding: Lines<'h>,
    /// Of all names and values, with what is between them.
    bytes: usize,
    /// One of MCP's is longer than it may be.
    long: bool,
    strip: bool,
}

impl<'h> Seen<'h> {
    fn of(config: &EdgeConfig, headers: &'h HeaderMap) -> Self {
        let mut seen = Self::default();
        for (name, value) in headers {
            let name = name.as_str();
            seen.bytes += name.len() + value.len() + 4; // The colon, a space and the line end.
            seen.long |= value.len() > config.limits.mcp_header && name.starts_with("mcp-");
            match name {
                "content-length" => seen.length.add(value),
                "host" => seen.host.add(value),
                "origin" => seen.origin.add(value),
                "transfer-encoding" => {
                    seen.coding.add(value);
                    seen.strip = true;
                }
                _ => seen.strip |= strip::is_stripped(name, config.keep_identity),
            }
        }
        seen
    }
}

/// Checks the head, in the order of requirements 0.3.
pub(crate) fn check(config: &EdgeConfig, head: Head<'_>) -> Verdict {
    let seen = Seen::of(config, head.headers);
    let has_length = seen.length.first().is_some_and(|length| length.as_bytes() != b"0");
    let unread = head.version <= Version::HTTP_11 && (has_length || seen.coding.first().is_some());
    let origin = framing(&seen)
        .and_then(|()| within_limits(config, &seen, head.headers))
        .and_then(|()| host(config, head, seen.host))
        .and_then(|host| origin(config, seen.origin, host));
    let (origin, outcome) = match origin {
        Err(denial) => (None, Err(denial)),
        Ok(origin) => {
            let outcome = if !is_endpoint(config, head.uri) {
                Err(Denial::not_found())
            } else if is_preflight(head, origin) {
                Ok(Pass::Preflight)
            } else {
                Ok(Pass::Forward)
            };
            (origin.cloned(), outcome)
        }
    };
    Verdict { origin, outcome, unread, strip: seen.strip }
}

/// Refuses lengths that another server could read differently, and codings of the message that nobody took
/// off (RFC 9112 §6.1, §7). The HTTP server in front should have; this is for those that do not.
fn framing(seen: &Seen<'_>) -> Result<(), Denial> {
    let chunked = match (seen.coding.first(), seen.coding.are_several()) {
        (None, _) => false,
        (Some(coding), false) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => true,
        _ => return Err(Denial::bad_http(Reason::BadFraming)),
    };
    if seen.length.are_several() || seen.length.first().is_some() && chunked {
        return Err(Denial::bad_http(Reason::BadFraming));
    }
    Ok(())
}

fn within_limits(config: &EdgeConfig, seen: &Seen<'_>, headers: &HeaderMap) -> Result<(), Denial> {
    let limits = &config.limits;
    if seen.long || seen.bytes > limits.header_bytes || headers.len() > limits.header_fields {
        return Err(Denial::headers_too_large());
    }
    Ok(())
}

/// The host that the request is for, if it is allowed.
fn host<'h>(
    config: &EdgeConfig,
    head: Head<'h>,
    field: Lines<'h>,
) -> Result<Authority<'h>, Denial> {
    let bad = || Denial::bad_http(Reason::BadHost);
    if field.are_several() {
        return Err(bad());
    }
    let field = field.first();
    // Before HTTP/2 the field is mandatory, whatever the request target says (RFC 9112 section 3.2).
    if field.is_none() && head.version < Version::HTTP_2 {
        return Err(bad());
    }
    // Nearly always one of ours, and spelt as we spell it.
    let usual = field.filter(|_| head.uri.authority().is_none()).and_then(|field| {
        let field = field.to_str().ok()?;
        config.hosts.iter().find_map(|allowed| allowed.spelt(field))
    });
    if let Some(host) = usual {
        return Ok(host);
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
    field: Lines<'h>,
    host: Authority<'_>,
) -> Result<Option<&'h HeaderValue>, Denial> {
    let several = field.are_several();
    let Some(field) = field.first() else { return Ok(None) };
    if several {
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

fn is_preflight(head: Head<'_>, origin: Option<&HeaderValue>) -> bool {
    head.method == Method::OPTIONS
        && origin.is_some()
        && head.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}
