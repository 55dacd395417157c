//! Callers that somebody in front has signed in.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http::Request;
use tokio::net::{TcpSocket, UnixStream};

use crate::ask::{Connection, call, with};
use crate::rig::{FILE, Folder, Rig};

const SIDECAR: &str = r#"  sidecar:
    profile: oauth2-proxy
    issuer: https://proxy.example.com
    trusted_peers: [127.0.0.1]
    shared_secret: { header: X-Sidecar-Secret, secret: shared }
    authorization_servers: ["https://auth.example.com"]
secrets: { shared: { file: shared } }
policy:"#;
const SECRET: &str = "0123456789abcdef0123456789abcdef";

const POLICY: &str = "roles: { staff: { groups: [staff] } }
rules:
  - { id: read, roles: [staff], allow: { tools: [read_note] } }
";

async fn from(source: Ipv4Addr, to: SocketAddr) -> Connection {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((source, 0).into()).unwrap();
    Connection::over(socket.connect(to).await.unwrap()).await
}

fn ask(secret: Option<&str>) -> Request<Bytes> {
    let request = with(call("read_note"), "x-auth-request-user", "rita");
    let request = with(request, "x-auth-request-groups", "staff");
    match secret {
        Some(secret) => with(request, "x-sidecar-secret", secret),
        None => request,
    }
}

#[tokio::test]
async fn only_the_peer_that_is_trusted_is_believed() {
    let folder = Folder::new();
    folder.write("policy.yaml", POLICY);
    folder.write("shared", &format!("{SECRET}\n"));
    let (head, rest) = FILE.split_once("  tokens:").unwrap();
    let (_, rest) = rest.split_once("policy:").unwrap();
    let listen = "- http: 127.0.0.1:0\n  - unix: { path: socket }";
    let head = head.replace("- http: 127.0.0.1:0", listen);
    let rig = Rig::with(folder, &format!("{head}{SIDECAR}{rest}")).await;
    let (sidecar, stranger) = (Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2));

    let reply = from(sidecar, rig.address).await.send(ask(Some(SECRET))).await.unwrap();
    assert_eq!(reply.status(), 200, "{}", reply.text());
    let seen = rig.upstream.last();
    for name in ["x-auth-request-user", "x-auth-request-groups", "x-sidecar-secret"] {
        assert!(!seen.headers.contains_key(name), "{name}: {:?}", seen.headers);
    }
    let records = rig.folder.read("audit.jsonl");
    assert!(records.contains("\"rita\"") && records.contains("https://proxy.example.com"));
    assert!(!records.contains(SECRET));

    let before = rig.upstream.count();
    let wrong = "0123456789abcdef0123456789abcdeF";
    for (name, source, secret) in [
        ("somebody else", stranger, Some(SECRET)),
        ("without the secret", sidecar, None),
        ("with another", sidecar, Some(wrong)),
    ] {
        let reply = from(source, rig.address).await.send(ask(secret)).await.unwrap();
        assert!([401, 403].contains(&reply.status()), "{name}: {}", reply.status());
    }
    let stream = UnixStream::connect(rig.folder.path("socket")).await.unwrap();
    let reply = Connection::over(stream).await.send(ask(Some(SECRET))).await.unwrap();
    assert!([401, 403].contains(&reply.status()), "by the socket: {}", reply.status());
    let reply = from(sidecar, rig.address)
        .await
        .send(with(call("read_note"), "x-sidecar-secret", SECRET))
        .await
        .unwrap();
    assert_eq!(reply.status(), 401, "nobody");
    assert_eq!(rig.upstream.count(), before);
}
