use proptest::prelude::*;

use super::*;

#[test]
fn identifiers_that_clients_leave_alone() {
    let rows = [
        ("https://mcp.example.com/mcp", "https://mcp.example.com", "/mcp"),
        ("https://mcp.example.com", "https://mcp.example.com", ""),
        ("https://mcp.example.com/", "https://mcp.example.com", "/"),
        ("https://mcp.example.com/mcp/", "https://mcp.example.com", "/mcp/"),
        ("https://mcp.example.com:8443/a/b", "https://mcp.example.com:8443", "/a/b"),
        ("https://mcp.example.com/Case/%C3%A9", "https://mcp.example.com", "/Case/%C3%A9"),
        ("https://192.0.2.7/mcp", "https://192.0.2.7", "/mcp"),
        ("https://[2001:db8::1]/mcp", "https://[2001:db8::1]", "/mcp"),
        ("https://[2001:db8::1]:8443/mcp", "https://[2001:db8::1]:8443", "/mcp"),
        ("http://localhost:8080/mcp", "http://localhost:8080", "/mcp"),
        ("http://127.0.0.1:8080/mcp", "http://127.0.0.1:8080", "/mcp"),
        ("http://[::1]:8080/mcp", "http://[::1]:8080", "/mcp"),
    ];
    for (text, origin, path) in rows {
        let parts = identifier(text).expect(text);
        assert_eq!((parts.origin, parts.path), (origin, path), "{text}");
    }
}

#[test]
fn identifiers_that_are_refused() {
    let rows = [
        ("", "absolute https"),
        ("mcp.example.com/mcp", "absolute https"),
        ("//mcp.example.com/mcp", "absolute https"),
        ("ftp://mcp.example.com/mcp", "absolute https"),
        ("HTTPS://mcp.example.com/mcp", "lower case"),
        ("https://MCP.example.com/mcp", "lower case"),
        ("http://mcp.example.com/mcp", "loopback"),
        ("http://localhost.example.com/mcp", "loopback"),
        ("http://127.0.0.1.example.com/mcp", "loopback"),
        ("http://192.168.0.1/mcp", "loopback"),
        ("https:///mcp", "host"),
        ("https://:8080/mcp", "host"),
        ("https://.example.com/mcp", "host"),
        ("https://example.com./mcp", "host"),
        ("https://127.1/mcp", "IPv4"),
        ("https://0x7f000001/mcp", "IPv4"),
        ("https://1.2.3.04/mcp", "IPv4"),
        ("https://[::1/mcp", "IPv6"),
        ("https://[nonsense]/mcp", "IPv6"),
        ("https://[0:0:0:0:0:0:0:1]/mcp", "shortest"),
        ("https://[::ffff:192.0.2.7]/mcp", "shortest"),
        ("https://user@mcp.example.com/mcp", "user information"),
        ("https://user:secret@mcp.example.com/mcp", "user information"),
        ("https://mcp.example.com/mcp?x=1", "query"),
        ("https://mcp.example.com?", "query"),
        ("https://mcp.example.com/mcp#top", "fragment"),
        ("https://mcp.example.com/mcp#", "fragment"),
        ("https://mcp.example.com:443/mcp", "default port"),
        ("http://localhost:80/mcp", "default port"),
        ("https://mcp.example.com:/mcp", "port"),
        ("https://mcp.example.com:0443/mcp", "port"),
        ("https://mcp.example.com:0/mcp", "port"),
        ("https://mcp.example.com:65536/mcp", "port"),
        ("https://mcp.example.com:+80/mcp", "port"),
        ("https://mcp.example.com/a/../mcp", "dot segments"),
        ("https://mcp.example.com/./mcp", "dot segments"),
        ("https://mcp.example.com/a/%2E%2e/mcp", "dot segments"),
        ("https://mcp.example.com/..", "dot segments"),
        ("https://mcp.example.com//mcp", "empty segments"),
        ("https://mcp.example.com/a//mcp", "empty segments"),
        ("https://mcp.example.com//", "empty segments"),
        ("https://mcp.example.com/%", "percent"),
        ("https://mcp.example.com/%4", "percent"),
        ("https://mcp.example.com/%zz", "percent"),
        ("https://mcp.example.com/a b", "ASCII"),
        ("https://mcp.example.com/a\\b", "ASCII"),
        ("https://mcp.example.com/a\nb", "ASCII"),
        ("https://mcp.example.com/\"", "ASCII"),
        ("https://mcp.example.com/{id}", "ASCII"),
        ("https://bücher.example/mcp", "ASCII"),
        (" https://mcp.example.com/mcp", "ASCII"),
    ];
    for (text, why) in rows {
        let error = identifier(text).expect_err(text);
        assert!(error.contains(why), "{text}: {error}");
    }
}

#[test]
fn issuers_keep_their_own_spelling() {
    for text in ["https://id.example", "https://id.example/", "https://ID.example:443/Tenant/"] {
        issuer(text).expect(text);
    }
    let rows = [
        ("http://id.example", "loopback"),
        ("https://id.example/?x", "query"),
        ("https://id.example/#x", "fragment"),
        ("https://u@id.example/", "user information"),
        ("id.example", "absolute"),
    ];
    for (text, why) in rows {
        assert!(issuer(text).expect_err(text).contains(why), "{text}");
    }
    link("https://docs.example/mcp?lang=en#start").unwrap();
    link("javascript:alert(1)").unwrap_err();
}

proptest! {
    /// What is accepted is what a client's URL parser gives back, so that comparing succeeds.
    #[test]
    fn accepted_identifiers_survive_a_clients_parser(
        text in "https?://(localhost|[a-zA-Z0-9x.-]{1,12}|127\\.0\\.0\\.1|\\[[0-9a-f:.]{2,9}\\])(:[+0-9]{0,5})?[a-z/.%2eE?#@;~\\\\]{0,12}",
    ) {
        let Ok(parts) = identifier(&text) else { return Ok(()) };
        prop_assert_eq!(format!("{}{}", parts.origin, parts.path), text.as_str());
        // Names with a broken `xn--` label are refused by clients, not changed.
        if let Ok(parsed) = ::url::Url::parse(&text) {
            let slash = if parts.path.is_empty() { "/" } else { "" };
            prop_assert_eq!(parsed.as_str(), format!("{text}{slash}"));
        }
    }

    #[test]
    fn no_text_breaks_the_checks(text in ".*", scheme in "https?://") {
        for text in [text.clone(), format!("{scheme}{text}")] {
            let _ = (identifier(&text), issuer(&text), link(&text));
        }
    }
}
