//! TLS and HTTP/2.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis_proxy::{HttpUpstream, Tls};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::rig::{Pieces, ask, call, error_of, told};

/// An authority, and a certificate of its own for `localhost`.
struct Made {
    authority: String,
    chain: String,
    key: String,
    der: CertificateDer<'static>,
    key_der: Vec<u8>,
    authority_der: CertificateDer<'static>,
}

fn made() -> Made {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    Made {
        authority: authority.pem(),
        chain: leaf.pem(),
        key: key.serialize_pem(),
        der: leaf.der().clone(),
        key_der: key.serialize_der(),
        authority_der: authority.der().clone(),
    }
}

type Seen = Arc<Mutex<Vec<(Version, HeaderMap, Bytes)>>>;

/// A server that remembers what it was asked, over TLS or not.
async fn server(tls: Option<TlsAcceptor>) -> (u16, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Seen::default();
    let kept = Arc::clone(&seen);
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            tcp.set_nodelay(true).unwrap();
            let (tls, seen) = (tls.clone(), Arc::clone(&kept));
            let service = service_fn(move |request: Request<Incoming>| {
                let seen = Arc::clone(&seen);
                async move {
                    let (mut parts, body) = request.into_parts();
                    let body = body.collect().await.unwrap();
                    parts.headers.extend(body.trailers().cloned().unwrap_or_default());
                    let body = body.to_bytes();
                    seen.lock().unwrap().push((parts.version, parts.headers, body));
                    let response = Response::builder().header("content-type", "application/json");
                    Ok::<_, Infallible>(response.body(Full::<Bytes>::from("{}")).unwrap())
                }
            });
            tokio::spawn(async move {
                let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                match tls {
                    None => drop(builder.serve_connection(TokioIo::new(tcp), service).await),
                    Some(tls) => {
                        let Ok(tls) = tls.accept(tcp).await else { return };
                        drop(builder.serve_connection(TokioIo::new(tls), service).await);
                    }
                }
            });
        }
    });
    (port, seen)
}

fn acceptor(made: &Made, protocols: &[&str], demands_certificate: bool) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = if demands_certificate {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(made.authority_der.clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
        builder.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::try_from(made.key_der.clone()).unwrap();
    let mut config = builder.with_single_cert(vec![made.der.clone()], key).unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

#[tokio::test]
async fn the_server_chooses_its_http_and_has_to_be_known() {
    let (ours, other) = (made(), made());
    let both = &["h2", "http/1.1"][..];
    let rows = [
        ("both", both, false, Some(Version::HTTP_2)),
        ("HTTP/1.1 alone", &["http/1.1"][..], false, Some(Version::HTTP_11)),
        ("nothing said", &[][..], false, Some(Version::HTTP_11)),
        ("another authority", both, true, None),
    ];
    for (name, protocols, foreign, expected) in rows {
        let (port, seen) = server(Some(acceptor(&ours, protocols, false))).await;
        let authority = if foreign { &other.authority } else { &ours.authority };
        let upstream = HttpUpstream::builder(&format!("https://localhost:{port}/mcp"))
            .unwrap()
            .tls(Tls::authorities(authority).unwrap())
            .build()
            .unwrap();
        let answer = told(ask(&upstream, call()).await).await;
        let seen = seen.lock().unwrap().first().cloned();
        assert_eq!(seen.as_ref().map(|seen| seen.0), expected, "{name}");
        match seen {
            None => assert_eq!(answer, (502, error_of("Upstream error")), "{name}"),
            Some((_, headers, body)) => {
                assert_eq!(answer.0, 200, "{name}");
                assert_eq!(body.len(), 46, "{name}");
                assert_eq!(headers["content-length"], "46", "{name}");
                assert!(!headers.contains_key("connection"), "{name}");
            }
        }
    }
    let platform = HttpUpstream::builder("https://localhost:1/mcp").unwrap().build();
    assert!(platform.is_ok() || platform.is_err_and(|error| error.to_string().contains("root")));
}

#[tokio::test]
async fn a_server_may_demand_a_certificate() {
    let ours = made();
    let (port, seen) = server(Some(acceptor(&ours, &["h2"], true))).await;
    for known in [true, false] {
        let mut tls = Tls::authorities(&ours.authority).unwrap();
        if known {
            tls = tls.client_certificate(&ours.chain, &ours.key).unwrap();
        }
        let upstream = HttpUpstream::builder(&format!("https://localhost:{port}/mcp"))
            .unwrap()
            .tls(tls)
            .build()
            .unwrap();
        let status = ask(&upstream, call()).await.status();
        assert_eq!(status, if known { 200 } else { 502 });
    }
    assert_eq!(seen.lock().unwrap().len(), 1);
}

/// HTTP/2 without TLS, many requests on one connection.
#[tokio::test]
async fn http2_may_be_known_beforehand() {
    let (port, seen) = server(None).await;
    let upstream = HttpUpstream::builder(&format!("http://127.0.0.1:{port}/mcp"))
        .unwrap()
        .http2_only()
        .build()
        .unwrap();
    let asked: Vec<_> = (0..8)
        .map(|_| {
            let upstream = upstream.clone();
            tokio::spawn(async move { told(ask(&upstream, call()).await).await.0 })
        })
        .collect();
    for asked in asked {
        assert_eq!(asked.await.unwrap(), 200);
    }
    assert!(seen.lock().unwrap().iter().all(|seen| seen.0 == Version::HTTP_2));
}

/// HTTP/2 needs no announcement of trailers: none are sent.
#[tokio::test]
async fn trailers_of_a_request_stay_behind() {
    let (port, seen) = server(None).await;
    let upstream = HttpUpstream::builder(&format!("http://127.0.0.1:{port}/mcp"))
        .unwrap()
        .http2_only()
        .build()
        .unwrap();
    let trailers = [(HeaderName::from_static("x-user"), HeaderValue::from_static("admin"))];
    let frames = [Frame::data(Bytes::from("{}")), Frame::trailers(trailers.into_iter().collect())];
    let request = Request::post("/").body(Pieces(frames.into_iter().collect())).unwrap();
    assert_eq!(upstream.oneshot(request).await.unwrap().status(), 200);
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0].2, "{}");
    assert!(!seen[0].1.contains_key("x-user"), "{:?}", seen[0].1);
}
