//! Header names that this crate gives a meaning.

use http::{HeaderMap, HeaderName};
pub(crate) use portcullis_core::header_names::same;
use portcullis_core::header_names::{is_claim_of_identity, is_claim_of_origin, is_listed};

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

/// Whether `name` passes on a client's certificate.
pub(crate) fn is_certificate(name: &str) -> bool {
    is_listed(name, CERTIFICATES, CERTIFICATE_PREFIXES)
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
            is_claim_of_identity(name)
                || (!trusted && is_claim_of_origin(name))
                || more.iter().any(|more| same(name, more.as_str()))
        })
        .cloned()
        .collect();
    for name in unwanted {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_mean_what_they_say() {
        for name in RESERVED {
            assert!(is_reserved(name) && !is_reserved(&format!("a{name}")), "{name}");
        }
        for prefix in RESERVED_PREFIXES {
            for end in ["", "_", "0", "zzz", &"~".repeat(99)] {
                assert!(is_reserved(&format!("{prefix}{end}")), "{prefix}{end}");
            }
        }
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
