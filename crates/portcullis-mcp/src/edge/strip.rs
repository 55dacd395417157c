//! Headers that callers have no business to send inward.

use http::{HeaderMap, HeaderName, header};

/// Names that start with one of these, with `_` read as `-`: some servers hand both to an
/// application under one name.
const PREFIXES: &[&str] = &[
    "x-auth-",
    "x-user-",
    "x-remote-user",
    "remote-user",
    "x-mcp-principal",
    "x-forwarded-",
    "proxy-",
    "x-http-method",
    "x-method-override",
    "x-original-",
    "x-rewrite-url",
];

/// Whole names, read the same way.
const NAMES: &[&str] = &[
    "forwarded",
    "cookie",
    "cookie2",
    "x-real-ip",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Removes them, and whatever `Connection` names (RFC 9110 section 7.6.1).
pub(crate) fn strip(headers: &mut HeaderMap) {
    let mut gone: Vec<HeaderName> =
        headers.keys().filter(|name| is_stripped(name.as_str())).cloned().collect();
    if gone.is_empty() {
        return;
    }
    for value in headers.get_all(header::CONNECTION) {
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

fn is_stripped(name: &str) -> bool {
    let same = |name: &str, listed: &str| {
        name.bytes().zip(listed.bytes()).all(|(a, b)| a == b || (a, b) == (b'_', b'-'))
    };
    PREFIXES.iter().any(|prefix| name.len() >= prefix.len() && same(name, prefix))
        || NAMES.iter().any(|whole| name.len() == whole.len() && same(name, whole))
}
