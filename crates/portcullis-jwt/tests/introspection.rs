//! Opaque tokens: a real introspection endpoint on loopback, and what a broken one achieves.
#![cfg(feature = "jwks-client")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn as hyper_service;
use hyper_util::rt::TokioIo;
use portcullis_core::{
    Caller, Challenge, Clock, Principal, Reason, RequestFacts as _, ResponseFacts as _,
};
use portcullis_jwt::{
    Algorithm, ClientAuth, ClientKey, Dpop, Introspection, Issuer, JwkSet, JwtLayer, Revocation,
    Verifier,
};
use portcullis_test::{Mint, sha256};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer as _, Service as _, ServiceBuilder, ServiceExt as _, service_fn};

const ISSUER: &str = "https://id.example.com";
const RESOURCE: &str = "https://mcp.example.com/mcp";
const NOW: u64 = 1_700_000_000;

/// A question that reached the endpoint.
#[derive(Clone, Debug)]
struct Question {
    path: String,
    method: Method,
    headers: HeaderMap,
    form: HashMap<String, String>,
}

/// An authorization server that knows some tokens.
#[derive(Clone)]
struct Server {
    address: SocketAddr,
    tokens: Arc<Mutex<HashMap<String, Response<Full<Bytes>>>>>,
    documents: Arc<Mutex<HashMap<String, String>>>,
    asked: Arc<Mutex<Vec<Question>>>,
    open: Arc<Semaphore>,
    /// Questions that are being answered.
    held: Arc<AtomicUsize>,
}

struct Held(Arc<AtomicUsize>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            tokens: Arc::default(),
            documents: Arc::default(),
            asked: Arc::default(),
            open: Arc::new(Semaphore::new(100)),
            held: Arc::default(),
        };
        let served = server.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let server = served.clone();
                let service = hyper_service(move |request| {
                    let server = server.clone();
                    async move { Ok::<_, Infallible>(server.answer(request).await) }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        server
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        if let Some(document) = self.documents.lock().unwrap().get(&path) {
            return json_answer(document.clone());
        }
        let body = body.collect().await.unwrap().to_bytes();
        let text = std::str::from_utf8(&body).unwrap();
        let form: HashMap<_, _> = text
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (decoded(name), decoded(value)))
            .collect();
        let token = form.get("token").cloned().unwrap_or_default();
        self.held.fetch_add(1, Ordering::SeqCst);
        let _held = Held(self.held.clone());
        let (method, headers) = (parts.method, parts.headers);
        self.asked.lock().unwrap().push(Question { path, method, headers, form });
        let _open = self.open.acquire().await.unwrap();
        let known = self.tokens.lock().unwrap().get(&token).cloned();
        known.unwrap_or_else(|| json_answer(r#"{"active":false}"#))
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn says(&self, token: &str, answer: Response<Full<Bytes>>) {
        self.tokens.lock().unwrap().insert(token.to_owned(), answer);
    }

    fn knows(&self, token: &str, claims: &Value) {
        self.says(token, json_answer(claims.to_string()));
    }

    fn asked(&self) -> Vec<Question> {
        self.asked.lock().unwrap().clone()
    }

    fn settings(&self) -> Introspection {
        Introspection::new(ClientAuth::secret_basic("gate", "secret"))
            .endpoint(self.url("/introspect"))
    }

    fn issuer(&self) -> Issuer {
        Issuer::new(ISSUER).introspection(self.settings()).internal()
    }

    fn verifier(&self) -> Verifier {
        build(self.issuer())
    }
}

fn build(issuer: Issuer) -> Verifier {
    let (clock, _) = Clock::manual(NOW);
    Verifier::builder(RESOURCE).issuer(issuer).clock(clock).build().unwrap()
}

fn json_answer(body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    answer(200, "application/json", body)
}

fn answer(status: u16, content_type: &str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status).header(CONTENT_TYPE, content_type);
    response.body(Full::new(body.into())).unwrap()
}

fn decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).unwrap()
}

fn good() -> Value {
    json!({
        "active": true, "iss": ISSUER, "aud": RESOURCE, "sub": "alice", "client_id": "ide",
        "token_type": "Bearer", "exp": NOW + 300, "iat": NOW - 10, "scope": "a b",
        "act": { "sub": "agent" },
    })
}

fn with(member: &str, value: Value) -> Value {
    let mut claims = good();
    claims[member] = value;
    claims
}

async fn reason(verifier: &Verifier, token: &str) -> Option<Reason> {
    verifier.verify_token(token).await.err().map(|error| error.reason())
}

/// Waits for the answer of tasks in this runtime.
async fn until(mut done: impl FnMut() -> bool) {
    while !done() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_active_token_makes_a_principal() {
    let server = Server::start().await;
    server.knows("op/aque+==", &good());
    let principal = server.verifier().verify_token("op/aque+==").await.unwrap();
    assert_eq!((principal.issuer(), principal.subject()), (ISSUER, "alice"));
    assert_eq!(principal.client_id(), Some("ide"));
    assert_eq!(principal.scopes(), ["a", "b"]);
    assert_eq!(principal.actors()[0].subject(), "agent");
    assert_eq!(principal.expires_at(), Some(Duration::from_secs(NOW + 300)));
    assert!(!principal.claims().contains_key("active"), "it is of the answer, not of the token");

    let [question] = <[Question; 1]>::try_from(server.asked()).unwrap();
    assert_eq!((question.method, &*question.path), (Method::POST, "/introspect"));
    assert_eq!(question.form["token"], "op/aque+==", "whatever it is made of");
    assert_eq!(question.form["token_type_hint"], "access_token");
    assert_eq!(question.headers[CONTENT_TYPE], "application/x-www-form-urlencoded");
    assert_eq!(question.headers["accept"], "application/json");
}

/// R-135: what is not a sound answer is nobody's fault but the endpoint's. 503, never 401.
#[tokio::test]
async fn faults_of_the_endpoint_are_503() {
    let decoy = Server::start().await;
    decoy.knows("t", &good());
    let mut redirect = answer(307, "application/json", good().to_string());
    redirect.headers_mut().insert(LOCATION, decoy.url("/introspect").parse().unwrap());
    let mut zipped = json_answer(good().to_string());
    zipped.headers_mut().insert(CONTENT_ENCODING, "gzip".parse().unwrap());
    let mut untyped = json_answer(good().to_string());
    untyped.headers_mut().remove(CONTENT_TYPE);
    let large = format!("{}{}", good(), " ".repeat(64 * 1024));
    let rows = [
        ("redirect", redirect),
        ("our credentials are wrong", answer(401, "application/json", good().to_string())),
        ("we may not ask", answer(403, "application/json", good().to_string())),
        ("bad request", answer(400, "application/json", r#"{"active":false}"#)),
        ("not found", answer(404, "application/json", r#"{"active":false}"#)),
        ("too many requests", answer(429, "application/json", r#"{"active":false}"#)),
        ("server error", answer(500, "application/json", good().to_string())),
        ("created", answer(201, "application/json", good().to_string())),
        ("nothing", answer(204, "application/json", "")),
        ("HTML", answer(200, "text/html", "<html>")),
        ("JSON called HTML", answer(200, "text/html", good().to_string())),
        ("a JWT", answer(200, "application/token-introspection+jwt", "a.b.c")),
        ("no content type", untyped),
        ("compressed", zipped),
        ("too large", json_answer(large)),
        ("empty", json_answer("")),
        ("broken", json_answer(r#"{"active":true"#)),
        ("an array", json_answer("[true]")),
        ("no active", json_answer(r#"{"sub":"alice"}"#)),
        ("active as text", json_answer(with("active", json!("true")).to_string())),
        ("active as number", json_answer(with("active", json!(1)).to_string())),
        ("active twice", json_answer(r#"{"active":false,"active":true}"#)),
        ("a member twice", json_answer(r#"{"active":true,"aud":"a","aud":"b"}"#)),
    ];
    for (name, bad) in rows {
        let server = Server::start().await;
        server.says("t", bad);
        let verifier = server.verifier();
        let error = verifier.verify_token("t").await.unwrap_err();
        assert_eq!(error.reason(), Reason::IntrospectionUnavailable, "{name}");
        assert!(error.retry_after().is_some(), "{name}");
        // It is not remembered: the endpoint may be well a moment later.
        server.knows("t", &good());
        assert_eq!(reason(&verifier, "t").await, None, "{name}");
    }
    assert!(decoy.asked().is_empty(), "no redirect is followed");
    let gone = Server::start().await.address;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = listener.local_addr().unwrap();
    drop((listener, gone));
    let settings = Introspection::new(ClientAuth::secret_basic("gate", "secret"))
        .endpoint(format!("http://{nobody}/introspect"));
    let verifier = build(Issuer::new(ISSUER).introspection(settings).internal());
    assert_eq!(reason(&verifier, "t").await, Some(Reason::IntrospectionUnavailable));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_does_not_answer_is_given_up() {
    let server = Server::start().await;
    server.knows("t", &good());
    let _closed = server.open.acquire_many(100).await.unwrap();
    let error = server.verifier().verify_token("t").await.unwrap_err();
    assert_eq!(error.reason(), Reason::IntrospectionUnavailable);
}

/// What is wrong with the token is 401, with the rules of JWTs.
#[tokio::test]
async fn what_is_said_is_held_to_the_rules() {
    let jkt = "A".repeat(43);
    let rows = [
        ("not active", json!({ "active": false }), Reason::Inactive),
        ("not active, with claims", with("active", json!(false)), Reason::Inactive),
        ("another issuer", with("iss", json!("https://evil.example")), Reason::BadIss),
        ("another audience", with("aud", json!("https://other.example")), Reason::BadAud),
        ("no audience", with("aud", json!(null)), Reason::BadAud),
        ("past", with("exp", json!(NOW - 31)), Reason::Expired),
        ("end as text", with("exp", json!("1800000000")), Reason::BadClaim),
        ("not yet", with("nbf", json!(NOW + 60)), Reason::NotYetValid),
        ("refresh token", with("token_type", json!("refresh_token")), Reason::BadTyp),
        ("bound", with("cnf", json!({ "jkt": jkt })), Reason::CnfMismatch),
        ("bad actor", with("act", json!("agent")), Reason::BadClaim),
    ];
    let server = Server::start().await;
    for (index, (name, claims, expected)) in rows.into_iter().enumerate() {
        let token = format!("t{index}");
        server.knows(&token, &claims);
        let error = server.verifier().verify_token(&token).await.unwrap_err();
        assert_eq!(error.reason(), expected, "{name}");
        assert_eq!(error.retry_after(), None, "{name}");
    }
}

/// The issuer's own settings hold for its opaque tokens as well.
#[tokio::test]
async fn settings_of_the_issuer_hold() {
    let server = Server::start().await;
    let mut claims = with("aud", json!("api://notes"));
    claims["teams"] = json!(["red"]);
    server.knows("t", &claims);
    assert_eq!(reason(&server.verifier(), "t").await, Some(Reason::BadAud));
    let issuer = server.issuer().audience("api://notes").groups_claim("teams");
    let principal = build(issuer).verify_token("t").await.unwrap();
    assert_eq!(principal.groups(), ["red"]);

    server.knows("u", &json!({ "active": true, "client_id": "robot", "token_type": "Bearer" }));
    let lax = server.settings().danger_accept_missing_audience().danger_accept_missing_expiry();
    let issuer = |settings| Issuer::new(ISSUER).introspection(settings).internal();
    let principal = build(issuer(lax.clone())).verify_token("u").await.unwrap();
    assert!(principal.is_client());
    assert_eq!(principal.expires_at(), Some(Duration::from_secs(NOW + 60)));
    let strict = issuer(lax.require_iss());
    assert_eq!(reason(&build(strict), "u").await, Some(Reason::BadIss));
}

#[tokio::test]
async fn garbage_never_leaves() {
    let server = Server::start().await;
    let verifier = server.verifier();
    let long = "a".repeat(16 * 1024 + 1);
    for token in ["", "a b", "a\nb", "a&b", "t\u{e9}", "=", "a=b", "a,b", "\"a\"", &long, "a.b.c"] {
        assert_eq!(reason(&verifier, token).await, Some(Reason::MalformedToken), "{token}");
    }
    // A JWT is not sent, and without keys it is not accepted.
    let jwt = Mint::es256(ISSUER).token().at(NOW).sign();
    assert_eq!(reason(&verifier, &jwt).await, Some(Reason::UnknownKid));
    assert!(server.asked().is_empty());
}

/// A token is shown to one issuer at most, and to none that was not chosen by its settings.
#[tokio::test]
async fn tokens_go_to_their_issuer_only() {
    let [a, b] = [Server::start().await, Server::start().await];
    let issuer = |name: &str, settings| Issuer::new(name).introspection(settings).internal();
    let builder = || Verifier::builder(RESOURCE).clock(Clock::manual(NOW).0);
    let both = builder()
        .issuer(issuer("https://a.example", a.settings()))
        .issuer(issuer("https://b.example", b.settings()));
    assert!(both.build().is_err(), "whose is an opaque token?");
    let nested = builder()
        .issuer(issuer("https://a.example", a.settings().token_prefix("x_")))
        .issuer(issuer("https://b.example", b.settings().token_prefix("x_y_")));
    assert!(nested.build().is_err(), "whose is x_y_?");

    let verifier = builder()
        .issuer(issuer("https://a.example", a.settings()))
        .issuer(issuer("https://b.example", b.settings().token_prefix("b_").jwts()))
        .build()
        .unwrap();
    let of = |name: &str| with("iss", json!(name));
    a.knows("token", &of("https://a.example"));
    b.knows("b_token", &of("https://b.example"));
    // Five parts: encrypted, so as good as opaque.
    a.knows("a.b.c.d.e", &of("https://a.example"));
    let jwt = |name: &str| Mint::es256(name).token().at(NOW).sign();
    let (jwt_a, jwt_b) = (jwt("https://a.example"), jwt("https://b.example"));
    b.knows(&jwt_b, &of("https://b.example"));
    let symmetric = Mint::hs256_with("https://b.example", &[7; 32]).token().at(NOW).sign();
    b.knows(&symmetric, &of("https://b.example"));
    for token in ["token", "b_token", "a.b.c.d.e", &jwt_b, &symmetric] {
        assert_eq!(reason(&verifier, token).await, None, "{token}");
    }
    assert_eq!(reason(&verifier, &jwt_a).await, Some(Reason::UnknownKid));
    assert_eq!(reason(&verifier, &jwt("https://c.example")).await, Some(Reason::BadIss));
    assert_eq!(reason(&verifier, &jwt("https://b.example/")).await, Some(Reason::BadIss));
    let seen = |server: &Server| -> Vec<String> {
        server.asked().into_iter().map(|question| question.form["token"].clone()).collect()
    };
    assert_eq!(seen(&a), ["token", "a.b.c.d.e"]);
    assert_eq!(seen(&b), ["b_token", &jwt_b, &symmetric]);

    let twice = verifier.add_issuer(issuer("https://c.example", a.settings()));
    assert!(twice.is_err(), "nor may a second come later");
    let jwts_only = issuer("https://c.example", a.settings().jwts_only());
    verifier.add_issuer(jwts_only).unwrap();

    // With prefixes only, a token of nobody is shown to nobody.
    let verifier = build(issuer("https://b.example", b.settings().token_prefix("b_")));
    assert_eq!(reason(&verifier, "token").await, Some(Reason::MalformedToken));
    assert_eq!(b.asked().len(), 3);
}

#[tokio::test]
async fn jwts_are_verified_with_keys_beside_opaque_tokens() {
    let server = Server::start().await;
    let mint = Mint::es256(ISSUER);
    let keys = JwkSet::from_json(mint.jwks()).unwrap();
    let verifier = build(server.issuer().keys(keys));
    server.knows("t", &good());
    assert_eq!(reason(&verifier, "t").await, None);
    assert_eq!(reason(&verifier, &mint.token().at(NOW).sign()).await, None);
    let forged = Mint::es256(ISSUER).with_kid(mint.kid()).token().at(NOW).sign();
    assert_eq!(reason(&verifier, &forged).await, Some(Reason::BadSig));
    assert_eq!(server.asked().len(), 1);
}

/// R-135: used for 60 seconds, or as set, and never past the end.
#[tokio::test]
async fn answers_are_used_for_a_while() {
    let server = Server::start().await;
    let rows: [(&str, Introspection, u64, u64); 4] = [
        ("by default", server.settings(), 300, 60),
        ("as set", server.settings().cache_for(Duration::from_secs(2)), 300, 2),
        ("to the end", server.settings(), 20, 20),
        ("not at all", server.settings().cache_for(Duration::ZERO), 300, 0),
    ];
    for (name, settings, life, used) in rows {
        let (clock, hand) = Clock::manual(NOW);
        let issuer = Issuer::new(ISSUER).introspection(settings).internal();
        let verifier = Verifier::builder(RESOURCE).issuer(issuer).clock(clock).build().unwrap();
        server.knows("t", &with("exp", json!(NOW + life)));
        let before = server.asked().len();
        let asked = || server.asked().len() - before;
        assert_eq!(reason(&verifier, "t").await, None, "{name}");
        server.says("t", json_answer(r#"{"active":false}"#));
        if used > 0 {
            hand.advance(Duration::from_millis(used * 1000 - 1));
            assert_eq!(reason(&verifier, "t").await, None, "{name}: remembered");
            assert_eq!(asked(), 1, "{name}");
            hand.advance(Duration::from_millis(1));
        }
        assert_eq!(reason(&verifier, "t").await, Some(Reason::Inactive), "{name}: asked again");
        assert_eq!(asked(), 2, "{name}");
    }
}

#[tokio::test]
async fn a_dead_token_is_remembered_briefly() {
    let server = Server::start().await;
    let (clock, hand) = Clock::manual(NOW);
    let verifier =
        Verifier::builder(RESOURCE).issuer(server.issuer()).clock(clock).build().unwrap();
    for _ in 0..10 {
        assert_eq!(reason(&verifier, "t").await, Some(Reason::Inactive));
    }
    assert_eq!(server.asked().len(), 1);
    server.knows("t", &good());
    hand.advance(Duration::from_secs(5));
    assert_eq!(reason(&verifier, "t").await, None, "for 5 seconds, not longer");
}

#[tokio::test]
async fn revocations_and_issuers_end_remembered_tokens() {
    let server = Server::start().await;
    server.knows("t", &with("jti", json!("1")));
    server.knows("u", &with("jti", json!("2")));
    let verifier = server.verifier();
    for token in ["t", "u"] {
        assert_eq!(reason(&verifier, token).await, None);
    }
    verifier.revoke(Revocation::token_id(ISSUER, "1"));
    assert_eq!(reason(&verifier, "t").await, Some(Reason::Revoked));
    assert_eq!(reason(&verifier, "u").await, None);
    verifier.revoke(Revocation::subject(ISSUER, "alice"));
    assert_eq!(reason(&verifier, "u").await, Some(Reason::Revoked));

    let verifier = server.verifier();
    server.knows("v", &good());
    assert_eq!(reason(&verifier, "v").await, None);
    let mint = Mint::es256("https://other.example");
    let other = Issuer::new(mint.issuer()).keys(JwkSet::from_json(mint.jwks()).unwrap());
    verifier.add_issuer(other).unwrap();
    assert!(verifier.remove_issuer(ISSUER));
    assert_eq!(reason(&verifier, "v").await, Some(Reason::MalformedToken), "nobody to ask");
    server.says("v", json_answer(r#"{"active":false}"#));
    verifier.add_issuer(server.issuer()).unwrap();
    assert_eq!(reason(&verifier, "v").await, Some(Reason::Inactive), "asked anew");
}

#[tokio::test]
async fn requests_with_one_token_share_one_question() {
    let server = Server::start().await;
    server.knows("t", &good());
    let closed = server.open.acquire_many(100).await.unwrap();
    let verifier = server.verifier();
    let requests: Vec<_> = (0..20)
        .map(|_| {
            let verifier = verifier.clone();
            tokio::spawn(async move { reason(&verifier, "t").await })
        })
        .collect();
    until(|| server.held.load(Ordering::SeqCst) == 1).await;
    // One that gives up takes nobody with it, though it was the first to ask.
    requests[0].abort();
    drop(closed);
    for request in requests.into_iter().skip(1) {
        assert_eq!(request.await.unwrap(), None);
    }
    assert_eq!(server.asked().len(), 1);
}

/// A flood of made-up tokens reaches the endpoint a few at a time, and the rest is turned away.
#[tokio::test]
async fn a_flood_does_not_reach_the_issuer() {
    let server = Server::start().await;
    let closed = server.open.acquire_many(100).await.unwrap();
    let settings = server.settings().max_in_flight(2);
    let verifier = build(Issuer::new(ISSUER).introspection(settings).internal());
    let waiting: Vec<_> = (0..18)
        .map(|index| {
            let verifier = verifier.clone();
            tokio::spawn(async move { reason(&verifier, &format!("t{index}")).await })
        })
        .collect();
    until(|| server.held.load(Ordering::SeqCst) == 2).await;
    for index in 18..40 {
        let error = verifier.verify_token(&format!("t{index}")).await.unwrap_err();
        assert_eq!(error.reason(), Reason::IntrospectionUnavailable);
        assert!(error.retry_after().is_some());
    }
    assert_eq!(server.asked().len(), 2, "two are under way, the others wait");
    drop(closed);
    for request in waiting {
        assert_eq!(request.await.unwrap(), Some(Reason::Inactive));
    }
    assert_eq!(server.asked().len(), 18);
}

/// A removed issuer is no longer asked, and nobody waits for it; a dropped verifier leaves nothing.
#[tokio::test]
async fn questions_end_with_their_issuer() {
    for removed in [true, false] {
        let server = Server::start().await;
        server.knows("t", &good());
        let _closed = server.open.acquire_many(100).await.unwrap();
        let verifier = server.verifier();
        let waiting = tokio::spawn({
            let verifier = verifier.clone();
            async move { reason(&verifier, "t").await }
        });
        until(|| server.held.load(Ordering::SeqCst) == 1).await;
        if removed {
            assert!(verifier.remove_issuer(ISSUER));
            assert_eq!(waiting.await.unwrap(), Some(Reason::BadIss));
        } else {
            waiting.abort();
            drop(verifier);
            assert!(waiting.await.is_err());
        }
        until(|| server.held.load(Ordering::SeqCst) == 0).await;
    }
}

/// An answer that was asked for under other settings is not used.
#[tokio::test]
async fn an_issuer_replaced_meanwhile_does_not_answer() {
    let server = Server::start().await;
    server.knows("t", &good());
    let closed = server.open.acquire_many(100).await.unwrap();
    let verifier = server.verifier();
    let waiting = tokio::spawn({
        let verifier = verifier.clone();
        async move { reason(&verifier, "t").await }
    });
    until(|| server.held.load(Ordering::SeqCst) == 1).await;
    assert!(verifier.remove_issuer(ISSUER));
    verifier.add_issuer(server.issuer().audience("api://notes")).unwrap();
    assert_eq!(waiting.await.unwrap(), Some(Reason::IntrospectionUnavailable));
    drop(closed);
    assert_eq!(reason(&verifier, "t").await, None);

    // Nor is one that came before the change and was not looked at yet.
    let verifier = server.verifier();
    let mut slow = Box::pin(reason(&verifier, "t"));
    let started = std::future::poll_fn(|cx| Poll::Ready(slow.as_mut().poll(cx))).await;
    assert!(started.is_pending());
    assert_eq!(reason(&verifier, "t").await, None, "of the same question");
    assert!(verifier.remove_issuer(ISSUER));
    verifier.add_issuer(server.issuer()).unwrap();
    assert_eq!(slow.await, Some(Reason::IntrospectionUnavailable));
}

/// RFC 6749 §2.3.1.
#[tokio::test]
async fn secrets_are_sent_as_said() {
    let server = Server::start().await;
    let ask = async |auth: ClientAuth| {
        let settings = Introspection::new(auth).endpoint(server.url("/introspect"));
        let shown = format!("{settings:?}");
        assert!(!shown.contains("s3cr") && shown.contains("my gate"), "{shown}");
        build(Issuer::new(ISSUER).introspection(settings).internal()).verify_token("t").await.err();
        server.asked().pop().unwrap()
    };
    let basic = ask(ClientAuth::secret_basic("my gate", "s3cr:t%")).await;
    let line = basic.headers[AUTHORIZATION].to_str().unwrap().strip_prefix("Basic ").unwrap();
    assert_eq!(STANDARD.decode(line).unwrap(), b"my+gate:s3cr%3At%25");
    assert!(!basic.form.contains_key("client_id") && !basic.form.contains_key("client_secret"));
    let post = ask(ClientAuth::secret_post("my gate", "s3cr:t%")).await;
    assert!(!post.headers.contains_key(AUTHORIZATION));
    assert_eq!((&*post.form["client_id"], &*post.form["client_secret"]), ("my gate", "s3cr:t%"));
}

/// Without AWS-LC there is no library for TLS but what the program installs.
fn install_tls() {
    #[cfg(not(feature = "aws-lc-rs"))]
    let _ = tokio_rustls::rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// RFC 7523 §2.2, §3: verified by the verifier for tokens.
#[tokio::test]
async fn assertions_verify() {
    install_tls();
    let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let server = Server::start().await;
    let keys: [(Algorithm, &rcgen::SignatureAlgorithm); 4] = [
        (Algorithm::Es256, &rcgen::PKCS_ECDSA_P256_SHA256),
        (Algorithm::Es384, &rcgen::PKCS_ECDSA_P384_SHA384),
        (Algorithm::EdDsa, &rcgen::PKCS_ED25519),
        (Algorithm::Ps256, &rcgen::PKCS_RSA_SHA256),
    ];
    for (algorithm, kind) in keys {
        let pair = rcgen::KeyPair::generate_for(kind).unwrap();
        let public = rcgen::PublicKeyData::der_bytes(&pair);
        let jwk = match algorithm {
            Algorithm::Es256 => {
                json!({"kty": "EC", "crv": "P-256", "x": b64(&public[1..33]), "y": b64(&public[33..])})
            }
            Algorithm::Es384 => {
                json!({"kty": "EC", "crv": "P-384", "x": b64(&public[1..49]), "y": b64(&public[49..])})
            }
            Algorithm::EdDsa => json!({"kty": "OKP", "crv": "Ed25519", "x": b64(public)}),
            // Two lengths and a zero before the 2048 bits.
            _ => json!({"kty": "RSA", "n": b64(&public[9..265]), "e": "AQAB"}),
        };
        let mut jwk = jwk;
        jwk["kid"] = json!("k1");
        jwk["alg"] = json!(algorithm.as_str());
        let pem = pair.serialize_pem();
        let key = ClientKey::from_pem(algorithm, &pem).unwrap().key_id("k1");
        assert!(!format!("{key:?}").contains("PRIVATE"));
        let wrong = if algorithm == Algorithm::EdDsa { Algorithm::Es256 } else { Algorithm::EdDsa };
        assert!(ClientKey::from_pem(wrong, &pem).is_err(), "{algorithm}");

        for audience in [None, Some("https://id.example.com/token")] {
            let mut auth = ClientAuth::private_key_jwt("gate", key.clone());
            if let Some(audience) = audience {
                auth = auth.assertion_audience(audience);
            }
            let settings = Introspection::new(auth).endpoint(server.url("/introspect"));
            let verifier = build(Issuer::new(ISSUER).introspection(settings).internal());
            let mut ids = Vec::new();
            for token in ["t", "u"] {
                verifier.verify_token(token).await.unwrap_err();
                let question = server.asked().pop().unwrap();
                assert!(!question.headers.contains_key(AUTHORIZATION));
                assert_eq!(question.form["client_id"], "gate");
                assert_eq!(
                    question.form["client_assertion_type"],
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
                );
                let set = JwkSet::from_json(json!({ "keys": [jwk] }).to_string()).unwrap();
                let client = Issuer::new("gate")
                    .keys(set)
                    .algorithms([algorithm])
                    .accept_jwt_typ(["jti"])
                    .audience(audience.unwrap_or(ISSUER));
                let checked = build(client).verify_token(&question.form["client_assertion"]).await;
                let principal = checked.unwrap();
                assert_eq!(principal.subject(), "gate");
                assert_eq!(principal.audiences(), [audience.unwrap_or(ISSUER)]);
                assert_eq!(principal.expires_at(), Some(Duration::from_secs(NOW + 60)));
                ids.push(principal.token().id.clone().unwrap());
            }
            assert_ne!(ids[0], ids[1], "a new assertion for each question");
        }
    }
    for pem in ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"] {
        assert!(ClientKey::from_pem(Algorithm::Es256, pem).is_err());
    }
}

#[tokio::test]
async fn settings_that_cannot_be_honoured() {
    install_tls();
    let auth = || ClientAuth::secret_basic("gate", "secret");
    let at = |url: &str| Introspection::new(auth()).endpoint(url);
    let good = || at("https://id.example.com/introspect");
    let built = |issuer: Issuer| Verifier::builder(RESOURCE).issuer(issuer).build().map(drop);
    let public = |settings| built(Issuer::new(ISSUER).introspection(settings));
    assert_eq!(public(good()), Ok(()));
    let rows = [
        ("plain http", at("http://id.example.com/introspect")),
        ("loopback", at("http://127.0.0.1:1/introspect")),
        ("private", at("https://10.0.0.1/introspect")),
        ("metadata of a cloud", at("https://169.254.169.254/introspect")),
        ("credentials", at("https://a:b@id.example.com/introspect")),
        ("not a URL", at("introspect")),
        ("nowhere", Introspection::new(auth())),
        ("cached too long", good().cache_for(Duration::from_secs(61))),
        ("nothing in flight", good().max_in_flight(0)),
        ("no prefix", good().token_prefix("")),
    ];
    for (name, settings) in rows {
        assert!(public(settings).is_err(), "{name}");
    }
    for auth in [
        ClientAuth::secret_basic("", "secret"),
        ClientAuth::secret_basic("gate", ""),
        ClientAuth::secret_post("gate", ""),
    ] {
        let settings = Introspection::new(auth).endpoint("https://id.example.com/introspect");
        assert!(public(settings).is_err());
    }
    let nowhere = Issuer::new(ISSUER).introspection(Introspection::new(auth()));
    let mint = Mint::es256(ISSUER);
    assert!(built(nowhere.clone().jwks_url("https://id.example.com/jwks")).is_err());
    assert!(built(nowhere.clone().keys(JwkSet::from_json(mint.jwks()).unwrap())).is_err());
    assert_eq!(built(nowhere.discover()), Ok(()));
    let keys = || Issuer::new(ISSUER).discover().jwks_url("https://id.example.com/jwks");
    assert!(built(keys().introspection(good())).is_err(), "two sources of keys");
}

#[tokio::test]
async fn the_endpoint_is_discovered() {
    let server = Server::start().await;
    let issuer = server.url("");
    let mint = Mint::es256(issuer.as_str());
    let claims = with("iss", json!(issuer));
    let place = "/.well-known/oauth-authorization-server";
    let serve = |path: &str, document: String| {
        server.documents.lock().unwrap().insert(path.to_owned(), document);
    };
    serve("/keys", mint.jwks());
    let discovered = || {
        let settings = Introspection::new(ClientAuth::secret_basic("gate", "secret"));
        build(Issuer::new(&issuer).discover().internal().introspection(settings))
    };
    let metadata = |endpoint: Value| {
        let keys = server.url("/keys");
        json!({ "issuer": issuer, "jwks_uri": keys, "introspection_endpoint": endpoint })
            .to_string()
    };
    server.knows("t", &claims);
    serve(place, metadata(json!(server.url("/ask"))));
    let verifier = discovered();
    assert_eq!(reason(&verifier, "t").await, None, "waits for the metadata");
    assert_eq!(server.asked().pop().unwrap().path, "/ask");
    assert_eq!(reason(&verifier, &mint.token().at(NOW).sign()).await, None);

    let decoy = Server::start().await;
    decoy.knows("t", &claims);
    for endpoint in [
        json!(decoy.url("/ask")),
        json!("http://id.example.com/ask"),
        json!("https://169.254.169.254/ask"),
        json!("/ask"),
        json!(7),
        json!(null),
    ] {
        serve(place, metadata(endpoint.clone()));
        let found = reason(&discovered(), "t").await;
        assert_eq!(found, Some(Reason::IntrospectionUnavailable), "{endpoint}");
    }
    assert!(decoy.asked().is_empty(), "another host without TLS");
    server.documents.lock().unwrap().clear();
    assert_eq!(reason(&discovered(), "t").await, Some(Reason::IntrospectionUnavailable));
}

/// What the layer guards.
async fn inside(request: Request<()>) -> Result<Response<Full<Bytes>>, Infallible> {
    assert!(request.headers().get(AUTHORIZATION).is_none());
    let who = request.caller().and_then(Caller::principal).map(Principal::subject);
    assert_eq!(who, Some("alice"));
    Ok(Response::new(Full::default()))
}

fn layer(verifier: Verifier) -> JwtLayer {
    JwtLayer::new(verifier, Challenge::without_metadata(["mcp:read"]).unwrap())
}

fn request(scheme: &str, token: &str) -> Request<()> {
    Request::post("/mcp").header(AUTHORIZATION, format!("{scheme} {token}")).body(()).unwrap()
}

#[tokio::test]
async fn the_layer_answers() {
    let server = Server::start().await;
    server.knows("good", &good());
    server.says("bad", answer(401, "application/json", r#"{"error":"invalid_client"}"#));
    let service = layer(server.verifier()).layer(service_fn(inside));
    let rows = [
        ("good", StatusCode::OK, None),
        ("dead", StatusCode::UNAUTHORIZED, Some(Reason::Inactive)),
        ("bad", StatusCode::SERVICE_UNAVAILABLE, Some(Reason::IntrospectionUnavailable)),
    ];
    for (token, status, reason) in rows {
        for _ in 0..2 {
            let response = service.clone().oneshot(request("Bearer", token)).await.unwrap();
            assert_eq!(response.status(), status, "{token}");
            assert_eq!(response.denial().map(|denial| denial.reason()), reason, "{token}");
            let challenged = response.headers().contains_key("www-authenticate");
            assert_eq!(challenged, status == StatusCode::UNAUTHORIZED, "{token}");
            let retry = response.headers().contains_key("retry-after");
            assert_eq!(retry, status == StatusCode::SERVICE_UNAVAILABLE, "{token}");
        }
    }
}

/// The service that was ready when the request came is the one that is called.
#[tokio::test]
async fn waiting_keeps_the_ready_service() {
    let server = Server::start().await;
    server.knows("good", &good());
    let closed = server.open.acquire_many(100).await.unwrap();
    let mut service = ServiceBuilder::new()
        .layer(layer(server.verifier()))
        .layer(ConcurrencyLimitLayer::new(1))
        .service(service_fn(inside));
    let waiting = service.ready().await.unwrap().call(request("Bearer", "good"));
    assert!(!format!("{waiting:?}").contains("good"), "a parked request shows no token");
    drop(closed);
    assert_eq!(waiting.await.unwrap().status(), StatusCode::OK);
    let again = service.ready().await.unwrap().call(request("Bearer", "good")).await.unwrap();
    assert_eq!(again.status(), StatusCode::OK, "the permit came back");
}

/// R-136: bound tokens need their proof, whoever says that they are bound.
#[tokio::test]
async fn bound_tokens_need_their_proof() {
    let server = Server::start().await;
    let key = Mint::es256("client");
    let mut bound = with("cnf", json!({ "jkt": key.thumbprint() }));
    bound["token_type"] = json!("DPoP");
    server.knows("bound", &bound);
    let der: &[u8] = b"certificate";
    server.knows("certified", &with("cnf", json!({ "x5t#S256": sha256(der) })));
    server.knows("free", &good());

    let plain = layer(server.verifier()).layer(service_fn(inside));
    let layer = layer(server.verifier())
        .dpop(Dpop::builder().build().unwrap())
        .unwrap()
        .client_certificate(|parts| {
            parts.headers.get("x-cert").map(|_| Bytes::from_static(b"certificate"))
        });
    let service = layer.layer(service_fn(inside));
    let proof = |token: &str| {
        let mut request = request("DPoP", token);
        let proof = key.proof("POST", RESOURCE, token).at(NOW).sign();
        request.headers_mut().insert("dpop", proof.parse().unwrap());
        request
    };
    let mut certified = request("Bearer", "certified");
    certified.headers_mut().insert("x-cert", "1".parse().unwrap());
    let rows = [
        ("with its proof", proof("bound"), StatusCode::OK),
        ("again, from memory", proof("bound"), StatusCode::OK),
        ("as bearer", request("Bearer", "bound"), StatusCode::UNAUTHORIZED),
        ("without proof", request("DPoP", "bound"), StatusCode::UNAUTHORIZED),
        ("free, with proof", proof("free"), StatusCode::UNAUTHORIZED),
        ("with its certificate", certified, StatusCode::OK),
        ("without", request("Bearer", "certified"), StatusCode::UNAUTHORIZED),
    ];
    for (name, request, expected) in rows {
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), expected, "{name}");
    }
    for token in ["bound", "certified"] {
        let response = plain.clone().oneshot(request("Bearer", token)).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{token}");
    }
}
