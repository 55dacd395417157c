//! Keys over HTTPS: whose certificates the fetcher believes.
//!
//! The roots come from the system, which a test can only change through the environment of a
//! process: so the test runs itself again, with a certificate authority of its own as the only root.
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
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use portcullis_jwt::{Issuer, Verifier};
use portcullis_test::Mint;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

const ISSUER: &str = "https://id.example.com";
const RESOURCE: &str = "https://mcp.example.com/mcp";
/// What the second process is told: the directory with the authority's key and certificate.
const DIRECTORY: &str = "PORTCULLIS_TEST_AUTHORITY";

type Authority = rcgen::Issuer<'static, KeyPair>;

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// What an endpoint presents.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Certificate {
    Good,
    UnknownAuthority,
    SelfSigned,
    OtherName,
    Expired,
}

fn tls(certificate: Certificate, authority: &Authority) -> ServerConfig {
    let name =
        if certificate == Certificate::OtherName { "other.example.com" } else { "127.0.0.1" };
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    if certificate == Certificate::Expired {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    }
    let key = KeyPair::generate().unwrap();
    let signed = match certificate {
        Certificate::SelfSigned => params.self_signed(&key),
        Certificate::UnknownAuthority => {
            let other = Authority::new(authority_params(), KeyPair::generate().unwrap());
            params.signed_by(&key, &other)
        }
        _ => params.signed_by(&key, authority),
    };
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![signed.unwrap().der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap()
}

/// Serves the keys of `mint` over HTTPS, on loopback.
async fn serve(tls: ServerConfig, mint: &Mint) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/jwks", listener.local_addr().unwrap());
    let (acceptor, keys) = (TlsAcceptor::from(Arc::new(tls)), mint.jwks());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (acceptor, keys) = (acceptor.clone(), keys.clone());
            tokio::spawn(async move {
                // A client that does not like the certificate ends the handshake.
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = service_fn(async |_: Request<Incoming>| {
                    let keys = Full::new(Bytes::from(keys.clone()));
                    let answer = Response::builder().header(CONTENT_TYPE, "application/json");
                    Ok::<_, Infallible>(answer.body(keys).unwrap())
                });
                let _ended = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    url
}

/// Believes exactly the certificates that a root of the system vouches for, for this very name.
#[test]
fn keys_come_only_from_an_endpoint_with_a_good_certificate() {
    let directory = tempfile();
    let key = KeyPair::generate().unwrap();
    let root = authority_params().self_signed(&key).unwrap();
    std::fs::write(directory.join("key.pem"), key.serialize_pem()).unwrap();
    std::fs::write(directory.join("root.pem"), root.pem()).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "with_our_authority_as_the_only_root", "--ignored", "--nocapture"])
        .env(DIRECTORY, &directory)
        .env("SSL_CERT_FILE", directory.join("root.pem"))
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("1 passed"), "the test has run: {told}");
}

fn tempfile() -> std::path::PathBuf {
    let directory =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("https-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

#[tokio::test]
#[ignore = "the test above runs it, in a process of its own"]
async fn with_our_authority_as_the_only_root() {
    let directory = std::env::var_os(DIRECTORY).expect("the test above sets it");
    let key = std::fs::read_to_string(Path::new(&directory).join("key.pem")).unwrap();
    let authority = Authority::new(authority_params(), KeyPair::from_pem(&key).unwrap());
    let mint = Mint::es256(ISSUER);
    if cfg!(not(feature = "aws-lc-rs")) {
        // The library brings no crypto provider: that of the program is used.
        let issuer = Issuer::new(ISSUER).jwks_url("https://id.example.com/jwks");
        let error = Verifier::builder(RESOURCE).issuer(issuer).build().unwrap_err();
        assert!(error.to_string().contains("CryptoProvider"), "{error}");
        aws_lc_rs::default_provider().install_default().unwrap();
    }
    for (certificate, believed) in [
        (Certificate::Good, true),
        (Certificate::UnknownAuthority, false),
        (Certificate::SelfSigned, false),
        (Certificate::OtherName, false),
        (Certificate::Expired, false),
    ] {
        let url = serve(tls(certificate, &authority), &mint).await;
        let issuer = Issuer::new(ISSUER).jwks_url(url).internal();
        let verifier = Verifier::builder(RESOURCE).issuer(issuer).build().unwrap();
        let verdict = verifier.verify_token(&mint.token().sign()).await;
        match verdict {
            Ok(principal) => {
                assert!(believed, "{certificate:?} was believed");
                assert_eq!(principal.subject(), "alice");
            }
            Err(error) => {
                assert!(!believed, "{certificate:?}: {error}");
                assert!(error.retry_after().is_some(), "{certificate:?}: no keys, not a bad token");
            }
        }
    }
}
