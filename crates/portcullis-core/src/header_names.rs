//! Names of header fields with which a request claims to be somebody, compared as the laxest reader
//! behind us might compare them.
//!
//! CGI and its heirs (WSGI, PHP, Rack) turn every character that is not a letter or digit into one
//! and the same, so that `X_Forwarded_User` and `X.Forwarded.User` arrive as `X-Forwarded-User`
//! does (CVE-2025-64484). Here they are the same name too.

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

/// Whether two names are one to a lax reader.
#[must_use]
pub fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).all(|(a, b)| fold(a) == fold(b))
}

/// Whether `name` claims an identity or carries a credential: it must never reach the service
/// inside, whoever sent it.
#[must_use]
pub fn is_claim_of_identity(name: &str) -> bool {
    is_listed(name, PRIVATE, PRIVATE_PREFIXES)
}

/// Whether `name` says where a request came from or was sent to: only a trusted peer may.
#[must_use]
pub fn is_claim_of_origin(name: &str) -> bool {
    is_listed(name, FORWARDING, FORWARDING_PREFIXES)
}

/// Longer than any listed name.
const ENOUGH: usize = 48;

/// Whether `name` is one of `whole` or begins with one of `prefixes`: texts of less than 48 bytes,
/// prefixes of more than two, in lower case, with `-` for what is no letter or digit.
#[must_use]
pub fn is_listed(name: &str, whole: &[&str], prefixes: &[&str]) -> bool {
    // This runs for every header of every request. Lengths and the third letter (most names begin
    // with `x-`) tell nearly all names apart without a comparison of texts.
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
        let whole = [PRIVATE, FORWARDING].concat();
        let prefixes = [PRIVATE_PREFIXES, FORWARDING_PREFIXES].concat();
        for name in whole.iter().chain(&prefixes) {
            assert!(name.len() < ENOUGH && name.bytes().all(|b| fold(b) == b), "{name}");
        }
        assert!(prefixes.iter().all(|prefix| prefix.len() > 2));
        for (whole, prefixes) in [(PRIVATE, PRIVATE_PREFIXES), (FORWARDING, FORWARDING_PREFIXES)] {
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
            assert!(is_claim_of_identity(name), "{name}");
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
            assert!(!is_claim_of_identity(name) && !is_claim_of_origin(name), "{name}");
        }
        assert!(is_claim_of_origin("x-forwarded-for") && !is_claim_of_identity("x-forwarded-for"));
    }
}
