//! Headers that callers have no business to send inward.

use http::{HeaderMap, HeaderName, header};
use portcullis_core::header_names::{is_claim_of_identity, is_claim_of_origin};

/// Names that start with one of these, with `_` read as `-`: some servers hand both to an
/// application under one name. What the gate itself says inward begins with `x-portcullis-`.
const PREFIXES: &[&str] = &[
    "proxy-",
    "x-http-method",
    "x-method-override",
    "x-original-",
    "x-portcullis-",
    "x-rewrite-url",
];

/// Whole names, read the same way.
const NAMES: &[&str] =
    &["cookie", "cookie2", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// The credentials that the sign-in layer, inside the edge, reads and removes.
const CREDENTIALS: &[&str] = &["authorization", "dpop"];

/// Removes them, and whatever `Connection` names (RFC 9110 section 7.6.1). With `keep_identity`,
/// who the request says is calling stays for the layer inside that reads it.
pub(crate) fn strip(headers: &mut HeaderMap, keep_identity: bool) {
    let mut gone: Vec<HeaderName> =
        headers.keys().filter(|name| is_stripped(name.as_str(), keep_identity)).cloned().collect();
    let connection = headers.get_all(header::CONNECTION);
    for value in connection.iter().filter(|_| !keep_identity) {
        let names = value.to_str().unwrap_or_default().split(',');
        gone.extend(names.filter_map(|name| name.trim().parse().ok()));
    }
    for name in gone {
        // Who the request is for was checked above and stays.
        if name != header::HOST {
            headers.remove(name);
        }
    }
}

/// Whether a header is one of those.
pub(super) fn is_stripped(name: &str, keep_identity: bool) -> bool {
    !is_usual(name) && is_listed(name, keep_identity)
}

/// Whether this is a field of nearly every request that is on none of the lists. It need not be
/// compared with them.
fn is_usual(name: &str) -> bool {
    matches!(
        name,
        "accept"
            | "accept-encoding"
            | "accept-language"
            | "content-length"
            | "content-type"
            | "host"
            | "last-event-id"
            | "mcp-method"
            | "mcp-name"
            | "mcp-protocol-version"
            | "mcp-session-id"
            | "origin"
            | "traceparent"
            | "tracestate"
            | "user-agent"
    ) || CREDENTIALS.contains(&name)
}

fn is_listed(name: &str, keep_identity: bool) -> bool {
    let same = |name: &str, listed: &str| {
        name.bytes().zip(listed.bytes()).all(|(a, b)| a == b || (a, b) == (b'_', b'-'))
    };
    let listed = |prefixes: &[&str], names: &[&str]| {
        prefixes.iter().any(|prefix| name.len() >= prefix.len() && same(name, prefix))
            || names.iter().any(|whole| name.len() == whole.len() && same(name, whole))
    };
    listed(PREFIXES, NAMES) || !keep_identity && claims(name)
}

/// Whether the name says who is calling, or from where; or is `Connection`, with which a client can
/// make a sidecar drop such a name.
fn claims(name: &str) -> bool {
    (is_claim_of_identity(name) || is_claim_of_origin(name) || name == header::CONNECTION)
        && !CREDENTIALS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_usual_is_on_no_list() {
        let names = [
            "accept",
            "accept-encoding",
            "accept-language",
            "authorization",
            "content-length",
            "content-type",
            "dpop",
            "host",
            "last-event-id",
            "mcp-method",
            "mcp-name",
            "mcp-protocol-version",
            "mcp-session-id",
            "origin",
            "traceparent",
            "tracestate",
            "user-agent",
        ];
        for name in names {
            assert!(is_usual(name), "{name}");
            assert!(!is_listed(name, false) && !is_listed(name, true), "{name}");
        }
        for name in ["mcp_session_id", "te", "connection", "cookie", "x-user", "mcp-param-a"] {
            assert!(!is_usual(name), "{name}");
        }
    }
}
