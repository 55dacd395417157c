//! How children end, and what is left of them.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::child::builder;
use crate::client::{Client, next, request};

fn is_alive(pid: &str) -> bool {
    // A process that has ended and that nobody has waited for is still there, as a zombie.
    std::fs::read_to_string(Path::new("/proc").join(pid).join("stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
}

async fn until_gone(pid: &str) {
    while is_alive(pid) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_child_that_dies_fails_what_is_in_flight() {
    let upstream = builder("well").build().unwrap();
    let client = Client::modern(&upstream, "alice");
    let hangs = {
        let client = client.clone();
        tokio::spawn(async move { client.call("h", "hang", json!({})).await })
    };
    let listening = request("l", "subscriptions/listen", json!({"notifications": {}}));
    let mut listening = Box::pin(client.send(&listening).await.into_body());
    assert!(next(&mut listening).await.is_some());
    while client.text("count").await == "1" {}
    let died = client.call("d", "die", json!({})).await;
    for (id, answered) in [("d", died), ("h", hangs.await.unwrap())] {
        assert_eq!(answered.status, 502);
        assert_eq!(
            answered.body,
            format!(
                r#"{{"jsonrpc":"2.0","id":"{id}","error":{{"code":-32603,"message":"Upstream error"}}}}"#
            )
        );
    }
    let last = next(&mut listening).await.unwrap();
    assert_eq!((&last["id"], &last["error"]["code"]), (&json!("l"), &json!(-32603)));
    assert!(next(&mut listening).await.is_none());
    assert_eq!(client.text("count").await, "1", "another was started");
}

/// A request whose body is still arriving when everything ends has got past the first check.
#[tokio::test]
async fn nothing_is_started_after_the_end() {
    let upstream = builder("well").build().unwrap();
    let client = Client::modern(&upstream, "alice");
    let (go, late) = tokio::sync::oneshot::channel();
    let body = request("l", "tools/call", json!({"name": "count", "arguments": {}}));
    let mut asked = Box::pin(client.send_late(&body, late));
    assert!(
        std::future::poll_fn(|cx| std::task::Poll::Ready(asked.as_mut().poll(cx)))
            .await
            .is_pending()
    );
    upstream.drain(Duration::from_secs(5)).await;
    go.send(()).unwrap();
    assert_eq!(asked.await.status(), 503);
}

#[tokio::test]
async fn a_session_ends_with_its_child() {
    let upstream = builder("well").build().unwrap();
    let client = Client::in_session(&upstream, "alice").await;
    let mut stream = Box::pin(client.get().await.into_body());
    assert_eq!(client.call(1, "die", json!({})).await.status, 502);
    assert!(next(&mut stream).await.is_none());
    let answered = client.call(2, "count", json!({})).await;
    assert_eq!((answered.status.as_u16(), &*answered.body), (404, "Session not found"));
    assert_eq!(Client::in_session(&upstream, "alice").await.text("count").await, "1");
}

#[tokio::test]
async fn a_command_that_keeps_dying_is_not_started_again_and_again() {
    let upstream = builder("dies").build().unwrap();
    let alice = Client::modern(&upstream, "alice");
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let answered = alice.call(1, "count", json!({})).await;
        if answered.status == 503 {
            assert_eq!(answered.headers["retry-after"], "1");
            assert_eq!(answered.last()["id"], 1);
        }
        statuses.push(answered.status.as_u16());
    }
    assert_eq!(statuses, [502, 502, 503, 503]);
    let bob = Client::modern(&upstream, "bob").call(1, "count", json!({})).await;
    assert_eq!(bob.status, 502, "somebody else's pause is not mine");
}

#[tokio::test]
async fn a_server_that_knows_only_sessions_is_found_out() {
    let upstream = builder("sessions").build().unwrap();
    let modern = Client::modern(&upstream, "alice");
    let answered = modern.ask("d", "server/discover", json!({})).await;
    assert_eq!(
        (answered.status.as_u16(), &answered.last()["error"]["code"]),
        (404, &json!(-32601))
    );
    assert_eq!(answered.last()["id"], "d");
    // The second time nothing is started for it: another person's child would answer 502.
    let other = Client::modern(&upstream, "bob").call(1, "count", json!({})).await;
    assert_eq!(other.status, 404);
    assert_eq!(Client::in_session(&upstream, "alice").await.text("count").await, "1");

    let said = builder("well").sessions_only().build().unwrap();
    assert_eq!(
        Client::modern(&said, "alice").ask(1, "server/discover", json!({})).await.status,
        404
    );
    assert_eq!(Client::in_session(&said, "alice").await.text("count").await, "1");
}

/// None of these keeps its client waiting, and none is left running.
#[tokio::test]
async fn misbehaviour_is_an_error() {
    let (patient, impatient) = (Duration::from_secs(60), Duration::from_millis(700));
    for (manner, patience, status) in [
        ("babbles", patient, 502),
        ("endless", patient, 502),
        ("silent", impatient, 504),
        ("deaf", impatient, 504),
    ] {
        let builder = builder(manner).start_timeout(patience).max_message(64 * 1024);
        let upstream = builder.build().unwrap();
        let answered = Client::modern(&upstream, "alice").call(3, "count", json!({})).await;
        assert_eq!(answered.status, status, "{manner}");
        assert_eq!(answered.last()["id"], 3, "{manner}");
        upstream.drain(Duration::ZERO).await;
    }
}

/// A child with which nothing can be begun does not take the place of another.
#[tokio::test]
async fn what_never_began_is_ended() {
    for (manner, modern, patience, status) in
        [("silent", false, 300, 504), ("silent", true, 300, 504), ("refuses", false, 60_000, 200)]
    {
        let patience = Duration::from_millis(patience);
        let builder = builder(manner).start_timeout(patience).max_children(1);
        let upstream = builder.build().unwrap();
        let first = match modern {
            true => Client::modern(&upstream, "alice").call(1, "count", json!({})).await,
            false => Client::legacy(&upstream, "alice").initialize().await,
        };
        assert_eq!((first.status.as_u16(), first.session()), (status, None), "{manner}");
        let next = async {
            loop {
                let next = Client::legacy(&upstream, "bob").initialize().await;
                if next.status != 503 {
                    return next.status;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let next = tokio::time::timeout(Duration::from_secs(20), next).await;
        assert_eq!(next.unwrap_or_else(|_| panic!("{manner}: it is still there")), status);
    }
}

#[tokio::test]
async fn last_words_are_heard() {
    let upstream = builder("well").build().unwrap();
    for person in 0..20 {
        let client = Client::modern(&upstream, &person.to_string());
        assert_eq!(client.call(1, "last", json!({})).await.text().len(), 60_000);
    }
}

#[tokio::test]
async fn an_answer_that_is_too_long_fails_alone() {
    let upstream = builder("well").max_message(10_000).build().unwrap();
    let client = Client::in_session(&upstream, "alice").await;
    assert_eq!(client.call(1, "big", json!({"size": 9_000})).await.text().len(), 9_000);
    let answered = client.call(2, "big", json!({"size": 11_000})).await;
    assert_eq!((answered.status.as_u16(), &answered.last()["id"]), (502, &json!(2)));
    assert_eq!(client.call(3, "count", json!({})).await.text(), "3", "the session goes on");
    let body =
        request(4, "tools/call", json!({"name": "big", "arguments": {"x": "y".repeat(11_000)}}));
    assert_eq!(client.send(&body).await.status(), 413);
}

#[tokio::test]
async fn a_slow_answer_is_given_up_and_cancelled() {
    // Long enough for a child to start on a busy machine.
    let upstream = builder("well").answer_timeout(Duration::from_secs(4)).build().unwrap();
    let given_up = |client: Client| async move {
        client.text("count").await;
        let answered = client.call("slow", "hang", json!({})).await;
        assert_eq!((answered.status.as_u16(), &answered.last()["id"]), (504, &json!("slow")));
        while client.text("cancelled").await == "[]" {}
    };
    let session = Client::in_session(&upstream, "alice").await;
    tokio::join!(given_up(Client::modern(&upstream, "alice")), given_up(session));
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_nobody_up() {
    let upstream = builder("well").build().unwrap();
    let client = Client::modern(&upstream, "alice");
    let params =
        json!({"name": "progress", "arguments": {"times": 9_000}, "_meta": {"progressToken": 1}});
    let mut slow = Box::pin(client.send(&request(1, "tools/call", params)).await.into_body());
    assert_eq!(client.text("count").await, "2", "others are served");
    let mut said = 0;
    let last = loop {
        let message = next(&mut slow).await.unwrap();
        if message.get("id").is_some() {
            break message;
        }
        said += 1;
    };
    assert!((1..=600).contains(&said), "what waits is bounded: {said}");
    assert_eq!(last["result"]["content"][0]["text"], "done", "the answer is not lost");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn nothing_is_left_of_a_child() {
    // What ends it, and what it has left behind by then.
    let endings = ["delete", "die", "drop", "drain", "idle", "lifetime"];
    let endings = endings.map(|ending| tokio::spawn(nothing_is_left_after(ending)));
    for ending in endings {
        ending.await.unwrap();
    }
}

#[cfg(target_os = "linux")]
async fn nothing_is_left_after(ending: &'static str) {
    let mut builder = builder("stubborn");
    match ending {
        "idle" => builder = builder.idle_timeout(Duration::from_secs(4)),
        "lifetime" => builder = builder.lifetime(Duration::from_secs(6)),
        _ => {}
    }
    let upstream = builder.build().unwrap();
    let client = Client::in_session(&upstream, "alice").await;
    let pid = client.text("pid").await;
    let grandchild = client.text("fork").await;
    assert!(is_alive(&pid) && is_alive(&grandchild), "{ending}");
    let session = client.clone();
    match ending {
        "delete" => assert_eq!(client.delete().await, 204),
        "die" => assert_eq!(client.call(1, "die", json!({})).await.status, 502),
        "drop" => {
            drop((client, session.clone()));
            drop(upstream.clone());
        }
        "drain" => upstream.drain(Duration::from_secs(5)).await,
        _ => {}
    }
    if ending == "drop" {
        drop((session, upstream));
        until_gone(&pid).await;
    } else {
        until_gone(&pid).await;
        let late = session.call(1, "count", json!({})).await.status;
        assert_eq!(late, if ending == "drain" { 503 } else { 404 }, "{ending}");
    }
    until_gone(&grandchild).await;
}

#[cfg(target_os = "linux")]
#[test]
fn nothing_is_left_when_the_runtime_ends() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let upstream = builder("stubborn").build().unwrap();
    let (pid, grandchild) = runtime.block_on(async {
        let client = Client::modern(&upstream, "alice");
        (client.text("pid").await, client.text("fork").await)
    });
    drop(runtime);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        until_gone(&pid).await;
        until_gone(&grandchild).await;
    });
}

#[tokio::test]
async fn what_is_in_flight_may_end_while_draining() {
    let upstream = builder("well").build().unwrap();
    let client = Client::modern(&upstream, "alice");
    let listening = request("l", "subscriptions/listen", json!({"notifications": {}}));
    let mut listening = Box::pin(client.send(&listening).await.into_body());
    assert!(next(&mut listening).await.is_some());
    let session = Client::in_session(&upstream, "bob").await;
    let mut asked =
        Box::pin(session.send(&request(5, "tools/call", json!({"name": "ask"}))).await.into_body());
    assert!(next(&mut asked).await.is_some());
    let draining = {
        let upstream = upstream.clone();
        tokio::spawn(async move { upstream.drain(Duration::from_secs(30)).await })
    };
    let last = next(&mut listening).await.unwrap();
    assert_eq!((&last["id"], &last["result"]["resultType"]), (&json!("l"), &json!("complete")));
    let refused = client.call(2, "count", json!({})).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.headers["retry-after"]),
        (503, &"1".parse().unwrap())
    );
    assert!(!draining.is_finished(), "a call is in flight");
    draining.abort();
    upstream.drain(Duration::ZERO).await;
    let failed = next(&mut asked).await.unwrap();
    assert_eq!((&failed["id"], &failed["error"]["code"]), (&json!(5), &json!(-32603)));
}
