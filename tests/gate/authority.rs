//! The authority for users' own tests, against the gate it is for.

use std::time::Duration;

use portcullis::core::Clock;
use portcullis::jwt::{Algorithm, TokenError};
use portcullis::testing::{Authority, DpopKey, IdentityProvider, Mistake, Outage, assert_refuses};
use portcullis::{Dpop, Policy, Portcullis, Profile, Verifier};
use tower::Layer as _;

use crate::support::{Ask, RESOURCE, Upstream, h1, serve};

fn verifier(authority: &Authority) -> Verifier {
    Verifier::builder(RESOURCE).issuer(authority.issuer()).build().unwrap()
}

fn reason(verdict: Result<portcullis::Principal, TokenError>) -> String {
    verdict.map_or_else(|error| error.reason().to_string(), |_| "accepted".to_owned())
}

#[tokio::test]
async fn tokens_of_every_algorithm_say_what_was_asked() {
    for algorithm in [
        Algorithm::Rs256,
        Algorithm::Rs384,
        Algorithm::Rs512,
        Algorithm::Ps256,
        Algorithm::Ps384,
        Algorithm::Ps512,
        Algorithm::Es256,
        Algorithm::Es384,
        Algorithm::EdDsa,
    ] {
        let authority = Authority::builder().algorithm(algorithm).in_process();
        let token = authority
            .token(RESOURCE)
            .subject("rita")
            .client("ide")
            .scope("notes:read")
            .scope("notes:write")
            .group("staff")
            .role("editor")
            .actor("agent-7")
            .claim("tenant", "acme")
            .sign();
        let principal = verifier(&authority).verify_token(&token).await.unwrap();
        assert_eq!(principal.subject(), "rita", "{algorithm:?}");
        assert_eq!(principal.issuer(), authority.name());
        assert_eq!(principal.client_id(), Some("ide"));
        assert!(principal.has_scope("notes:read") && principal.has_scope("notes:write"));
        assert_eq!(principal.actors().len(), 1);
        assert_eq!(principal.claims()["tenant"], "acme");
    }
}

/// Each mistake is refused for what it is, and not for another reason.
#[tokio::test]
async fn every_mistake_is_the_mistake_it_says() {
    let rows = [
        (Mistake::Expired, "expired"),
        (Mistake::NoExpiry, "bad_claim"),
        (Mistake::ExpiryAsText, "bad_claim"),
        (Mistake::NotYetValid, "not_yet_valid"),
        (Mistake::IssuedInTheFuture, "not_yet_valid"),
        (Mistake::TooLongLived, "expired"),
        (Mistake::WrongAudience, "bad_aud"),
        (Mistake::LongerAudience, "bad_aud"),
        (Mistake::NoAudience, "bad_aud"),
        (Mistake::WrongIssuer, "bad_iss"),
        (Mistake::IssuerWithSlash, "bad_iss"),
        (Mistake::NoIssuer, "bad_iss"),
        (Mistake::NoSubject, "bad_claim"),
        (Mistake::SubjectAsNumber, "bad_claim"),
        (Mistake::IdToken, "bad_typ"),
        (Mistake::LogoutToken, "bad_typ"),
        (Mistake::IdentityAssertion, "bad_typ"),
        (Mistake::ProofAsToken, "bad_typ"),
        (Mistake::UnknownKey, "unknown_kid"),
        (Mistake::ForeignSignature, "bad_sig"),
        (Mistake::BrokenSignature, "bad_sig"),
        (Mistake::NoSignature, "malformed_token"),
        (Mistake::AlgNone, "bad_alg"),
        (Mistake::PublicKeyAsSecret, "bad_alg"),
        (Mistake::OwnKey, "malformed_token"),
        (Mistake::OwnKeyUrl, "malformed_token"),
        (Mistake::CriticalExtension, "malformed_token"),
        (Mistake::BoundToKey, "cnf_mismatch"),
        (Mistake::BoundToCertificate, "cnf_mismatch"),
        (Mistake::BoundOtherwise, "cnf_mismatch"),
    ];
    assert_eq!(rows.len(), Mistake::ALL.len());
    let authority = Authority::in_process();
    let verifier = verifier(&authority);
    assert_eq!(reason(verifier.verify_token(&authority.token(RESOURCE).sign()).await), "accepted");
    for (mistake, expected) in rows {
        let token = authority.token(RESOURCE).mistake(mistake).sign();
        assert_eq!(reason(verifier.verify_token(&token).await), expected, "{mistake:?}");
    }
}

/// Each outage is a 503 of the gate, and the authority comes back.
#[tokio::test]
async fn outages_begin_and_end() {
    for outage in [Outage::Errors, Outage::Disconnects, Outage::Garbage] {
        let (clock, hand) = Clock::manual(1_700_000_000);
        let authority = Authority::builder().clock(clock.clone()).start().await.unwrap();
        authority.fail(outage);
        let verifier =
            Verifier::builder(RESOURCE).issuer(authority.issuer()).clock(clock).build().unwrap();
        let token = authority.token(RESOURCE).sign();
        assert_eq!(reason(verifier.verify_token(&token).await), "jwks_unavailable", "{outage:?}");
        authority.recover();
        hand.advance(Duration::from_secs(31));
        assert_eq!(reason(verifier.verify_token(&token).await), "accepted", "{outage:?}");
        assert!(authority.fetches() > 0);
    }
}

/// The gate finds new keys by itself, and drops those that are withdrawn.
#[tokio::test]
async fn rotation_twice() {
    let (clock, hand) = Clock::manual(1_700_000_000);
    let authority = Authority::builder().clock(clock.clone()).start().await.unwrap();
    let verifier =
        Verifier::builder(RESOURCE).issuer(authority.issuer()).clock(clock).build().unwrap();
    let first = authority.token(RESOURCE).sign();
    assert_eq!(reason(verifier.verify_token(&first).await), "accepted");
    authority.rotate();
    let second = authority.token(RESOURCE).sign();
    assert_eq!(reason(verifier.verify_token(&second).await), "accepted");
    assert_eq!(reason(verifier.verify_token(&first).await), "accepted", "published still");
    hand.advance(Duration::from_secs(31));
    authority.rotate_and_withdraw();
    let third = authority.token(RESOURCE).sign();
    assert_eq!(reason(verifier.verify_token(&third).await), "accepted");
    for old in [&first, &second] {
        assert_eq!(reason(verifier.verify_token(old).await), "unknown_kid");
    }
}

#[tokio::test]
async fn a_server_ends_with_its_authority() {
    let authority = Authority::start().await.unwrap();
    let addr = authority.name().strip_prefix("http://").unwrap().to_owned();
    assert!(tokio::net::TcpStream::connect(&addr).await.is_ok());
    drop(authority);
    while tokio::net::TcpStream::connect(&addr).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

/// A token that is bound to a key, with proofs as a client makes them.
#[tokio::test]
async fn bound_tokens() {
    let authority = Authority::in_process();
    let (dpop, upstream) = (Dpop::builder().build().unwrap(), Upstream::echo());
    let gate = Portcullis::builder()
        .resource(RESOURCE)
        .issuer(authority.issuer())
        .dpop(dpop)
        .policy(Policy::danger_permit_all())
        .build()
        .unwrap();
    let addr = serve(gate.layer(upstream.clone())).await;
    let key = DpopKey::new();
    let token = authority.token(RESOURCE).bound_to(&key).sign();
    let rows = [
        ("its key", key.proof("POST", RESOURCE, &token), 200),
        ("another key", DpopKey::new().proof("POST", RESOURCE, &token), 401),
        ("another token", key.proof("POST", RESOURCE, "x"), 401),
        ("another method", key.proof("GET", RESOURCE, &token), 401),
    ];
    for (name, proof, status) in rows {
        let ask = Ask::call("get_weather").header("dpop", &proof);
        let ask = ask.header("authorization", &format!("DPoP {token}"));
        assert_eq!(h1(addr, &ask).await.status, status, "{name}");
    }
    assert_eq!(h1(addr, &Ask::call("get_weather").bearer(&token)).await.status, 401);
    assert_eq!(upstream.count(), 1);
}

/// The assertion is worth something: it finds a gate that lets one kind of bad token in.
#[tokio::test]
#[should_panic(expected = "WrongAudience: not gated")]
async fn assert_refuses_finds_a_lenient_gate() {
    let authority = Authority::in_process();
    let gate = Portcullis::builder()
        .resource(RESOURCE)
        .issuer(authority.issuer().audience("https://elsewhere.example/mcp"))
        .policy(Policy::danger_permit_all())
        .build()
        .unwrap();
    assert_refuses(gate.layer(Upstream::echo()), RESOURCE, &authority).await;
}

/// Each profile accepts what the authority signs in the likeness of its provider, and still refuses
/// the mistakes.
#[tokio::test]
async fn profiles_accept_their_likeness() {
    use IdentityProvider as Like;
    let (tenant, app) =
        ("5dbf1a52-3c0e-4a3b-9d4a-8f6d3f0a1c2e", "7c9d0f4e-1a2b-4c3d-8e5f-60718293a4b5");
    let workload = "spiffe://acme.example/notes";
    let set = |profile: Profile, name: &str, value: &str| profile.set(name, value).unwrap();
    let rows = [
        (Profile::entra_v2(tenant, app), Like::EntraV2, app, "alice"),
        (Profile::entra_v1(tenant, app), Like::EntraV1, app, "alice"),
        (Profile::okta("https://acme.okta.com/oauth2/default"), Like::Okta, RESOURCE, "alice"),
        (
            Profile::keycloak("https://sso.example.com/realms/acme"),
            Like::Keycloak,
            RESOURCE,
            "alice",
        ),
        (
            set(Profile::auth0("acme.eu.auth0.com"), "namespace", "https://example.com/"),
            Like::Auth0,
            RESOURCE,
            "alice",
        ),
        (Profile::ping_one("https://auth.pingone.eu/env/as"), Like::PingOne, RESOURCE, "alice"),
        (
            // Its administrator writes the claims; these are those of the sibling.
            Profile::ping_federate("https://sso.example.com"),
            Like::PingOne,
            RESOURCE,
            "alice",
        ),
        (
            Profile::cognito("eu-west-1_AbC")
                .danger_clients_without_audience(["ide"], "notes")
                .unwrap(),
            Like::Cognito,
            RESOURCE,
            "alice",
        ),
        (
            set(Profile::google(), "service_account", "113774264463038321964"),
            Like::Google,
            RESOURCE,
            "113774264463038321964",
        ),
        (
            set(Profile::github_actions(), "owner_id", "65"),
            Like::GitHubActions,
            RESOURCE,
            "repo:acme/notes:ref:refs/heads/main",
        ),
        (
            set(Profile::gitlab(), "project_id", "20"),
            Like::GitLab,
            RESOURCE,
            "project_path:acme/notes:ref_type:branch:ref:main",
        ),
        (
            Profile::spiffe("https://oidc.acme.example", "acme.example"),
            Like::Spiffe,
            RESOURCE,
            workload,
        ),
    ];
    let mut names: Vec<_> = rows.iter().map(|(profile, ..)| profile.name()).collect();
    let mut all: Vec<_> = Profile::names().collect();
    names.sort_unstable();
    all.sort_unstable();
    assert_eq!(names, all, "one row for each profile");
    for (profile, like, audience, subject) in rows {
        let issuer = profile.issuer().unwrap();
        let authority =
            Authority::builder().name(issuer.name()).algorithm(Algorithm::Rs256).in_process();
        let verifier =
            Verifier::builder(RESOURCE).issuer(issuer.keys(authority.jwk_set())).build().unwrap();
        let token = authority.token(audience).like(like).subject(subject).client("ide");
        let token = token.scope("notes/read").group("staff").role("editor");
        let principal = match verifier.verify_token(&token.sign()).await {
            Ok(principal) => principal,
            Err(error) => panic!("{like:?}: {error}"),
        };
        let person =
            !matches!(like, Like::Google | Like::GitHubActions | Like::GitLab | Like::Spiffe);
        assert_eq!(principal.is_client(), !person, "{like:?}");
        if person {
            assert_eq!(principal.client_id(), Some("ide"), "{like:?}");
            assert!(principal.has_scope("notes/read"), "{like:?}");
            assert_eq!(principal.groups(), ["staff"], "{like:?}");
        }
        for mistake in Mistake::ALL {
            // What Cognito's tokens name in place of an audience is the client.
            let audience = matches!(mistake, Mistake::NoAudience);
            if like == Like::Cognito && audience {
                continue;
            }
            let bad = token.clone().mistake(mistake).sign();
            assert_ne!(
                reason(verifier.verify_token(&bad).await),
                "accepted",
                "{like:?} {mistake:?}"
            );
        }
    }
}
