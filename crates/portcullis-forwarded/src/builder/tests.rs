use std::net::{IpAddr, Ipv4Addr};

use portcullis_core::Principal;

use super::*;
use crate::{AssertionError, ListFormat};

const SECRET: &str = "0123456789abcdef";

fn builder() -> ForwardedBuilder {
    ForwardedLayer::builder(Challenge::without_metadata::<&str>([]).unwrap())
}

fn peers<V>(builder: ForwardedBuilder<V>) -> ForwardedBuilder<V> {
    builder.trust(Peer::address(IpAddr::V4(Ipv4Addr::LOCALHOST))).peer(|_| None)
}

fn complete() -> ForwardedBuilder {
    peers(builder()).profile(Profile::oauth2_proxy()).issuer("https://proxy.example")
}

fn name(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}

async fn verify(_: String) -> Result<Principal, AssertionError> {
    Ok(Principal::builder("i", "s").build())
}

fn signed() -> ForwardedBuilder<impl crate::VerifyAssertion> {
    builder().signed_header(name("cf-access-jwt-assertion"), verify)
}

#[test]
fn complete_configurations_build() {
    assert!(complete().build().is_ok());
    assert!(complete().shared_secret("x-gate-secret", SECRET).build().is_ok());
    assert!(peers(signed()).build().is_ok());
    assert!(signed().danger_trust_any_peer_with_signature().build().is_ok());
    for profile in [
        Profile::oauth2_proxy(),
        Profile::forwarded_user(),
        Profile::vouch(),
        Profile::apache_openidc(),
        Profile::apache_openidc().hyphenated(),
        Profile::apache_mellon(),
        Profile::remote_user(),
        Profile::authentik(),
        Profile::envoy(),
    ] {
        let names: Vec<String> = profile.names().map(|name| name.to_string()).collect();
        for name in &names {
            assert!(
                portcullis_core::header_names::is_claim_of_identity(name),
                "{name} is removed whatever the profile"
            );
        }
        assert!(complete().profile(profile).build().is_ok());
    }
}

#[test]
fn incomplete_or_unsafe_configurations_do_not() {
    let profile = Profile::oauth2_proxy;
    let issuer = "https://proxy.example";
    for (case, error) in [
        ("no profile", peers(builder()).issuer(issuer).build().unwrap_err()),
        ("no issuer", peers(builder()).profile(profile()).build().unwrap_err()),
        ("empty issuer", complete().issuer("").build().unwrap_err()),
        (
            "no peer",
            builder().profile(profile()).issuer(issuer).peer(|_| None).build().unwrap_err(),
        ),
        (
            "no way to know the peer",
            builder()
                .profile(profile())
                .issuer(issuer)
                .trust(Peer::unix_socket())
                .build()
                .unwrap_err(),
        ),
        ("empty TLS identity", complete().trust(Peer::tls_identity("")).build().unwrap_err()),
        (
            "unspecified address",
            complete().trust(Peer::address("0.0.0.0".parse().unwrap())).build().unwrap_err(),
        ),
        (
            "any peer without a signature",
            complete().danger_trust_any_peer_with_signature().build().unwrap_err(),
        ),
        ("both sources", peers(signed()).profile(profile()).build().unwrap_err()),
        ("an issuer for nothing", peers(signed()).issuer(issuer).build().unwrap_err()),
        ("signed without a peer", signed().peer(|_| None).build().unwrap_err()),
        (
            "peers that cannot be known",
            signed()
                .trust(Peer::unix_socket())
                .danger_trust_any_peer_with_signature()
                .build()
                .unwrap_err(),
        ),
        (
            "signed header with a meaning",
            peers(builder().signed_header(name("authorization"), verify)).build().unwrap_err(),
        ),
        (
            "a header twice",
            complete().profile(profile().email(name("x_auth_request_user"))).build().unwrap_err(),
        ),
        (
            "a header with a meaning",
            complete().profile(profile().user(name("x-forwarded-for"))).build().unwrap_err(),
        ),
        (
            "letters as delimiter",
            complete()
                .profile(profile().roles(name("x-roles"), ListFormat::Delimited('a')))
                .build()
                .unwrap_err(),
        ),
        (
            "removing what is needed",
            complete().also_remove(name("mcp-method")).build().unwrap_err(),
        ),
        (
            "secret in an identity header",
            complete().shared_secret("X_Auth_Request_User", SECRET).build().unwrap_err(),
        ),
        ("short secret", complete().shared_secret("x-s", "0123456789abcde").build().unwrap_err()),
        (
            "secret with a space",
            complete().shared_secret("x-s", "0123456789 abcdef").build().unwrap_err(),
        ),
        ("secret in no header", complete().shared_secret("x s", SECRET).build().unwrap_err()),
        ("secret in a used header", complete().shared_secret("Host", SECRET).build().unwrap_err()),
        (
            "secrets in two headers",
            complete()
                .shared_secret("x-s", SECRET)
                .shared_secret("x-t", SECRET)
                .build()
                .unwrap_err(),
        ),
        (
            "a bad secret before a good one",
            complete()
                .shared_secret("x-s", "short")
                .shared_secret("x-s", SECRET)
                .build()
                .unwrap_err(),
        ),
    ] {
        let message = error.to_string();
        assert!(!message.contains(SECRET) && !message.ends_with('.'), "{case}: {message}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let builder = complete().shared_secret("x-gate-secret", SECRET);
    let shown = format!("{builder:?} {:?}", builder.secret);
    let layer = builder.build().unwrap();
    let shown = format!("{shown} {layer:?}");
    assert!(!shown.contains(SECRET), "{shown}");
    assert!(shown.contains("x-auth-request-user"), "{shown}");
}
