//! A real connection: the peer is who the socket says, whatever the bytes say.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

use std::net::{Ipv4Addr, SocketAddr};

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use portcullis_core::{Caller, Challenge};
use portcullis_forwarded::{ForwardedLayer, Peer, PeerInfo, Profile};
use portcullis_test::{FakeMcp, raw_http1, split_response};
use tokio::net::TcpListener;
use tower::{Layer as _, ServiceBuilder};

/// Serves `server` behind a layer that trusts `trusted`, and tells each request its peer.
async fn serve(server: FakeMcp, trusted: &str) -> SocketAddr {
    let layer = ForwardedLayer::builder(Challenge::without_metadata(["mcp:read"]).unwrap())
        .profile(Profile::oauth2_proxy())
        .issuer("https://proxy.example")
        .trust(Peer::network(trusted).unwrap())
        .peer(|parts| parts.extensions.get::<SocketAddr>().copied().map(PeerInfo::from))
        .build()
        .unwrap();
    let service = layer.layer(server);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let service = ServiceBuilder::new()
                .map_request(move |mut request: http::Request<hyper::body::Incoming>| {
                    request.extensions_mut().insert(peer);
                    request
                })
                .service(service.clone());
            let service = TowerToHyperService::new(service);
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    addr
}

async fn post(addr: SocketAddr, headers: &str) -> u16 {
    let request = format!(
        "POST /mcp HTTP/1.1\r\nHost: mcp.example.com\r\nContent-Length: 0\r\nConnection: close\r\n{headers}\r\n"
    );
    let (head, _) = split_response(&raw_http1(addr, request).await);
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_stranger_cannot_talk_its_way_in() {
    let server = FakeMcp::new();
    let addr = serve(server.clone(), "192.0.2.0/24").await;
    for headers in [
        "",
        "X-Auth-Request-User: root\r\n",
        "X_Auth_Request_User: root\r\n",
        "X-Auth-Request-User: root\r\nX-Forwarded-For: 192.0.2.1\r\nX-Real-IP: 192.0.2.1\r\n",
        "X-Auth-Request-User: root\r\nForwarded: for=192.0.2.1\r\n",
        "Authorization: Bearer abc\r\n",
    ] {
        assert_eq!(post(addr, headers).await, 401, "{headers}");
    }
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn a_client_cannot_speak_over_the_sidecar() {
    let server = FakeMcp::new();
    let addr = serve(server.clone(), "127.0.0.0/8").await;
    for (headers, status) in [
        ("X-Auth-Request-User: alice\r\nX-AUTH-REQUEST-USER: root\r\n", 400),
        ("X-Auth-Request-User: alice\r\nX_Auth_Request_User: root\r\n", 400),
        ("x_auth_request_user: root\r\n", 400),
        ("X-Auth-Request-User: alice\r\nConnection: X-Auth-Request-User\r\n", 400),
        ("X-Auth-Request-User: alice\u{a0}\r\n", 400),
        ("X-Auth-Request-User: \r\n", 401),
        ("OIDC_CLAIM_sub: root\r\nX-Forwarded-User: root\r\n", 401),
    ] {
        assert_eq!(post(addr, headers).await, status, "{headers}");
    }
    assert_eq!(server.count(), 0);

    let headers = "X-Auth-Request-User: alice\r\nx-auth-request-groups: staff,ops\r\n\
        OIDC_CLAIM_sub: root\r\nX_Forwarded_User: root\r\nCookie: _oauth2_proxy=s3cret\r\n";
    assert_eq!(post(addr, headers).await, 202);
    let seen = server.last();
    match seen.caller.unwrap() {
        Caller::Verified(alice) => {
            assert_eq!((alice.subject(), alice.groups().len()), ("alice", 2));
        }
        caller => panic!("{caller:?}"),
    }
    let mut names: Vec<_> = seen.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["connection", "content-length", "host"]);
}

/// Whoever may connect to the socket's file is the sidecar; over TCP nobody is.
#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_is_a_peer() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{UnixListener, UnixStream};

    let server = FakeMcp::new();
    let layer = ForwardedLayer::builder(Challenge::without_metadata(["mcp:read"]).unwrap())
        .profile(Profile::remote_user())
        .issuer("https://proxy.example")
        .trust(Peer::unix_socket())
        .peer(|parts| parts.extensions.get::<PeerInfo>().cloned())
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gate.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let service = ServiceBuilder::new()
        .map_request(|mut request: http::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(PeerInfo::unix_socket());
            request
        })
        .service(layer.layer(server.clone()));
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service = TowerToHyperService::new(service);
        http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.unwrap();
    });
    let mut stream = UnixStream::connect(&path).await.unwrap();
    let request = "POST /mcp HTTP/1.1\r\nHost: mcp.example.com\r\nContent-Length: 0\r\n\
        Connection: close\r\nRemote-User: alice\r\nX-Forwarded-User: root\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 202"), "{}", String::from_utf8_lossy(&answer));
    let seen = server.last();
    assert_eq!(seen.caller.unwrap().principal().unwrap().subject(), "alice");
    assert!(!seen.headers.contains_key("x-forwarded-user"));
}
