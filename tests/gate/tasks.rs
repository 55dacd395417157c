//! Tasks of 2025-11-25 in the whole gate: whose they are, and whose they stay (R-211, R-212, X-166).

use portcullis::Version;
use portcullis::audit::MemorySink;
use portcullis_test::Mint;
use serde_json::{Value, json};
use tower::Layer as _;

use crate::support::{
    Answer, Ask, ISSUER, Reply, Rig, Setup, Upstream, h1, layer, serve, wait_for,
};

const RELATED: &str = "io.modelcontextprotocol/related-task";
/// The id that the server assigns.
const ID: &str = "786512e2-9e0d";

fn request(method: &str, params: &Value) -> Ask {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    Ask::post(body.to_string()).header("mcp-protocol-version", "2025-11-25")
}

fn begin(tool: &str) -> Ask {
    request("tools/call", &json!({"name": tool, "arguments": {}, "task": {"ttl": 60000}}))
}

fn about(method: &str, id: &str) -> Ask {
    request(method, &json!({ "taskId": id }))
}

/// A server with one task.
fn server() -> Upstream {
    Upstream::new(|seen| {
        let asked: Value = serde_json::from_slice(&seen.body).unwrap();
        let task = json!({"taskId": ID, "status": "working", "statusMessage": format!("{ID} runs"),
                          "createdAt": "2026-01-01T00:00:00Z",
                          "lastUpdatedAt": "2026-01-01T00:00:00Z", "ttl": 60000});
        let known = asked["params"]["taskId"] == ID;
        let of = json!({ RELATED: { "taskId": ID } });
        let result = match asked["method"].as_str().unwrap() {
            "tools/call" => json!({"task": task, "_meta": of}),
            "tasks/get" | "tasks/cancel" if known => task,
            "tasks/result" if known => json!({
                "content": [{"type": "text", "text": "done"}], "_meta": of,
            }),
            _ => {
                let error = json!({"code": -32602, "message": format!("Task not found: {}", asked["params"]["taskId"])});
                return Answer::json(
                    json!({"jsonrpc": "2.0", "id": 1, "error": error}).to_string(),
                );
            }
        };
        Answer::json(json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string())
    })
}

/// Begins a task as the reader, and returns its id.
async fn begun(rig: &Rig) -> String {
    let reply = rig.ask(begin("get_weather")).await;
    let result = &reply.json()["result"];
    let id = result["task"]["taskId"].as_str().unwrap().to_owned();
    assert_eq!(result["_meta"][RELATED]["taskId"], id.as_str());
    assert!(!reply.text().contains(ID), "{}", reply.text());
    id
}

fn sent(rig: &Rig) -> Value {
    serde_json::from_slice(&rig.upstream.last().body).unwrap()
}

#[tokio::test]
async fn owners_follow_their_tasks() {
    let rig = Rig::new(server()).await;
    let id = begun(&rig).await;
    for method in ["tasks/get", "tasks/cancel", "tasks/result"] {
        let reply = rig.ask(about(method, &id)).await;
        assert_eq!(reply.status, 200);
        let result = &reply.json()["result"];
        match method {
            "tasks/result" => assert_eq!(result["_meta"][RELATED]["taskId"], id.as_str()),
            _ => assert_eq!(result["taskId"], id.as_str()),
        }
        assert!(!reply.text().contains(ID), "{method}: {}", reply.text());
        assert_eq!(sent(&rig)["params"], json!({ "taskId": ID }), "{method}");
    }
    let records = wait_for(&rig.records, 8).await;
    let asked = records.iter().find(|record| record["method"] == "tasks/get").unwrap();
    assert_eq!(
        [&asked["target_type"], &asked["target"], &asked["more_targets"], &asked["rule_id"]],
        [&json!("task"), &json!(id), &json!(["get_weather"]), &json!("read")]
    );
}

/// X-166: the ids of others, of nobody, and of a tool that one may no longer call look the same.
#[tokio::test]
async fn tasks_of_others_are_unknown() {
    let rig = Rig::new(server()).await;
    let id = begun(&rig).await;
    let before = rig.upstream.count();
    let reader = || rig.staff();
    let forged = if id.ends_with("AA") { "BB" } else { "AA" };
    let rows = [
        ("another person", reader().subject("mallory").sign(), id.clone()),
        ("another client", reader().claim("client_id", json!("other")).sign(), id.clone()),
        ("the server's own id", rig.token(), ID.to_owned()),
        ("made up", rig.token(), "AAAA".to_owned()),
        ("tampered with", rig.token(), format!("{}{forged}", &id[..id.len() - 2])),
        ("the tool is no longer allowed", rig.mint.token().sign(), id.clone()),
    ];
    for (name, token, id) in rows {
        for method in ["tasks/get", "tasks/result", "tasks/cancel"] {
            let reply = h1(rig.addr, &about(method, &id).bearer(&token)).await;
            assert_eq!(reply.status, 200, "{name}, {method}");
            assert_eq!(
                reply.text(),
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Task not found"}}"#,
                "{name}, {method}"
            );
        }
    }
    assert_eq!(rig.upstream.count(), before);
    let records = wait_for(&rig.records, 38).await;
    let denied = |reason: &str| {
        let all = records.iter().filter(|r| r["record"] == "decision" && r["reason"] == reason);
        all.count()
    };
    assert_eq!((denied("task_not_owned"), denied("default_deny")), (15, 3));
}

/// A task that is gone looks like one that never was.
#[tokio::test]
async fn tasks_that_are_gone() {
    let mint = Mint::es256(ISSUER);
    let gone = Upstream::new(|seen| {
        let asked: Value = serde_json::from_slice(&seen.body).unwrap();
        let answer = match asked["method"].as_str() {
            Some("tools/call") => json!({"result": {"task": {"taskId": ID}}}),
            _ => json!({"error": {"code": -32602, "message": format!("Task not found: {ID}")}}),
        };
        let mut answer = answer;
        answer["jsonrpc"] = json!("2.0");
        answer["id"] = json!(1);
        Answer::json(answer.to_string())
    });
    let addr = serve(layer(Setup::default(), &mint, MemorySink::new()).layer(gone)).await;
    let token = mint.token().claim("groups", json!(["staff"])).sign();
    let ask = |ask: Ask| {
        let ask = ask.bearer(&token);
        async move { h1(addr, &ask).await }
    };
    let reply: Reply = ask(begin("get_weather")).await;
    let id = reply.json()["result"]["task"]["taskId"].as_str().unwrap().to_owned();
    let gone = ask(about("tasks/get", &id)).await;
    let unknown = ask(about("tasks/get", "AAAA")).await;
    assert_eq!((gone.status, gone.text()), (unknown.status, unknown.text()));
}

/// A call that runs as a task is decided like any call of its tool.
#[tokio::test]
async fn calls_are_decided_as_the_tool_they_run() {
    let rig = Rig::new(server()).await;
    assert_eq!(rig.ask(begin("delete_user")).await.code(), -32602);
    assert_eq!(rig.upstream.count(), 0);
}

/// What nobody can attribute stays behind, and so do other revisions.
#[tokio::test]
async fn what_is_not_offered() {
    let rig = Rig::new(server()).await;
    let id = begun(&rig).await;
    let before = rig.upstream.count();
    assert_eq!(rig.ask(request("tasks/update", &json!({ "taskId": id }))).await.code(), -32601);
    for version in [Version::V2025_06_18, Version::V2025_03_26] {
        let ask = about("tasks/get", &id).set("mcp-protocol-version", version.as_str());
        assert_eq!(rig.ask(ask).await.code(), -32601, "{version}");
    }
    let modern = Ask::modern("tasks/get", &format!(r#""taskId":"{id}","#), Some(&id));
    assert_eq!(rig.ask(modern).await.code(), -32021);
    for params in [json!({}), json!({ "taskId": 5 }), json!({ "taskId": null })] {
        assert_eq!(rig.ask(request("tasks/get", &params)).await.code(), -32602);
    }
    assert_eq!(rig.upstream.count(), before);
}

/// A server that answers about another task than it was asked about is not believed.
#[tokio::test]
async fn answers_about_other_tasks() {
    let other = |path: &'static str| {
        Upstream::new(move |seen| {
            let asked: Value = serde_json::from_slice(&seen.body).unwrap();
            let result = match (asked["method"].as_str(), path) {
                (Some("tools/call"), _) => json!({"task": {"taskId": ID}}),
                (_, "id") => json!({"taskId": "another", "status": "working"}),
                (_, "related") => json!({"taskId": ID, "_meta": {RELATED: {"taskId": "another"}}}),
                (_, _) => json!({"taskId": 7}),
            };
            Answer::json(json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string())
        })
    };
    for path in ["id", "related", "number"] {
        let rig = Rig::new(other(path)).await;
        let reply = rig.ask(begin("get_weather")).await;
        let id = reply.json()["result"]["task"]["taskId"].as_str().unwrap().to_owned();
        let reply = rig.ask(about("tasks/get", &id)).await;
        assert_eq!((reply.status, reply.code()), (502, -32603), "{path}");
    }
}

/// On a stream, too, and for what the server says and asks on the way.
#[tokio::test]
async fn streams() {
    let upstream = Upstream::new(|seen| {
        let asked: Value = serde_json::from_slice(&seen.body).unwrap();
        if asked["method"] == "tools/call" {
            let text = json!({"jsonrpc": "2.0", "id": 1, "result": {"task": {"taskId": ID}}});
            return Answer::sse([format!("data: {text}\n\n")]);
        }
        let of = json!({ RELATED: { "taskId": ID } });
        let note = json!({"jsonrpc": "2.0", "method": "notifications/progress",
                          "params": {"progressToken": 1, "progress": 1, "_meta": of}});
        let done = json!({"jsonrpc": "2.0", "id": 1, "result": {"content": [], "_meta": of}});
        Answer::sse([format!("data: {note}\n\n"), format!("data: {done}\n\n")])
    });
    let rig = Rig::new(upstream).await;
    let reply = rig.ask(begin("get_weather")).await;
    let id = reply.messages()[0]["result"]["task"]["taskId"].as_str().unwrap().to_owned();
    assert_ne!(id, ID);
    let reply = rig.ask(about("tasks/result", &id)).await;
    let messages = reply.messages();
    assert_eq!(messages[0]["params"]["_meta"][RELATED]["taskId"], id.as_str());
    assert_eq!(messages[1]["result"]["_meta"][RELATED]["taskId"], id.as_str());
    assert!(!reply.text().contains(ID));
}

fn related(id: &Value) -> Value {
    json!({ "name": "ping_tool", "arguments": {}, "_meta": { RELATED: id, "progressToken": 1 } })
}

/// R-211: some servers act on the task that a message says it belongs to.
#[tokio::test]
async fn messages_belong_to_tasks_of_their_sender() {
    let rig = Rig::new(server()).await;
    let id = begun(&rig).await;
    let before = rig.upstream.count();
    let foreign = rig.staff().subject("mallory").sign();
    let own = rig.token();
    let rows = [
        ("the server's own id", &own, json!({ "taskId": ID })),
        ("another person's", &foreign, json!({ "taskId": id })),
        ("made up", &own, json!({ "taskId": "AAAA" })),
        ("a number", &own, json!({ "taskId": 7 })),
        ("no id", &own, json!({})),
        ("no object", &own, json!(id)),
    ];
    for (name, token, value) in &rows {
        for version in ["2025-11-25", "2025-06-18", "2025-03-26"] {
            let ask = request("tools/call", &related(value)).set("mcp-protocol-version", version);
            let reply = h1(rig.addr, &ask.bearer(token)).await;
            assert_eq!((reply.status, reply.code()), (200, -32602), "{name}, {version}");
            assert_eq!(reply.json()["error"]["message"], "Task not found", "{name}, {version}");
        }
        let notice = json!({"jsonrpc": "2.0", "method": "notifications/progress",
            "params": {"progressToken": 1, "progress": 1, "_meta": {RELATED: value}}});
        let ask = Ask::post(notice.to_string()).header("mcp-protocol-version", "2025-11-25");
        assert_eq!(h1(rig.addr, &ask.bearer(token)).await.status, 202, "{name}: dropped");
        let batch =
            json!([{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": related(value)}]);
        assert_eq!(h1(rig.addr, &Ask::post(batch.to_string()).bearer(token)).await.status, 400);
        let meta = format!(r#""{RELATED}":{value},"#);
        let mut modern = Ask::call("ping_tool");
        modern.body = String::from_utf8(modern.body.to_vec())
            .unwrap()
            .replace(r#""_meta":{"#, &format!(r#""_meta":{{{meta}"#))
            .into();
        assert_eq!(h1(rig.addr, &modern.bearer(token)).await.code(), -32602, "{name}");
    }
    let variant = related(&json!({ "taskId": id, "TaskId": ID }));
    assert_eq!(rig.ask(request("tools/call", &variant)).await.status, 400);
    assert_eq!(rig.upstream.count(), before);

    rig.ask(request("tools/call", &related(&json!({ "taskId": id, "more": 1 })))).await;
    let meta = &sent(&rig)["params"]["_meta"];
    assert_eq!(meta, &json!({ RELATED: { "taskId": ID }, "progressToken": 1 }));
}

/// R-211: of a list its owner sees what is known to be theirs, under the names that they know.
#[tokio::test]
async fn lists_show_own_tasks() {
    let upstream = Upstream::new(|seen| {
        let asked: Value = serde_json::from_slice(&seen.body).unwrap();
        let result = match asked["method"].as_str().unwrap() {
            "tools/call" => json!({"task": {"taskId": asked["params"]["arguments"]["id"]}}),
            _ => json!({"tasks": [
                {"taskId": "t-000001", "status": "working", "statusMessage": "t-000001 runs"}, {"taskId": "t-2"}, {"taskId": "t-3"},
                {"taskId": 5}, {"TaskId": "t-000001", "taskId": "t-000001"}, null, {"taskId": "t-4"},
            ], "nextCursor": "c"}),
        };
        Answer::json(json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string())
    });
    let rig = Rig::new(upstream).await;
    let bob = rig.staff().subject("bob").claim("groups", json!(["staff", "writers"])).sign();
    let begin = |tool: &str, id: &str, token: &str| {
        let params = json!({"name": tool, "arguments": {"id": id}, "task": {}});
        let ask = request("tools/call", &params).bearer(token);
        async move {
            let reply = h1(rig.addr, &ask).await;
            reply.json()["result"]["task"]["taskId"].as_str().unwrap().to_owned()
        }
    };
    let alice = rig.token();
    let first = begin("get_weather", "t-000001", &alice).await;
    let bobs = begin("get_weather", "t-2", &bob).await;
    let secret = begin("delete_user", "t-4", &bob).await;
    let list = |token: &str| {
        let ask = request("tasks/list", &json!({})).bearer(token);
        async move { h1(rig.addr, &ask).await.json()["result"].take() }
    };
    let told = json!({"taskId": first, "status": "working",
                      "statusMessage": format!("{first} runs")});
    assert_eq!(list(&alice).await, json!({"tasks": [told], "nextCursor": "c"}));
    assert_eq!(list(&bob).await["tasks"], json!([{ "taskId": bobs }, { "taskId": secret }]));
    let reduced = rig.staff().subject("bob").sign();
    assert_eq!(list(&reduced).await["tasks"], json!([{ "taskId": bobs }]), "the tool is gone");
    let stranger = rig.mint.token().subject("carol").sign();
    assert_eq!(list(&stranger).await["tasks"], json!([]));
}

/// What a server says about tasks on streams that are not the task's own.
#[tokio::test]
async fn streams_of_other_things() {
    let status = |id: &str| {
        json!({"jsonrpc": "2.0", "method": "notifications/tasks/status",
               "params": {"taskId": id, "status": "completed"}})
    };
    let progress = |id: &str| {
        json!({"jsonrpc": "2.0", "method": "notifications/progress", "params":
               {"progressToken": 1, "progress": 1, "_meta": {RELATED: {"taskId": id}, "a": 1}}})
    };
    let ping = json!({"jsonrpc": "2.0", "id": "s1", "method": "ping",
                      "params": {"_meta": {RELATED: {"taskId": "theirs"}}}});
    let events = [
        status(ID),
        status("theirs"),
        json!({"jsonrpc": "2.0", "method": "notifications/tasks/status"}),
        progress(ID),
        progress("theirs"),
        ping,
        json!({"jsonrpc": "2.0", "id": 1, "result": {"content": [],
               "_meta": {RELATED: {"taskId": "theirs"}}}}),
    ];
    let server = server();
    let upstream = Upstream::new(move |seen| {
        let asked: Value = serde_json::from_slice(&seen.body).unwrap();
        if asked["params"]["name"] != "ping_tool" {
            return (server.script)(seen);
        }
        Answer::sse(events.iter().map(|event| format!("data: {event}\n\n")).collect::<Vec<_>>())
    });
    let rig = Rig::new(upstream).await;
    let id = begun(&rig).await;
    let reply = rig.ask(request("tools/call", &json!({"name": "ping_tool"}))).await;
    let messages = reply.messages();
    assert!(!reply.text().contains("theirs") && !reply.text().contains(ID), "{}", reply.text());
    assert_eq!(messages.len(), 5, "{}", reply.text());
    assert_eq!(messages[0]["params"], json!({"taskId": id, "status": "completed"}));
    assert_eq!(messages[1]["params"]["_meta"], json!({RELATED: {"taskId": id}, "a": 1}));
    assert_eq!(messages[2]["params"]["_meta"], json!({ "a": 1 }));
    assert_eq!(messages[3]["params"]["_meta"], json!({}));
    assert_eq!(messages[4]["result"]["_meta"], json!({}));
}

/// An answer that begins a task and comes again on a resumed stream is nobody's.
#[tokio::test]
async fn replayed_answers() {
    let upstream = Upstream::new(|seen| {
        let asked: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
        if asked["method"] == "initialize" {
            let result =
                json!({"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {}});
            let text = json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string();
            return Answer::json(text).with("mcp-session-id", "up-1");
        }
        if !seen.headers.contains_key("last-event-id") {
            return Answer::sse(["id: 3\ndata:\n\n"]);
        }
        let of = json!({ RELATED: { "taskId": ID } });
        let answers =
            [json!({"task": {"taskId": ID}, "_meta": of}), json!({"content": [], "_meta": of})];
        let events = answers.map(|result| {
            format!("data: {}\n\n", json!({"jsonrpc": "2.0", "id": 9, "result": result}))
        });
        Answer::sse(events)
    });
    let rig = Rig::new(upstream).await;
    let begins = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {}});
    let session = rig.ask(request("initialize", &begins)).await;
    let session = session.header("mcp-session-id").unwrap().to_owned();
    let stream = Ask::get("/mcp")
        .header("accept", "text/event-stream")
        .header("mcp-protocol-version", "2025-11-25")
        .header("mcp-session-id", &session);
    let last = rig.ask(stream.clone()).await.last_event();
    let messages = rig.ask(stream.header("last-event-id", &last)).await.messages();
    assert_eq!(rig.upstream.last().headers["last-event-id"], "3");
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["result"], json!({"content": [], "_meta": {}}));
}

/// The words of an error may hold the id that only the server knows.
#[tokio::test]
async fn errors_that_name_the_task() {
    let upstream = Upstream::new(|seen| {
        let asked: Value = serde_json::from_slice(&seen.body).unwrap();
        let answer = match asked["method"].as_str() {
            Some("tools/call") => {
                json!({"jsonrpc": "2.0", "id": 1, "result": {"task": {"taskId": ID}}})
            }
            Some("tasks/get") => json!({"jsonrpc": "2.0", "id": 1,
                "error": {"code": -32000, "message": format!("worker of {ID} is down")}}),
            _ => json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "down"}}),
        };
        Answer::json(answer.to_string())
    });
    let rig = Rig::new(upstream).await;
    let reply = rig.ask(begin("get_weather")).await;
    let id = reply.json()["result"]["task"]["taskId"].as_str().unwrap().to_owned();
    let said = |method: &'static str| rig.ask(about(method, &id));
    assert_eq!(
        said("tasks/get").await.json()["error"],
        json!({"code": -32000, "message": "Upstream error"})
    );
    assert_eq!(said("tasks/cancel").await.json()["error"]["message"], "down", "it names nothing");
}
