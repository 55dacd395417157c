//! Whose child it is.

use portcullis_core::{AnonymousReason, Caller, Principal};
use serde_json::json;

use crate::child::builder;
use crate::client::{Client, caller};

#[tokio::test]
async fn nobody_shares_a_child() {
    let upstream = builder("well").build().unwrap();
    let alice = Client::modern(&upstream, "alice");
    let bob = Client::modern(&upstream, "bob");
    assert_eq!(alice.text("count").await, "1");
    assert_eq!(alice.text("count").await, "2", "one person's requests have one child");
    assert_eq!(bob.text("count").await, "1");

    let with_app = Principal::builder("https://id.example", "alice").client_id("app").build();
    let elsewhere = Principal::builder("https://other.example", "alice").build();
    for principal in [with_app, elsewhere] {
        let other = alice.clone().called_by(Some(Caller::Verified(principal.into())));
        assert_eq!(other.text("count").await, "1");
    }
    // A session has a child of its own, and so has another session of the same person.
    let session = Client::in_session(&upstream, "alice").await;
    let another = Client::in_session(&upstream, "alice").await;
    assert_eq!(session.text("count").await, "1");
    assert_eq!(another.text("count").await, "1");
    assert_eq!(session.text("count").await, "2");
    assert_ne!(session.session, another.session);
}

#[tokio::test]
async fn a_session_is_its_owners() {
    let upstream = builder("well").build().unwrap();
    let alice = Client::in_session(&upstream, "alice").await;
    assert_eq!(alice.text("count").await, "1");
    let id = alice.session.clone().unwrap();
    assert!(id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");

    let mut forged = id.clone();
    forged.replace_range(..1, if id.starts_with('0') { "1" } else { "0" });
    for (name, subject, session) in [
        ("somebody else's", "bob", Some(id.clone())),
        ("forged", "alice", Some(forged)),
        ("shortened", "alice", Some(id[..63].to_owned())),
        ("invented", "alice", Some("1".to_owned())),
    ] {
        let mut client = Client::legacy(&upstream, subject);
        client.session = session;
        let answered = client.call(1, "count", json!({})).await;
        assert_eq!(
            (answered.status.as_u16(), &*answered.body),
            (404, "Session not found"),
            "{name}"
        );
        assert_eq!(client.get().await.status(), 404, "{name}");
        assert_eq!(client.delete().await, 404, "{name}");
        let told =
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
        assert_eq!(client.send(told).await.status(), 404, "{name}");
    }
    let mut two = alice.clone();
    two.also = Some(id.clone());
    assert_eq!(two.call(1, "count", json!({})).await.status, 404, "named twice");
    let none = Client::legacy(&upstream, "alice").call(1, "count", json!({})).await;
    assert_eq!(none.status, 400, "no session");
    assert!(none.body.contains("Mcp-Session-Id header required"));

    assert_eq!(alice.text("count").await, "2", "it is still there, and nobody else has called");
    assert_eq!(alice.delete().await, 204);
    assert_eq!(alice.call(1, "count", json!({})).await.status, 404, "ended");
    assert_eq!(alice.delete().await, 404);
}

#[tokio::test]
async fn who_is_not_known_gets_no_child() {
    let upstream = builder("well").build().unwrap();
    let nobody = Caller::Anonymous(AnonymousReason::NoCredentials);
    for (name, who) in [("no fact", None), ("anonymous", Some(nobody.clone()))] {
        for client in [Client::modern(&upstream, "x"), Client::legacy(&upstream, "x")] {
            let client = client.called_by(who.clone());
            assert_eq!(client.ask(1, "initialize", json!({})).await.status, 500, "{name}");
            assert_eq!(client.get().await.status(), 500, "{name}");
        }
    }
    let open = builder("well").danger_serve_anonymous().build().unwrap();
    let client = Client::modern(&open, "x").called_by(Some(nobody));
    assert_eq!(client.text("count").await, "1");
    assert_eq!(
        Client::modern(&open, "x").text("count").await,
        "1",
        "who is known is not with them"
    );
    assert_eq!(client.clone().called_by(None).call(1, "count", json!({})).await.status, 500);
}

#[tokio::test]
async fn a_request_that_nobody_inspected_is_refused() {
    use portcullis_core::{Buffered, RequestFacts as _};
    use tower::ServiceExt as _;
    let upstream = builder("well").build().unwrap();
    let mut request = http::Request::post("/").body(Buffered::empty()).unwrap();
    request.set_caller(caller("alice"));
    assert_eq!(upstream.oneshot(request).await.unwrap().status(), 500);
}

#[tokio::test]
async fn there_are_only_so_many() {
    let upstream = builder("well").max_children_per_person(2).max_children(3).build().unwrap();
    let first = Client::in_session(&upstream, "alice").await;
    let second = Client::in_session(&upstream, "alice").await;
    assert_eq!(first.text("count").await, "1", "now the second is the one unused for longest");
    let third = Client::in_session(&upstream, "alice").await;
    assert_eq!(second.call(1, "count", json!({})).await.status, 404);
    assert_eq!(first.text("count").await, "2");
    assert_eq!(third.text("count").await, "1");

    let _bob = Client::in_session(&upstream, "bob").await;
    let carol = Client::legacy(&upstream, "carol").initialize().await;
    assert_eq!(carol.status, 503, "nobody ends what somebody else uses");
    assert_eq!(carol.headers["retry-after"], "1");
    assert_eq!(carol.last()["id"], 0);
    assert_eq!(first.text("count").await, "3");
}

#[tokio::test]
async fn what_works_is_not_ended_for_another() {
    let upstream = builder("well").max_children_per_person(1).build().unwrap();
    let session = Client::in_session(&upstream, "alice").await;
    let hangs = {
        let session = session.clone();
        tokio::spawn(async move { session.call(7, "hang", json!({})).await })
    };
    while session.text("count").await != "3" {}
    assert_eq!(Client::legacy(&upstream, "alice").initialize().await.status, 503);
    assert_eq!(session.delete().await, 204);
    let answered = hangs.await.unwrap();
    assert_eq!((answered.status.as_u16(), answered.last()["id"].clone()), (502, json!(7)));
}
