//! Subscriptions: what a caller may not read is left out of them (R-209, R-210).

use serde_json::{Value, json};

use crate::support::{Answer, Ask, Rig, Upstream, wait_for};

const ID: &str = "io.modelcontextprotocol/subscriptionId";
const OPEN: &str = "file:///public/a.txt";
const SECRET: &str = "file:///payroll.csv";

#[tokio::test]
async fn forbidden_resources_are_left_out() {
    let event = |message: Value| format!("data: {message}\n\n");
    // It acknowledges, and tells of, more than it was asked for.
    let upstream = Upstream::always(Answer::sse([
        event(json!({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged",
            "params": {"_meta": {ID: 1}, "notifications": {"resourceSubscriptions": [OPEN, SECRET]}}})),
        event(json!({"jsonrpc": "2.0", "method": "notifications/resources/updated",
            "params": {"_meta": {ID: 1}, "uri": SECRET}})),
        event(json!({"jsonrpc": "2.0", "method": "notifications/resources/updated",
            "params": {"_meta": {ID: 1}, "uri": OPEN}})),
        event(json!({"jsonrpc": "2.0", "id": 1, "result": {"_meta": {ID: 1}}})),
    ]));
    for (name, asked, kept) in [
        ("some", json!([SECRET, OPEN]), json!([OPEN])),
        ("none", json!([SECRET]), json!([])),
        ("all", json!([OPEN]), json!([OPEN])),
    ] {
        let rig = Rig::new(upstream.clone()).await;
        let before = rig.upstream.count();
        let params = format!(r#""notifications":{{"resourceSubscriptions":{asked}}},"#);
        let reply = rig.ask(Ask::modern("subscriptions/listen", &params, None)).await;
        assert_eq!((reply.status, rig.upstream.count()), (200, before + 1), "{name}");
        let seen = rig.upstream.last();
        let sent: Value = serde_json::from_slice(&seen.body).unwrap();
        assert_eq!(sent["params"]["notifications"]["resourceSubscriptions"], kept, "{name}");
        assert_eq!(seen.headers["content-length"], seen.body.len().to_string(), "{name}");
        assert!(!reply.text().contains(SECRET), "{name}: {}", reply.text());
        let messages = reply.messages();
        assert_eq!(messages[0]["params"]["notifications"]["resourceSubscriptions"], kept, "{name}");
        let updates = messages.iter().filter(|m| m["method"] == "notifications/resources/updated");
        assert_eq!(updates.count(), kept.as_array().unwrap().len(), "{name}");
        let records = wait_for(&rig.records, 2).await;
        assert_eq!(records[0]["decision"], "allow", "{name}");
        assert_eq!(records[0]["target"], kept[0], "what was allowed is on record: {name}");
    }
}
