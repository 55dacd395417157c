//! Header names, compared as the laxest reader behind us might compare them.
//!
//! CGI and its heirs (WSGI, PHP, Rack) turn every character that is not a letter or digit into one
//! and the same, so that `X_Forwarded_User` and `X.Forwarded.User` arrive as `X-Forwarded-User`
//! does (CVE-2025-64484). Here they are the same name too.

use http::{HeaderMap, HeaderName};

/// Claims of identity that some sidecar is known to make, as whole names.
const IDENTITY: &[&str] = &[
    "client-cert",
    "client-cert-chain",
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
const IDENTITY_PREFIXES: &[&str] = &[
    "cf-access-",
    "impersonate-",
    "mellon-",
    "oidc-",
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

/// Credentials of the hop before us; no business of the service. A sidecar's cookie would
/// let the service act as the user at the sidecar.
const CREDENTIALS: &[&str] = &["authorization", "cookie", "dpop"];
const CREDENTIAL_PREFIXES: &[&str] = &["proxy-"];

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
    "connection",
    "date",
    "expect",
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
];
const RESERVED_PREFIXES: &[&str] =
    &["accept", "access-control-", "content-", "if-", "mcp-", "sec-"];

/// Whether two names are one to a lax reader.
pub(crate) fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && starts_with(a, b)
}

/// Whether `name` must never reach the service inside, whoever sent it.
pub(crate) fn is_private(name: &str) -> bool {
    is_listed(name, IDENTITY, IDENTITY_PREFIXES)
        || is_listed(name, CREDENTIALS, CREDENTIAL_PREFIXES)
}

/// Whether only a trusted peer may send `name`.
pub(crate) fn is_forwarding(name: &str) -> bool {
    is_listed(name, FORWARDING, FORWARDING_PREFIXES)
}

/// Whether `name` already means something else.
pub(crate) fn is_reserved(name: &str) -> bool {
    is_listed(name, RESERVED, RESERVED_PREFIXES)
        || is_listed(name, CREDENTIALS, CREDENTIAL_PREFIXES)
        || is_forwarding(name) && !is_private(name)
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

fn is_listed(name: &str, whole: &[&str], prefixes: &[&str]) -> bool {
    whole.iter().any(|listed| same(name, listed))
        || prefixes.iter().any(|prefix| starts_with(name, prefix))
}

fn starts_with(name: &str, prefix: &str) -> bool {
    name.len() >= prefix.len() && name.bytes().zip(prefix.bytes()).all(|(a, b)| fold(a) == fold(b))
}

fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        for name in ["x-forwarded-user", "x-gate-secret", "remote-user", "oidc_claim_sub"] {
            assert!(!is_reserved(name), "{name}");
        }
    }
}
