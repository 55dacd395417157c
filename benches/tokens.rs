//! Access tokens: verified cold, refused before the signature, and remembered.
//!
//! ```sh
//! cargo bench --bench tokens
//! ```
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench"
)]

mod support;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};
use std::thread;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA256, RsaParameters, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Request, Response};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use portcullis::core::Challenge;
use portcullis::jwt::JwtLayer;
use portcullis::{Issuer, JwkSet, Verifier};
use portcullis_test::{Mint, TokenBuilder};
use serde::Deserialize;
use serde_json::json;
use support::{Bench, Dice, Group, keep, now};
use tower::{Layer as _, Service};

const ISSUER: &str = "https://id.example.com";
const RESOURCE: &str = "https://mcp.example.com/mcp";

fn main() {
    // Another crate of the tree may have turned its other back end on.
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    let bench = Bench::from_args();
    bench.group("cold RS256", |group| cold(group, &Mint::rs256(ISSUER), Algorithm::RS256));
    bench.group("cold PS256", |group| cold(group, &Mint::ps256(ISSUER), Algorithm::PS256));
    bench.group("cold ES256", |group| cold(group, &Mint::es256(ISSUER), Algorithm::ES256));
    bench.group("cold EdDSA", |group| cold(group, &Mint::eddsa(ISSUER), Algorithm::EdDSA));
    bench.group("refused before the signature", refused);
    let live = if bench.is_smoke() { 100 } else { 10_000 };
    bench.group("remembered", |group| remembered(group, live));
    bench.group("remembered, two threads", two_threads);
}

/// A token with twenty groups: a payload of about 515 bytes.
fn token(mint: &Mint) -> TokenBuilder {
    let groups: Vec<_> = (0..20).map(|n| format!("group-{n:02}-abc")).collect();
    mint.token().scope("mcp:read notes:write").claim("groups", json!(groups))
}

fn verifier(mint: &Mint, remembered: usize) -> Verifier {
    let issuer = Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap());
    Verifier::builder(RESOURCE).issuer(issuer).token_cache(remembered).build().unwrap()
}

fn cold(group: &mut Group, mint: &Mint, algorithm: Algorithm) {
    let token = keep(token(mint).sign());
    let verifier = verifier(mint, 0);
    assert!(now(verifier.verify_token(token)).is_ok());
    let ours = group.work("portcullis", move || now(verifier.verify_token(token)).unwrap());

    let (message, signature) = token.rsplit_once('.').unwrap();
    let (key, signature) = (public_key(mint), URL_SAFE_NO_PAD.decode(signature).unwrap());
    let raw = group.work("aws-lc-rs, the signature alone", move || {
        key.verify_sig(message.as_bytes(), &signature).unwrap();
    });

    let key = DecodingKey::from_jwk(&serde_json::from_value::<Jwk>(mint.jwk()).unwrap()).unwrap();
    let mut validation = Validation::new(algorithm);
    validation.validate_nbf = true;
    validation.set_audience(&[RESOURCE]);
    validation.set_issuer(&[ISSUER]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let usual = group.work("jsonwebtoken on aws-lc-rs", move || {
        jsonwebtoken::decode::<Claims>(token, &key, &validation).unwrap()
    });

    let (raw_bound, usual_bound) = match algorithm {
        Algorithm::RS256 | Algorithm::PS256 => (1.15, 1.25),
        _ => (1.05, 1.0),
    };
    group.at_most("T3", ours, raw, raw_bound);
    group.faster("T3", ours, usual, usual_bound);
    group.note(format!("The token has {} bytes.", token.len()));
}

/// What a program with `jsonwebtoken` would read.
#[derive(Deserialize)]
#[expect(dead_code, reason = "read, and not looked at")]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    exp: u64,
    iat: u64,
    jti: String,
    client_id: String,
    scope: String,
    groups: Vec<String>,
}

fn public_key(mint: &Mint) -> ParsedPublicKey {
    let jwk = mint.jwk();
    let part = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    let rsa = |parameters: &'static RsaParameters| {
        RsaPublicKeyComponents { n: &part("n"), e: &part("e") }.to_parsed_public_key(parameters)
    };
    match mint.algorithm() {
        "RS256" => rsa(&RSA_PKCS1_2048_8192_SHA256),
        "PS256" => rsa(&RSA_PSS_2048_8192_SHA256),
        "ES256" => {
            let point = [vec![4], part("x"), part("y")].concat();
            ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
        }
        _ => ParsedPublicKey::new(&ED25519, part("x")),
    }
    .unwrap()
}

/// Garbage must be cheap: what is wrong is seen before the signature is looked at.
fn refused(group: &mut Group) {
    let mint = Mint::rs256(ISSUER);
    let good = token(&mint).sign();
    let (message, signature) = keep(good).rsplit_once('.').unwrap();
    let (key, signature) = (public_key(&mint), URL_SAFE_NO_PAD.decode(signature).unwrap());
    let raw = group.work("aws-lc-rs, an RS256 signature", move || {
        key.verify_sig(message.as_bytes(), &signature).unwrap();
    });
    let stranger = Mint::rs256("https://elsewhere.example.com");
    let cases = [
        ("another issuer", token(&stranger).sign()),
        ("unknown kid", token(&mint).header("kid", "nobody").sign()),
        ("expired", token(&mint).at(1_000_000_000).sign()),
        ("another audience", token(&mint).audience("https://other.example.com").sign()),
        ("no token at all", "x".repeat(1000)),
    ];
    for (name, token) in cases {
        // Remembering is on, as in a server: looking for the token is part of the price.
        let verifier = verifier(&mint, 10_000);
        assert!(now(verifier.verify_token(&token)).is_err(), "{name}");
        let ours = group.work(name, move || now(verifier.verify_token(&token)).unwrap_err());
        group.at_most("T4", ours, raw, 0.12);
    }
}

/// The sign-in layer on tokens it has seen, over the service alone.
fn remembered(group: &mut Group, live: usize) {
    // One token again and again would let the processor learn its letters by heart.
    for (tokens, target, bound) in [(64, "T1", 150.0), (live, "T2", 300.0)] {
        let mint = Mint::eddsa(ISSUER);
        let requests = requests(&mint, tokens);
        // Taken in the same order: a request that is not in the processor's cache costs both.
        let bare = group.work(format!("the service alone, {tokens} tokens"), {
            let mut turn = Turn::new(Bare, requests.clone());
            move || turn.take()
        });
        // Some room to spare: where places are shared out by hash, a full house turns some away.
        let mut turn = Turn::new(layer(&mint, tokens * 2).layer(Bare), requests.clone());
        let first = allocation_counter::measure(|| {
            requests.iter().for_each(|request| turn.serve(request.clone()));
        });
        let ours = group.work(format!("{tokens} tokens in turn"), move || turn.take());
        group.within(target, ours.over(bare), bound);
        group.note(format!(
            "A remembered token takes {} bytes, its caller with all claims included ({tokens} of them).",
            first.bytes_current / i64::try_from(tokens).unwrap()
        ));
    }
}

/// Two threads with the same token must not stand in each other's way.
fn two_threads(group: &mut Group) {
    let mint = Mint::eddsa(ISSUER);
    let service = layer(&mint, 100).layer(Bare);
    let request = requests(&mint, 1);
    let mut turn = Turn::new(service.clone(), request.clone());
    let one = group.work("one thread", move || turn.take());
    let two = group.timed("each of two threads", move |times| {
        let run = |service: Signed, requests: Vec<Request<()>>| {
            move || {
                let mut turn = Turn::new(service, requests);
                let start = support::processor_time();
                (0..times).for_each(|_| turn.take());
                support::processor_time() - start
            }
        };
        thread::scope(|scope| {
            let other = scope.spawn(run(service.clone(), request.clone()));
            let mine = run(service.clone(), request.clone())();
            (mine + other.join().unwrap()) / 2
        })
    });
    group.at_most("T1", two, one, 1.1);
}

type Signed = portcullis::jwt::Jwt<Bare>;

fn layer(mint: &Mint, remembered: usize) -> JwtLayer {
    let challenge = Challenge::new(
        "https://mcp.example.com/.well-known/oauth-protected-resource/mcp",
        ["mcp:read"],
    );
    JwtLayer::new(verifier(mint, remembered), challenge.unwrap())
}

fn requests(mint: &Mint, count: usize) -> Vec<Request<()>> {
    let request = |n: usize| {
        let token = token(mint).subject(&format!("user-{n}")).sign();
        let request = Request::post("/mcp").header("host", "mcp.example.com");
        request.header("authorization", format!("Bearer {token}")).body(()).unwrap()
    };
    (0..count).map(request).collect()
}

/// Sends requests to a service, in an order that looks random.
struct Turn<S> {
    service: S,
    requests: Vec<Request<()>>,
    dice: Dice,
}

impl<S> Turn<S>
where
    S: Service<Request<()>, Error = Infallible>,
    S::Future: Future,
    S::Response: Status,
{
    fn new(service: S, requests: Vec<Request<()>>) -> Self {
        Self { service, requests, dice: Dice::new(7) }
    }

    fn take(&mut self) {
        let at = self.dice.below(self.requests.len());
        self.serve(self.requests[at].clone());
    }

    fn serve(&mut self, request: Request<()>) {
        let Ok(response) = now(self.service.call(request));
        assert!(response.is_ok());
    }
}

trait Status {
    fn is_ok(&self) -> bool;
}

impl<B> Status for Response<B> {
    fn is_ok(&self) -> bool {
        self.status().is_success()
    }
}

/// The service behind.
#[derive(Clone, Debug)]
struct Bare;

impl<B> Service<Request<B>> for Bare {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        ready(Ok(Response::new(())))
    }
}
