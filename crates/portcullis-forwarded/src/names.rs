//! Header names, compared as the laxest reader behind us might compare them.
//!
//! CGI and its heirs (WSGI, PHP, Rack) turn every character that is not a letter or digit into one
//! and the same, so that `X_Forwarded_User` and `X.Forwarded.User` arrive as `X-Forwarded-User`
//! does (CVE-2025-64484). Here they are the same name too.

use http::{HeaderMap, HeaderName};

/// Claims of identity that some sidecar is known to make, and the credentials of the hop before us,
/// which are no business of the service: a sidecar's cookie would let it act as the user at
/// the sidecar. Whole names.
const PRIVATE: &[&str] = &[
    "authorization",
    "client-cert",
    "client-cert-chain",
    "cookie",
    "dpop",
    "eppn",
    "redirect-remote-user",
    "remote-email",
    "remote-group",
    "remote-groups",
    "remote-ident",
    "remote-name",
    "remote-user",
    "sm-user",
    "smuser",
    "x-access-token",
    "x-anonymous-consumer",
    "x-arr-clientcert",
    "x-authenticated",
    "x-client-cert",
    "x-client-cert-chain",
    "x-email",
    "x-forwarded-access-token",
    "x-forwarded-client-cert",
    "x-forwarded-email",
    "x-forwarded-groups",
    "x-forwarded-id-token",
    "x-forwarded-preferred-username",
    "x-forwarded-roles",
    "x-forwarded-user",
    "x-groups",
    "x-id-token",
    "x-roles",
    "x-user",
    "x-userid",
    "x-userinfo",
    "x-username",
];

/// The same, as beginnings of names.
const PRIVATE_PREFIXES: &[&str] = &[
    "cf-access-",
    "impersonate-",
    "mellon-",
    "oidc-",
    "proxy-",
    "shib-",
    "ssl-client-",
    "tailscale-",
    "x-amzn-oidc-",
    "x-auth-",
    "x-authenticated-",
    "x-authentik-",
    "x-consumer-",
    "x-credential-",
    "x-forwarded-tls-client-",
    "x-forwarded-user-",
    "x-goog-authenticated-user-",
    "x-goog-iap-",
    "x-jwt-",
    "x-mcp-principal",
    "x-mcp-user",
    "x-ms-client-principal",
    "x-ms-token-",
    "x-pomerium-",
    "x-remote-",
    "x-ssl-client-",
    "x-user-",
    "x-vouch-",
    "x-webauth-",
];

/// The client's certificate, as proxies that end TLS pass it on.
const CERTIFICATES: &[&str] = &[
    "client-cert",
    "client-cert-chain",
    "x-arr-clientcert",
    "x-client-cert",
    "x-client-cert-chain",
    "x-forwarded-client-cert",
];
const CERTIFICATE_PREFIXES: &[&str] = &["ssl-client-", "x-forwarded-tls-client-", "x-ssl-client-"];

/// What only a trusted peer may say about where a request came from.
const FORWARDING: &[&str] = &[
    "cf-connecting-ip",
    "forwarded",
    "true-client-ip",
    "x-client-ip",
    "x-real-ip",
    "x-rewrite-url",
];
const FORWARDING_PREFIXES: &[&str] = &["x-forwarded-", "x-original-"];

/// Names with a meaning of their own, which cannot carry an identity.
const RESERVED: &[&str] = &[
    "authorization",
    "connection",
    "cookie",
    "date",
    "dpop",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "last-event-id",
    "origin",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-forwarded-by",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-method",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-forwarded-scheme",
    "x-forwarded-server",
    "x-forwarded-uri",
    "x-real-ip",
    "x-rewrite-url",
];
const RESERVED_PREFIXES: &[&str] =
    &["accept", "access-control-", "content-", "if-", "mcp-", "proxy-", "sec-", "x-original-"];

/// Whether two names are one to a lax reader.
pub(crate) fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).all(|(a, b)| fold(a) == fold(b))
}

/// Whether `name` must never reach the service inside, whoever sent it.
pub(crate) fn is_private(name: &str) -> bool {
    is_listed(name, PRIVATE, PRIVATE_PREFIXES)
}

/// Whether `name` passes on a client's certificate.
pub(crate) fn is_certificate(name: &str) -> bool {
    is_listed(name, CERTIFICATES, CERTIFICATE_PREFIXES)
}

/// Whether only a trusted peer may send `name`.
pub(crate) fn is_forwarding(name: &str) -> bool {
    is_listed(name, FORWARDING, FORWARDING_PREFIXES)
}

/// Whether `name` already means something else.
pub(crate) fn is_reserved(name: &str) -> bool {
    is_listed(name, RESERVED, RESERVED_PREFIXES)
}

/// Removes every header that claims an identity or carries a credential, those named in `more`,
/// and for peers that are not trusted also those about where the request came from.
pub(crate) fn scrub(headers: &mut HeaderMap, more: &[HeaderName], trusted: bool) {
    let unwanted: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            let name = name.as_str();
            is_private(name)
                || (!trusted && is_forwarding(name))
                || more.iter().any(|more| same(name, more.as_str()))
        })
        .cloned()
        .collect();
    for name in unwanted {
        headers.remove(name);
    }
}

/// Longer than any listed name.
const ENOUGH: usize = 48;

/// This runs for every header of every request. Lengths and the third letter (most names begin with
/// `x-`) tell nearly all names apart without a comparison of texts.
fn is_listed(name: &str, whole: &[&str], prefixes: &[&str]) -> bool {
    let mut folded = [0; ENOUGH];
    let mut length = 0;
    for (place, byte) in folded.iter_mut().zip(name.bytes()) {
        *place = fold(byte);
        length += 1;
    }
    let name = folded.get(..length).unwrap_or_default();
    whole.iter().any(|listed| listed.len() == name.len() && listed.as_bytes() == name)
        || prefixes.iter().any(|prefix| {
            let prefix = prefix.as_bytes();
            prefix.get(2) == name.get(2) && name.starts_with(prefix)
        })
}

fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_mean_what_they_say() {
        let whole = [PRIVATE, FORWARDING, RESERVED].concat();
        let prefixes = [PRIVATE_PREFIXES, FORWARDING_PREFIXES, RESERVED_PREFIXES].concat();
        for name in whole.iter().chain(&prefixes) {
            assert!(name.len() < ENOUGH && name.bytes().all(|b| fold(b) == b), "{name}");
        }
        assert!(prefixes.iter().all(|prefix| prefix.len() > 2));
        for (whole, prefixes) in [(PRIVATE, PRIVATE_PREFIXES), (RESERVED, RESERVED_PREFIXES)] {
            for name in whole {
                assert!(is_listed(name, whole, prefixes), "{name}");
                assert!(!is_listed(&format!("a{name}"), whole, prefixes), "a{name}");
            }
            for prefix in prefixes {
                for end in ["", "_", "0", "zzz", &"~".repeat(99)] {
                    assert!(is_listed(&format!("{prefix}{end}"), whole, prefixes), "{prefix}{end}");
                }
            }
        }
    }

    #[test]
    fn spelling_makes_no_difference() {
        for name in ["x-auth-request-user", "x_auth_request_user", "x.auth~request|user"] {
            assert!(is_private(name), "{name}");
            assert!(same(name, "X-Auth-Request-User"), "{name}");
        }
        assert!(!same("x-auth-request-user", "x-auth-request-users"));
    }

    #[test]
    fn what_the_service_needs_is_left_alone() {
        for name in [
            "accept",
            "content-type",
            "host",
            "mcp-protocol-version",
            "mcp-session-id",
            "origin",
            "mcp-param-user",
            "traceparent",
            "x-request-id",
            "user-agent",
            "last-event-id",
        ] {
            assert!(!is_private(name) && !is_forwarding(name), "{name}");
        }
        assert!(is_forwarding("x-forwarded-for") && !is_private("x-forwarded-for"));
    }

    #[test]
    fn names_with_a_meaning_are_reserved() {
        for name in
            ["authorization", "host", "content-type", "mcp-method", "x-forwarded-for", "cookie"]
        {
            assert!(is_reserved(name), "{name}");
        }
        for name in [
            "x-forwarded-user",
            "x-forwarded-login",
            "x-gate-secret",
            "remote-user",
            "oidc_claim_sub",
        ] {
            assert!(!is_reserved(name), "{name}");
        }
    }
}
