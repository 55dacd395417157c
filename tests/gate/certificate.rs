//! Tokens bound to a certificate (RFC 8705), whose TLS ends at a proxy in front of the gate (RFC 9440).
#![allow(clippy::disallowed_methods, reason = "the server's own, no facts of ours")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use portcullis::audit::MemorySink;
use portcullis::core::ClientCertificate;
use portcullis::forwarded::{ClientCertLayer, Peer, PeerInfo};
use portcullis::{Issuer, JwkSet, Policy, Portcullis};
use portcullis_test::Mint;
use serde_json::json;
use tokio::net::{TcpListener, TcpSocket};
use tower::{Layer as _, ServiceBuilder};

use crate::support::{Ask, ISSUER, RESOURCE, Upstream, wait_for};

const PROXY: Ipv4Addr = Ipv4Addr::LOCALHOST;
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const POLICY: &str = "
roles:
  reader: { groups: [staff] }
rules:
  - id: read
    roles: [reader]
    allow: { tools: [get_weather] }
";
/// `leaf` stands for the DER of a certificate: nobody reads it, only its digest counts.
const LEAF: &str = ":bGVhZg==:";
const OTHER: &str = ":b3RoZXI=:";
/// The SHA-256 digest of `leaf` in base64url.
const LEAF_S256: &str = "n5EWH0NDPkmm3m22gNefYBWfLkrJFyYhoShGQoFYRAs";

/// A gate on a real socket, which tells each request the other end of its connection.
async fn gate(mint: &Mint, upstream: &Upstream, records: &MemorySink) -> SocketAddr {
    let certificates = ClientCertLayer::builder()
        .trust(Peer::address(IpAddr::V4(PROXY)))
        .peer(|parts| parts.extensions.get::<SocketAddr>().copied().map(PeerInfo::from))
        .build()
        .unwrap();
    let gate = Portcullis::builder()
        .resource(RESOURCE)
        .issuer(Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap()))
        .tokens(|tokens| tokens.client_certificate(ClientCertificate::leaf_of))
        .policy(Policy::from_yaml(POLICY).unwrap())
        .audit(records.clone())
        .build()
        .unwrap();
    let service = ServiceBuilder::new().layer(certificates).service(gate.layer(upstream.clone()));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let service = ServiceBuilder::new()
                .map_request(move |mut request: Request<hyper::body::Incoming>| {
                    request.extensions_mut().insert(peer);
                    request
                })
                .service(service.clone());
            let server = hyper::server::conn::http1::Builder::new();
            let service = TowerToHyperService::new(service);
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
        }
    });
    addr
}

/// Sends `ask` from the address `from`.
async fn send(from: Ipv4Addr, to: SocketAddr, ask: &Ask) -> Response<hyper::body::Incoming> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    let stream = socket.connect(to).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request =
        Request::builder().method(&ask.method).uri(&ask.path).header("host", &ask.host);
    for (name, value) in &ask.headers {
        request = request.header(name, value);
    }
    let request: Request<Full<Bytes>> = request.body(Full::new(ask.body.clone())).unwrap();
    sender.send_request(request).await.unwrap()
}

#[tokio::test]
async fn a_trusted_proxy_says_whose_key_it_is() {
    let (mint, upstream, records) = (Mint::es256(ISSUER), Upstream::echo(), MemorySink::new());
    let addr = gate(&mint, &upstream, &records).await;
    let token = || mint.token().claim("groups", json!(["staff"]));
    let bound = token().claim("cnf", json!({ "x5t#S256": LEAF_S256 })).sign();
    let free = token().sign();
    let ask = |token: &str, headers: &[(&str, &str)]| {
        let ask = Ask::call("get_weather").bearer(token);
        headers.iter().fold(ask, |ask, (name, value)| ask.header(name, value))
    };

    let mut calls = 0;
    for (name, from, token, headers, status) in [
        ("its certificate", PROXY, &bound, &[("client-cert", LEAF)][..], 200),
        (
            "its certificate and chain",
            PROXY,
            &bound,
            &[("client-cert", LEAF), ("client-cert-chain", OTHER)],
            200,
        ),
        ("another certificate", PROXY, &bound, &[("client-cert", OTHER)], 401),
        ("no certificate", PROXY, &bound, &[], 401),
        ("another header", PROXY, &bound, &[("x-client-cert", LEAF)], 401),
        ("its certificate, claimed by a stranger", STRANGER, &bound, &[("client-cert", LEAF)], 401),
        (
            "the same, with the proxy's address",
            STRANGER,
            &bound,
            &[("client-cert", LEAF), ("x-forwarded-for", "127.0.0.1")],
            401,
        ),
        ("two certificates", PROXY, &bound, &[("client-cert", LEAF), ("client-cert", LEAF)], 400),
        ("its twin", PROXY, &bound, &[("client-cert", LEAF), ("client_cert", OTHER)], 400),
        ("a token for anybody", PROXY, &free, &[("client-cert", LEAF)], 200),
        ("a stranger's token for anybody", STRANGER, &free, &[("client-cert", LEAF)], 200),
    ] {
        let reply = send(from, addr, &ask(token, headers)).await;
        assert_eq!(reply.status(), status, "{name}");
        if status == 401 {
            let challenge = reply.headers()["www-authenticate"].to_str().unwrap();
            assert!(challenge.contains("error=\"invalid_token\""), "{name}: {challenge}");
        }
        calls += usize::from(status == 200);
        assert_eq!(upstream.count(), calls, "{name}");
        if status == 200 {
            let seen = upstream.last();
            assert!(!seen.headers.keys().any(|name| name.as_str().contains("cert")), "{name}");
        }
    }
    let record = &wait_for(&records, 1).await[0];
    assert_eq!(record["principal"]["sub"], "alice", "{record}");
}

/// Forgotten around the gate, or in it: a bound token is refused, whatever the headers say.
#[tokio::test]
async fn a_part_that_is_missing_lets_nobody_in() {
    let mint = Mint::es256(ISSUER);
    let bound = mint
        .token()
        .claim("groups", json!(["staff"]))
        .claim("cnf", json!({ "x5t#S256": LEAF_S256 }))
        .sign();
    for reads_certificates in [true, false] {
        let upstream = Upstream::echo();
        let gate = Portcullis::builder()
            .resource(RESOURCE)
            .issuer(Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap()))
            .tokens(move |tokens| match reads_certificates {
                true => tokens.client_certificate(ClientCertificate::leaf_of),
                false => tokens,
            })
            .policy(Policy::from_yaml(POLICY).unwrap())
            .danger_no_audit()
            .build()
            .unwrap();
        let addr = crate::support::serve(gate.layer(upstream.clone())).await;
        let ask = Ask::call("get_weather").bearer(&bound).header("client-cert", LEAF);
        assert_eq!(send(PROXY, addr, &ask).await.status(), 401);
        assert_eq!(upstream.count(), 0);
    }
}
