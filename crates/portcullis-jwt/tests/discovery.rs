//! Issuers that are discovered, and issuers that come and go: a real server on loopback.
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

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn as hyper_service;
use hyper_util::rt::TokioIo;
use portcullis_core::Reason;
use portcullis_jwt::{Issuer, JwkSet, Profile, Verifier};
use portcullis_test::Mint;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

const RESOURCE: &str = "https://mcp.example.com/mcp";

/// A server of JSON documents; every other path is 404.
#[derive(Clone)]
struct Idp {
    address: SocketAddr,
    documents: Arc<Mutex<HashMap<String, String>>>,
    asked: Arc<Mutex<Vec<String>>>,
    open: Arc<Semaphore>,
}

impl Idp {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let idp = Self {
            address: listener.local_addr().unwrap(),
            documents: Arc::default(),
            asked: Arc::default(),
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
                        let path = request.uri().path().to_owned();
                        idp.asked.lock().unwrap().push(path.clone());
                        let _open = idp.open.acquire().await.unwrap();
                        let found = idp.documents.lock().unwrap().get(&path).cloned();
                        let status = if found.is_some() { 200 } else { 404 };
                        let body = Full::new(Bytes::from(found.unwrap_or_default()));
                        let response = Response::builder()
                            .status(status)
                            .header(CONTENT_TYPE, "application/json");
                        Ok::<_, Infallible>(response.body(body).unwrap())
                    }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        idp
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn serve(&self, path: &str, document: impl Into<String>) {
        self.documents.lock().unwrap().insert(path.to_owned(), document.into());
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn metadata(&self, issuer: &str) -> Value {
        json!({ "issuer": issuer, "jwks_uri": self.url("/keys") })
    }
}

fn discovered(issuer: &str) -> Verifier {
    let issuer = Issuer::new(issuer).discover().internal();
    Verifier::builder(RESOURCE).issuer(issuer).build().unwrap()
}

async fn reason(verifier: &Verifier, token: &str) -> Option<Reason> {
    verifier.verify_token(token).await.err().map(|error| error.reason())
}

/// each place in turn, and nothing asked for after the one that has the document.
#[tokio::test]
async fn metadata_is_found_in_each_place() {
    let places = [
        "/.well-known/oauth-authorization-server/t",
        "/.well-known/openid-configuration/t",
        "/t/.well-known/openid-configuration",
    ];
    for (index, place) in places.into_iter().enumerate() {
        let idp = Idp::start().await;
        let issuer = idp.url("/t");
        let mint = Mint::es256(issuer.as_str());
        idp.serve(place, idp.metadata(&issuer).to_string());
        idp.serve("/keys", mint.jwks());
        let verifier = discovered(&issuer);
        assert!(verifier.issuer_metadata(&issuer).is_none(), "nothing is fetched yet");
        assert_eq!(reason(&verifier, &mint.token().sign()).await, None, "{place}");
        let mut expected = places[..=index].to_vec();
        expected.push("/keys");
        assert_eq!(idp.asked(), expected);
        let metadata = verifier.issuer_metadata(&issuer).unwrap();
        assert_eq!(metadata.jwks_uri(), idp.url("/keys"));
    }
}

/// a document of any other issuer is not used, wherever it lies.
#[tokio::test]
async fn metadata_of_another_issuer_is_refused() {
    let idp = Idp::start().await;
    let issuer = idp.url("/t");
    let mint = Mint::es256(issuer.as_str());
    idp.serve("/keys", mint.jwks());
    for other in ["/t/", "/T", "/{tenantid}", "", "/t2"] {
        for place in
            ["/.well-known/oauth-authorization-server/t", "/.well-known/openid-configuration/t"]
        {
            idp.serve(place, idp.metadata(&idp.url(other)).to_string());
        }
        let error = discovered(&issuer).verify_token(&mint.token().sign()).await.unwrap_err();
        assert_eq!(error.reason(), Reason::JwksUnavailable, "{other}");
        assert!(error.retry_after().is_some());
        assert!(!idp.asked().contains(&"/keys".to_owned()), "{other}: its keys are not asked for");
    }
    idp.serve("/t/.well-known/openid-configuration", idp.metadata(&issuer).to_string());
    assert_eq!(reason(&discovered(&issuer), &mint.token().sign()).await, None, "the last place");
}

/// where metadata may point to.
#[tokio::test]
async fn jwks_uri_is_guarded() {
    let (idp, decoy) = (Idp::start().await, Idp::start().await);
    let issuer = idp.url("");
    let mint = Mint::es256(issuer.as_str());
    decoy.serve("/keys", mint.jwks());
    for jwks_uri in [
        json!(decoy.url("/keys")),
        json!("http://id.example.com/keys"),
        json!("https://169.254.169.254/keys"),
        json!("file:///etc/passwd"),
        json!("/keys"),
        json!(["https://id.example.com/keys"]),
        json!(null),
    ] {
        let document = json!({ "issuer": issuer, "jwks_uri": jwks_uri });
        idp.serve("/.well-known/oauth-authorization-server", document.to_string());
        let verifier = discovered(&issuer);
        let token = mint.token().sign();
        assert_eq!(reason(&verifier, &token).await, Some(Reason::JwksUnavailable), "{jwks_uri}");
    }
    assert_eq!(decoy.asked(), [""; 0], "another host without TLS");
}

#[tokio::test]
async fn discovery_leads_out_unless_internal() {
    for issuer in [
        "http://127.0.0.1:9",
        "https://127.0.0.1:9",
        "https://10.0.0.1",
        "http://id.example.com",
        "https://login.example.com/{tenant}/v2.0",
        "https://id.example.com/?tenant=a",
        "id.example.com",
    ] {
        let built = Verifier::builder(RESOURCE).issuer(Issuer::new(issuer).discover()).build();
        assert!(built.is_err(), "{issuer}");
    }
    let mint = Mint::es256("https://8.8.8.8");
    let issuer = || Issuer::new("https://8.8.8.8").keys(JwkSet::from_json(mint.jwks()).unwrap());
    assert!(Verifier::builder(RESOURCE).issuer(issuer()).build().is_ok());
    let both = issuer().discover();
    assert!(Verifier::builder(RESOURCE).issuer(both).build().is_err(), "two sources of keys");
}

/// when the metadata fail later, the last good keys serve on.
#[tokio::test]
async fn keys_move_and_failures_keep_the_last_good_set() {
    let idp = Idp::start().await;
    let issuer = idp.url("");
    let place = "/.well-known/openid-configuration";
    let (old, new) = (Mint::es256(issuer.as_str()), Mint::es256(issuer.as_str()));
    idp.serve(place, idp.metadata(&issuer).to_string());
    idp.serve("/keys", old.jwks());
    let verifier = discovered(&issuer);
    assert_eq!(reason(&verifier, &old.token().sign()).await, None);
    idp.serve(place, json!({ "issuer": "https://evil.example", "jwks_uri": "/" }).to_string());
    // An unknown key asks once more; the metadata are not ours now.
    assert_eq!(reason(&verifier, &new.token().sign()).await, Some(Reason::UnknownKid));
    assert_eq!(reason(&verifier, &old.token().sign()).await, None);
    assert_eq!(verifier.issuer_metadata(&issuer).unwrap().jwks_uri(), idp.url("/keys"));

    idp.serve(place, json!({ "issuer": issuer, "jwks_uri": idp.url("/moved") }).to_string());
    idp.serve("/moved", new.jwks());
    let verifier = discovered(&issuer);
    assert_eq!(reason(&verifier, &new.token().sign()).await, None, "keys that moved are found");
}

#[tokio::test]
async fn issuers_come_and_go() {
    let issuers = ["https://a.example.com", "https://b.example.com"];
    let [a, b] = issuers.map(Mint::es256);
    let issuer =
        |mint: &Mint| Issuer::new(mint.issuer()).keys(JwkSet::from_json(mint.jwks()).unwrap());
    let verifier = Verifier::builder(RESOURCE).issuer(issuer(&a)).build().unwrap();
    let (of_a, of_b) = (a.token().sign(), b.token().sign());
    let other = verifier.clone();
    assert_eq!(reason(&verifier, &of_a).await, None);
    assert_eq!(reason(&verifier, &of_b).await, Some(Reason::BadIss));
    verifier.add_issuer(issuer(&b)).unwrap();
    assert!(verifier.add_issuer(issuer(&b)).is_err(), "twice");
    assert_eq!(reason(&other, &of_b).await, None, "a clone sees it");
    assert!(verifier.remove_issuer(issuers[0]));
    assert!(!verifier.remove_issuer(issuers[0]));
    assert_eq!(reason(&other, &of_a).await, Some(Reason::BadIss), "verified before, refused now");
    assert_eq!(other.issuers(), [issuers[1]]);
    // Back, with another audience: no rule of before lives on.
    other.add_issuer(issuer(&a).audience("api://notes")).unwrap();
    assert_eq!(reason(&verifier, &of_a).await, None);
    let bad = Issuer::new("https://c.example.com");
    assert!(verifier.add_issuer(bad).is_err(), "no keys");
    assert_eq!(verifier.issuers().len(), 2);
}

/// A request that waits for the keys of an issuer is refused when that issuer is removed.
#[tokio::test]
async fn removal_reaches_requests_that_wait() {
    let idp = Idp::start().await;
    let issuer = idp.url("");
    let mint = Mint::es256(issuer.as_str());
    idp.serve("/.well-known/oauth-authorization-server", idp.metadata(&issuer).to_string());
    idp.serve("/keys", mint.jwks());
    let closed = idp.open.clone().acquire_owned().await.unwrap();
    let verifier = discovered(&issuer);
    let waiting = tokio::spawn({
        let (verifier, token) = (verifier.clone(), mint.token().sign());
        async move { reason(&verifier, &token).await }
    });
    while idp.asked.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(verifier.remove_issuer(&issuer));
    assert_eq!(waiting.await.unwrap(), Some(Reason::BadIss), "without waiting for the server");
    drop(closed);
}

/// A profile knows where its keys are; a source that the user names takes that place.
#[tokio::test]
async fn profiles_find_their_keys() {
    let idp = Idp::start().await;
    let name = idp.url("/realms/acme");
    let mint = Mint::es256(&name);
    let place = "/realms/acme/.well-known/openid-configuration";
    idp.serve(place, idp.metadata(&name).to_string());
    idp.serve("/keys", mint.jwks());
    let profile = Profile::keycloak(&name).issuer().unwrap().internal();
    let token = mint.token().claim("typ", "Bearer").claim("azp", "ide").sign();

    let verifier = Verifier::builder(RESOURCE).issuer(profile.clone()).build().unwrap();
    assert_eq!(reason(&verifier, &token).await, None);
    assert!(idp.asked().contains(&place.to_owned()));

    let named = profile.clone().jwks_url(idp.url("/keys"));
    let verifier = Verifier::builder(RESOURCE).issuer(named).build().unwrap();
    assert_eq!(reason(&verifier, &token).await, None);
    assert_eq!(idp.asked(), ["/keys"]);

    let fixed = profile.keys(JwkSet::from_json(mint.jwks()).unwrap());
    let verifier = Verifier::builder(RESOURCE).issuer(fixed).build().unwrap();
    assert_eq!(reason(&verifier, &token).await, None);
    assert!(idp.asked().is_empty());
}
