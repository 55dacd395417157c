//! Identities that a sidecar signed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderName, HeaderValue, Request};
use portcullis_core::{Caller, Challenge, Denial, Method, Principal, Reason, ResponseFacts as _};
use portcullis_forwarded::{
    AssertionError, ForwardedBuilder, ForwardedLayer, Peer, PeerInfo, VerifyAssertion,
};
use portcullis_jwt::{Issuer, JwkSet, Verifier};
use portcullis_test::{FakeMcp, Mint};
use tokio::sync::Semaphore;
use tower::{Layer as _, Service as _, ServiceBuilder, ServiceExt as _};

const HEADER: &str = "cf-access-jwt-assertion";
const SIDECAR: &str = "10.0.0.5";

/// `good` speaks for alice, `later` says that keys are out of reach, and all else is bad.
async fn verify(assertion: String) -> Result<Principal, AssertionError> {
    tokio::task::yield_now().await;
    match assertion.as_str() {
        "good" => Ok(Principal::builder("https://team.example", "alice").method("bearer").build()),
        "later" => Err(AssertionError::unavailable(Duration::from_secs(7))),
        _ => Err(AssertionError::refused(Reason::BadSig)),
    }
}

fn challenge() -> Challenge {
    Challenge::without_metadata(["mcp:read"]).unwrap()
}

fn unwired() -> ForwardedBuilder<impl VerifyAssertion> {
    ForwardedLayer::builder(challenge()).signed_header(HeaderName::from_static(HEADER), verify)
}

fn wired() -> ForwardedBuilder<impl VerifyAssertion> {
    unwired()
        .trust(Peer::address(SIDECAR.parse().unwrap()))
        .peer(|parts| parts.extensions.get::<PeerInfo>().cloned())
}

fn request(peer: &str, headers: &[(&str, &[u8])]) -> Request<String> {
    let mut request = Request::post("/mcp").body(String::new()).unwrap();
    request.extensions_mut().insert(PeerInfo::address(peer.parse().unwrap()));
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, HeaderValue::from_bytes(value).unwrap());
    }
    request
}

#[tokio::test]
async fn verdicts() {
    let long = vec![b'a'; 16 * 1024 + 1];
    let stranger = "10.0.0.6";
    for (name, peer, headers, expected) in [
        ("good", SIDECAR, &[(HEADER, &b"good"[..])][..], None),
        ("bad", SIDECAR, &[(HEADER, b"bad")], Some((401, Reason::BadSig))),
        ("keys out of reach", SIDECAR, &[(HEADER, b"later")], Some((503, Reason::JwksUnavailable))),
        ("none", SIDECAR, &[], Some((401, Reason::NoToken))),
        ("empty", SIDECAR, &[(HEADER, b"")], Some((401, Reason::NoToken))),
        (
            "plain headers are not believed",
            SIDECAR,
            &[("x-auth-request-user", b"root"), ("cf-access-authenticated-user-email", b"r@b.c")],
            Some((401, Reason::NoToken)),
        ),
        (
            "twice",
            SIDECAR,
            &[(HEADER, b"good"), (HEADER, b"good")],
            Some((400, Reason::BadIdentity)),
        ),
        (
            "with a twin",
            SIDECAR,
            &[(HEADER, b"good"), ("cf_access_jwt_assertion", b"x")],
            Some((400, Reason::BadIdentity)),
        ),
        (
            "hop by hop",
            SIDECAR,
            &[(HEADER, b"good"), ("connection", b"Cf-Access-Jwt-Assertion")],
            Some((400, Reason::BadIdentity)),
        ),
        ("not ASCII", SIDECAR, &[(HEADER, b"go\xf6d")], Some((400, Reason::BadIdentity))),
        ("a space", SIDECAR, &[(HEADER, b"go od")], Some((400, Reason::BadIdentity))),
        ("too long", SIDECAR, &[(HEADER, &long)], Some((400, Reason::BadIdentity))),
        ("a stranger", stranger, &[(HEADER, b"good")], Some((401, Reason::UntrustedPeer))),
    ] {
        let server = FakeMcp::new();
        let service = wired().build().unwrap().layer(server.clone());
        let response = service.oneshot(request(peer, headers)).await.unwrap();
        let seen = server.seen().pop();
        let refused = response.denial().map(|denial| (response.status().as_u16(), denial.reason()));
        assert_eq!(refused, expected, "{name}");
        assert_eq!(seen.is_some(), expected.is_none(), "{name}");
        if let Some(seen) = seen {
            assert!(seen.headers.is_empty(), "{name}: {:?}", seen.headers);
            match seen.caller.unwrap() {
                Caller::Verified(alice) => assert_eq!(alice.issuer(), "https://team.example"),
                caller => panic!("{name}: {caller:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_bad_assertion_is_not_anonymous() {
    let server = FakeMcp::new();
    let service =
        wired().danger_optional_for([Method::ToolsList]).build().unwrap().layer(server.clone());
    let response = service.clone().oneshot(request(SIDECAR, &[(HEADER, b"bad")])).await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(server.count(), 0);
    let response = service.oneshot(request(SIDECAR, &[])).await.unwrap();
    assert_eq!(response.status(), 500, "nobody inspected what it asks for");
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn a_signature_can_stand_for_the_peer() {
    let server = FakeMcp::new();
    let service =
        unwired().danger_trust_any_peer_with_signature().build().unwrap().layer(server.clone());
    let headers = [(HEADER, &b"good"[..]), ("x-forwarded-for", b"1.2.3.4")];
    let response = service.oneshot(request("203.0.113.9", &headers)).await.unwrap();
    assert!(response.status().is_success());
    assert!(server.last().headers.is_empty(), "its word on where it came from is still nothing");

    // With a secret, any peer is any peer that knows it.
    let service = unwired()
        .danger_trust_any_peer_with_signature()
        .shared_secret("x-gate-secret", "0123456789abcdef")
        .build()
        .unwrap()
        .layer(server.clone());
    let secret = ("x-gate-secret", &b"0123456789abcdef"[..]);
    let response = service.clone().oneshot(request("203.0.113.9", &headers)).await.unwrap();
    assert_eq!(response.status(), 401);
    let headers = [headers[0], secret];
    let response = service.oneshot(request("203.0.113.9", &headers)).await.unwrap();
    assert!(response.status().is_success());
}

/// The service that was polled ready is the one that is called, however late: with a limit of one,
/// a fresh clone would wait for ever.
#[tokio::test]
async fn the_ready_service_waits_with_the_verifier() {
    let (gate, calls) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let verify = {
        let (gate, calls) = (Arc::clone(&gate), Arc::clone(&calls));
        move |assertion: String| {
            let gate = Arc::clone(&gate);
            calls.fetch_add(1, Ordering::Relaxed);
            async move {
                gate.acquire().await.unwrap().forget();
                verify(assertion).await
            }
        }
    };
    let layer = ForwardedLayer::builder(challenge())
        .signed_header(HeaderName::from_static(HEADER), verify)
        .danger_trust_any_peer_with_signature()
        .build()
        .unwrap();
    let server = FakeMcp::new();
    let mut service =
        ServiceBuilder::new().layer(layer).concurrency_limit(1).service(server.clone());

    for round in 1..=3 {
        let first = ready(&mut service).await.call(request(SIDECAR, &[(HEADER, b"good")]));
        let mut first = Box::pin(first);
        assert!(poll(&mut first).is_pending(), "the verifier has not spoken");
        assert_eq!(calls.load(Ordering::Relaxed), round);
        assert_eq!(server.count(), round - 1, "the server is not called before the verdict");
        let mut ready = Box::pin(ready(&mut service));
        assert!(poll(&mut ready).is_pending(), "the one permit is with the first request");
        drop(ready);
        gate.add_permits(1);
        assert!(first.await.unwrap().status().is_success());
        assert_eq!(server.count(), round);
    }
    // An abandoned request gives the permit back.
    drop(ready(&mut service).await.call(request(SIDECAR, &[(HEADER, b"good")])));
    ready(&mut service).await;
}

/// With a real verifier, and the claims that Cloudflare Access puts into an assertion.
#[tokio::test]
async fn a_token_verifier_verifies_assertions() {
    let mint = Mint::es256("https://team.cloudflareaccess.com");
    let other = Mint::es256("https://team.cloudflareaccess.com");
    let issuer = Issuer::new(mint.issuer())
        .keys(JwkSet::from_json(mint.jwks()).unwrap())
        .audience("4714c1358e65fe4b")
        .accept_jwt_typ(["type"]);
    let verifier = Verifier::builder("https://mcp.example.com/mcp").issuer(issuer).build().unwrap();
    let verify = move |assertion: String| {
        let verifier = verifier.clone();
        async move {
            verifier.verify_token(&assertion).await.map_err(|error| match error.retry_after() {
                Some(after) => AssertionError::unavailable(after),
                None => AssertionError::refused(error.reason()),
            })
        }
    };
    let server = FakeMcp::new();
    let service = ForwardedLayer::builder(challenge())
        .signed_header(HeaderName::from_static(HEADER), verify)
        .trust(Peer::network("10.0.0.0/8").unwrap())
        .peer(|parts| parts.extensions.get::<PeerInfo>().cloned())
        .build()
        .unwrap()
        .layer(server.clone());
    let assertion = |mint: &Mint| {
        mint.token()
            .header("typ", "JWT")
            .without("client_id")
            .claim("aud", vec!["4714c1358e65fe4b"])
            .claim("type", "app")
            .claim("email", "alice@example.com")
            .claim("identity_nonce", "6ei69kawdKzMIAPF")
            .subject("7335d417-61da-459d-899c-0a01c76a2f94")
    };
    for (name, token, expected) in [
        ("good", assertion(&mint).sign(), None),
        ("another key", assertion(&other).header("kid", mint.kid()).sign(), Some(Reason::BadSig)),
        ("another application", assertion(&mint).audience("x").sign(), Some(Reason::BadAud)),
        ("expired", assertion(&mint).at(1_000).sign(), Some(Reason::Expired)),
        ("a service token", assertion(&mint).subject("").sign(), Some(Reason::BadClaim)),
    ] {
        let headers = [(HEADER, token.as_bytes())];
        let response = service.clone().oneshot(request(SIDECAR, &headers)).await.unwrap();
        let reason = response.denial().map(Denial::reason);
        assert_eq!(reason, expected, "{name}");
    }
    assert_eq!(server.count(), 1);
    match server.last().caller.unwrap() {
        Caller::Verified(alice) => {
            assert_eq!(alice.issuer(), "https://team.cloudflareaccess.com");
            assert_eq!(alice.subject(), "7335d417-61da-459d-899c-0a01c76a2f94");
        }
        caller => panic!("{caller:?}"),
    }
}

async fn ready<S: tower::Service<Request<String>>>(service: &mut S) -> &mut S {
    service.ready().await.ok().unwrap()
}

fn poll<F: Future + Unpin>(future: &mut F) -> std::task::Poll<F::Output> {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    std::pin::Pin::new(future).poll(&mut cx)
}
