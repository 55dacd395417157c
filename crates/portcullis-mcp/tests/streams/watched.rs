//! News of tasks in subscriptions of 2026-07-28: whose they are, and what they may say.
#![allow(clippy::needless_pass_by_value, reason = "the tests say what is sent in place")]

use http::Request;
use http_body_util::Full;
use portcullis_core::{Caller, Principal};
use portcullis_mcp::{Hook, HookEvent, HookVerdict, InspectLayer};
use portcullis_test::{Answer, FakeMcp};
use serde_json::{Value, json};

use super::support::*;
use super::{Bytes, about};

const TASKS: &str = "io.modelcontextprotocol/tasks";
const RELATED: &str = "io.modelcontextprotocol/related-task";
/// What the server calls its tasks.
const OWN: &str = "786512e2-9e0d";
const OTHER: &str = "0b1f88aa-77";

fn knowing(method: &str, params: Value) -> Request<Full<Bytes>> {
    modern_with(json!(1), method, params, json!({ "extensions": { TASKS: {} } }))
}

fn bob() -> Caller {
    Caller::Verified(Principal::builder("https://id.example", "bob").build().into())
}

/// What `caller` calls the task `id`, which runs `tool`.
async fn begun(layer: &InspectLayer, caller: Caller, tool: &str, id: &str) -> String {
    let state = json!({ "resultType": "task", "taskId": id, "status": "working",
                        "statusMessage": format!("{id} has begun") });
    let server = FakeMcp::json(result(state));
    let call = knowing("tools/call", json!({ "name": tool }));
    let got = whole(send_as(caller, layer, &server, call).await).await.json();
    let name = got["result"]["taskId"].as_str().unwrap().to_owned();
    assert_eq!(got["result"]["statusMessage"], format!("{name} has begun"));
    name
}

/// A subscription to `ids`: what is forwarded of them, and the messages that come back when the server
/// says `events`.
async fn listened(layer: &InspectLayer, ids: &Value, events: &[String]) -> (Value, Vec<Value>) {
    let server = streaming(events.iter().map(|message| event(message)).collect::<Vec<_>>());
    let asked = json!({ "notifications": { "taskIds": ids } });
    let got = whole(send(layer, &server, knowing("subscriptions/listen", asked)).await).await;
    assert_eq!(got.status, 200, "{}", got.text);
    (server.last().json()["params"]["notifications"]["taskIds"].clone(), got.events())
}

fn acknowledged(ids: Value) -> String {
    let agreed = json!({ "notifications": { "taskIds": ids } });
    about(&json!(1), "notifications/subscriptions/acknowledged", agreed)
}

fn news(id: &str, more: Value) -> String {
    let mut params = json!({ "taskId": id, "status": "working" });
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    about(&json!(1), "notifications/tasks", params)
}

#[tokio::test]
async fn owners_hear_of_their_tasks() {
    let layer = InspectLayer::new();
    let own = begun(&layer, alice(), "t", OWN).await;
    let bobs = begun(&layer, bob(), "t", OTHER).await;
    let hidden = begun(&layer, alice(), "secret", "5ec4e7-00").await;
    let ids = json!([own, bobs, OWN, "made up", 7, null, hidden, own]);
    let (forwarded, heard) = listened(
        &layer,
        &ids,
        &[
            news(OWN, json!({ "early": true })),
            acknowledged(json!([OTHER, OWN, 7, "5ec4e7-00"])),
            news(OWN, json!({ "statusMessage": format!("{OWN}: half of {OWN}x") })),
            news(OTHER, json!({})),
            news("5ec4e7-00", json!({})),
            news(&own, json!({})),
            about(&json!(2), "notifications/tasks", json!({ "taskId": OWN })),
            about(&json!(1), "notifications/tasks", json!({ "status": "working" })),
            about(&json!(1), "notifications/tasks/status", json!({ "taskId": OWN })),
            news(
                OWN,
                json!({ "status": "completed", "result": {
                "content": [], "tools": [{ "name": "secret" }, { "name": "a" }],
                "_meta": { RELATED: { "taskId": OWN } },
            } }),
            ),
        ],
    )
    .await;
    assert_eq!(forwarded, json!([OWN, "5ec4e7-00"]), "each once, and nobody else's");
    let of = json!({ "io.modelcontextprotocol/subscriptionId": 1 });
    let expected = [
        json!({ "notifications": { "taskIds": [own] }, "_meta": of }),
        json!({ "taskId": own, "status": "working", "_meta": of,
                "statusMessage": format!("{own}: half of {OWN}x") }),
        json!({ "taskId": own, "status": "completed", "_meta": of, "result": {
            "content": [], "tools": [{ "name": "a" }], "_meta": { RELATED: { "taskId": own } },
        } }),
    ];
    let heard: Vec<_> = heard.iter().map(|message| message["params"].clone()).collect();
    assert_eq!(heard, expected);
}

/// Each of several tasks keeps its own name.
#[tokio::test]
async fn tasks_are_not_taken_for_one_another() {
    let layer = InspectLayer::new();
    let one = begun(&layer, alice(), "t", OWN).await;
    let other = begun(&layer, alice(), "t", OTHER).await;
    let told: Vec<_> = [OTHER, OWN]
        .map(|id| {
            let result = json!({ "content": [], "_meta": { RELATED: { "taskId": id } } });
            let message = format!("{id} is done");
            news(id, json!({ "status": "completed", "statusMessage": message, "result": result }))
        })
        .into_iter()
        .collect();
    let events = [vec![acknowledged(json!([OWN, OTHER]))], told].concat();
    let (_, heard) = listened(&layer, &json!([one, other]), &events).await;
    let heard: Vec<_> = heard[1..].iter().map(|message| &message["params"]).collect();
    for (params, name) in heard.iter().zip([&other, &one]) {
        assert_eq!(params["taskId"], **name);
        assert_eq!(params["statusMessage"], format!("{name} is done"));
        assert_eq!(params["result"]["_meta"][RELATED]["taskId"], **name);
    }
    assert_eq!(heard.len(), 2);
}

/// What was not agreed to is not told, and what names no tasks asks for none.
#[tokio::test]
async fn only_what_was_agreed_to_is_told() {
    let layer = InspectLayer::new();
    let own = begun(&layer, alice(), "t", OWN).await;
    let told = [news(OWN, json!({}))];
    for (ids, agreed, forwarded, count) in [
        (json!([own]), json!([OWN]), json!([OWN]), 2),
        (json!([own]), json!([]), json!([OWN]), 1),
        (json!([own]), json!(true), json!([OWN]), 1),
        (json!([]), json!([OWN]), json!([]), 1),
        (json!([OWN]), json!([OWN]), json!([]), 1),
        (json!(own), json!([OWN]), json!([]), 1),
        (json!(null), json!([OWN]), json!([]), 1),
        (json!({ "a": own }), json!([OWN]), json!([]), 1),
    ] {
        let events = [&[acknowledged(agreed.clone())][..], &told].concat();
        let (sent, heard) = listened(&layer, &ids, &events).await;
        assert_eq!((sent, heard.len()), (forwarded, count), "{ids} {agreed}: {heard:?}");
    }
    let none = layer.clone().allow_tasks(false);
    let (sent, _) = listened(&none, &json!([own]), &[]).await;
    assert_eq!(sent, json!([]), "where tasks are not allowed");

    let many = json!({ "notifications": { "taskIds": vec!["x"; 1001] } });
    let server = FakeMcp::new();
    let got = whole(send(&layer, &server, knowing("subscriptions/listen", many)).await).await;
    assert_eq!((got.json()["error"]["code"].as_i64(), server.count()), (Some(-32602), 0));
    let most = json!(vec!["x"; 1000]);
    assert_eq!(listened(&layer, &most, &[]).await.0, json!([]));
}

/// It is as the answer to `tasks/get` would be, or is not told: clients poll.
#[tokio::test]
async fn what_may_not_be_said_is_left_to_polling() {
    let layer = InspectLayer::new().allow_elicitation_at(["idp.example.com"]).unwrap();
    let own = begun(&layer, alice(), "t", OWN).await;
    let to = |url| json!({ "code": -32042, "message": "", "data": { "elicitations": [{ "url": url }] } });
    let (away, home) = (to("https://evil.example/"), to("https://idp.example.com/"));
    let form = json!({ "method": "elicitation/create", "params": { "message": "?" } });
    let other = json!({ RELATED: { "taskId": OTHER } });
    for (name, more, passes) in [
        ("input", json!({ "inputRequests": { "a": form } }), false),
        ("an error", json!({ "error": { "code": -1, "message": "no" } }), true),
        ("one that sends away", json!({ "error": away }), false),
        ("one that sends to a host that is allowed", json!({ "error": home }), false),
        ("one that names the task", json!({ "error": { "code": -1, "message": OWN } }), false),
        ("a result", json!({ "result": { "content": [] } }), true),
        ("of another task", json!({ "result": { "_meta": other } }), false),
        ("a result that is one", json!({ "result": { "resultType": "complete" } }), true),
    ] {
        let events = [acknowledged(json!([OWN])), news(OWN, more)];
        let (_, heard) = listened(&layer, &json!([own]), &events).await;
        assert_eq!(heard.len(), 1 + usize::from(passes), "{name}: {heard:?}");
    }
    for odd in [
        json!({ "result": [] }),
        json!({ "Result": {} }),
        json!({ "inputRequests": 1 }),
        // The result of a task is its last word.
        json!({ "result": { "inputRequests": {} } }),
        json!({ "result": { "resultType": "input_required" } }),
    ] {
        let events = [acknowledged(json!([OWN])), news(OWN, odd.clone())];
        let (_, heard) = listened(&layer, &json!([own]), &events).await;
        assert_eq!(heard[1]["error"]["code"], -32603, "{odd}: no MCP, and the stream ends");
    }

    let pass = |_: HookEvent| async { Ok(HookVerdict::Pass) };
    let hook = Hook::validation("watch", pass).answers([portcullis_core::Method::ToolsCall]);
    let hooked = layer.clone().hook(hook).unwrap();
    for (more, count) in [(json!({}), 2), (json!({ "result": { "content": [] } }), 1)] {
        let events = [acknowledged(json!([OWN])), news(OWN, more)];
        assert_eq!(listened(&hooked, &json!([own]), &events).await.1.len(), count);
    }
}

/// The server's own id in what it says about a task.
#[tokio::test]
async fn status_messages_name_the_task_as_its_owner_does() {
    let layer = InspectLayer::new();
    let own = begun(&layer, alice(), "t", OWN).await;
    let short = begun_short(&layer).await;
    for (name, id, known, said, told) in [
        ("as a word", OWN, &own, format!("at {OWN}."), format!("at {own}.")),
        ("several", OWN, &own, format!("{OWN} {OWN}"), format!("{own} {own}")),
        (
            "inside one",
            OWN,
            &own,
            format!("a{OWN} {OWN}-b {OWN}_"),
            format!("a{OWN} {OWN}-b {OWN}_"),
        ),
        ("escaped", OWN, &own, format!("\n{OWN}"), String::new()),
        ("escapes alone", OWN, &own, "\n\"".to_owned(), "\n\"".to_owned()),
        ("too short to tell", "7", &short, "7 of 10".to_owned(), "7 of 10".to_owned()),
    ] {
        let state = json!({ "resultType": "complete", "taskId": id, "status": "working",
                            "statusMessage": said });
        let server = FakeMcp::new().script([Answer::json(result(state))]);
        let request = {
            let mut request = knowing("tasks/get", json!({ "taskId": known }));
            request.headers_mut().insert("mcp-name", known.parse().unwrap());
            request
        };
        let got = whole(send(&layer, &server, request).await).await.json();
        assert_eq!(got["result"]["taskId"], known.as_str(), "{name}: {got}");
        assert_eq!(got["result"]["statusMessage"], told, "{name}");
    }
}

/// Nor does the error that ended a task name it by the server's own id.
#[tokio::test]
async fn errors_of_tasks_name_nothing_that_only_the_server_knows() {
    let layer = InspectLayer::new();
    let own = begun(&layer, alice(), "t", OWN).await;
    let short = begun_short(&layer).await;
    let gone = json!({ "code": -1, "message": "Upstream error" });
    for (name, id, known, said, told) in [
        ("by its id", OWN, &own, json!({ "code": -1, "message": OWN, "data": {} }), gone),
        ("by no id", OWN, &own, json!({ "code": -1, "message": "no" }), Value::Null),
        ("too short to tell", "7", &short, json!({ "code": -7, "message": "7" }), Value::Null),
    ] {
        let state = json!({ "resultType": "complete", "taskId": id, "status": "failed",
                            "error": said });
        let server = FakeMcp::new().script([Answer::json(result(state))]);
        let mut request = knowing("tasks/get", json!({ "taskId": known }));
        request.headers_mut().insert("mcp-name", known.parse().unwrap());
        let got = whole(send(&layer, &server, request).await).await.json();
        assert_eq!(got["result"]["taskId"], known.as_str(), "{name}: {got}");
        let told = if told.is_null() { said } else { told };
        assert_eq!(got["result"]["error"], told, "{name}");
    }
}

async fn begun_short(layer: &InspectLayer) -> String {
    let server = FakeMcp::json(result(json!({ "resultType": "task", "taskId": "7" })));
    let got =
        whole(send(layer, &server, knowing("tools/call", json!({ "name": "t" }))).await).await;
    got.json()["result"]["taskId"].as_str().unwrap().to_owned()
}
