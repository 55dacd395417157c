//! What the service behind the gate receives, and who else can tell.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, Request, Response, StatusCode};
use portcullis_assertion::{AssertionLayer, SigningKey};
use portcullis_core::{Actor, AnonymousReason, Caller, Clock, Principal, RequestFacts as _};
use serde_json::{Value, json};
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer as _, Service as _, ServiceExt as _, service_fn};

const GATE: &str = "https://gate.example.com";
const SERVICE: &str = "https://notes.internal/";
const HEADER: &str = "x-portcullis-assertion";
const NOW: u64 = 1_800_000_000;

type Seen = Arc<Mutex<Vec<HeaderMap>>>;

/// Sends `request` through `layer`; what the service behind saw, and the status.
async fn send(layer: &AssertionLayer, request: Request<()>) -> (Option<HeaderMap>, StatusCode) {
    let seen = Seen::default();
    let service = layer.layer(service_fn({
        let seen = Arc::clone(&seen);
        move |request: Request<()>| {
            seen.lock().unwrap().push(request.headers().clone());
            async { Ok::<_, Infallible>(Response::new(String::new())) }
        }
    }));
    let response = service.oneshot(request).await.unwrap();
    let seen = seen.lock().unwrap().pop();
    (seen, response.status())
}

fn alice() -> Principal {
    Principal::builder("https://id.example.com", "alice")
        .client_id("ide")
        .tenant("acme")
        .scope("notes:read")
        .scope("notes:write")
        .group("staff")
        .role("editor")
        .method("bearer")
        .actors(vec![
            Actor::new(None, "agent"),
            Actor::new(Some("https://other.example.com".to_owned()), "orchestrator"),
        ])
        .expires_at(Duration::from_secs(NOW + 3600))
        .build()
}

fn request(principal: Principal) -> Request<()> {
    let mut request = Request::new(());
    request.set_caller(Caller::Verified(Arc::new(principal)));
    request
}

fn layer(key: &SigningKey, clock: &Clock) -> AssertionLayer {
    AssertionLayer::builder(GATE, SERVICE).key(key.clone()).clock(clock.clone()).build().unwrap()
}

fn assertion(headers: &HeaderMap) -> String {
    let lines: Vec<_> = headers.get_all(HEADER).iter().collect();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].is_sensitive(), "not for logs");
    lines[0].to_str().unwrap().to_owned()
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn the_service_is_told_who_is_calling() {
    let (clock, _) = Clock::manual(NOW);
    let key = SigningKey::generate_es256();
    let (seen, status) = send(&layer(&key, &clock), request(alice())).await;
    assert_eq!(status, StatusCode::OK);
    let token = assertion(&seen.unwrap());
    assert_eq!(
        part(&token, 0),
        json!({ "alg": "ES256", "kid": key.kid(), "typ": "portcullis-assertion+jwt" })
    );
    let mut claims = part(&token, 1);
    assert!(!claims.as_object_mut().unwrap().remove("jti").unwrap().as_str().unwrap().is_empty());
    assert_eq!(
        claims,
        json!({
            "iss": GATE,
            "aud": SERVICE,
            "sub": "https://id.example.com#alice",
            "sub_id": { "format": "iss_sub", "iss": "https://id.example.com", "sub": "alice" },
            "client_id": "ide",
            "tenant": "acme",
            "scope": "notes:read notes:write",
            "groups": ["staff"],
            "roles": ["editor"],
            "act": { "sub": "agent", "act": { "iss": "https://other.example.com", "sub": "orchestrator" } },
            "amr_gate": "bearer",
            "iat": NOW,
            "exp": NOW + 60,
        })
    );
}

#[tokio::test]
async fn another_implementation_verifies_the_signature() {
    let (clock, _) = Clock::manual(NOW);
    for key in [SigningKey::generate_es256(), SigningKey::generate_ed25519()] {
        let layer = layer(&key, &clock);
        let token = assertion(&send(&layer, request(alice())).await.0.unwrap());
        let jwk = serde_json::from_slice::<Value>(&layer.jwks()).unwrap()["keys"][0].clone();
        let member = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let verify = |message: &[u8]| {
            if jwk["alg"] == "ES256" {
                let point = [&[4][..], &member("x"), &member("y")].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, &signature)
            } else {
                UnparsedPublicKey::new(&ED25519, member("x")).verify(message, &signature)
            }
        };
        assert!(verify(signed.as_bytes()).is_ok(), "{}", jwk["alg"]);
        let other = signed.replacen('.', ".e", 1);
        assert!(verify(other.as_bytes()).is_err(), "{}", jwk["alg"]);
    }
}

#[tokio::test]
async fn what_clients_send_under_the_name_never_arrives() {
    let (clock, _) = Clock::manual(NOW);
    let layer = layer(&SigningKey::generate_ed25519(), &clock);
    for caller in
        [Caller::Verified(Arc::new(alice())), Caller::Anonymous(AnonymousReason::NoCredentials)]
    {
        let mut request = Request::new(());
        let verified = caller.principal().is_some();
        request.set_caller(caller);
        for name in [HEADER, HEADER, "x_portcullis_assertion", "X.Portcullis-Assertion"] {
            let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().append(name, "forged".parse().unwrap());
        }
        let headers = send(&layer, request).await.0.unwrap();
        assert!(headers.values().all(|value| value != "forged"), "{headers:?}");
        assert_eq!(headers.len(), usize::from(verified), "anonymous: no assertion at all");
    }
}

#[tokio::test]
async fn without_a_sign_in_layer_nothing_passes() {
    let (clock, _) = Clock::manual(NOW);
    let layer = layer(&SigningKey::generate_ed25519(), &clock);
    let (seen, status) = send(&layer, Request::new(())).await;
    assert_eq!((seen, status), (None, StatusCode::INTERNAL_SERVER_ERROR));
}

#[tokio::test]
async fn plain_subjects_are_for_one_issuer() {
    let plain = AssertionLayer::builder(GATE, SERVICE)
        .key(SigningKey::generate_ed25519())
        .plain_subjects("https://id.example.com")
        .header("X-Who")
        .build()
        .unwrap();
    let headers = send(&plain, request(alice())).await.0.unwrap();
    assert_eq!(part(headers["x-who"].to_str().unwrap(), 1)["sub"], "alice");
    let other = Principal::builder("https://other.example.com", "alice").build();
    let (seen, status) = send(&plain, request(other)).await;
    assert_eq!((seen, status), (None, StatusCode::INTERNAL_SERVER_ERROR));
}

#[tokio::test]
async fn one_signature_serves_half_a_lifetime() {
    let (clock, hand) = Clock::manual(NOW);
    let layer = layer(&SigningKey::generate_ed25519(), &clock);
    let mut last = assertion(&send(&layer, request(alice())).await.0.unwrap());
    for (seconds, reused) in [(0, true), (29, true), (1, false), (29, true), (40, false)] {
        hand.advance(Duration::from_secs(seconds));
        let token = assertion(&send(&layer, request(alice())).await.0.unwrap());
        assert_eq!(token == last, reused, "after {seconds} more seconds");
        last = token;
    }
    let promoted = Principal::builder("https://id.example.com", "alice").client_id("ide").build();
    let token = assertion(&send(&layer, request(promoted)).await.0.unwrap());
    assert_eq!(part(&token, 1)["roles"], json!([]), "the same person with another token");
}

#[tokio::test]
async fn groups_that_are_not_all_known_are_not_listed() {
    let (clock, _) = Clock::manual(NOW);
    let layer = layer(&SigningKey::generate_ed25519(), &clock);
    let some = Principal::builder("https://id.example.com", "bob").group("staff").groups_unknown();
    let token = assertion(&send(&layer, request(some.build())).await.0.unwrap());
    assert_eq!(part(&token, 1).get("groups"), None);
    let none = Principal::builder("https://id.example.com", "carol").client_only();
    let token = assertion(&send(&layer, request(none.build())).await.0.unwrap());
    assert_eq!(part(&token, 1)["groups"], json!([]));
    assert_eq!(part(&token, 1)["client_only"], true);
}

#[tokio::test]
async fn the_ready_service_is_the_one_that_is_called() {
    let (clock, _) = Clock::manual(NOW);
    let layer = layer(&SigningKey::generate_ed25519(), &clock);
    let inner =
        service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(String::new())));
    let mut service = layer.layer(ConcurrencyLimitLayer::new(1).layer(inner));
    for _ in 0..3 {
        let response = service.ready().await.unwrap().call(request(alice())).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
}

#[test]
fn debug_shows_no_key_and_no_assertion() {
    let text = format!("{:?}", layer(&SigningKey::generate_es256(), &Clock::system()));
    assert!(text.contains(GATE) && !text.contains("PRIVATE"), "{text}");
}
