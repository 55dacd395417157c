//! The file changes while the gateway serves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use portcullis::audit::Verifier;
use rustix::process::Signal;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::ask::{Connection, bearer, call, list, listen, piece, send};
use crate::rig::{FILE, Folder, PATIENCE, POLICY, RESOURCE, Rig};

const TIMEOUT: &str = "/mcp\" } }";

#[tokio::test]
async fn no_request_fails_and_no_connection_ends_while_the_file_is_read() {
    let rig = Rig::new().await;
    let (done, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut callers = JoinSet::new();
    for _ in 0..8 {
        let (address, token) = (rig.address, rig.token());
        let (done, answered) = (Arc::clone(&done), Arc::clone(&answered));
        callers.spawn(async move {
            // One connection for all requests: it must last.
            let mut connection = Connection::open(address).await;
            while !done.load(Ordering::Relaxed) {
                let reply = connection.send(bearer(call("read_note"), &token)).await.unwrap();
                assert_eq!(reply.status(), 200, "{}", reply.text());
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    rig.rewrite(TIMEOUT, "/mcp\", timeout_seconds: 100 } }");
    for nth in 1..=8 {
        let before = answered.load(Ordering::Relaxed);
        rig.rewrite(
            &format!("timeout_seconds: {}", 99 + nth),
            &format!("timeout_seconds: {}", 100 + nth),
        );
        rig.reload_to("1 servers new or changed, 0 as before", nth).await;
        // Some requests on the new gate.
        while answered.load(Ordering::Relaxed) < before + 20 {
            assert!(callers.try_join_next().is_none(), "a caller failed");
            tokio::task::yield_now().await;
        }
    }
    done.store(true, Ordering::Relaxed);
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
    drop(rig.gateway);
    // All gates wrote to one chain.
    let mut verifier = Verifier::new();
    verifier.read_file(rig.folder.path("audit.jsonl")).unwrap();
    let report = verifier.finish();
    assert!(report.findings.is_empty(), "{report:?}");
}

#[tokio::test]
async fn a_file_with_a_fault_changes_nothing() {
    let rig = Rig::new().await;
    let token = rig.token();
    let rows = [
        ("a fault of form", "policy: policy.yaml", "polizy: policy.yaml", "unknown field `polizy`"),
        (
            "of one server of two",
            "servers:\n",
            "servers:\n  more: { path: notes, upstream: demo }\n",
            "does not begin with /",
        ),
        (
            "two servers at one path",
            "servers:\n",
            "servers:\n  more: { path: /notes, upstream: demo }\n",
            "two servers answer at /notes",
        ),
        ("a policy with a fault", "policy: policy.yaml", "policy: jwks.json", "jwks.json"),
        ("another place", "127.0.0.1:0", "127.0.0.2:0", "a change of `listen` needs a restart"),
        (
            "other records",
            "path: audit.jsonl",
            "path: more.jsonl",
            "a change of `audit` needs a restart",
        ),
        (
            "another grace",
            "grace_seconds: 20",
            "grace_seconds: 21",
            "a change of `grace_seconds` needs a restart",
        ),
        (
            "an admin",
            "grace_seconds: 20",
            "grace_seconds: 20\nadmin: 127.0.0.1:0",
            "a change of `admin` needs a restart",
        ),
        (
            "more places",
            "grace_seconds: 20",
            "grace_seconds: 20\nmax_connections: 9",
            "a change of `max_connections` needs a restart",
        ),
    ];
    let good = rig.folder.read("gateway.yaml");
    for (name, from, to, said) in rows {
        rig.rewrite(from, to);
        rig.gateway.signal(Signal::HUP);
        let line = rig.gateway.log.find(said).await.unwrap();
        assert!(line.contains("what was in force stays so"), "{name}: {line}");
        assert_eq!(send(rig.address, bearer(list(), &token)).await.status(), 200, "{name}");
        rig.folder.write("gateway.yaml", &good);
    }
    rig.reload().await;
    assert!(rig.gateway.log.so_far().contains("0 servers new or changed, 1 as before"));
    let recorded = async {
        let said = "the gateway's file cannot be used";
        while rig.folder.read("audit.jsonl").matches(said).count() < rows.len() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, recorded).await.expect("each is on record");
}

/// Nobody has to send a signal.
#[tokio::test]
async fn the_file_is_watched() {
    let rig = Rig::new().await;
    let before = send(rig.address, crate::ask::bare(http::Method::POST, "/more")).await;
    assert_eq!(before.status(), 404);
    rig.rewrite("servers:\n", "servers:\n  more: { path: /more, upstream: demo }\n");
    rig.gateway.log.find("the file is in force").await.unwrap();
    let after = send(rig.address, crate::ask::bare(http::Method::POST, "/more")).await;
    assert_eq!(after.status(), 401);
    assert!(after.header("www-authenticate").contains("oauth-protected-resource/more\""));
}

/// Streams that wait for news end at once, so that clients open others; calls are finished.
#[tokio::test]
async fn a_server_that_is_taken_away_ends_its_streams_and_finishes_its_calls() {
    let file = FILE.replace("servers:\n", "servers:\n  kept:\n    path: /kept\n    upstream: { http: { url: \"http://UPSTREAM/mcp\" } }\n");
    let rig = Rig::with(Folder::new(), &file).await;
    let token = rig.token();
    let kept = rig.folder.mint.token().audience(&RESOURCE.replace("notes", "kept")).sign();
    let at_kept = |mut request: http::Request<bytes::Bytes>| {
        *request.uri_mut() = "/kept".parse().unwrap();
        bearer(request, &kept)
    };
    let open = async |request| {
        let mut connection = Connection::open(rig.address).await;
        let answer = connection.stream(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        (connection, answer.into_body())
    };
    let (_one, mut stays) = open(at_kept(listen())).await;
    let (_two, mut ends) = open(bearer(listen(), &token)).await;
    assert!(piece(&mut stays).await.is_some() && piece(&mut ends).await.is_some());
    // A call that has said something and is not done.
    let (news, body) = portcullis_test::ChunkedBody::live();
    rig.upstream.push(portcullis_test::Answer::sse(["data: x"]).body(body));
    let progress = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":\"x\"}}\n\n";
    news.send(progress.into()).unwrap();
    let (_three, mut finishes) = open(bearer(call("read_note"), &token)).await;
    assert!(piece(&mut finishes).await.is_some());

    rig.rewrite("  notes:\n    path: /notes", "  others:\n    path: /others");
    rig.reload().await;
    assert_eq!(send(rig.address, bearer(list(), &token)).await.status(), 404);
    assert!(timeout(PATIENCE, piece(&mut ends)).await.unwrap().is_none(), "a stream ends");
    let result = "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"resultType\":\"complete\",\"content\":[]}}\n\n";
    news.send(result.into()).unwrap();
    assert!(timeout(PATIENCE, piece(&mut finishes)).await.unwrap().is_some(), "a call goes on");
    let quiet = timeout(Duration::from_millis(300), piece(&mut stays)).await;
    assert!(quiet.is_err(), "the other server's streams stay");
}

#[tokio::test]
async fn a_changed_policy_is_in_force_for_the_next_request() {
    let rig = Rig::new().await;
    let token = rig.token();
    let seen = async || {
        let reply = send(rig.address, bearer(list(), &token)).await;
        reply.text().contains("purge_notes")
    };
    assert!(!seen().await);
    rig.folder.write("policy.yaml", &POLICY.replace("[read_note]", "[read_note, purge_notes]"));
    timeout(PATIENCE, async { while !seen().await {} }).await.unwrap();
}
