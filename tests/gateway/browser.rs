//! Clients in web pages (CORS).

use http::Method;

use crate::ask::{bare, bearer, list, send, with};
use crate::rig::{FILE, Folder, Rig};

const OURS: &str = "https://app.example.com";

fn preflight(path: &str, origin: &str) -> http::Request<bytes::Bytes> {
    let request = with(bare(Method::OPTIONS, path), "origin", origin);
    let request = with(request, "access-control-request-method", "POST");
    with(request, "access-control-request-headers", "authorization, mcp-protocol-version")
}

#[tokio::test]
async fn pages_of_named_origins_may_call() {
    let file = FILE.replace("servers:\n", &format!("origins: [\"{OURS}\"]\nservers:\n"));
    let rig = Rig::with(Folder::new(), &file).await;
    let reply = send(rig.address, preflight("/notes", OURS)).await;
    assert!(reply.status() < 300, "{}", reply.status());
    assert_eq!(reply.header("access-control-allow-origin"), OURS);
    let allowed = reply.header("access-control-allow-headers").to_ascii_lowercase();
    assert!(allowed.contains("authorization"), "{allowed}");
    assert!(reply.header("access-control-allow-methods").contains("POST"));

    // Without a token, the page learns where to sign in; with one, the answer.
    let reply = send(rig.address, with(list(), "origin", OURS)).await;
    assert_eq!((reply.status(), reply.header("access-control-allow-origin")), (401, OURS));
    let exposed = reply.header("access-control-expose-headers").to_ascii_lowercase();
    assert!(
        exposed.contains("www-authenticate") && exposed.contains("mcp-session-id"),
        "{exposed}"
    );
    let reply = send(rig.address, with(bearer(list(), &rig.token()), "origin", OURS)).await;
    assert_eq!((reply.status(), reply.header("access-control-allow-origin")), (200, OURS));

    // The metadata is for everybody.
    let document = bare(Method::GET, "/.well-known/oauth-protected-resource/notes");
    let reply = send(rig.address, with(document, "origin", "https://elsewhere.example")).await;
    assert_eq!((reply.status(), reply.header("access-control-allow-origin")), (200, "*"));

    let before = rig.upstream.count();
    let evil = "https://evil.example";
    let reply = send(rig.address, preflight("/notes", evil)).await;
    assert_eq!(reply.header("access-control-allow-origin"), "", "{}", reply.status());
    let reply = send(rig.address, with(bearer(list(), &rig.token()), "origin", evil)).await;
    assert_eq!(reply.status(), 403);
    assert_eq!(rig.upstream.count(), before);
}
