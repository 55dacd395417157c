//! Who may say who is calling, and what reaches the service inside.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use portcullis_core::{
    AnonymousReason, Caller, Challenge, DenialKind, Method, Principal, Reason, RequestFacts as _,
    ResponseFacts as _,
};
use portcullis_forwarded::{ForwardedBuilder, ForwardedLayer, ListFormat, Peer, PeerInfo, Profile};
use portcullis_test::{FakeMcp, Seen};
use tower::util::MapRequest;
use tower::{Layer as _, Service as _, ServiceBuilder, ServiceExt as _};

const SIDECAR: &str = "10.0.0.5";
const STRANGER: &str = "10.0.0.6";
const METADATA: &str = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";
const SECRET: &str = "correct-horse-battery-staple";

/// A name, the profile, and its user, e-mail and groups headers.
type Family = (&'static str, fn() -> Profile, [&'static str; 3]);

/// Every family there is a profile for.
const FAMILIES: &[Family] = &[
    (
        "oauth2-proxy",
        Profile::oauth2_proxy,
        ["x-auth-request-user", "x-auth-request-email", "x-auth-request-groups"],
    ),
    (
        "forwarded user",
        Profile::forwarded_user,
        ["x-forwarded-user", "x-forwarded-email", "x-forwarded-groups"],
    ),
    (
        "vouch",
        Profile::vouch,
        ["x-vouch-user", "x-vouch-idp-claims-email", "x-vouch-idp-claims-groups"],
    ),
    (
        "openidc",
        Profile::apache_openidc,
        ["oidc_claim_sub", "oidc_claim_email", "oidc_claim_groups"],
    ),
    (
        "openidc with hyphens",
        || Profile::apache_openidc().hyphenated(),
        ["oidc-claim-sub", "oidc-claim-email", "oidc-claim-groups"],
    ),
    ("mellon", Profile::apache_mellon, ["mellon_name_id", "mellon_email", "mellon_groups"]),
    ("remote user", Profile::remote_user, ["remote-user", "remote-email", "remote-groups"]),
    (
        "authentik",
        Profile::authentik,
        ["x-authentik-uid", "x-authentik-email", "x-authentik-groups"],
    ),
    ("envoy", Profile::envoy, ["x-jwt-claim-sub", "x-jwt-claim-email", "x-jwt-claim-groups"]),
];

/// Names that claim an identity or carry a credential, beyond the families above.
const OTHERS: &[&str] = &[
    "authorization",
    "cookie",
    "dpop",
    "proxy-authorization",
    "x-auth-request-access-token",
    "x-auth-request-preferred-username",
    "x-auth-user",
    "x-user-id",
    "x-user",
    "x-remote-user",
    "x-remote-group",
    "x-remote-extra-scopes",
    "x-webauth-user",
    "x-forwarded-access-token",
    "x-forwarded-preferred-username",
    "x-mcp-principal",
    "x-mcp-principal-groups",
    "cf-access-jwt-assertion",
    "cf-access-authenticated-user-email",
    "x-goog-iap-jwt-assertion",
    "x-goog-authenticated-user-email",
    "x-pomerium-jwt-assertion",
    "x-pomerium-claim-groups",
    "x-amzn-oidc-data",
    "x-ms-client-principal-name",
    "tailscale-user-login",
    "impersonate-user",
    "client-cert",
    "client-cert-chain",
    "x-client-cert",
    "x-forwarded-client-cert",
    "x-forwarded-tls-client-cert",
    "x-ssl-client-s-dn",
    "ssl-client-verify",
    "x-consumer-username",
    "oidc_access_token",
    "oidc_id_token",
    "oidc_claim_roles",
    "mellon-user",
    "x-vouch-token",
    "x-authentik-jwt",
    "x-jwt-payload",
    "shib-identity-provider",
    "sm_user",
    "x-userinfo",
];

fn challenge() -> Challenge {
    Challenge::new(METADATA, ["mcp:read"]).unwrap()
}

fn builder(profile: Profile) -> ForwardedBuilder {
    ForwardedLayer::builder(challenge())
        .profile(profile)
        .issuer("https://proxy.example")
        .trust(Peer::address(SIDECAR.parse().unwrap()))
        .peer(|parts| parts.extensions.get::<PeerInfo>().cloned())
}

fn from(peer: &str) -> PeerInfo {
    PeerInfo::address(peer.parse().unwrap())
}

fn request(peer: PeerInfo, headers: &[(&str, &str)]) -> Request<String> {
    let mut request = Request::post("/mcp").extension(peer).body(String::new()).unwrap();
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    request
}

/// Stands for inspection: it finds that the method is one of those that need no identity.
fn inspect(mut request: Request<String>) -> Request<String> {
    if let Some(pass) = request.anonymous_pass().cloned() {
        assert!(pass.permits(Method::ToolsList) && !pass.permits(Method::ToolsCall));
        pass.heed();
        request.set_caller(Caller::Anonymous(AnonymousReason::NoCredentials));
    }
    request
}

/// What the client and, if it was reached, the server see.
async fn send(
    builder: ForwardedBuilder,
    request: Request<String>,
) -> (Response<Bytes>, Option<Seen>) {
    let server = FakeMcp::new();
    let inspected = MapRequest::new(server.clone(), inspect);
    let response = builder.build().unwrap().layer(inspected).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (Response::from_parts(parts, body), server.seen().pop())
}

/// The principal of a request that must be let in.
async fn principal(
    builder: ForwardedBuilder,
    headers: &[(&str, &str)],
) -> std::sync::Arc<Principal> {
    let (response, seen) = send(builder, request(from(SIDECAR), headers)).await;
    assert!(response.status().is_success(), "{headers:?}: {response:?}");
    match seen.unwrap().caller.unwrap() {
        Caller::Verified(principal) => principal,
        caller => panic!("{caller:?}"),
    }
}

/// Why a request of the trusted sidecar must be refused, and that it went no further.
async fn refusal(builder: ForwardedBuilder, headers: &[(&str, &str)]) -> (StatusCode, Reason) {
    let (response, seen) = send(builder, request(from(SIDECAR), headers)).await;
    assert!(seen.is_none(), "{headers:?}: refused, yet the server was called");
    (response.status(), response.denial().expect("a denial").reason())
}

const BAD_IDENTITY: (StatusCode, Reason) = (StatusCode::BAD_REQUEST, Reason::BadIdentity);
const NOBODY: (StatusCode, Reason) = (StatusCode::UNAUTHORIZED, Reason::NoToken);
const UNTRUSTED: (StatusCode, Reason) = (StatusCode::UNAUTHORIZED, Reason::UntrustedPeer);

fn spellings(name: &str) -> Vec<String> {
    let all = [
        name.replace('_', "-"),
        name.replace('-', "_"),
        name.replace(['-', '_'], "."),
        name.to_ascii_uppercase(),
        name.replacen(['-', '_'], "_", 1),
    ];
    all.into()
}

#[tokio::test]
async fn every_family_names_its_caller() {
    for (family, profile, [user, email, groups]) in FAMILIES {
        let (list, expected) = match *family {
            "vouch" => (r#""staff","site ops""#, ["staff", "site ops"]),
            "mellon" => ("staff;a,b", ["staff", "a,b"]),
            "authentik" => ("staff|a,b", ["staff", "a,b"]),
            "envoy" => ("WyJzdGFmZiIsImEsYiJd", ["staff", "a,b"]),
            _ => ("staff,site ops", ["staff", "site ops"]),
        };
        let headers = [(*user, "alice"), (*email, "alice@example.com"), (*groups, list)];
        let alice = principal(builder(profile()), &headers).await;
        assert_eq!(alice.issuer(), "https://proxy.example", "{family}");
        assert_eq!(alice.subject(), "alice", "{family}");
        assert_eq!(alice.groups(), expected, "{family}");
        assert_eq!(alice.claims()["email"], "alice@example.com", "{family}");
        assert_eq!(alice.claims()["groups"], serde_json::json!(expected), "{family}");
        assert_eq!(alice.method(), "forwarded", "{family}");
        assert_eq!(alice.client_id(), None, "{family}");
        assert_eq!(alice.token(), &Default::default(), "{family}");
        assert!(!alice.groups_unknown(), "{family}");
    }
}

/// X-43 and R-018: from whomever, in whatever spelling, nothing that claims an identity gets in.
#[tokio::test]
async fn claims_of_identity_never_reach_the_server() {
    let families = FAMILIES.iter().flat_map(|(_, _, names)| names);
    for name in families.chain(OTHERS) {
        for spelling in spellings(name) {
            for peer in [SIDECAR, STRANGER] {
                let builder = builder(Profile::new(HeaderName::from_static("x-my-sidecar-user")))
                    .danger_optional_for([Method::ToolsList]);
                let headers = [(spelling.as_str(), "root"), (&spelling, "wheel"), ("x-keep", "1")];
                let (response, seen) = send(builder, request(from(peer), &headers)).await;
                assert!(response.status().is_success(), "{spelling} from {peer}");
                let seen = seen.unwrap();
                assert_eq!(seen.headers.len(), 1, "{spelling} from {peer}: {:?}", seen.headers);
                assert!(
                    matches!(seen.caller, Some(Caller::Anonymous(_))),
                    "{spelling} from {peer}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_stranger_is_nobody_whatever_it_claims() {
    for (family, profile, [user, email, groups]) in FAMILIES {
        for spelling in spellings(user) {
            let headers =
                [(spelling.as_str(), "root"), (email, "root@example.com"), (groups, "wheel")];
            let (response, seen) =
                send(builder(profile()), request(from(STRANGER), &headers)).await;
            assert!(seen.is_none(), "{family} {spelling}");
            let denial = response.denial().unwrap();
            assert_eq!((response.status(), denial.reason()), UNTRUSTED, "{family} {spelling}");
            assert_eq!(denial.kind(), DenialKind::NoToken, "{family} {spelling}");

            let anonymous = builder(profile()).danger_optional_for([Method::ToolsList]);
            let (_, seen) = send(anonymous, request(from(STRANGER), &headers)).await;
            let seen = seen.unwrap();
            assert!(
                matches!(seen.caller, Some(Caller::Anonymous(AnonymousReason::NoCredentials))),
                "{family} {spelling}"
            );
            assert!(seen.headers.is_empty(), "{family} {spelling}: {:?}", seen.headers);
        }
    }
}

#[tokio::test]
async fn other_families_are_not_believed() {
    for (mine, profile, [user, ..]) in FAMILIES {
        for (other, _, [other_user, other_email, other_groups]) in FAMILIES {
            if mine == other || mine.starts_with("openidc") && other.starts_with("openidc") {
                continue;
            }
            let forged = [
                (*other_user, "root"),
                (*other_email, "root@example.com"),
                (*other_groups, "wheel"),
            ];
            assert_eq!(refusal(builder(profile()), &forged).await, NOBODY, "{mine} {other}");
            let mixed = [&forged[..], &[(*user, "alice")]].concat();
            let alice = principal(builder(profile()), &mixed).await;
            assert_eq!(alice.subject(), "alice", "{mine} {other}");
            assert!(alice.groups().is_empty() && alice.claims().is_empty(), "{mine} {other}");
        }
    }
}

/// A second line, or the name in another spelling, beside the sidecar's own or alone.
#[tokio::test]
async fn twins_are_refused() {
    for (family, profile, names) in FAMILIES {
        let user = names[0];
        for name in names {
            for spelling in spellings(name) {
                for value in ["root", "alice", ""] {
                    let mut headers = vec![(user, "alice"), (spelling.as_str(), value)];
                    if *name != user {
                        headers.push((name, "x"));
                    }
                    for _ in 0..2 {
                        let verdict = refusal(builder(profile()), &headers).await;
                        assert_eq!(verdict, BAD_IDENTITY, "{family} {headers:?}");
                        headers.reverse();
                    }
                }
            }
        }
        for spelling in spellings(user).iter().filter(|it| !it.eq_ignore_ascii_case(user)) {
            let verdict = refusal(builder(profile()), &[(spelling, "root")]).await;
            assert_eq!(verdict, BAD_IDENTITY, "{family} {spelling} alone");
        }
    }
}

#[tokio::test]
async fn malformed_identities_are_refused() {
    let (user, email) = ("x-auth-request-user", "x-auth-request-email");
    let groups = "x-auth-request-groups";
    let long = "a".repeat(256);
    for (name, headers) in [
        ("not ASCII", &[(user, "алиса")][..]),
        ("a tab", &[(user, "ali\tce")]),
        ("two @ in the user", &[(user, "alice@evil.example@example.com")]),
        ("two @ in the address", &[(user, "alice"), (email, "a@evil.example@example.com")]),
        ("an address without @", &[(user, "alice"), (email, "alice")]),
        ("a long user", &[(user, &long)]),
        ("a group without name", &[(user, "alice"), (groups, "staff,,ops")]),
        ("a group with a space before", &[(user, "alice"), (groups, "staff, admins")]),
        ("a group that is not ASCII", &[(user, "alice"), (groups, "größe")]),
        ("groups twice", &[(user, "alice"), (groups, "staff"), (groups, "staff")]),
        ("groups of nobody twice", &[(groups, "staff"), (groups, "staff")]),
        ("hop by hop", &[(user, "alice"), ("connection", "close, X-Auth-Request-User")]),
        ("groups hop by hop", &[(user, "alice"), ("connection", "x-auth-request-groups")]),
        ("hop by hop, respelt", &[(user, "alice"), ("connection", "a,\tX_Auth_Request_Groups ,b")]),
        (
            "hop by hop on a second line",
            &[(user, "alice"), ("connection", "close"), ("connection", "x-auth-request-email")],
        ),
    ] {
        assert_eq!(
            refusal(builder(Profile::oauth2_proxy()), headers).await,
            BAD_IDENTITY,
            "{name}"
        );
    }
    let headers = [(user, "alice"), ("connection", "close, keep-alive, x-request-id")];
    assert_eq!(principal(builder(Profile::oauth2_proxy()), &headers).await.subject(), "alice");
}

#[tokio::test]
async fn no_user_is_nobody() {
    for (name, headers) in [
        ("nothing", &[][..]),
        ("empty", &[("oidc_claim_sub", "")]),
        ("white space", &[("oidc_claim_sub", " \t")]),
        ("Apache's unset variable", &[("oidc_claim_sub", "(null)")]),
        ("a dash", &[("oidc_claim_sub", "-")]),
        ("groups only", &[("oidc_claim_groups", "admins"), ("oidc_claim_email", "a@b.c")]),
        ("a bearer token", &[("authorization", "Bearer abc")]),
    ] {
        assert_eq!(refusal(builder(Profile::apache_openidc()), headers).await, NOBODY, "{name}");
        let anonymous = builder(Profile::apache_openidc()).danger_optional_for([Method::ToolsList]);
        let (_, seen) = send(anonymous, request(from(SIDECAR), headers)).await;
        let seen = seen.unwrap();
        assert!(matches!(seen.caller, Some(Caller::Anonymous(_))), "{name}");
        assert!(seen.headers.is_empty(), "{name}");
    }
}

/// R-132: a header that a client can make a proxy drop says nothing by its absence.
#[tokio::test]
async fn absent_lists_are_not_empty_ones() {
    let (user, groups) = ("x-auth-request-user", "x-auth-request-groups");
    let roles = HeaderName::from_static("x-my-roles");
    let profile = Profile::oauth2_proxy;

    let alice = principal(builder(profile()), &[(user, "alice")]).await;
    assert!(alice.groups_unknown());
    for empty in ["", "(null)"] {
        let alice = principal(builder(profile()), &[(user, "alice"), (groups, empty)]).await;
        assert!(!alice.groups_unknown() && alice.groups().is_empty(), "{empty:?}");
    }
    let with_roles = || profile().roles(roles.clone(), ListFormat::Delimited(','));
    assert_eq!(refusal(builder(with_roles()), &[(user, "alice")]).await, BAD_IDENTITY);
    let alice =
        principal(builder(with_roles()), &[(user, "alice"), ("x-my-roles", "dev,ops")]).await;
    assert_eq!(alice.roles(), ["dev", "ops"]);
    assert_eq!(alice.claims()["roles"], serde_json::json!(["dev", "ops"]));

    let lax = with_roles().danger_absent_lists_are_empty();
    let alice = principal(builder(lax), &[(user, "alice")]).await;
    assert!(!alice.groups_unknown() && alice.groups().is_empty() && alice.roles().is_empty());
}

#[tokio::test]
async fn a_profile_can_carry_more() {
    let profile = || {
        Profile::new(HeaderName::from_static("x-my-user"))
            .scopes(HeaderName::from_static("x-my-scopes"))
            .client_id(HeaderName::from_static("x-my-client"))
            .preferred_username(HeaderName::from_static("x-my-name"))
    };
    let headers = [("x-my-user", "alice"), ("x-my-scopes", "mcp:read a,b"), ("x-my-client", "ide")];
    let alice =
        principal(builder(profile()), &[&headers[..], &[("x-my-name", "Alice A.")]].concat()).await;
    assert_eq!(alice.scopes(), ["mcp:read", "a,b"]);
    assert_eq!(alice.client_id(), Some("ide"));
    assert_eq!(alice.claims()["preferred_username"], "Alice A.");
    assert!(!alice.groups_unknown(), "groups are not this sidecar's business");

    let zoe =
        principal(builder(profile()), &[&headers[..], &[("x-my-name", "Zoë")]].concat()).await;
    assert!(zoe.claims().is_empty(), "a name for show locks nobody out");

    assert_eq!(refusal(builder(profile()), &headers[..2]).await, BAD_IDENTITY, "no client");
    let twice = [&headers[..], &[("x_my_client", "ide")]].concat();
    assert_eq!(refusal(builder(profile()), &twice).await, BAD_IDENTITY);

    let (_, seen) = send(
        builder(profile()).also_remove(HeaderName::from_static("x-old-user")),
        request(
            from(SIDECAR),
            &[&headers[..], &[("X_Old_User", "root"), ("x-keep", "1")]].concat(),
        ),
    )
    .await;
    let names: Vec<_> = seen.unwrap().headers.keys().map(|name| name.to_string()).collect();
    assert_eq!(names, ["x-keep"], "the family's own names are removed as well");
}

#[tokio::test]
async fn peers() {
    let network = |cidr: &str| Peer::network(cidr).unwrap();
    let address = |address: &str| Peer::address(address.parse().unwrap());
    let spiffe = "spiffe://cluster.example/ns/edge/sa/proxy";
    for (name, trusted, peer, believed) in [
        ("the address", address("192.0.2.1"), from("192.0.2.1"), true),
        ("its neighbour", address("192.0.2.1"), from("192.0.2.2"), false),
        ("mapped by a dual-stack listener", address("192.0.2.1"), from("::ffff:192.0.2.1"), true),
        ("configured as mapped", address("::ffff:192.0.2.1"), from("192.0.2.1"), true),
        ("compatible is not mapped", address("192.0.2.1"), from("::192.0.2.1"), false),
        ("6to4 is not mapped", address("192.0.2.1"), from("2002:c000:201::"), false),
        ("IPv6", address("fd00::1"), from("fd00:0:0::1"), true),
        ("IPv6 neighbour", address("fd00::1"), from("fd00::2"), false),
        ("loopbacks differ", address("127.0.0.1"), from("::1"), false),
        ("in the network", network("10.1.0.0/16"), from("10.1.2.3"), true),
        ("in the network, mapped", network("10.1.0.0/16"), from("::ffff:10.1.2.3"), true),
        ("beside the network", network("10.1.0.0/16"), from("10.2.0.1"), false),
        ("in the IPv6 network", network("fd00:1::/32"), from("fd00:1:2::3"), true),
        ("beside the IPv6 network", network("fd00:1::/32"), from("fd00:2::1"), false),
        ("Unix socket", Peer::unix_socket(), PeerInfo::unix_socket(), true),
        ("not a Unix socket", Peer::unix_socket(), from("127.0.0.1"), false),
        ("Unix socket, not an address", address("127.0.0.1"), PeerInfo::unix_socket(), false),
        (
            "TLS identity",
            Peer::tls_identity(spiffe),
            from(STRANGER).with_tls_identity("proxy.example").with_tls_identity(spiffe),
            true,
        ),
        (
            "longer TLS identity",
            Peer::tls_identity(spiffe),
            from(STRANGER).with_tls_identity(format!("{spiffe}/x")),
            false,
        ),
        ("no TLS identity", Peer::tls_identity(spiffe), from(STRANGER), false),
        ("nothing known", Peer::unix_socket(), PeerInfo::default(), false),
    ] {
        let layer = builder(Profile::remote_user()).trust(trusted);
        let (response, seen) = send(layer, request(peer, &[("remote-user", "alice")])).await;
        assert_eq!(seen.is_some(), believed, "{name}");
        assert_eq!(response.status() == 401, !believed, "{name}");
    }
    assert_eq!(
        PeerInfo::from("10.0.0.5:1".parse::<SocketAddr>().unwrap()),
        PeerInfo::from("::ffff:10.0.0.5".parse::<IpAddr>().unwrap())
    );
}

#[tokio::test]
async fn an_unknown_peer_is_a_wiring_fault() {
    for layer in [
        builder(Profile::remote_user()),
        builder(Profile::remote_user()).danger_optional_for([Method::ToolsList]),
    ] {
        let mut request = request(from(SIDECAR), &[("remote-user", "alice")]);
        request.extensions_mut().remove::<PeerInfo>();
        let (response, seen) = send(layer, request).await;
        assert!(seen.is_none());
        assert_eq!(response.status(), 500);
        assert_eq!(response.denial().unwrap().reason(), Reason::Miswired);
    }
}

#[tokio::test]
async fn the_shared_secret() {
    let layer = || {
        builder(Profile::remote_user())
            .shared_secret("X-Gate-Secret", SECRET)
            .shared_secret("x-gate-secret", "the-next-one-0123456789")
    };
    let alice = ("remote-user", "alice");
    for (name, header) in [("right", SECRET), ("the next one", "the-next-one-0123456789")] {
        let headers = [alice, ("x-gate-secret", header)];
        let (_, seen) = send(layer(), request(from(SIDECAR), &headers)).await;
        let seen = seen.unwrap_or_else(|| panic!("{name}"));
        assert!(seen.headers.is_empty(), "{name}: {:?}", seen.headers);
    }
    for (name, headers) in [
        ("missing", &[alice][..]),
        ("empty", &[alice, ("x-gate-secret", "")]),
        ("wrong", &[alice, ("x-gate-secret", "correct-horse-battery-stable")]),
        ("a part", &[alice, ("x-gate-secret", "correct-horse-battery-stapl")]),
        ("more", &[alice, ("x-gate-secret", "correct-horse-battery-staples")]),
        ("twice", &[alice, ("x-gate-secret", SECRET), ("x-gate-secret", SECRET)]),
        ("with a twin", &[alice, ("x-gate-secret", SECRET), ("x_gate_secret", "x")]),
        ("misspelt", &[alice, ("x_gate_secret", SECRET)]),
    ] {
        assert_eq!(refusal(layer(), headers).await, UNTRUSTED, "{name}");
        let anonymous = layer().danger_optional_for([Method::ToolsList]);
        let (_, seen) = send(anonymous, request(from(SIDECAR), headers)).await;
        let seen = seen.unwrap();
        assert!(matches!(seen.caller, Some(Caller::Anonymous(_))), "{name}");
        assert!(seen.headers.is_empty(), "{name}: {:?}", seen.headers);
    }
    // It is a proof besides the peer, not in its place.
    let headers = [alice, ("x-gate-secret", SECRET)];
    let (response, _) = send(layer(), request(from(STRANGER), &headers)).await;
    assert_eq!(response.status(), 401);
}

/// X-44, R-019, R-157: what a stranger says of the request's origin changes no byte and goes no
/// further; what the sidecar says goes on.
#[tokio::test]
async fn forwarding_headers_are_the_sidecars_to_send() {
    let headers = [
        ("forwarded", "for=1.2.3.4;host=evil.example"),
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-host", "evil.example"),
        ("x_forwarded_proto", "http"),
        ("x-real-ip", "1.2.3.4"),
        ("x-original-url", "/admin"),
        ("x-rewrite-url", "/admin"),
    ];
    let layer = || builder(Profile::remote_user());
    let (plain, _) = send(layer(), request(from(STRANGER), &[])).await;
    let (spoofed, _) = send(layer(), request(from(STRANGER), &headers)).await;
    assert_eq!(plain.headers(), spoofed.headers());
    assert_eq!(plain.body(), spoofed.body());
    let line = plain.headers()["www-authenticate"].to_str().unwrap();
    assert!(line.contains(METADATA), "{line}");

    let anonymous = layer().danger_optional_for([Method::ToolsList]);
    let (_, seen) = send(anonymous, request(from(STRANGER), &headers)).await;
    assert!(seen.unwrap().headers.is_empty());

    let from_sidecar = [&headers[..], &[("remote-user", "alice")]].concat();
    let (_, seen) = send(layer(), request(from(SIDECAR), &from_sidecar)).await;
    assert_eq!(seen.unwrap().headers.len(), headers.len());
}

#[tokio::test]
async fn refusals_tell_the_client_nothing() {
    let layer = || builder(Profile::remote_user());
    let long = "a".repeat(256);
    let mut bodies = Vec::new();
    for bad in ["s3cret@a@b", &long, "алиса"] {
        let (response, _) = send(layer(), request(from(SIDECAR), &[("remote-user", bad)])).await;
        let all = format!("{response:?} {:?}", response.denial());
        assert!(!all.contains("s3cret") && !all.contains("remote"), "{all}");
        bodies.push(response.into_body());
    }
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]));
}

/// R-105: without inspection nobody enforces for which methods an identity may be missing.
#[tokio::test]
async fn without_inspection_nobody_is_anonymous() {
    let layer = builder(Profile::remote_user()).danger_optional_for([Method::ToolsList]);
    let server = FakeMcp::new();
    let service = layer.build().unwrap().layer(server.clone());
    let response = service.oneshot(request(from(SIDECAR), &[])).await.unwrap();
    assert_eq!(response.denial().unwrap().reason(), Reason::Miswired, "the answer is withheld");
    assert!(server.last().caller.is_none());
}

/// A fact of another stack is not this one's.
#[tokio::test]
async fn an_earlier_caller_is_forgotten() {
    let root = Caller::Verified(Principal::builder("i", "root").build().into());
    let mut anonymous = request(from(STRANGER), &[]);
    anonymous.set_caller(root);
    let layer = builder(Profile::remote_user()).danger_optional_for([Method::ToolsList]);
    let (_, seen) = send(layer, anonymous).await;
    assert!(matches!(seen.unwrap().caller, Some(Caller::Anonymous(_))));
}

#[tokio::test]
async fn readiness_is_the_inner_services() {
    let layer = builder(Profile::remote_user()).build().unwrap();
    let mut service =
        ServiceBuilder::new().layer(layer).concurrency_limit(1).service(FakeMcp::new());
    let alice = || request(from(SIDECAR), &[("remote-user", "alice")]);
    for _ in 0..3 {
        let response = ready(&mut service).await.call(alice()).await.unwrap();
        assert!(response.status().is_success());
        drop(response);
        // A refusal gives its permit back too.
        let refused = ready(&mut service).await.call(request(from(STRANGER), &[])).await;
        assert_eq!(refused.unwrap().status(), 401);
    }
}

async fn ready<S: tower::Service<Request<String>>>(service: &mut S) -> &mut S {
    service.ready().await.ok().unwrap()
}
