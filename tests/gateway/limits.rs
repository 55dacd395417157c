//! Bounds of the file, as clients meet them.

use portcullis_test::Answer;
use serde_json::json;

use crate::ask::{Connection, bearer, call, list, listen, modern, send};
use crate::rig::{FILE, Folder, Rig};

#[tokio::test]
async fn what_is_too_much_is_refused_and_the_rest_is_not() {
    let limits = "    limits: { body_bytes: 2000, response_bytes: 2000, calls_in_flight: 1, open_streams: 1 }\n";
    let rig = Rig::with(Folder::new(), &format!("{FILE}{limits}")).await;
    let token = rig.token();
    let ask = async |request| send(rig.address, bearer(request, &token)).await;

    let long = format!(r#""name":"read_note","arguments":{{"text":"{}"}},"#, "x".repeat(2000));
    assert_eq!(ask(modern("tools/call", &long, Some("read_note"))).await.status(), 413);
    assert_eq!(rig.upstream.count(), 0);

    let text = "x".repeat(2000);
    let result = json!({ "resultType": "complete", "content": [{ "type": "text", "text": text }] });
    let answer = json!({ "jsonrpc": "2.0", "id": 1, "result": result });
    rig.upstream.push(Answer::json(answer.to_string()));
    assert_eq!(ask(call("read_note")).await.status(), 502);

    let mut connection = Connection::open(rig.address).await;
    let stream = connection.stream(bearer(listen(), &token)).await.unwrap();
    assert_eq!(stream.status(), 200);
    assert_eq!(ask(listen()).await.status(), 429, "a second stream");

    rig.upstream.push(Answer::hang());
    let before = rig.upstream.count();
    let mut busy = Connection::open(rig.address).await;
    let request = bearer(call("read_note"), &token);
    let busy = tokio::spawn(async move { drop(busy.send(request).await) });
    rig.upstream.arrived(before + 1).await;
    let other =
        rig.folder.mint.token().audience(crate::rig::RESOURCE).claim("sub", json!("somebody-else"));
    let other = bearer(list(), &other.sign());
    assert_eq!(ask(list()).await.status(), 429, "beside a call that is under way");
    assert_eq!(send(rig.address, other).await.status(), 200, "somebody else's");
    busy.abort();
    drop(stream);
}

#[tokio::test]
async fn a_rate_is_told_with_the_time_to_wait() {
    let limits = "limits: { calls_per_minute: 2 }\n";
    let rig = Rig::with(Folder::new(), &format!("{FILE}{limits}")).await;
    let ask = async || send(rig.address, bearer(call("read_note"), &rig.token())).await;
    assert_eq!(ask().await.status(), 200);
    assert_eq!(ask().await.status(), 200);
    let refused = ask().await;
    assert_eq!(refused.status(), 429, "{}", refused.text());
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(rig.upstream.count(), 2);
}
