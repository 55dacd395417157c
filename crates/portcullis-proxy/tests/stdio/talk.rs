//! What goes in, and what comes out.

use portcullis_core::Version;
use serde_json::json;

use crate::child::builder;
use crate::client::{Answered, Client, next, request};

#[tokio::test]
async fn ids_and_numbers_keep_their_spelling() {
    let upstream = builder("well").build().unwrap();
    for client in [Client::modern(&upstream, "alice"), Client::in_session(&upstream, "alice").await]
    {
        for id in ["1", "9007199254740993", "\"1\"", "\"a\\u0062\"", "0"] {
            let sent = format!(
                "{{\"jsonrpc\" : \"2.0\",\r\n\"method\":\"tools/call\", \"id\":{id},\"params\":{{\"name\":\"number\",\"arguments\":{{\"n\":1.50}}}}}}"
            );
            let answered = Answered::read(client.send(&sent).await).await;
            assert_eq!(answered.status, 200);
            assert_eq!(
                answered.body,
                format!(
                    r#"{{"jsonrpc":"2.0", "id": {id},"result":{{"n":9007199254740993,"m":1.50E+2}}}}"#
                )
            );
        }
        let raw = client.text("raw").await;
        assert!(raw.contains("\"arguments\":{\"n\":1.50}"), "{raw}");
    }
}

#[tokio::test]
async fn clients_may_use_the_same_ids() {
    let upstream = builder("well").build().unwrap();
    let client = Client::modern(&upstream, "alice");
    let asked: Vec<_> = (0..20)
        .map(|size| {
            let client = client.clone();
            tokio::spawn(async move { client.call(1, "big", json!({"size": size})).await })
        })
        .collect();
    for (size, asked) in asked.into_iter().enumerate() {
        let answered = asked.await.unwrap();
        assert_eq!(answered.text().len(), size);
        assert_eq!(answered.last()["id"], 1);
    }
}

#[tokio::test]
async fn progress_comes_before_the_answer() {
    let upstream = builder("well").build().unwrap();
    for client in [Client::modern(&upstream, "alice"), Client::in_session(&upstream, "alice").await]
    {
        for token in [json!("token"), json!(7), json!(1)] {
            let params = json!({"name": "progress", "arguments": {"times": 3}, "_meta": {"progressToken": token}});
            let answered = client.ask("call", "tools/call", params).await;
            assert!(answered.is_stream());
            assert_eq!(answered.headers["cache-control"], "no-cache");
            let messages = answered.messages();
            assert_eq!(messages.len(), 4, "{messages:?}");
            for (at, message) in messages.iter().take(3).enumerate() {
                assert_eq!(message["params"], json!({"progressToken": token, "progress": at}));
            }
            assert_eq!(
                (messages[3]["id"].clone(), answered.text()),
                (json!("call"), "done".into())
            );
        }
        let alone = client.call(2, "progress", json!({"times": 0})).await;
        assert!(!alone.is_stream(), "an answer alone is one document");
    }
}

#[tokio::test]
async fn two_clients_of_one_person_may_use_the_same_token() {
    let upstream = builder("well").build().unwrap();
    let client = Client::modern(&upstream, "alice");
    let ask = |times: u64| {
        let params = json!({"name": "progress", "arguments": {"times": times}, "_meta": {"progressToken": "t"}});
        client.ask(1, "tools/call", params)
    };
    let (three, five) = tokio::join!(ask(3), ask(5));
    assert_eq!((three.messages().len(), five.messages().len()), (4, 6));
}

#[tokio::test]
async fn noise_is_left_out() {
    let upstream = builder("well").build().unwrap();
    let client = Client::modern(&upstream, "alice");
    let answered = client.call(1, "noise", json!({})).await;
    assert_eq!((answered.is_stream(), answered.text()), (false, "after the noise".to_owned()));
}

#[tokio::test]
async fn errors_have_the_status_of_their_era() {
    let upstream = builder("well").build().unwrap();
    for (client, status) in [
        (Client::modern(&upstream, "alice"), 404),
        (Client::in_session(&upstream, "alice").await, 200),
    ] {
        let answered = client.ask(1, "no/such", json!({})).await;
        assert_eq!(answered.status, status);
        assert_eq!(answered.last()["error"]["code"], -32601);
    }
}

#[tokio::test]
async fn a_server_asks_its_client() {
    let upstream = builder("well").build().unwrap();
    let client = Client::in_session(&upstream, "alice").await;
    let mut body =
        Box::pin(client.send(&request(5, "tools/call", json!({"name": "ask"}))).await.into_body());
    let asked = next(&mut body).await.unwrap();
    assert_eq!((&asked["id"], &asked["method"]), (&json!("own-1"), &json!("roots/list")));

    // Nobody else may answer, and nobody may answer what was not asked.
    let reply = |id: &str| json!({"jsonrpc": "2.0", "id": id, "result": {"roots": []}}).to_string();
    let another = Client::in_session(&upstream, "alice").await;
    assert_eq!(another.send(&reply("own-1")).await.status(), 400);
    assert_eq!(client.send(&reply("own-2")).await.status(), 400);
    assert_eq!(client.send(&reply("own-1")).await.status(), 202);
    assert_eq!(client.send(&reply("own-1")).await.status(), 400, "once");

    let answer = next(&mut body).await.unwrap();
    assert_eq!(answer["id"], 5);
    assert_eq!(answer["result"]["content"][0]["text"], "{\"roots\":[]}");
    assert!(next(&mut body).await.is_none());
}

#[tokio::test]
async fn what_belongs_to_no_request_comes_on_the_stream() {
    let upstream = builder("well").build().unwrap();
    let client = Client::in_session(&upstream, "alice").await;
    // Kept until there is one.
    let answered = client.call(1, "change", json!({})).await;
    assert!(!answered.is_stream(), "it is not part of the answer");
    let mut first = Box::pin(client.get().await.into_body());
    let changed = json!("notifications/tools/list_changed");
    assert_eq!(next(&mut first).await.unwrap()["method"], changed);
    client.text("change").await;
    assert_eq!(next(&mut first).await.unwrap()["method"], changed);
    // A client that opens another has lost the first; one message goes to one stream.
    let mut second = Box::pin(client.get().await.into_body());
    assert!(next(&mut first).await.is_none());
    client.text("change").await;
    assert_eq!(next(&mut second).await.unwrap()["method"], changed);
    assert_eq!(client.delete().await, 204);
    assert!(next(&mut second).await.is_none(), "it ends with its session");
}

#[tokio::test]
async fn listening_is_for_who_listens() {
    let upstream = builder("well").build().unwrap();
    let client = Client::modern(&upstream, "alice");
    let wanted = json!({"notifications": {"toolsListChanged": true}});
    for id in [json!("l"), json!(0)] {
        let response =
            client.send(&request(id.clone(), "subscriptions/listen", wanted.clone())).await;
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut body = Box::pin(response.into_body());
        let key = "io.modelcontextprotocol/subscriptionId";
        let acknowledged = next(&mut body).await.unwrap();
        assert_eq!(acknowledged["params"]["_meta"][key], id);
        let answered = client.call(1, "change", json!({})).await;
        assert!(!answered.is_stream());
        assert_eq!(next(&mut body).await.unwrap()["params"]["_meta"][key], id);
        // The server takes its leave of it.
        client.text("stop_listening").await;
        let last = next(&mut body).await.unwrap();
        assert_eq!((&last["id"], &last["result"]["_meta"][key]), (&id, &id));
        assert_eq!(last["result"]["resultType"], "complete");
        assert!(next(&mut body).await.is_none());
    }
}

#[tokio::test]
async fn log_messages_reach_who_asked_for_them() {
    let upstream = builder("well").build().unwrap();
    let client = Client::modern(&upstream, "alice");
    assert!(!client.call(1, "log", json!({})).await.is_stream());
    let meta = json!({"io.modelcontextprotocol/logLevel": "info"});
    let params = json!({"name": "log", "arguments": {}, "_meta": meta});
    let answered = client.ask(2, "tools/call", params).await;
    assert_eq!(answered.messages()[0]["params"]["data"], "logged");
    // In a session the level is the session's.
    let session = Client::in_session(&upstream, "alice").await;
    assert!(session.call(1, "log", json!({})).await.is_stream());
}

#[tokio::test]
async fn to_go_away_is_to_cancel_since_2026() {
    let upstream = builder("well").build().unwrap();
    let client = Client::modern(&upstream, "alice");
    let hang = request("g", "tools/call", json!({"name": "hang"}));
    let gone = client.send(&hang);
    assert!(tokio::time::timeout(std::time::Duration::from_millis(300), gone).await.is_err());
    let mut cancelled = client.text("cancelled").await;
    while cancelled == "[]" {
        cancelled = client.text("cancelled").await;
    }
    assert_eq!(cancelled, "[1]", "the number that the child knows");

    let wanted = json!({"notifications": {}});
    let body =
        Box::pin(client.send(&request("l", "subscriptions/listen", wanted)).await.into_body());
    drop(body);
    while !client.text("cancelled").await.contains(',') {}
}

#[tokio::test]
async fn to_go_away_is_not_to_cancel_in_a_session() {
    let upstream = builder("well").build().unwrap();
    let client = Client::in_session(&upstream, "alice").await;
    let hang = request("g", "tools/call", json!({"name": "hang"}));
    let gone = client.send(&hang);
    assert!(tokio::time::timeout(std::time::Duration::from_millis(300), gone).await.is_err());
    assert_eq!(client.text("cancelled").await, "[]");
    assert_eq!(client.text("cancelled").await, "[]");

    // To say so is.
    let hangs = {
        let client = client.clone();
        tokio::spawn(async move { client.call("h", "hang", json!({})).await })
    };
    let counted = || async { client.text("count").await.parse::<u64>().unwrap() };
    let before = counted().await;
    while !client.text("raw").await.contains("\"hang\"") || counted().await < before + 2 {}
    let cancel = |id: &str| {
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}})
            .to_string()
    };
    while !hangs.is_finished() {
        assert_eq!(client.send(&cancel("h")).await.status(), 202);
        tokio::task::yield_now().await;
    }
    let answered = hangs.await.unwrap();
    assert_eq!((answered.status.as_u16(), &*answered.body), (200, ""), "nobody waits any more");
    assert_eq!(client.send(&cancel("unknown")).await.status(), 202);
    let cancelled: Vec<u64> = serde_json::from_str(&client.text("cancelled").await).unwrap();
    assert_eq!(cancelled.len(), 1, "{cancelled:?}");
}

#[tokio::test]
async fn batches_are_taken_apart_and_put_together() {
    let upstream = builder("well").build().unwrap();
    let mut client = Client::legacy(&upstream, "alice").at(Version::V2025_03_26);
    client.session = client.initialize().await.session();
    let call = |id: u64, tool: &str| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": {}}});
    let told = json!({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"});
    let batch = json!([call(1, "count"), told, call(2, "count")]).to_string();
    let answered = Answered::read(client.send(&batch).await).await;
    let all = answered.last();
    let mut ids: Vec<_> =
        all.as_array().unwrap().iter().map(|one| one["id"].as_u64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, [1, 2]);

    let only_told = Answered::read(client.send(&json!([told]).to_string()).await).await;
    assert_eq!((only_told.status.as_u16(), &*only_told.body), (202, ""));

    // With something said on the way, as events.
    let batch = json!([call(3, "log"), call(4, "count")]).to_string();
    let answered = Answered::read(client.send(&batch).await).await;
    assert_eq!(answered.messages().len(), 3, "{answered:?}");

    // When the child dies, each gets its error.
    let batch = json!([call(5, "count"), call(6, "die"), call(7, "count")]).to_string();
    let answered = Answered::read(client.send(&batch).await).await;
    let all = answered.last();
    assert_eq!(all.as_array().unwrap().len(), 3);
    assert_eq!(all.as_array().unwrap().iter().filter(|one| one.get("error").is_some()).count(), 2);
}

#[tokio::test]
async fn notifications_are_accepted() {
    let upstream = builder("well").build().unwrap();
    let told = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let session = Client::in_session(&upstream, "alice").await;
    assert_eq!(session.send(told).await.status(), 202);
    while !session.text("raw").await.contains("notifications/initialized") {}
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    let modern = Client::modern(&upstream, "alice");
    assert_eq!(modern.send(cancel).await.status(), 202, "dropped (R-032)");
    assert_eq!(modern.text("cancelled").await, "[]");
}

#[tokio::test]
async fn a_session_begins_with_a_good_answer_only() {
    let upstream =
        builder("silent").start_timeout(std::time::Duration::from_millis(300)).build().unwrap();
    let answered = Client::legacy(&upstream, "alice").initialize().await;
    assert_eq!((answered.status.as_u16(), answered.session()), (504, None));
    assert_eq!(answered.last()["id"], 0);

    // Who brings a session gets another (R-436).
    let upstream = builder("well").build().unwrap();
    let client = Client::in_session(&upstream, "alice").await;
    let again = client.initialize().await;
    assert!(again.session().is_some());
    assert_ne!(again.session(), client.session);
}
