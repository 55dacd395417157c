//! Tasks of 2026-07-28, an extension, in the whole gate: whose they are, and whose they stay (R-211,
//! R-212, X-166).

use portcullis::{Issuer, JwkSet, Portcullis, Version};
use portcullis_test::Mint;
use serde_json::{Value, json};
use tower::Layer as _;

use crate::support::{Answer, Ask, ISSUER, RESOURCE, Rig, Upstream, h1, serve, wait_for};

/// The id that the server assigns.
const ID: &str = "786512e2-9e0d";
const METHODS: [&str; 3] = ["tasks/get", "tasks/update", "tasks/cancel"];
const NOT_FOUND: &str =
    r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Task not found"}}"#;

/// A request of a client that knows tasks.
fn knowing(ask: Ask) -> Ask {
    let mut body: Value = serde_json::from_slice(&ask.body).unwrap();
    body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
        json!({"extensions": {"io.modelcontextprotocol/tasks": {}}, "elicitation": {}});
    ask.body(body.to_string())
}

fn begin(tool: &str) -> Ask {
    knowing(Ask::call(tool))
}

fn about(method: &str, id: &str) -> Ask {
    knowing(undeclared(method, id))
}

fn undeclared(method: &str, id: &str) -> Ask {
    let input = if method == "tasks/update" { r#""inputResponses":{"a":{}},"# } else { "" };
    Ask::modern(method, &format!(r#""taskId":"{id}",{input}"#), Some(id))
}

fn reply(result: &Value) -> Answer {
    Answer::json(json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string())
}

fn state(status: &str, more: &Value) -> Value {
    let mut state = json!({"resultType": "complete", "taskId": ID, "status": status,
                           "ttlMs": 3_600_000, "pollIntervalMs": 5000});
    state.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    state
}

/// A server with one task, which says about it what `tell` says.
fn server_with(tell: impl Fn() -> Value + Send + Sync + 'static) -> Upstream {
    Upstream::new(move |seen| {
        let asked: Value = serde_json::from_slice(&seen.body).unwrap();
        let known = asked["params"]["taskId"] == ID;
        match asked["method"].as_str().unwrap() {
            "tools/call" => reply(&state("working", &json!({"resultType": "task"}))),
            "tasks/get" if known => reply(&tell()),
            _ if known => reply(&json!({"resultType": "complete"})),
            _ => {
                let error = json!({"code": -32602, "message": "No such task"});
                Answer::json(json!({"jsonrpc": "2.0", "id": 1, "error": error}).to_string())
            }
        }
    })
}

fn server() -> Upstream {
    server_with(|| state("working", &json!({})))
}

/// Begins a task as the reader, and returns its id.
async fn begun(rig: &Rig) -> String {
    let reply = rig.ask(begin("get_weather")).await;
    let result = &reply.json()["result"];
    let id = result["taskId"].as_str().unwrap_or_else(|| panic!("{}", reply.text())).to_owned();
    assert_eq!((&result["resultType"], &result["ttlMs"]), (&json!("task"), &json!(3_600_000)));
    assert!(!reply.text().contains(ID), "{}", reply.text());
    id
}

#[tokio::test]
async fn owners_follow_their_tasks() {
    let rig = Rig::new(server()).await;
    let id = begun(&rig).await;
    for method in METHODS {
        let reply = rig.ask(about(method, &id)).await;
        let seen = rig.upstream.last();
        let sent: Value = serde_json::from_slice(&seen.body).unwrap();
        assert_eq!(sent["params"]["taskId"], ID, "{method}");
        assert_eq!(seen.headers.get("mcp-name").unwrap(), ID, "{method}: R-049");
        let length = seen.headers.get("content-length").unwrap().to_str().unwrap();
        assert_eq!(length, seen.body.len().to_string(), "{method}");
        if method == "tasks/get" {
            let expected = state("working", &json!({ "taskId": id }));
            assert_eq!(reply.json()["result"], expected, "no caching hints");
        } else {
            assert_eq!(reply.json()["result"], json!({"resultType": "complete"}), "{method}");
        }
    }
    let records = wait_for(&rig.records, 8).await;
    let begins = records.iter().find(|record| record["record"] == "outcome").unwrap();
    assert_eq!(begins["result_type"], "task", "{begins}");
    let asked = records.iter().find(|record| record["method"] == "tasks/update").unwrap();
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
    let forged = if id.ends_with("AA") { "BB" } else { "AA" };
    let rows = [
        ("another person", rig.staff().subject("mallory").sign(), id.clone()),
        ("another client", rig.staff().claim("client_id", json!("other")).sign(), id.clone()),
        ("the server's own id", rig.token(), ID.to_owned()),
        ("made up", rig.token(), "AAAA".to_owned()),
        ("tampered with", rig.token(), format!("{}{forged}", &id[..id.len() - 2])),
        ("the tool is no longer allowed", rig.mint.token().sign(), id.clone()),
    ];
    for (name, token, id) in rows {
        for method in METHODS {
            let reply = h1(rig.addr, &about(method, &id).bearer(&token)).await;
            assert_eq!((reply.status, reply.text()), (200, NOT_FOUND), "{name}, {method}");
        }
    }
    assert_eq!(rig.upstream.count(), before);
}

/// A task that is gone looks like one that never was.
#[tokio::test]
async fn tasks_that_are_gone() {
    let rig = Rig::new(Upstream::new(|seen| {
        let asked: Value = serde_json::from_slice(&seen.body).unwrap();
        if asked["method"] == "tools/call" {
            return reply(&state("working", &json!({"resultType": "task"})));
        }
        let error = json!({"code": -32602, "message": format!("Task not found: {ID}")});
        Answer::json(json!({"jsonrpc": "2.0", "id": 1, "error": error}).to_string())
    }))
    .await;
    let id = begun(&rig).await;
    for method in METHODS {
        let gone = rig.ask(about(method, &id)).await;
        assert_eq!((gone.status, gone.text()), (200, NOT_FOUND), "{method}");
    }
}

/// R-063: each request declares what its client knows, and nothing is remembered. The answer says what was
/// missing.
#[tokio::test]
async fn clients_that_do_not_know_tasks() {
    let rig = Rig::new(server()).await;
    let id = begun(&rig).await;
    let before = rig.upstream.count();
    for method in METHODS {
        for id in [&*id, "AAAA"] {
            let reply = rig.ask(undeclared(method, id)).await;
            let needed = json!({"extensions": {"io.modelcontextprotocol/tasks": {}}});
            let error = json!({"code": -32021, "message": "Missing required client capability",
                               "data": {"requiredCapabilities": needed}});
            assert_eq!((reply.status, &reply.json()["error"]), (400, &error), "{method}");
        }
    }
    for extensions in [json!([]), json!({"io.modelcontextprotocol/tasks": true}), json!({})] {
        let ask = about("tasks/get", &id);
        let mut body: Value = serde_json::from_slice(&ask.body).unwrap();
        body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"]["extensions"] =
            extensions;
        assert_eq!(rig.ask(ask.body(body.to_string())).await.code(), -32021, "{body}");
    }
    assert_eq!(rig.upstream.count(), before);
    let reply = rig.ask(Ask::call("get_weather")).await;
    assert_eq!((reply.status, reply.code()), (502, -32603), "R-079: a task nobody asked for");
}

/// R-049.
#[tokio::test]
async fn headers_name_the_task() {
    let rig = Rig::new(server()).await;
    let id = begun(&rig).await;
    let before = rig.upstream.count();
    for method in METHODS {
        let ask = about(method, &id);
        let rows = [
            ("missing", ask.clone().without("mcp-name")),
            ("another", ask.clone().set("mcp-name", "another")),
            ("the server's", ask.clone().set("mcp-name", ID)),
            ("twice", ask.clone().header("mcp-name", &id)),
        ];
        for (name, ask) in rows {
            let reply = rig.ask(ask).await;
            assert_eq!((reply.status, reply.code()), (400, -32020), "{method}: {name}");
        }
    }
    assert_eq!(rig.upstream.count(), before);
    let encoded = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(&id)
    };
    let ask = about("tasks/get", &id).set("mcp-name", &format!("=?base64?{encoded}?="));
    assert_eq!(rig.ask(ask).await.status, 200);
    for params in ["", r#""taskId":5,"#, r#""taskId":null,"#] {
        let ask = knowing(Ask::modern("tasks/get", params, Some("5")));
        assert_eq!(rig.ask(ask).await.code(), -32602, "{params}");
    }
}

/// What belongs to the tasks of 2025-11-25 is not understood, and the other way round (R-043, R-061,
/// R-216).
#[tokio::test]
async fn tasks_of_the_other_revision() {
    let rig = Rig::new(server()).await;
    let id = begun(&rig).await;
    for method in ["tasks/result", "tasks/list"] {
        let reply = rig.ask(about(method, &id)).await;
        assert_eq!((reply.status, reply.code()), (404, -32601), "{method}");
    }
    for version in [Version::V2025_11_25, Version::V2025_06_18, Version::V2025_03_26] {
        let params = json!({"taskId": id, "inputResponses": {}});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tasks/update", "params": params});
        let ask = Ask::post(body.to_string()).header("mcp-protocol-version", version.as_str());
        assert_eq!(rig.ask(ask).await.code(), -32601, "{version}");
    }
    let rig = Rig::new(Upstream::always(reply(&json!({"content": []})))).await;
    let ask = knowing(Ask::modern(
        "tools/call",
        r#""name":"get_weather","arguments":{},"task":{"ttl":1},"#,
        Some("get_weather"),
    ));
    let normal = rig.ask(ask).await;
    assert_eq!(normal.json()["result"], json!({"content": []}), "a normal call");
}

/// A server that breaks the rules of tasks is not believed (R-079).
#[tokio::test]
async fn bad_beginnings() {
    let task = |more: Value| state("working", &more);
    let rows = [
        ("no id", json!({"resultType": "task", "status": "working"})),
        ("a number as its id", task(json!({"resultType": "task", "taskId": 7}))),
        ("an id that JSON escapes", task(json!({"resultType": "task", "taskId": "a\nb"}))),
        ("a result at once", task(json!({"resultType": "task", "result": {"content": []}}))),
        ("an error at once", task(json!({"resultType": "task", "error": {"code": 1}}))),
        ("a name in other letters", task(json!({"resultType": "task", "TaskId": ID}))),
    ];
    for (name, result) in rows {
        let rig = Rig::new(Upstream::always(reply(&result))).await;
        let said = rig.ask(begin("get_weather")).await;
        assert_eq!((said.status, said.code()), (502, -32603), "{name}: {}", said.text());
    }
    let rig = Rig::new(Upstream::always(reply(&task(json!({"resultType": "task"}))))).await;
    let prompt = knowing(Ask::modern("prompts/get", r#""name":"greeting","#, Some("greeting")));
    assert_eq!(rig.ask(prompt).await.status, 502, "only calls begin tasks");
}

#[tokio::test]
async fn bad_news() {
    let rows = [
        ("of another task", json!({"taskId": "another"})),
        ("a number as its id", json!({"taskId": 7})),
        ("of a task that begins", json!({"resultType": "task"})),
        ("of an open question", json!({"resultType": "input_required"})),
        ("of a result that is none", json!({"result": "done"})),
        ("of an error that is none", json!({"error": {"message": "bad"}})),
        ("in other letters", json!({"Result": {"content": []}})),
        ("of questions in other letters", json!({"inputrequests": {}})),
        (
            "of something that belongs to another",
            json!({"result": {"_meta": {
                "io.modelcontextprotocol/related-task": {"taskId": "another"}}}}),
        ),
    ];
    for (name, more) in rows {
        let rig = Rig::new(server_with(move || state("working", &more))).await;
        let id = begun(&rig).await;
        let said = rig.ask(about("tasks/get", &id)).await;
        assert_eq!((said.status, said.code()), (502, -32603), "{name}: {}", said.text());
    }
}

/// What a task has come to is filtered as the answer to its call would be.
#[tokio::test]
async fn results_are_filtered() {
    let tools = json!([{"name": "get_weather"}, {"name": "delete_user"}]);
    let shown = json!([{"name": "get_weather"}]);
    let rows = [
        ("result", json!({"tools": tools}), json!({"tools": shown})),
        (
            "error",
            json!({"code": -32000, "message": "no", "data": {"tools": tools}}),
            json!({"code": -32000, "message": "no", "data": {"tools": shown}}),
        ),
        (
            "result",
            json!({"content": [], "ttlMs": 5, "_meta": {
                "io.modelcontextprotocol/related-task": {"taskId": ID}}}),
            json!({"content": [], "ttlMs": 5, "_meta": {
                "io.modelcontextprotocol/related-task": {"taskId": null}}}),
        ),
    ];
    for (member, sent, expected) in rows {
        let rig = Rig::new(server_with(move || state("completed", &json!({ member: sent })))).await;
        let id = begun(&rig).await;
        let mut expected = expected;
        if let Some(of) =
            expected.pointer_mut("/_meta/io.modelcontextprotocol~1related-task/taskId")
        {
            *of = json!(id);
        }
        let said = rig.ask(about("tasks/get", &id)).await.json()["result"].take();
        assert_eq!(said, state("completed", &json!({"taskId": id, member: expected})));
    }
}

/// R-080, R-215: questions on the way are those that the client can answer, and may be asked.
#[tokio::test]
async fn questions_of_tasks() {
    let asks = |method: &str, params: Value| {
        let asks = json!({"inputRequests": {"a": {"method": method, "params": params}}});
        server_with(move || state("input_required", &asks))
    };
    let elsewhere = json!({"mode": "url", "url": "https://evil.example/"});
    let rows = [
        ("a form", asks("elicitation/create", json!({"message": "?"})), (200, 0)),
        ("what it cannot", asks("sampling/createMessage", json!({})), (400, -32021)),
        ("a visit elsewhere", asks("elicitation/create", elsewhere), (200, -31403)),
        ("something else", asks("tools/call", json!({})), (502, -32603)),
    ];
    for (name, server, expected) in rows {
        let rig = Rig::new(server).await;
        let id = begun(&rig).await;
        let said = rig.ask(about("tasks/get", &id)).await;
        assert_eq!((said.status, said.code()), expected, "{name}: {}", said.text());
    }
    let gone = json!({"error": {"code": -32042, "message": "Go",
        "data": {"elicitations": [{"url": "https://evil.example/"}]}}});
    let rig = Rig::new(server_with(move || state("failed", &gone))).await;
    let id = begun(&rig).await;
    assert_eq!(rig.ask(about("tasks/get", &id)).await.code(), -31403, "an error that sends away");
}

/// On a stream, too.
#[tokio::test]
async fn streams() {
    let rig = Rig::new(Upstream::new(|seen| {
        let asked: Value = serde_json::from_slice(&seen.body).unwrap();
        let result = match asked["method"] == "tools/call" {
            true => state("working", &json!({"resultType": "task"})),
            false => state("completed", &json!({"result": {"content": []}})),
        };
        let answer = json!({"jsonrpc": "2.0", "id": 1, "result": result});
        Answer::sse([format!("data: {answer}\n\n")])
    }))
    .await;
    let said = rig.ask(begin("get_weather")).await;
    let id = said.messages()[0]["result"]["taskId"].as_str().unwrap().to_owned();
    let said = rig.ask(about("tasks/get", &id)).await;
    assert_eq!(said.messages()[0]["result"]["taskId"], id.as_str());
    assert!(!said.text().contains(ID));
}

/// News of a task are for its owner, as long as they may call its tool (R-211).
#[tokio::test]
async fn subscriptions() {
    let rig = Rig::new(Upstream::new(|seen| {
        let asked: Value = serde_json::from_slice(&seen.body).unwrap();
        if asked["method"] == "tools/call" {
            return reply(&state("working", &json!({"resultType": "task"})));
        }
        let of = json!({"io.modelcontextprotocol/subscriptionId": 1});
        let agreed = json!({"toolsListChanged": true, "taskIds": [ID]});
        let events = [
            json!({"method": "notifications/subscriptions/acknowledged",
                   "params": {"notifications": agreed, "_meta": of}}),
            json!({"method": "notifications/tasks", "params": state("completed", &json!({
                "result": {"content": []}, "_meta": of}))}),
            json!({"method": "notifications/tools/list_changed", "params": {"_meta": of}}),
        ];
        Answer::sse(events.map(|mut event| {
            event["jsonrpc"] = json!("2.0");
            format!("data: {event}\n\n")
        }))
    }))
    .await;
    let id = begun(&rig).await;
    let (staff, anybody) = (rig.token(), rig.mint.token().sign());
    let bob = rig.staff().subject("bob").sign();
    for (token, ids, forwarded, told) in [
        (&staff, json!([id]), json!([ID]), true),
        (&staff, json!([ID, 7]), json!([]), false),
        (&staff, json!(id), json!([]), false),
        (&staff, json!(null), json!([]), false),
        (&bob, json!([id]), json!([]), false),
        (&anybody, json!([id]), json!([ID]), false),
    ] {
        let params = format!(r#""notifications":{{"toolsListChanged":true,"taskIds":{ids}}},"#);
        let listen = Ask::modern("subscriptions/listen", &params, None);
        let before = rig.upstream.count();
        let said = h1(rig.addr, &listen.clone().bearer(token)).await;
        assert_eq!((said.status, said.code()), (400, -32021), "{ids}: the client knows no tasks");
        assert_eq!(rig.upstream.count(), before);

        let said = h1(rig.addr, &knowing(listen).bearer(token)).await;
        let messages = said.messages();
        let sent: Value = serde_json::from_slice(&rig.upstream.last().body).unwrap();
        let asked = &sent["params"]["notifications"];
        assert_eq!(asked, &json!({"toolsListChanged": true, "taskIds": forwarded}), "{ids}");
        assert_eq!(messages.len(), 2 + usize::from(told), "{messages:?}");
        let own = if told { json!([id]) } else { json!([]) };
        assert_eq!(messages[0]["params"]["notifications"]["taskIds"], own);
        if told {
            assert_eq!(messages[1]["params"]["taskId"], id.as_str());
        }
        assert_eq!(messages.last().unwrap()["method"], "notifications/tools/list_changed");
        assert!(!said.text().contains(ID), "{}", said.text());
    }
}

/// R-216: where there are no tasks, nobody begins any.
#[tokio::test]
async fn without_tasks() {
    let upstream = Upstream::new(|seen| {
        let asked: Value = serde_json::from_slice(&seen.body).unwrap();
        match asked["method"].as_str().unwrap() {
            "tools/list" => reply(&json!({"tools": [
                {"name": "get_weather", "execution": {"taskSupport": "optional", "a": 1}},
                {"name": "runs_no_other_way", "execution": {"taskSupport": "required"}},
                {"name": "ping_tool", "execution": {}},
            ]})),
            _ => reply(&json!({"content": []})),
        }
    });
    let (upstream, mint) = (upstream, Mint::es256(ISSUER));
    let layer = Portcullis::builder()
        .resource(RESOURCE)
        .issuer(Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap()))
        .danger_permit_all()
        .danger_no_audit()
        .inspection(|layer| layer.allow_tasks(false))
        .build()
        .unwrap();
    let addr = serve(layer.layer(upstream.clone())).await;
    let token = mint.token().sign();
    let ask = |ask: Ask| {
        let ask = ask.bearer(&token);
        async move { h1(addr, &ask).await }
    };
    let legacy = |method: &str, params: Value| {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        Ask::post(body.to_string()).header("mcp-protocol-version", "2025-11-25")
    };
    let rows = [
        ("a call as a task", legacy("tools/call", json!({"name": "get_weather", "task": {}})), 200),
        ("its state", legacy("tasks/get", json!({"taskId": "AAAA"})), 200),
        ("its result", legacy("tasks/result", json!({"taskId": "AAAA"})), 200),
        ("all of them", legacy("tasks/list", json!({})), 200),
        ("its state, modern", about("tasks/get", "AAAA"), 404),
        ("an answer, modern", about("tasks/update", "AAAA"), 404),
    ];
    for (name, refused, status) in rows {
        let said = ask(refused).await;
        assert_eq!((said.status, said.code()), (status, -32601), "{name}: {}", said.text());
    }
    assert_eq!(upstream.count(), 0);
    // The member of the one revision means nothing in the other.
    let call = Ask::call("get_weather");
    let mut body: Value = serde_json::from_slice(&call.body).unwrap();
    body["params"]["task"] = json!({});
    assert_eq!(ask(call.body(body.to_string())).await.json()["result"]["content"], json!([]));
    let said = ask(legacy("tools/list", json!({}))).await.json();
    let shown = json!([
        {"name": "get_weather", "execution": {"taskSupport": "forbidden", "a": 1}},
        {"name": "ping_tool", "execution": {}},
    ]);
    assert_eq!(said["result"]["tools"], shown);
    let call = begin("get_weather");
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    let mut expected = body.clone();
    expected["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"]["extensions"] =
        json!({});
    assert_eq!(ask(call).await.status, 200);
    let sent: Value = serde_json::from_slice(&upstream.last().body).unwrap();
    assert_eq!(sent, expected, "the service is not told that there are tasks");
}

/// R-216: where a rule grants tasks, others call without: in 2025-11-25 they are refused, and in 2026-07-28 the
/// service is not told that their client knows tasks, nor believed when it begins one all the same.
#[tokio::test]
async fn tasks_are_for_those_whom_a_rule_allows_them() {
    const POLICY: &str = "
roles: { reader: { groups: [staff] }, batch: { groups: [batch] } }
rules:
  - { id: read, allow: { tools: [get_weather, stubborn] }, roles: [reader, batch] }
  - { id: long, allow: { tools: [get_weather, stubborn], methods: [tasks/create] }, roles: [batch] }
";
    let upstream = Upstream::new(|seen| {
        let asked: Value = serde_json::from_slice(&seen.body).unwrap();
        let extensions = "io.modelcontextprotocol~1clientCapabilities/extensions";
        let knows = asked
            .pointer(&format!("/params/_meta/{extensions}/io.modelcontextprotocol~1tasks"))
            .is_some();
        let task = json!({"taskId": ID, "status": "working"});
        if asked["method"] == "tools/list" {
            return reply(&json!({ "tools": [
                {"name": "get_weather", "execution": {"taskSupport": "optional"}, "x": 1.50},
                {"name": "stubborn", "execution": {"taskSupport": "required"}},
            ] }));
        }
        match (asked["params"].get("task"), asked["params"]["name"].as_str().unwrap()) {
            (Some(_), _) => reply(&json!({ "task": task })),
            (None, name) if knows || name == "stubborn" => {
                reply(&state("working", &json!({"resultType": "task"})))
            }
            _ => reply(&json!({"resultType": "complete", "content": []})),
        }
    });
    let mint = Mint::es256(ISSUER);
    let layer = Portcullis::builder()
        .resource(RESOURCE)
        .issuer(Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap()))
        .policy(portcullis::Policy::from_yaml(POLICY).unwrap())
        .danger_no_audit()
        .build()
        .unwrap();
    let addr = serve(layer.layer(upstream.clone())).await;
    let token = |group: &str| mint.token().claim("groups", json!([group])).sign();
    let (reader, batch) = (token("staff"), token("batch"));
    let ask = async |ask: Ask, token: &str| h1(addr, &ask.bearer(token)).await;
    let legacy = |name: &str, task: Value| {
        let params = json!({"name": name, "arguments": {}, "task": task});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        Ask::post(body.to_string()).header("mcp-protocol-version", "2025-11-25")
    };
    for task in [json!({}), json!({"ttl": 1}), json!(true), json!(1), json!("x"), json!([])] {
        let said = ask(legacy("get_weather", task.clone()), &reader).await;
        assert_eq!((said.status, said.code()), (200, -32601), "{task}: {}", said.text());
    }
    assert_eq!(upstream.count(), 0, "nothing ran");
    let said = ask(legacy("get_weather", json!({})), &batch).await.json();
    assert!(said["result"]["task"]["taskId"].is_string(), "{said}");

    // Lists say so.
    let list = Ask::post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#)
        .header("mcp-protocol-version", "2025-11-25");
    let tools = |said: Value| {
        let tool = |tool: &Value| {
            format!("{} {}", tool["name"], tool["execution"]["taskSupport"]).replace('"', "")
        };
        said["result"]["tools"].as_array().unwrap().iter().map(tool).collect::<Vec<_>>()
    };
    let said = ask(list.clone(), &batch).await.json();
    assert_eq!(tools(said), ["get_weather optional", "stubborn required"]);
    let said = ask(list, &reader).await.json();
    assert_eq!(tools(said), ["get_weather forbidden"], "what only runs as a task is left out");

    let said = ask(begin("get_weather"), &reader).await.json();
    assert_eq!(said["result"]["resultType"], "complete", "{said}");
    let said = ask(begin("get_weather"), &batch).await.json();
    assert_eq!(said["result"]["resultType"], "task", "{said}");
    let said = ask(begin("stubborn"), &batch).await.json();
    assert_eq!(said["result"]["resultType"], "task", "{said}");
    let said = ask(begin("stubborn"), &reader).await;
    assert!(said.json().get("result").is_none(), "a task that nobody may begin: {}", said.text());
    // What 2025-11-25 has for it means nothing in 2026-07-28: an ordinary call.
    let mut call = Ask::call("get_weather");
    let mut body: Value = serde_json::from_slice(&call.body).unwrap();
    body["params"]["task"] = json!({});
    call = call.body(body.to_string());
    assert_eq!(ask(call, &reader).await.status, 200);
}
