//! Answers that are asked for again: by others, and with what an answer before gave along.

use serde_json::{Value, json};

use crate::support::{Answer, Ask, Rig, Upstream, h1};

/// X-142, R-226: nothing that one caller got is kept for another, nor for the same one again.
#[tokio::test]
async fn nobody_gets_what_was_fetched_for_another() {
    let tools = json!({"tools": [{"name": "get_weather"}, {"name": "delete_user"}],
                       "ttlMs": 3_600_000, "cacheScope": "public"});
    let text = json!({"jsonrpc": "2.0", "id": 1, "result": tools}).to_string();
    let answer =
        Answer::json(text).with("cache-control", "public, max-age=3600").with("etag", "\"1\"");
    let rig = Rig::new(Upstream::always(answer)).await;
    let reader = rig.token();
    let writer = rig.mint.token().subject("wanda").claim("groups", json!(["writers"])).sign();
    for (round, (token, shown)) in
        [(&reader, "get_weather"), (&writer, "delete_user"), (&reader, "get_weather")]
            .iter()
            .enumerate()
    {
        let ask =
            Ask::modern("tools/list", "", None).bearer(token).header("if-none-match", "\"1\"");
        let reply = h1(rig.addr, &ask).await;
        let result = &reply.json()["result"];
        assert_eq!(result["tools"], json!([{ "name": shown }]), "{round}");
        assert_eq!(result["cacheScope"], "private", "{round}: clients may not share it");
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{round}: nor may others");
        assert_eq!(reply.header("etag"), None, "{round}");
        assert_eq!(rig.upstream.count(), round + 1, "each is asked for anew");
        assert!(!rig.upstream.last().headers.contains_key("if-none-match"), "{round}");
    }
}

/// Asks for input until it gets the state that it gave along, with some input, from the same caller for the
/// same tool.
fn careful() -> Upstream {
    Upstream::new(|seen| {
        let asked: Value = serde_json::from_slice(&seen.body).unwrap();
        let params = &asked["params"];
        let state = format!("{}|1.50", params["name"]);
        let result = match params.get("requestState").map(|given| *given == state) {
            Some(true) if params["inputResponses"]["a"]["content"]["sure"] == true => {
                json!({"resultType": "complete", "content": []})
            }
            None | Some(true) => json!({"resultType": "input_required", "requestState": state,
                "inputRequests": {"a": {"method": "elicitation/create", "params": {"message": "?"}}}}),
            Some(false) => {
                let error = json!({"code": -32602, "message": "Invalid requestState"});
                return Answer::json(
                    json!({"jsonrpc": "2.0", "id": 1, "error": error}).to_string(),
                );
            }
        };
        Answer::json(json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string())
    })
}

fn round(tool: &str, more: &str) -> Ask {
    let ask = Ask::modern("tools/call", &format!(r#""name":"{tool}",{more}"#), Some(tool));
    let mut body: Value = serde_json::from_slice(&ask.body).unwrap();
    body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
        json!({"elicitation": {}});
    ask.body(body.to_string())
}

/// X-167, X-169: the state is the server's, and reaches it as it gave it, under the name of whoever sends it.
/// The gate decides about each round as if it were the first, and neither completes nor remembers one.
#[tokio::test]
async fn rounds_are_decided_one_by_one() {
    let rig = Rig::new(careful()).await;
    let first = rig.ask(round("get_weather", "")).await.json();
    assert_eq!(first["result"]["resultType"], "input_required");
    let state = first["result"]["requestState"].as_str().unwrap().to_owned();
    let given = format!(r#""requestState":{},"#, json!(state));
    let accept = format!(r#"{given}"inputResponses":{{"a":{{"action":"accept"}}}},"#);
    let sure = format!(
        r#"{given}"inputResponses":{{"a":{{"action":"accept","content":{{"sure":true}}}}}},"#
    );
    let forged = sure.replace("1.50", "1.51");

    let of = |ask: Ask| {
        let rig = &rig;
        async move {
            let before = rig.upstream.count();
            let reply = rig.ask(ask).await;
            (reply, rig.upstream.count() - before)
        }
    };
    // X-169: whoever only says yes is asked again, by the server.
    let (reply, asked) = of(round("get_weather", &accept)).await;
    assert_eq!((&reply.json()["result"]["resultType"], asked), (&json!("input_required"), 1));
    let sent: Value = serde_json::from_slice(&rig.upstream.last().body).unwrap();
    assert_eq!(sent["params"]["requestState"], state, "as it was given");
    let (reply, asked) = of(round("get_weather", &forged)).await;
    assert_eq!((reply.code(), asked), (-32602, 1), "tampered with");
    let (reply, asked) = of(round("ping_tool", &sure)).await;
    assert_eq!((reply.code(), asked), (-32602, 1), "of another tool");
    let (reply, asked) = of(round("get_weather", &sure)).await;
    assert_eq!((&reply.json()["result"]["resultType"], asked), (&json!("complete"), 1));

    // What was begun gives no right to go on: the tool is decided anew, for whoever asks.
    let refused = rig.ask(round("delete_user", "")).await;
    let (reply, asked) = of(round("delete_user", &sure)).await;
    assert_eq!((reply.text(), asked), (refused.text(), 0), "a tool that is not allowed");
    let before = rig.upstream.count();
    let stranger = rig.mint.token().subject("mallory").sign();
    let reply = h1(rig.addr, &round("get_weather", &sure).bearer(&stranger)).await;
    assert_eq!(
        (reply.code(), rig.upstream.count()),
        (-32602, before),
        "somebody without the right"
    );
    let bob = rig.staff().subject("bob").sign();
    h1(rig.addr, &round("get_weather", &sure).bearer(&bob)).await;
    assert_eq!(rig.upstream.count(), before + 1, "for the server to tell whose it was");
}
