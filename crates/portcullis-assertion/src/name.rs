//! The header's name, compared as the laxest reader behind us might compare it.

use http::{HeaderMap, HeaderName};

/// Whether a server that keeps only letters and digits of a name (CGI, WSGI, PHP) reads `a` as `b`.
fn same(a: &str, b: &str) -> bool {
    let fold = |b: u8| if b.is_ascii_alphanumeric() { b.to_ascii_lowercase() } else { b'-' };
    a.len() == b.len() && a.bytes().map(fold).eq(b.bytes().map(fold))
}

/// Removes every line that someone could take for ours.
pub(crate) fn strip(headers: &mut HeaderMap, own: &HeaderName) {
    headers.remove(own);
    // Nearly no request has another spelling.
    while let Some(name) = headers.keys().find(|name| same(name.as_str(), own.as_str())).cloned() {
        headers.remove(name);
    }
}

/// Names with a meaning of their own in HTTP or MCP, which an assertion must not replace.
pub(crate) fn is_reserved(name: &str) -> bool {
    const RESERVED: &[&str] = &[
        "accept",
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "host",
        "keep-alive",
        "last-event-id",
        "origin",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    RESERVED.contains(&name) || name.starts_with("mcp-")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn every_spelling_is_removed_and_nothing_else() {
        let own = HeaderName::from_static("x-portcullis-assertion");
        let mut headers = HeaderMap::new();
        for name in [
            "x-portcullis-assertion",
            "x_portcullis_assertion",
            "x-portcullis_assertion",
            "x.portcullis.assertion",
            "x-portcullis-assertion2",
            "portcullis-assertion",
        ] {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name.clone(), HeaderValue::from_static("a"));
            headers.append(name, HeaderValue::from_static("b"));
        }
        strip(&mut headers, &own);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["portcullis-assertion", "x-portcullis-assertion2"]);
    }
}
