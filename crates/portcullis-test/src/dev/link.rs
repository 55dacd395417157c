//! URLs made and checked.

use std::fmt::Write as _;

/// Schemes that run or reveal something in a browser instead of leading to a client.
const NOT_CLIENTS: [&str; 6] = ["javascript", "data", "vbscript", "file", "blob", "about"];

/// `base` with these query parameters added.
pub(crate) fn with_query<'a>(
    base: &str,
    params: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> String {
    let mut url = base.to_owned();
    let mut separator = if base.contains('?') { '&' } else { '?' };
    for (name, value) in params {
        url.push(separator);
        encode(&mut url, name);
        url.push('=');
        encode(&mut url, value);
        separator = '&';
    }
    url
}

fn encode(url: &mut String, text: &str) {
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~') {
            url.push(char::from(b));
        } else {
            // Infallible: writing to a `String`.
            let _ = write!(url, "%{b:02X}");
        }
    }
}

/// Whether a client may be sent back to `uri`: `https`, `http` on a loopback host, or an
/// application's own scheme (RFC 8252 §7).
pub(crate) fn is_redirect_uri(uri: &str) -> bool {
    let plain = uri.len() <= 2_000 && uri.bytes().all(|b| b.is_ascii_graphic());
    let Some((scheme, rest)) = uri.split_once(':') else { return false };
    let scheme = scheme.to_ascii_lowercase();
    let scheme_ok = match scheme.as_str() {
        "https" => rest.starts_with("//"),
        "http" => loopback(uri).is_some(),
        other => !NOT_CLIENTS.contains(&other) && is_scheme(other),
    };
    plain && scheme_ok && !uri.contains(['#', '"', '<', '>', '\\'])
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

/// Whether `given` is the `registered` URI. On loopback hosts the port is the client's to choose
/// at run time (RFC 8252 §7.3).
pub(crate) fn same_redirect(registered: &str, given: &str) -> bool {
    let on_loopback = loopback(registered).is_some() && loopback(registered) == loopback(given);
    registered == given || on_loopback
}

/// Host and path of a URI on a loopback host, without the port.
fn loopback(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    matches!(host, "localhost" | "127.0.0.1" | "[::1]").then_some((host, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_encoded() {
        let url = with_query("app:/cb?a=1", [("state", "ü &=#"), ("iss", "http://x")]);
        assert_eq!(url, "app:/cb?a=1&state=%C3%BC%20%26%3D%23&iss=http%3A%2F%2Fx");
    }

    #[test]
    fn redirect_uris() {
        for uri in [
            "https://client.example/cb",
            "http://localhost:3000/cb",
            "http://127.0.0.1/cb",
            "http://[::1]:9/cb",
            "cursor://anysphere.cursor-mcp/oauth/callback",
            "com.example.app:/cb",
        ] {
            assert!(is_redirect_uri(uri), "{uri}");
        }
        for uri in [
            "",
            "cb",
            "/cb",
            "http://client.example/cb",
            "http://localhost.evil.example/cb",
            "http://127.0.0.1@evil.example/cb",
            "http://127.0.0.1:80@evil.example/cb",
            "https:cb",
            "https://client.example/cb#x",
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:text/html,x",
            "https://client.example/\r\nx",
            "https://client.example/\"><script>",
        ] {
            assert!(!is_redirect_uri(uri), "{uri}");
        }
    }

    #[test]
    fn only_the_loopback_port_may_differ() {
        let rows = [
            ("http://127.0.0.1/cb", "http://127.0.0.1:5000/cb", true),
            ("http://localhost:1/cb", "http://localhost:2/cb", true),
            ("http://localhost:1/cb", "http://localhost:1/other", false),
            ("http://localhost:1/cb", "http://127.0.0.1:1/cb", false),
            ("https://client.example/cb", "https://client.example:444/cb", false),
            ("https://client.example/cb", "https://client.example/cb", true),
        ];
        for (registered, given, same) in rows {
            assert_eq!(same_redirect(registered, given), same, "{registered} {given}");
        }
    }
}
