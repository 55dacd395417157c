//! Certificates of clients whose TLS ends at a proxy.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use portcullis_core::{ClientCertificate, Reason, RequestFacts as _, ResponseFacts as _};
use portcullis_forwarded::{ClientCertBuilder, ClientCertLayer, Peer, PeerInfo};
use tower::{Layer as _, Service as _, ServiceBuilder, ServiceExt as _, service_fn};

const PROXY: &str = "10.0.0.5";
const STRANGER: &str = "10.0.0.6";
/// `leaf` and `issuer`.
const LEAF: &str = ":bGVhZg==:";
const ISSUER: &str = ":aXNzdWVy:";
const SECRET: &str = "correct-horse-battery-staple";

fn builder() -> ClientCertBuilder {
    ClientCertLayer::builder()
        .trust(Peer::address(PROXY.parse().unwrap()))
        .peer(|parts| parts.extensions.get::<PeerInfo>().cloned())
}

fn request(peer: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::new(());
    request.extensions_mut().insert(PeerInfo::address(peer.parse().unwrap()));
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
    }
    request
}

/// What the service inside sees, or why it sees nothing.
type Outcome = Result<(Option<ClientCertificate>, HeaderMap), (u16, Reason)>;

async fn send(builder: ClientCertBuilder, request: Request<()>) -> Outcome {
    let seen = Arc::new(Mutex::new(None));
    let inner = service_fn(|request: Request<()>| {
        let found = (request.client_certificate().cloned(), request.headers().clone());
        *seen.lock().unwrap() = Some(found);
        std::future::ready(Ok::<_, std::convert::Infallible>(Response::new(String::new())))
    });
    let response = builder.build().unwrap().layer(inner).oneshot(request).await.unwrap();
    let seen = seen.lock().unwrap().take();
    seen.ok_or_else(|| (response.status().as_u16(), response.denial().unwrap().reason()))
}

#[tokio::test]
async fn a_trusted_proxy_is_believed() {
    let headers = [("client-cert", LEAF), ("x-keep", "1")];
    let (certificate, left) = send(builder(), request(PROXY, &headers)).await.unwrap();
    assert_eq!(certificate, Some(ClientCertificate::new(Bytes::from("leaf"))));
    assert_eq!(left.len(), 1, "{left:?}");

    let chain =
        [("client-cert", LEAF), ("client-cert-chain", ISSUER), ("client-cert-chain", ISSUER)];
    let (certificate, left) = send(builder(), request(PROXY, &chain)).await.unwrap();
    assert_eq!(certificate.unwrap().chain(), ["issuer", "issuer"]);
    assert!(left.is_empty(), "{left:?}");

    let (certificate, _) = send(builder(), request(PROXY, &[])).await.unwrap();
    assert_eq!(certificate, None);
}

/// in whatever spelling, from whomever.
#[tokio::test]
async fn other_headers_are_removed_and_not_believed() {
    for name in [
        "x-client-cert",
        "x-client-cert-chain",
        "x-forwarded-client-cert",
        "x-forwarded-tls-client-cert",
        "x-forwarded-tls-client-cert-info",
        "x-ssl-client-cert",
        "x-ssl-client-s-dn",
        "ssl-client-verify",
        "x-arr-clientcert",
    ] {
        for name in [name.to_owned(), name.replace('-', "_"), name.replace('-', ".")] {
            for peer in [PROXY, STRANGER] {
                let headers = [(name.as_str(), LEAF), (&name, "Hash=00"), ("x-keep", "1")];
                let (certificate, left) = send(builder(), request(peer, &headers)).await.unwrap();
                assert_eq!((certificate, left.len()), (None, 1), "{name} from {peer}: {left:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_stranger_has_no_certificate() {
    for headers in [
        &[("client-cert", LEAF)][..],
        &[("Client-Cert", LEAF), ("client-cert", LEAF)],
        &[("client_cert", LEAF)],
        &[("client.cert", LEAF), ("client_cert_chain", LEAF)],
        &[("client-cert", LEAF), ("client-cert-chain", ISSUER)],
        &[("client-cert", "nonsense")],
        &[("client-cert", LEAF), ("forwarded", "for=10.0.0.5"), ("x-forwarded-for", PROXY)],
    ] {
        let (certificate, left) = send(builder(), request(STRANGER, headers)).await.unwrap();
        assert_eq!(certificate, None, "{headers:?}");
        assert!(left.keys().all(|name| name.as_str().contains("forwarded")), "{left:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_the_proxys_own_is_refused() {
    let large = format!(":{}:", "AAAA".repeat(4096));
    for (name, headers) in [
        ("twice", &[("client-cert", LEAF), ("client-cert", LEAF)][..]),
        ("with a twin", &[("client-cert", LEAF), ("client_cert", LEAF)]),
        ("the twin alone", &[("client_cert", LEAF)]),
        ("two on one line", &[("client-cert", ":bGVhZg==:, :bGVhZg==:")]),
        ("empty", &[("client-cert", "")]),
        ("PEM", &[("client-cert", "-----BEGIN CERTIFICATE-----")]),
        ("not padded", &[("client-cert", ":bGVhZg:")]),
        ("too large", &[("client-cert", &large)]),
        ("a chain alone", &[("client-cert-chain", ISSUER)]),
        ("a chain's twin", &[("client-cert", LEAF), ("client_cert_chain", ISSUER)]),
        ("a bad chain", &[("client-cert", LEAF), ("client-cert-chain", "x")]),
        ("hop by hop", &[("client-cert", LEAF), ("connection", "close, Client-Cert")]),
        ("absent, hop by hop", &[("connection", "client_cert")]),
        ("chain hop by hop", &[("client-cert", LEAF), ("connection", "client-cert-chain")]),
    ] {
        let outcome = send(builder(), request(PROXY, headers)).await;
        assert_eq!(outcome, Err((400, Reason::BadIdentity)), "{name}");
    }
}

#[tokio::test]
async fn a_secret_besides() {
    let builder = || builder().shared_secret("x-gate-secret", SECRET);
    for (name, secret, believed) in [
        ("the secret", &[("x-gate-secret", SECRET)][..], true),
        ("none", &[], false),
        ("another", &[("x-gate-secret", "incorrect-horse-battery")], false),
        ("twice", &[("x-gate-secret", SECRET), ("x-gate-secret", SECRET)], false),
        ("another spelling", &[("x_gate_secret", SECRET)], false),
    ] {
        let headers = [&[("client-cert", LEAF)], secret].concat();
        let (certificate, left) = send(builder(), request(PROXY, &headers)).await.unwrap();
        assert_eq!(certificate.is_some(), believed, "{name}");
        assert!(left.is_empty(), "{name}: {left:?}");
        let (certificate, left) = send(builder(), request(STRANGER, &headers)).await.unwrap();
        assert!(certificate.is_none() && left.is_empty(), "{name} from a stranger");
    }
}

#[tokio::test]
async fn wiring() {
    let nowhere = ClientCertLayer::builder().trust(Peer::unix_socket()).peer(|_| None);
    let outcome = send(nowhere, request(PROXY, &[])).await;
    assert_eq!(outcome.unwrap_err().0, 500);

    // Left by the TLS layer: the proxy's own certificate, not the client's.
    for peer in [PROXY, STRANGER] {
        let mut request = request(peer, &[]);
        request.set_client_certificate(ClientCertificate::new(Bytes::from("proxy")));
        assert_eq!(send(builder(), request).await.unwrap().0, None);
    }

    let error = |builder: ClientCertBuilder| builder.build().unwrap_err().to_string();
    assert_eq!(error(ClientCertLayer::builder()), "no peer is trusted");
    assert_eq!(
        error(ClientCertLayer::builder().trust(Peer::unix_socket())),
        "there is no way to know the peer of a connection"
    );
    for (name, secret) in
        [("x-gate-secret", "short"), ("authorization", SECRET), ("client_cert", SECRET)]
    {
        assert!(builder().shared_secret(name, secret).build().is_err(), "{name}");
    }
}

/// The permit that `poll_ready` reserved is the one that is used.
#[tokio::test]
async fn readiness_is_the_inner_services() {
    let service =
        ServiceBuilder::new().layer(builder().build().unwrap()).concurrency_limit(1).service(
            service_fn(async |_: Request<()>| Ok::<_, std::convert::Infallible>(Response::new(()))),
        );
    let (mut first, mut second) = (service.clone(), service);
    let ready = first.ready().await.unwrap();
    let mut waiting = at_once(second.ready());
    assert!(waiting.is_none(), "the only permit is taken");
    ready.call(request(PROXY, &[])).await.unwrap();
    waiting = at_once(second.ready());
    assert!(waiting.is_some());
}

/// The value of a future that is ready at once.
fn at_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}
