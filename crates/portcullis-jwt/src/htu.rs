//! The URI that a DPoP proof is for (RFC 9449 §4.3).

/// `uri` without query and fragment, normalized by syntax and scheme (RFC 3986 §6.2.2, §6.2.3), so
/// that equal texts are equal URIs. `None` for anything but a plain absolute `http` or `https` URI:
/// with user information, dot segments, or bytes that a URI does not have.
pub(crate) fn normalized(uri: &str) -> Option<String> {
    let end = uri.find(['?', '#']).unwrap_or(uri.len());
    let (scheme, rest) = uri.get(..end)?.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "https" => "443",
        "http" => "80",
        _ => return None,
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let authority = authority.to_ascii_lowercase();
    let (host, port) = match authority.rsplit_once(':') {
        // The colons inside brackets are those of an IPv6 address.
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (authority.as_str(), ""),
    };
    let is_port = port.bytes().all(|b| b.is_ascii_digit());
    if !is_host(host) || !is_port {
        return None;
    }
    let mut text = format!("{scheme}://{host}");
    if !port.is_empty() && port != default_port {
        text.push(':');
        text.push_str(port);
    }
    push_path(&mut text, if path.is_empty() { "/" } else { path })?;
    Some(text)
}

fn push_path(text: &mut String, path: &str) -> Option<()> {
    let start = text.len();
    let mut rest = path.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        if byte != b'%' {
            if !is_path(byte) {
                return None;
            }
            text.push(char::from(byte));
            rest = tail;
            continue;
        }
        let [high, low, after @ ..] = tail else { return None };
        let (high, low) = (char::from(*high), char::from(*low));
        let value = u8::try_from(high.to_digit(16)? * 16 + low.to_digit(16)?).ok()?;
        if is_unreserved(value) {
            text.push(char::from(value));
        } else {
            text.extend(['%', high.to_ascii_uppercase(), low.to_ascii_uppercase()]);
        }
        rest = after;
    }
    // What dot segments lead to is for nobody to guess.
    let dots = text.get(start..)?.split('/').any(|segment| matches!(segment, "." | ".."));
    (!dots).then_some(())
}

/// A name, an IPv4 address, or an IPv6 address in brackets: nothing else may have a colon.
fn is_host(host: &str) -> bool {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|address| {
            !address.is_empty()
                && address.bytes().all(|b| b.is_ascii_hexdigit() || b":.".contains(&b))
        }),
        None => !host.is_empty() && host.bytes().all(is_unreserved),
    }
}

fn is_unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-._~".contains(&b)
}

/// `pchar` and the slash (RFC 3986 §3.3), less the percent sign.
fn is_path(b: u8) -> bool {
    is_unreserved(b) || b"!$&'()*+,;=:@/".contains(&b)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_uris_are_equal_texts() {
        let plain = "https://mcp.example.com/a-b";
        for uri in [
            plain,
            "HTTPS://MCP.Example.com/a-b",
            "https://mcp.example.com:443/a-b",
            "https://mcp.example.com:/a-b",
            "https://mcp.example.com/a-b?x=/y#z",
            "https://mcp.example.com/a-b#z",
            "https://mcp.example.com/%61%2Db",
        ] {
            assert_eq!(normalized(uri).as_deref(), Some(plain), "{uri}");
        }
        let rows = [
            ("https://a.example", "https://a.example/"),
            ("https://a.example?x", "https://a.example/"),
            ("http://[::1]:8080/x", "http://[::1]:8080/x"),
            ("http://[::1]/x", "http://[::1]/x"),
            ("http://a.example:443/", "http://a.example:443/"),
            ("https://a.example/%2f%3a", "https://a.example/%2F%3A"),
        ];
        for (uri, expected) in rows {
            assert_eq!(normalized(uri).as_deref(), Some(expected), "{uri}");
        }
    }

    #[test]
    fn other_uris_stay_others() {
        let ours = normalized("https://mcp.example.com/mcp");
        for uri in [
            "http://mcp.example.com/mcp",
            "https://mcp.example.com:8443/mcp",
            "https://mcp.example.com/MCP",
            "https://mcp.example.com/mcp/",
            "https://mcp.example.com//mcp",
            "https://mcp.example.com/mcp%2F",
            "https://mcp.example.com.evil.example/mcp",
            "https://mcp.example.com@evil.example/mcp",
            "https://evil.example/mcp",
            "https://evil.example/https://mcp.example.com/mcp",
        ] {
            assert_ne!(normalized(uri), ours, "{uri}");
        }
    }

    #[test]
    fn what_is_no_plain_uri_is_refused() {
        for uri in [
            "",
            "/mcp",
            "mcp.example.com/mcp",
            "ftp://a.example/",
            "https://",
            "https:///x",
            "https://u@a.example/",
            "https://a.example:8o/",
            "https://a.example::443/",
            "https://[::1/",
            "https://[]/",
            "https://a[b]/",
            "https://a.example/a/../b",
            "https://a.example/a/%2e%2e/b",
            "https://a.example/.",
            "https://a.example/%",
            "https://a.example/%4",
            "https://a.example/%zz",
            "https://a.example/a b",
            "https://a.example/\\b",
            "https://a.example/ä",
            " https://a.example/",
        ] {
            assert_eq!(normalized(uri), None, "{uri:?}");
        }
    }

    proptest! {
        #[test]
        fn a_normalized_uri_is_normal(uri in "https?://[a-zA-Z.:0-9\\[\\]]{0,8}(/[%a-fA-F0-9.~?#]{0,6}){0,3}") {
            if let Some(once) = normalized(&uri) {
                prop_assert_eq!(normalized(&once), Some(once));
            }
        }
    }
}
