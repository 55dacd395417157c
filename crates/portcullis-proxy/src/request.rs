//! The head of a request on its way to an upstream.

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method, request};
use portcullis_core::header_names::{is_claim_of_identity, is_claim_of_origin, is_listed, same};
use portcullis_core::{Denial, Reason, RequestFacts as _};

use crate::IdentityHeaders;

/// The methods of Streamable HTTP.
const ALLOW: &str = "GET, POST, DELETE";

/// Fields of one connection, or of the request as the client sent it, as the laxest reader behind might
/// compare them. Whole names.
const OWN: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-length",
    "cookie2",
    "expect",
    "host",
    "http2-settings",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "max-forwards",
    "origin",
    "range",
    "referer",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "upgrade-insecure-requests",
    "via",
];

/// The same, as beginnings of names: of browsers, and of those who would choose another method or URL.
const OWN_PREFIXES: &[&str] = &[
    "access-control-",
    "sec-",
    "x-http-method",
    "x-method-override",
    "x-original-",
    "x-rewrite-url",
];

/// What `Connection` may name (RFC 9110 section 7.6.1).
const HOP_BY_HOP: &[&str] = &[
    "close",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What an upstream is told besides what the client says.
pub(crate) struct Telling {
    /// Fields that a layer outside writes, whatever their names look like.
    pub(crate) passed: Vec<HeaderName>,
    pub(crate) identity: Option<IdentityHeaders>,
    /// The credential that all callers share.
    pub(crate) credential: Option<(HeaderName, HeaderValue)>,
}

/// Makes the head of what the upstream gets from the head of what came in.
pub(crate) fn prepare(parts: &mut request::Parts, telling: &Telling) -> Result<(), Denial> {
    if !matches!(parts.method, Method::GET | Method::POST | Method::DELETE) {
        return Err(Denial::method_not_allowed(ALLOW));
    }
    check_connection(&parts.headers)?;
    // INVARIANT: what came in is removed before anything is written, on every path.
    strip(&mut parts.headers, telling);
    if let Some(identity) = &telling.identity {
        let caller = parts.caller().cloned();
        identity.write(&mut parts.headers, caller.as_ref())?;
    }
    if let Some((name, value)) = &telling.credential {
        parts.headers.insert(name.clone(), value.clone());
    }
    // What cannot be read cannot be filtered.
    parts.headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    Ok(())
}

/// A field that `Connection` names goes no further. Such a field may be one that a layer outside has
/// just written, and taking that away would be the client's doing: nobody needs to name others
/// than those that are dropped anyway.
fn check_connection(headers: &HeaderMap) -> Result<(), Denial> {
    for line in headers.get_all(header::CONNECTION) {
        let refused = || Denial::bad_http(Reason::BadFraming);
        let options = line.to_str().map_err(|_| refused())?.split(',').map(str::trim);
        for option in options.filter(|option| !option.is_empty()) {
            let named = || headers.contains_key(option);
            if !is_listed(option, HOP_BY_HOP, &[]) && named() {
                return Err(refused());
            }
        }
    }
    Ok(())
}

fn strip(headers: &mut HeaderMap, telling: &Telling) {
    let gone: Vec<HeaderName> = headers
        .keys()
        .filter(|name| !is_usual(name.as_str()))
        .filter(|name| {
            telling.claims(name) || is_stripped(name.as_str()) && !telling.passed.contains(name)
        })
        .cloned()
        .collect();
    for name in gone {
        headers.remove(name);
    }
}

impl Telling {
    /// Whether a server behind could take this field for one of ours.
    fn claims(&self, name: &HeaderName) -> bool {
        self.identity.as_ref().is_some_and(|identity| identity.claims(name))
            || self.credential.as_ref().is_some_and(|(own, _)| same(own.as_str(), name.as_str()))
    }
}

/// Whether this is a field of nearly every request that is on none of the lists. It need not be
/// compared with them.
fn is_usual(name: &str) -> bool {
    matches!(
        name,
        "accept"
            | "accept-language"
            | "content-type"
            | "last-event-id"
            | "mcp-method"
            | "mcp-name"
            | "mcp-protocol-version"
            | "mcp-session-id"
            | "traceparent"
            | "tracestate"
            | "user-agent"
    )
}

/// Whether the upstream has no business with it, or must not believe it.
fn is_stripped(name: &str) -> bool {
    is_listed(name, OWN, OWN_PREFIXES) || is_claim_of_identity(name) || is_claim_of_origin(name)
}

/// Whether nobody's layer may write it: fields of a connection, and credentials of the hop before, for
/// which there is no switch.
pub(crate) fn is_own(name: &str) -> bool {
    is_framing(name) || is_listed(name, &["authorization", "cookie", "dpop"], &["proxy-"])
}

/// Whether it has a meaning of its own in HTTP or MCP, which nothing from configuration replaces.
pub(crate) fn is_framing(name: &str) -> bool {
    is_listed(name, OWN, OWN_PREFIXES)
        || is_listed(name, &[], &["content-", "mcp-"])
        || is_usual(name)
}
