//! Tokens that count only in the right hands: DPoP, client certificates, step-up, API keys.
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
use std::future::ready;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::Empty;
use portcullis_core::{
    Caller, Challenge, Clock, DenialKind, ManualClock, Reason, RequestFacts as _,
    ResponseFacts as _,
};
use portcullis_jwt::{
    Algorithm, ApiKey, ApiKeys, Dpop, FirstUse, FirstUseSender, Issuer, JwkSet, JwtLayer, ProofId,
    ProofUse, ReplayStore, StepUp, Verifier,
};
use portcullis_test::{Mint, TokenBuilder, sha256};
use serde_json::{Value, json};
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer as _, Service as _, ServiceBuilder, ServiceExt as _, service_fn};

const ISSUER: &str = "https://id.example.com";
const RESOURCE: &str = "https://mcp.example.com/mcp";
const METADATA: &str = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";
const NOW: u64 = 1_700_000_000;

struct World {
    issuer: Mint,
    /// The client's own key.
    key: Mint,
    verifier: Verifier,
    hand: ManualClock,
}

/// What a refused client and the record see.
#[derive(Debug)]
struct Refusal {
    reason: Reason,
    status: u16,
    challenges: Vec<String>,
    nonce: Option<String>,
}

type Outcome = Result<Arc<portcullis_core::Principal>, Refusal>;

impl World {
    fn new() -> Self {
        let issuer = Mint::es256(ISSUER);
        let (clock, hand) = Clock::manual(NOW);
        let keys = JwkSet::from_json(issuer.jwks()).unwrap();
        let verifier = Verifier::builder(RESOURCE)
            .issuer(Issuer::new(ISSUER).keys(keys))
            .clock(clock)
            .build()
            .unwrap();
        Self { issuer, key: Mint::es256("client"), verifier, hand }
    }

    fn layer(&self) -> JwtLayer {
        let challenge = Challenge::new(METADATA, ["mcp:read"]).unwrap();
        JwtLayer::new(self.verifier.clone(), challenge)
    }

    fn dpop(&self) -> JwtLayer {
        self.layer().dpop(Dpop::builder().build().unwrap()).unwrap()
    }

    fn token(&self) -> TokenBuilder {
        self.issuer.token().at(NOW)
    }

    fn bound(&self) -> String {
        self.token().claim("cnf", json!({"jkt": self.key.thumbprint()})).sign()
    }

    fn proof(&self, token: &str) -> portcullis_test::ProofBuilder {
        self.key.proof("POST", RESOURCE, token).at(NOW)
    }
}

fn request(authorization: &str, proofs: &[&str]) -> Request<()> {
    let request = Request::post("/mcp").header("authorization", authorization);
    // What the client says about where it went means nothing.
    let request = request.header("host", "evil.example").header("x-forwarded-host", "evil.example");
    proofs.iter().fold(request, |request, proof| request.header("DPoP", *proof)).body(()).unwrap()
}

async fn send(layer: &JwtLayer, request: Request<()>) -> Outcome {
    let inner = service_fn(|request: Request<()>| {
        assert!(request.headers().get("authorization").is_none(), "the token is ours alone");
        assert!(request.headers().get("dpop").is_none(), "and so is the proof (R-300)");
        let Some(Caller::Verified(principal)) = request.caller() else { panic!("no caller") };
        let mut response = Response::new(Empty::<Bytes>::new());
        response.extensions_mut().insert(Arc::clone(principal));
        ready(Ok::<_, Infallible>(response))
    });
    let response = layer.layer(inner).oneshot(request).await.unwrap();
    if let Some(principal) = response.extensions().get() {
        return Ok(Arc::clone(principal));
    }
    let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
    Err(Refusal {
        reason: response.denial().unwrap().reason(),
        status: response.status().as_u16(),
        challenges: response.headers().get_all("www-authenticate").iter().map(text).collect(),
        nonce: response.headers().get("dpop-nonce").map(text),
    })
}

fn bad_proof() -> String {
    format!(
        "DPoP error=\"invalid_dpop_proof\", algs=\"ES256 EdDSA\", resource_metadata=\"{METADATA}\""
    )
}

#[tokio::test]
async fn a_bound_token_with_its_proof_is_let_in() {
    let world = World::new();
    let layer = world.dpop();
    for key in [Mint::es256("client"), Mint::eddsa("client")] {
        let token = world.token().claim("cnf", json!({"jkt": key.thumbprint()})).sign();
        let proof = || key.proof("POST", RESOURCE, &token).at(NOW);
        let rows = [
            ("plain", proof()),
            ("iat of 5 minutes ago", proof().at(NOW - 300)),
            ("iat in 5 minutes", proof().at(NOW + 300)),
            (
                "another spelling of the URI",
                proof().claim("htu", "HTTPS://mcp.example.com:443/mcp"),
            ),
            ("query and fragment", proof().claim("htu", format!("{RESOURCE}?a=b#c"))),
            ("a claim we do not know", proof().claim("extra", 1)),
        ];
        for (name, proof) in rows {
            let proof = proof.sign();
            let principal =
                send(&layer, request(&format!("DPoP {token}"), &[&proof])).await.expect(name);
            assert_eq!((principal.subject(), principal.method()), ("alice", "dpop"), "{name}");
        }
    }
}

/// every check violated in turn, always with the same answer.
#[tokio::test]
async fn bad_proofs() {
    let world = World::new();
    let layer = world.dpop();
    let token = world.bound();
    let good = || world.proof(&token);
    let jwk = |change: &dyn Fn(&mut Value)| {
        let header: Value = serde_json::from_str(&good().header_json()).unwrap();
        let mut jwk = header["jwk"].clone();
        change(&mut jwk);
        good().header("jwk", jwk).sign()
    };
    let stranger = Mint::es256("client");
    let others = [Mint::es384("client"), Mint::rs256("client")];
    let sign = |header: &str, claims: &str| world.key.sign_raw(header, claims);
    let twice = good().claims_json().replacen('{', "{\"htm\":\"GET\",", 1);
    let signed_by_another = stranger.sign_raw(&good().header_json(), &good().claims_json());
    let cut = good().sign();
    let rows = [
        ("typ of an access token", good().header("typ", "at+jwt").sign()),
        ("typ JWT", good().header("typ", "JWT").sign()),
        ("no typ", good().without_header("typ").sign()),
        ("alg none", good().header("alg", "none").sign()),
        ("alg HS256", good().header("alg", "HS256").sign()),
        ("alg of another kind of key", good().header("alg", "EdDSA").sign()),
        ("no alg", good().without_header("alg").sign()),
        ("crit", good().header("crit", json!(["x"])).sign()),
        ("jku", good().header("jku", "https://evil.example/jwks").sign()),
        ("no jwk", good().without_header("jwk").sign()),
        ("private jwk", jwk(&|jwk| jwk["d"] = json!("AA"))),
        ("secret jwk", jwk(&|jwk| jwk["k"] = json!("AA"))),
        ("symmetric jwk", jwk(&|jwk| *jwk = json!({"kty": "oct", "k": "AA"}))),
        ("jwk for another algorithm", jwk(&|jwk| jwk["alg"] = json!("ES384"))),
        ("jwk off the curve", jwk(&|jwk| jwk["x"] = jwk["y"].clone())),
        ("jwk as text", jwk(&|jwk| *jwk = json!(jwk.to_string()))),
        ("another key", stranger.proof("POST", RESOURCE, &token).at(NOW).sign()),
        ("signed by another key", signed_by_another),
        ("htm of another method", good().claim("htm", "GET").sign()),
        ("htm in lower case", good().claim("htm", "post").sign()),
        ("no htm", good().without("htm").sign()),
        ("htu of the Host (X-25)", good().claim("htu", "https://evil.example/mcp").sign()),
        ("htu of another path", good().claim("htu", "https://mcp.example.com/").sign()),
        ("htu of another scheme", good().claim("htu", "http://mcp.example.com/mcp").sign()),
        ("htu relative", good().claim("htu", "/mcp").sign()),
        ("no htu", good().without("htu").sign()),
        ("iat too old", good().at(NOW - 301).sign()),
        ("iat too new", good().at(NOW + 301).sign()),
        ("iat as text", good().claim("iat", NOW.to_string()).sign()),
        ("no iat", good().without("iat").sign()),
        ("ath of another token", good().claim("ath", sha256(b"other")).sign()),
        ("no ath", good().without("ath").sign()),
        ("jti empty", good().claim("jti", "").sign()),
        ("jti too long", good().claim("jti", "x".repeat(257)).sign()),
        ("jti not text", good().claim("jti", 1).sign()),
        ("no jti", good().without("jti").sign()),
        ("nonce not text", good().claim("nonce", 1).sign()),
        ("content_digest, which is not checked here", good().claim("content_digest", "x").sign()),
        ("repeated member", sign(&good().header_json(), &twice)),
        ("claims not an object", sign(&good().header_json(), "[]")),
        ("cut off", cut.get(..cut.len() - 4).unwrap().to_owned()),
        ("the token itself", token.clone()),
        ("too large", good().claim("extra", "x".repeat(8 * 1024)).sign()),
        ("no proof at all", String::new()),
    ];
    let unlisted = others.map(|key| {
        // Bound to that very key, which only the list of algorithms refuses.
        let token = world.token().claim("cnf", json!({"jkt": key.thumbprint()})).sign();
        let proof = key.proof("POST", RESOURCE, &token).at(NOW).sign();
        (key.algorithm(), token, proof)
    });
    let rows = rows.map(|(name, proof)| (name, token.clone(), proof));
    for (name, token, proof) in rows.into_iter().chain(unlisted) {
        let refusal =
            send(&layer, request(&format!("DPoP {token}"), &[&proof])).await.expect_err(name);
        assert_eq!(refusal.reason, Reason::DpopInvalid, "{name}");
        assert_eq!((refusal.status, refusal.challenges), (401, vec![bad_proof()]), "{name}");
    }
    let authorization = format!("DPoP {token}");
    for proofs in [vec![], vec![good().sign(); 2], vec![good().sign(), good().sign()]] {
        let proofs: Vec<_> = proofs.iter().map(String::as_str).collect();
        let refusal = send(&layer, request(&authorization, &proofs)).await.unwrap_err();
        assert_eq!(refusal.reason, Reason::DpopInvalid, "{} lines", proofs.len());
    }
}

#[tokio::test]
async fn other_algorithms_only_by_configuration() {
    let world = World::new();
    let key = Mint::rs256("client");
    let token = world.token().claim("cnf", json!({"jkt": key.thumbprint()})).sign();
    let dpop = Dpop::builder().algorithms([Algorithm::Rs256]).build().unwrap();
    let layer = world.layer().dpop(dpop).unwrap();
    let proof = key.proof("POST", RESOURCE, &token).at(NOW).sign();
    send(&layer, request(&format!("DPoP {token}"), &[&proof])).await.unwrap();
    let refusal = send(&layer, request("Bearer x", &[])).await.unwrap_err();
    assert!(refusal.challenges[1].starts_with("DPoP algs=\"RS256\""), "{refusal:?}");
}

/// neither scheme takes the other's tokens.
#[tokio::test]
async fn schemes_and_tokens_must_fit() {
    let world = World::new();
    let (bound, plain) = (world.bound(), world.token().sign());
    let unknown = world.token().claim("cnf", json!({"jwk": {}})).sign();
    let offer = format!("DPoP algs=\"ES256 EdDSA\", resource_metadata=\"{METADATA}\"");
    let rows = [
        ("bound as bearer", "Bearer", &bound),
        ("plain with DPoP", "DPoP", &plain),
        ("unknown binding as bearer", "Bearer", &unknown),
        ("unknown binding with DPoP", "DPoP", &unknown),
    ];
    for (name, scheme, token) in rows {
        let proof = world.proof(token).sign();
        let request = request(&format!("{scheme} {token}"), &[&proof]);
        let refusal = send(&world.dpop(), request).await.expect_err(name);
        assert_eq!(refusal.reason, Reason::CnfMismatch, "{name}");
        assert!(refusal.challenges[0].starts_with("Bearer error=\"invalid_token\""), "{name}");
        assert_eq!(refusal.challenges[1..], [offer.as_str()], "{name}");
    }
    // Where DPoP is off, it is one of the schemes we do not know.
    let proof = world.proof(&bound).sign();
    for (authorization, reason) in [("DPoP", Reason::NoToken), ("Bearer", Reason::CnfMismatch)] {
        let request = request(&format!("{authorization} {bound}"), &[&proof]);
        let refusal = send(&world.layer(), request).await.unwrap_err();
        assert_eq!(refusal.reason, reason);
        assert_eq!(refusal.challenges.len(), 1);
    }
    let plain = format!("Bearer {plain}");
    assert_eq!(send(&world.dpop(), request(&plain, &[])).await.unwrap().method(), "bearer");
}

/// For users' own code there is no proof to show.
#[tokio::test]
async fn a_bare_verification_refuses_bound_tokens() {
    let world = World::new();
    let error = world.verifier.verify_token(&world.bound()).await.unwrap_err();
    assert_eq!(error.reason(), Reason::CnfMismatch);
    world.verifier.verify_token(&world.token().sign()).await.unwrap();
}

/// where DPoP is required, no challenge speaks of bearer tokens, and none is taken.
#[tokio::test]
async fn required_dpop() {
    let world = World::new();
    let pepper = [7; 32];
    let minted = ApiKeys::mint(&pepper).unwrap();
    let keys = ApiKeys::new(&pepper, [ApiKey::new(minted.digest(), "ci")]).unwrap();
    let dpop = Dpop::builder().required().build().unwrap();
    let layer = world.layer().dpop(dpop).unwrap().api_keys(keys);
    for token in [world.token().sign(), minted.reveal()] {
        let refusal = send(&layer, request(&format!("Bearer {token}"), &[])).await.unwrap_err();
        assert_eq!(refusal.reason, Reason::CnfMismatch);
        assert_eq!(refusal.challenges.len(), 1);
        assert!(refusal.challenges[0].starts_with("DPoP error=\"invalid_token\", algs="));
    }
    let nothing = Request::post("/mcp").body(()).unwrap();
    let refusal = send(&layer, nothing).await.unwrap_err();
    assert_eq!(
        refusal.challenges,
        [format!(
            "DPoP algs=\"ES256 EdDSA\", scope=\"mcp:read\", resource_metadata=\"{METADATA}\""
        )]
    );
    let token = world.bound();
    let proof = world.proof(&token).sign();
    send(&layer, request(&format!("DPoP {token}"), &[&proof])).await.unwrap();
}

///
#[tokio::test]
async fn a_proof_counts_once_and_a_token_often() {
    let world = World::new();
    let layer = world.dpop();
    let token = world.bound();
    let authorization = format!("DPoP {token}");
    let proof = world.proof(&token).claim("jti", "1").sign();
    send(&layer, request(&authorization, &[&proof])).await.unwrap();
    let again = world.proof(&token).claim("jti", "1").claim("extra", 1).sign();
    for replayed in [&proof, &again] {
        let refusal = send(&layer, request(&authorization, &[replayed])).await.unwrap_err();
        assert_eq!(refusal.reason, Reason::DpopReplayed);
        assert_eq!(refusal.challenges, [bad_proof()]);
    }
    let fresh = world.proof(&token).claim("jti", "2").sign();
    send(&layer, request(&authorization, &[&fresh])).await.unwrap();
    world.hand.advance(Duration::from_secs(300));
    let refusal = send(&layer, request(&authorization, &[&proof])).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::DpopReplayed, "remembered for as long as it is young");
    world.hand.advance(Duration::from_secs(1));
    let refusal = send(&layer, request(&authorization, &[&proof])).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::DpopInvalid, "too old");
}

/// A store elsewhere, which answers when told to.
#[derive(Clone, Default)]
struct Remote(Arc<Mutex<Vec<(ProofId, FirstUseSender)>>>);

impl ReplayStore for Remote {
    fn first_use(&self, proof: ProofId, now: Duration, until: Duration) -> FirstUse {
        assert_eq!((now.as_secs(), until.as_secs()), (NOW, NOW + 300));
        let (sender, first_use) = FirstUse::pair();
        self.0.lock().unwrap().push((proof, sender));
        first_use
    }
}

#[tokio::test]
async fn a_remote_store_is_waited_for() {
    let world = World::new();
    let remote = Remote::default();
    let dpop = Dpop::builder().replay_store(remote.clone()).build().unwrap();
    let mut service = ServiceBuilder::new()
        .layer(world.layer().dpop(dpop).unwrap())
        // It panics when a clone that was never ready is called.
        .layer(ConcurrencyLimitLayer::new(1))
        .service(service_fn(|request: Request<()>| {
            assert!(request.caller().is_some());
            ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
        }));
    let token = world.bound();
    let rows = [
        (Some(ProofUse::First), None),
        (Some(ProofUse::Repeated), Some((DenialKind::InvalidToken, Reason::DpopReplayed, 401))),
        (
            Some(ProofUse::Unknown),
            Some((DenialKind::KeysUnavailable, Reason::ReplayUnavailable, 503)),
        ),
        (None, Some((DenialKind::KeysUnavailable, Reason::ReplayUnavailable, 503))),
    ];
    for (answer, expected) in rows {
        let proof = world.proof(&token).sign();
        let request = request(&format!("DPoP {token}"), &[&proof]);
        let response = tokio::spawn(service.ready().await.unwrap().call(request));
        tokio::task::yield_now().await;
        assert!(!response.is_finished(), "{answer:?}: nothing goes in before the answer");
        let (_, sender) = remote.0.lock().unwrap().pop().unwrap();
        match answer {
            Some(answer) => sender.send(answer),
            None => drop(sender),
        }
        let response = response.await.unwrap().unwrap();
        let denial = response.denial();
        let denial = denial.map(|d| (d.kind(), d.reason(), d.status().as_u16()));
        assert_eq!(denial, expected, "{answer:?}");
    }
}

///
#[tokio::test]
async fn nonces() {
    let world = World::new();
    let dpop = || Dpop::builder().nonce_key([7; 32]).build().unwrap();
    let layer = world.layer().dpop(dpop()).unwrap();
    let replica = world.layer().dpop(dpop()).unwrap();
    let token = world.bound();
    let authorization = format!("DPoP {token}");
    let first = world.proof(&token).sign();
    let refusal = send(&layer, request(&authorization, &[&first])).await.unwrap_err();
    assert_eq!((refusal.reason, refusal.status), (Reason::DpopNonce, 401));
    assert!(refusal.challenges[0].starts_with("DPoP error=\"use_dpop_nonce\""), "{refusal:?}");
    let nonce = refusal.nonce.unwrap();
    let retry = || world.proof(&token).claim("nonce", nonce.as_str());
    for layer in [&layer, &replica] {
        send(layer, request(&authorization, &[&retry().sign()])).await.unwrap();
    }
    let made_up = retry().claim("nonce", "made-up").sign();
    let refusal = send(&layer, request(&authorization, &[&made_up])).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::DpopNonce);
    world.hand.advance(Duration::from_secs(600));
    let late = retry().at(NOW + 600).sign();
    let refusal = send(&layer, request(&authorization, &[&late])).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::DpopNonce, "too old");
    assert_ne!(refusal.nonce.unwrap(), nonce);
    let stranger = Mint::es256("client").proof("POST", RESOURCE, &token).at(NOW + 600).sign();
    let refusal = send(&layer, request(&authorization, &[&stranger])).await.unwrap_err();
    assert_eq!((refusal.reason, refusal.nonce), (Reason::DpopInvalid, None), "proof first");
    let random = Dpop::builder().nonces().build().unwrap();
    let random = world.layer().dpop(random).unwrap();
    let refusal = send(&random, request(&authorization, &[&late])).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::DpopNonce);
}

#[test]
fn settings_that_cannot_be_honoured() {
    let world = World::new();
    let rows = [
        ("no algorithm", Dpop::builder().algorithms([])),
        ("no age", Dpop::builder().max_age(Duration::ZERO)),
        ("an age of hours", Dpop::builder().max_age(Duration::from_secs(601))),
        ("short key", Dpop::builder().nonce_key([7; 31])),
        ("relative URI", Dpop::builder().uri("/mcp")),
        ("dots in the URI", Dpop::builder().uri("https://a.example/../mcp")),
    ];
    for (name, builder) in rows {
        let error = builder.build().expect_err(name).to_string();
        assert!(!error.ends_with('.') && !error.contains('\n'), "{error}");
    }
    let builder = Dpop::builder().nonce_key(b"0123456789abcdef0123456789abcdef".to_vec());
    let shown = format!("{builder:?} {:?}", builder.clone().build().unwrap());
    assert!(!shown.contains("48, 49") && !shown.contains("0123"), "{shown}");
    let keys = JwkSet::from_json(world.issuer.jwks()).unwrap();
    let taken = Verifier::builder(RESOURCE).issuer(Issuer::new(ApiKeys::ISSUER).keys(keys)).build();
    assert!(taken.is_err(), "no token may speak for an API key's account");
}

#[tokio::test]
async fn more_uris_by_configuration() {
    let world = World::new();
    let also = "https://gate.example.com/mcp";
    let dpop = Dpop::builder().uri("https://GATE.example.com:443/mcp").build().unwrap();
    let layer = world.layer().dpop(dpop).unwrap();
    let token = world.bound();
    for uri in [RESOURCE, also] {
        let proof = world.key.proof("POST", uri, &token).at(NOW).sign();
        send(&layer, request(&format!("DPoP {token}"), &[&proof])).await.unwrap();
    }
}

/// A certificate as the TLS layer would leave it.
#[derive(Clone)]
struct Peer(Bytes);

fn peer(parts: &Parts) -> Option<Bytes> {
    parts.extensions.get::<Peer>().map(|peer| peer.0.clone())
}

///
#[tokio::test]
async fn certificate_bound_tokens() {
    const DER: &[u8] = b"not quite a certificate";
    let world = World::new();
    let layer = world.layer().client_certificate(peer);
    let token = world.token().claim("cnf", json!({"x5t#S256": sha256(DER)})).sign();
    let both = json!({"x5t#S256": sha256(DER), "jkt": world.key.thumbprint()});
    let both = world.token().claim("cnf", both).sign();
    let with = |token: &str, der: Option<&'static [u8]>| {
        let mut request = request(&format!("Bearer {token}"), &[]);
        // Anybody can send these.
        for name in ["x-client-cert", "x-forwarded-client-cert", "client-cert"] {
            let value = http::HeaderValue::from_bytes(DER).unwrap();
            request.headers_mut().insert(name, value);
        }
        if let Some(der) = der {
            request.extensions_mut().insert(Peer(Bytes::from_static(der)));
        }
        request
    };
    let principal = send(&layer, with(&token, Some(DER))).await.unwrap();
    assert_eq!(principal.method(), "mtls");
    let plain = world.token().sign();
    assert_eq!(send(&layer, with(&plain, None)).await.unwrap().method(), "bearer");
    let off = world.layer();
    let rows = [
        ("no certificate", &layer, with(&token, None)),
        ("another certificate", &layer, with(&token, Some(b"another"))),
        ("an empty certificate", &layer, with(&token, Some(b""))),
        ("certificates are off", &off, with(&token, Some(DER))),
        ("bound to a key too", &layer, with(&both, Some(DER))),
    ];
    for (name, layer, request) in rows {
        let refusal = send(layer, request).await.expect_err(name);
        assert_eq!((refusal.reason, refusal.status), (Reason::CnfMismatch, 401), "{name}");
    }
    let dpop = world.dpop().client_certificate(peer);
    let proved = |der| {
        let mut request = with(&both, der);
        let dpop = format!("DPoP {both}").parse().unwrap();
        request.headers_mut().insert("authorization", dpop);
        request.headers_mut().insert("dpop", world.proof(&both).sign().parse().unwrap());
        request
    };
    assert_eq!(send(&dpop, proved(Some(DER))).await.unwrap().method(), "dpop");
    let refusal = send(&dpop, proved(None)).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::CnfMismatch, "a proof does not stand for a certificate");
}

///
#[tokio::test]
async fn step_up() {
    let world = World::new();
    let step_up = StepUp::acr_values(["urn:mfa"]).unwrap().and_max_age(Duration::from_secs(300));
    let layer = world.layer().step_up(step_up);
    let good = world.token().claim("acr", "urn:mfa").claim("auth_time", NOW - 300);
    send(&layer, request(&format!("Bearer {}", good.clone().sign()), &[])).await.unwrap();
    let rows = [
        ("weak", good.clone().claim("acr", "urn:pwd")),
        ("old", good.clone().claim("auth_time", NOW - 331)),
        ("silent", world.token()),
        ("a client", world.token().subject("client-1")),
    ];
    for (name, token) in rows {
        let request = request(&format!("Bearer {}", token.sign()), &[]);
        let refusal = send(&layer, request).await.expect_err(name);
        assert_eq!((refusal.reason, refusal.status), (Reason::WeakAuthentication, 401), "{name}");
        assert_eq!(
            refusal.challenges,
            [format!(
                "Bearer error=\"insufficient_user_authentication\", acr_values=\"urn:mfa\", \
                 max_age=\"300\", scope=\"mcp:read\", resource_metadata=\"{METADATA}\", \
                 error_description=\"A more recent or stronger sign-in is required\""
            )],
            "{name}"
        );
    }
    let refusal = send(&layer, request("Bearer x", &[])).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::MalformedToken, "the token comes first");
}

#[tokio::test]
async fn api_keys() {
    let world = World::new();
    let pepper = [7; 32];
    let [kept, ended] = [(); 2].map(|()| ApiKeys::mint(&pepper).unwrap());
    let keys = [
        ApiKey::new(kept.digest(), "nightly").scope("notes:read").group("robots"),
        ApiKey::new(ended.digest(), "nightly").expires_at(Duration::from_secs(NOW)),
    ];
    let layer = world.layer().api_keys(ApiKeys::new(&pepper, keys).unwrap());
    let (kept, ended) = (kept.reveal(), ended.reveal());
    let principal = send(&layer, request(&format!("Bearer {kept}"), &[])).await.unwrap();
    assert_eq!((principal.issuer(), principal.subject()), (ApiKeys::ISSUER, "nightly"));
    assert_eq!((principal.method(), principal.is_client()), ("api_key", true));
    assert!(principal.has_scope("notes:read") && principal.groups() == ["robots"]);
    let token = world.token().sign();
    send(&layer, request(&format!("Bearer {token}"), &[])).await.expect("tokens as before");
    let rows = [
        ("ended", &layer, format!("Bearer {ended}"), Reason::Expired),
        ("unknown", &layer, format!("Bearer {kept}A"), Reason::BadApiKey),
        ("off by default", &world.layer(), format!("Bearer {kept}"), Reason::MalformedToken),
        ("another scheme", &layer, format!("DPoP {kept}"), Reason::NoToken),
        ("as basic", &layer, format!("Basic {kept}"), Reason::NoToken),
        ("with the scheme DPoP", &world.dpop(), format!("DPoP {kept}"), Reason::MalformedToken),
    ];
    for (name, layer, authorization, reason) in rows {
        let refusal = send(layer, request(&authorization, &[])).await.expect_err(name);
        assert_eq!((refusal.reason, refusal.status), (reason, 401), "{name}");
    }
}
