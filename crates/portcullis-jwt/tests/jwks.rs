//! Keys over HTTP: a real server on loopback, and what a hostile or broken one achieves.
#![cfg(feature = "jwks-client")]
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
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, LOCATION};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn as hyper_service;
use hyper_util::rt::TokioIo;
use portcullis_core::{Challenge, Clock, Reason, RequestFacts as _, ResponseFacts as _};
use portcullis_jwt::{Issuer, JwtLayer, Verifier};
use portcullis_test::Mint;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer as _, Service as _, ServiceBuilder, ServiceExt as _, service_fn};

const ISSUER: &str = "https://id.example.com";
const RESOURCE: &str = "https://mcp.example.com/mcp";

/// An issuer's key endpoint that answers what a test tells it to, when the test lets it.
#[derive(Clone)]
struct Idp {
    address: SocketAddr,
    answer: Arc<Mutex<Response<Full<Bytes>>>>,
    requests: Arc<AtomicUsize>,
    open: Arc<Semaphore>,
}

impl Idp {
    async fn start(answer: Response<Full<Bytes>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let idp = Self {
            address: listener.local_addr().unwrap(),
            answer: Arc::new(Mutex::new(answer)),
            requests: Arc::default(),
            open: Arc::new(Semaphore::new(1)),
        };
        let served = idp.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let idp = served.clone();
                let service = hyper_service(move |request: Request<Incoming>| {
                    let idp = idp.clone();
                    async move {
                        assert_eq!(request.uri().path(), "/jwks", "nothing else is asked for");
                        idp.requests.fetch_add(1, Ordering::SeqCst);
                        let _open = idp.open.acquire().await.unwrap();
                        let answer = idp.answer.lock().unwrap().clone();
                        Ok::<_, Infallible>(answer)
                    }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        idp
    }

    async fn serving(mint: &Mint) -> Self {
        Self::start(json(mint.jwks())).await
    }

    fn issuer(&self) -> Issuer {
        Issuer::new(ISSUER).jwks_url(format!("http://{}/jwks", self.address)).internal()
    }

    fn verifier(&self) -> Verifier {
        Verifier::builder(RESOURCE).issuer(self.issuer()).build().unwrap()
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn answer(status: u16, content_type: &str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status).header(CONTENT_TYPE, content_type);
    response.body(Full::new(body.into())).unwrap()
}

fn json(body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    answer(200, "application/json", body)
}

/// What the layer guards.
async fn inside(request: Request<()>) -> Result<Response<Full<Bytes>>, Infallible> {
    assert!(request.headers().get(AUTHORIZATION).is_none());
    assert!(request.caller().is_some());
    Ok(Response::new(Full::default()))
}

async fn reason(verifier: &Verifier, token: &str) -> Option<Reason> {
    verifier.verify_token(token).await.err().map(|error| error.reason())
}

#[tokio::test]
async fn keys_are_fetched_and_rotated() {
    let (old, new) = (Mint::es256(ISSUER), Mint::rs256(ISSUER));
    let idp = Idp::serving(&old).await;
    let verifier = idp.verifier();
    assert_eq!(reason(&verifier, &old.token().sign()).await, None);
    *idp.answer.lock().unwrap() =
        answer(200, "application/jwk-set+json; charset=utf-8", new.jwks());
    assert_eq!(reason(&verifier, &new.token().sign()).await, None);
    assert_eq!(reason(&verifier, &old.token().sign()).await, Some(Reason::UnknownKid));
    assert_eq!(idp.requests(), 2);
}

/// X-26, X-28, X-29, R-115: none of these is a key set, and none replaces a good one (R-117).
#[tokio::test]
async fn bad_answers() {
    let mint = Mint::es256(ISSUER);
    let decoy = Idp::serving(&mint).await;
    let mut redirect = answer(302, "application/json", mint.jwks());
    let elsewhere = format!("http://{}/jwks", decoy.address);
    redirect.headers_mut().insert(LOCATION, elsewhere.parse().unwrap());
    let mut zipped = json(mint.jwks());
    zipped.headers_mut().insert(CONTENT_ENCODING, "gzip".parse().unwrap());
    let mut untyped = json(mint.jwks());
    untyped.headers_mut().remove(CONTENT_TYPE);
    let jwk = mint.jwk();
    let many = serde_json::json!({ "keys": vec![&jwk; 10_000] }).to_string();
    let over = serde_json::json!({ "keys": vec![&jwk; 101] }).to_string();
    let large = format!("{}{}", mint.jwks(), " ".repeat(512 * 1024));
    let oct = r#"{"keys":[{"kty":"oct","k":"c2VjcmV0","alg":"HS256"}]}"#;
    let rows = [
        ("redirect", redirect),
        ("HTML", answer(200, "text/html", "<html>")),
        ("JSON called HTML", answer(200, "text/html", mint.jwks())),
        ("no content type", untyped),
        ("compressed", zipped),
        ("empty object", json("{}")),
        ("no keys", json(r#"{"keys":[]}"#)),
        ("only a secret", json(oct)),
        ("empty body", json("")),
        ("broken", json(r#"{"keys":["#)),
        ("10 000 keys", json(many)),
        ("101 keys", json(over)),
        ("too large", json(large)),
        ("404", answer(404, "application/json", mint.jwks())),
        ("500", answer(500, "application/json", mint.jwks())),
        ("204", answer(204, "application/json", "")),
        ("206", answer(206, "application/json", mint.jwks())),
    ];
    for (name, bad) in rows {
        let idp = Idp::start(bad.clone()).await;
        let token = mint.token().sign();
        let error = idp.verifier().verify_token(&token).await.unwrap_err();
        assert_eq!(error.reason(), Reason::JwksUnavailable, "{name}");
        assert!(error.retry_after().is_some(), "{name}");

        let idp = Idp::serving(&mint).await;
        let verifier = idp.verifier();
        assert_eq!(reason(&verifier, &token).await, None, "{name}");
        *idp.answer.lock().unwrap() = bad;
        let unknown = mint.token().header("kid", "unknown").sign();
        assert_eq!(reason(&verifier, &unknown).await, Some(Reason::UnknownKid), "{name}");
        assert_eq!(idp.requests(), 2, "{name}");
        assert_eq!(reason(&verifier, &token).await, None, "{name}: the last good set serves on");
    }
    assert_eq!(decoy.requests(), 0, "redirects lead nowhere");
}

/// X-30, R-114: what a token says makes nobody fetch from anywhere.
#[tokio::test]
async fn tokens_cause_no_fetch_elsewhere() {
    let mint = Mint::es256(ISSUER);
    let idp = Idp::serving(&mint).await;
    let verifier = idp.verifier();
    assert_eq!(reason(&verifier, &mint.token().sign()).await, None);
    let decoy = Idp::serving(&mint).await;
    let url = format!("http://{}", decoy.address);
    let rows = [
        (mint.token().claim("iss", url.as_str()), Reason::BadIss),
        (mint.token().header("jku", format!("{url}/jwks")), Reason::MalformedToken),
        (mint.token().header("kid", format!("{url}/jwks")), Reason::UnknownKid),
        (mint.token().header("kid", "x").audience("https://other"), Reason::BadAud),
        (mint.token().header("kid", "x").at(1), Reason::Expired),
    ];
    for (token, expected) in rows {
        assert_eq!(reason(&verifier, &token.sign()).await, Some(expected));
    }
    assert_eq!(decoy.requests(), 0);
    assert_eq!(idp.requests(), 2, "the unknown kid asked its own issuer, once");
}

/// R-116 over the wire.
#[tokio::test]
async fn a_storm_of_unknown_kids() {
    let mint = Mint::es256(ISSUER);
    let idp = Idp::serving(&mint).await;
    let verifier = idp.verifier();
    for kid in 0..1_000 {
        let token = mint.token().header("kid", format!("kid-{kid}")).sign();
        assert_eq!(reason(&verifier, &token).await, Some(Reason::UnknownKid));
    }
    assert!(idp.requests() <= 2, "{}", idp.requests());
}

/// R-115, X-29: a name that leads to a loopback address, and addresses written out.
#[tokio::test]
async fn private_addresses_are_out_of_reach() {
    let mint = Mint::es256(ISSUER);
    let idp = Idp::serving(&mint).await;
    let port = idp.address.port();
    let build =
        |url: &str| Verifier::builder(RESOURCE).issuer(Issuer::new(ISSUER).jwks_url(url)).build();
    for url in [
        format!("http://127.0.0.1:{port}/jwks"),
        format!("https://127.0.0.1:{port}/jwks"),
        format!("https://[::1]:{port}/jwks"),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "http://id.example.com/jwks".to_owned(),
    ] {
        assert!(build(&url).is_err(), "{url}");
    }
    // Where the platform has no root certificates, this is refused before it is tried.
    if let Ok(verifier) = build(&format!("https://localhost:{port}/jwks")) {
        assert_eq!(reason(&verifier, &mint.token().sign()).await, Some(Reason::JwksUnavailable));
    }
    assert_eq!(idp.requests(), 0);
}

#[test]
fn no_runtime_is_an_error_of_set_up() {
    let issuer = Issuer::new(ISSUER).jwks_url("http://127.0.0.1:9/jwks").internal();
    let error = Verifier::builder(RESOURCE).issuer(issuer).build().unwrap_err();
    assert!(error.to_string().contains("no tokio runtime"), "{error}");
}

#[tokio::test]
async fn keys_and_url_together_are_refused() {
    let mint = Mint::es256(ISSUER);
    let idp = Idp::serving(&mint).await;
    let issuer = idp.issuer().keys(portcullis_jwt::JwkSet::from_json(mint.jwks()).unwrap());
    assert!(Verifier::builder(RESOURCE).issuer(issuer).build().is_err());
}

/// Requests that arrive before the keys wait in the layer, with the service that was ready.
#[tokio::test]
async fn waiting_keeps_the_ready_service() {
    let mint = Mint::es256(ISSUER);
    let idp = Idp::serving(&mint).await;
    let closed = idp.open.clone().acquire_owned().await.unwrap();
    let challenge = Challenge::without_metadata(["mcp:read"]).unwrap();
    let mut service = ServiceBuilder::new()
        .layer(JwtLayer::new(idp.verifier(), challenge))
        .layer(ConcurrencyLimitLayer::new(2))
        .service(service_fn(inside));
    let request = |token: String| {
        Request::post("/mcp").header(AUTHORIZATION, format!("Bearer {token}")).body(()).unwrap()
    };
    let good = service.ready().await.unwrap().call(request(mint.token().sign()));
    let bad = service.ready().await.unwrap().call(request(mint.token().header("kid", "x").sign()));
    // Both permits are held by waiting requests: the layer has handed on its readiness, once each.
    assert!(is_pending(service.ready()).await, "no third permit");
    assert!(!format!("{good:?}").contains("eyJ"), "a parked request shows no token");
    drop(closed);
    let (good, bad) = tokio::join!(good, bad);
    assert_eq!(good.unwrap().status(), StatusCode::OK);
    let bad = bad.unwrap();
    assert_eq!(bad.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(bad.denial().unwrap().reason(), Reason::UnknownKid);
    assert_eq!(
        service.ready().await.unwrap().call(request(mint.token().sign())).await.unwrap().status(),
        200
    );
}

async fn is_pending<F: Future>(future: F) -> bool {
    let mut future = Box::pin(future);
    std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

/// R-117: 503 with `Retry-After` and without a challenge, so that clients keep their tokens.
#[tokio::test]
async fn without_keys_the_answer_is_503() {
    let mint = Mint::es256(ISSUER);
    let idp = Idp::start(answer(500, "text/plain", "down")).await;
    let challenge = Challenge::without_metadata(["mcp:read"]).unwrap();
    let service = JwtLayer::new(idp.verifier(), challenge).layer(service_fn(inside));
    for _ in 0..2 {
        let request = Request::post("/mcp")
            .header(AUTHORIZATION, format!("Bearer {}", mint.token().sign()))
            .body(())
            .unwrap();
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers().contains_key("retry-after"));
        assert!(!response.headers().contains_key("www-authenticate"));
    }
    assert_eq!(idp.requests(), 1, "requests do not hammer a failing issuer");
}

/// R-120: a token that was verified before is refused once its key is gone.
#[tokio::test]
async fn a_remembered_token_goes_with_its_key() {
    let (old, new) = (Mint::es256(ISSUER), Mint::es256(ISSUER));
    let idp = Idp::serving(&old).await;
    let verifier = idp.verifier();
    let token = old.token().sign();
    assert_eq!(reason(&verifier, &token).await, None);
    *idp.answer.lock().unwrap() = json(new.jwks());
    assert_eq!(reason(&verifier, &token).await, None, "nothing was fetched since");
    assert_eq!(reason(&verifier, &new.token().sign()).await, None, "fetched for its kid");
    assert_eq!(reason(&verifier, &token).await, Some(Reason::UnknownKid));
}

/// R-117: keys past `max_stale` vouch for nobody, remembered or not.
#[tokio::test]
async fn a_remembered_token_goes_when_its_keys_are_stale() {
    let now = 1_700_000_000;
    let (clock, hand) = Clock::manual(now);
    let mint = Mint::es256(ISSUER);
    let idp = Idp::serving(&mint).await;
    let issuer = idp.issuer().max_stale(Duration::from_secs(60));
    let verifier = Verifier::builder(RESOURCE).issuer(issuer).clock(clock).build().unwrap();
    let token = mint.token().at(now).expires_in(3600).sign();
    assert_eq!(reason(&verifier, &token).await, None);
    *idp.answer.lock().unwrap() = answer(500, "application/json", "");
    hand.advance(Duration::from_secs(659));
    assert_eq!(reason(&verifier, &token).await, None, "10 minutes, and one");
    hand.advance(Duration::from_secs(1));
    assert_eq!(reason(&verifier, &token).await, Some(Reason::JwksUnavailable));
}
