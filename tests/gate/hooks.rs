//! Checks and changes of the deployment's own, in the whole gate.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis::audit::MemorySink;
use portcullis::{
    Hook, HookEvent, HookPhase, HookRefusal, HookVerdict, Interceptor, Issuer, JwkSet, Limits,
    Method, Policy, Portcullis,
};
use portcullis_test::Mint;
use serde_json::{Value, json};
use tower::Layer as _;

use crate::support::{Answer, Ask, ISSUER, RESOURCE, Reply, Upstream, h1, serve, wait_for};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const POLICY: &str = "
roles: { reader: { groups: [staff] } }
rules:
  - { id: read, roles: [reader], allow: { tools: [get_weather, 'n*'], prompts: [greeting] } }
  - id: pay
    roles: [reader]
    allow: { tools: [pay] }
    arguments: { amount: { max: 100 } }
";

/// A gate with hooks, for a caller who may read, and pay up to 100.
struct Rig {
    addr: SocketAddr,
    upstream: Upstream,
    records: MemorySink,
    token: String,
}

impl Rig {
    async fn new(hooks: impl IntoIterator<Item = Hook>, upstream: Upstream) -> Self {
        let mint = Mint::es256(ISSUER);
        let records = MemorySink::new();
        let mut builder = Portcullis::builder()
            .resource(RESOURCE)
            .issuer(Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap()))
            .policy(Policy::from_yaml(POLICY).unwrap())
            .limits(Limits::new().body(4096))
            .audit(records.clone());
        for hook in hooks {
            builder = builder.hook(hook);
        }
        let addr = serve(builder.build().unwrap().layer(upstream.clone())).await;
        let token = mint.token().claim("groups", json!(["staff"])).sign();
        Self { addr, upstream, records, token }
    }

    async fn ask(&self, ask: Ask) -> Reply {
        h1(self.addr, &ask.bearer(&self.token)).await
    }

    /// The decision and the outcome of the only request.
    async fn records(&self) -> (Value, Value) {
        let records = wait_for(&self.records, 2).await;
        (records[0].clone(), records[1].clone())
    }
}

fn call(tool: &str, arguments: &Value) -> Ask {
    Ask::modern("tools/call", &format!(r#""name":"{tool}","arguments":{arguments},"#), Some(tool))
}

fn result(result: &Value) -> Answer {
    Answer::json(json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string())
}

/// A hook that changes what it sees with `change`.
fn changing(name: &str, change: fn(&mut Value)) -> Hook {
    Hook::mutation(name, move |event: HookEvent| async move {
        let mut json: Value = serde_json::from_slice(event.json())?;
        change(&mut json);
        Ok(HookVerdict::Change(json.to_string().into()))
    })
}

fn saying(name: &str, said: fn() -> Result<HookVerdict, Failure>) -> Hook {
    Hook::mutation(name, move |_: HookEvent| async move { said() })
}

fn argument(upstream: &Upstream, name: &str) -> Value {
    let body: Value = serde_json::from_slice(&upstream.last().body).unwrap();
    body["params"]["arguments"][name].clone()
}

/// What is said, by which record, and that nothing reaches the server.
#[tokio::test]
async fn refused_requests_end_here() {
    let hooks = || {
        [
            Hook::validation("ticket", async |_: HookEvent| {
                Ok(HookVerdict::Refuse(HookRefusal::tool_result("No ticket.")))
            })
            .requests([Method::ToolsCall]),
            Hook::validation("prompts", async |_: HookEvent| {
                Ok(HookVerdict::Refuse(HookRefusal::new("Not today.")))
            })
            .requests([Method::PromptsGet]),
            Hook::validation("reads", async |_: HookEvent| {
                Ok(HookVerdict::Refuse(HookRefusal::tool_result("Not today.")))
            })
            .requests([Method::ResourcesRead]),
        ]
    };
    let rig = Rig::new(hooks(), Upstream::echo()).await;
    let reply = rig.ask(Ask::call("get_weather")).await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.json()["result"],
        json!({"resultType": "complete", "isError": true,
               "content": [{"type": "text", "text": "No ticket."}]})
    );
    let (decision, _) = rig.records().await;
    assert_eq!(
        [&decision["decision"], &decision["reason"], &decision["rule_id"], &decision["target"]],
        [&json!("deny"), &json!("hook_refused"), &json!("hook:ticket"), &json!("get_weather")]
    );

    let params = r#""name":"greeting","#;
    let rig = Rig::new(hooks(), rig.upstream).await;
    let reply = rig.ask(Ask::modern("prompts/get", params, Some("greeting"))).await;
    assert_eq!((reply.status, reply.code()), (200, -31403));
    assert_eq!(reply.json()["error"]["data"]["explanation"], "Not today.");
    let (decision, _) = rig.records().await;
    assert_eq!(decision["rule_id"], "hook:prompts");
    assert_eq!(reply.json()["error"]["data"]["decisionId"], decision["event_id"]);

    // Only calls have tool results.
    let reply = rig.ask(Ask::modern("resources/read", r#""uri":"a:b","#, Some("a:b"))).await;
    assert_eq!(reply.code(), -31403);
    assert_eq!(rig.upstream.count(), 0);
    // Other methods go on.
    assert_eq!(rig.ask(Ask::modern("tools/list", "", None)).await.status, 200);
    assert_eq!(rig.upstream.count(), 1);
}

/// Policy decides on what is forwarded, and on nothing else.
#[tokio::test]
async fn policy_decides_on_what_is_forwarded() {
    let to = |change: fn(&mut Value)| changing("amount", change).requests([Method::ToolsCall]);
    let rows: [(&str, Option<Hook>, u64, bool); 4] = [
        ("as it came, within", None, 100, true),
        ("as it came, past", None, 101, false),
        ("lowered", Some(to(|params| params["arguments"]["amount"] = json!(5))), 5000, true),
        ("raised", Some(to(|params| params["arguments"]["amount"] = json!(5000))), 5, false),
    ];
    for (name, hook, amount, passes) in rows {
        let rig = Rig::new(hook, Upstream::echo()).await;
        let reply = rig.ask(call("pay", &json!({ "amount": amount }))).await;
        assert_eq!(rig.upstream.count(), usize::from(passes), "{name}");
        assert_eq!(reply.code(), if passes { 0 } else { -32602 }, "{name}");
        let (decision, _) = rig.records().await;
        assert_eq!(decision["decision"] == "allow", passes, "{name}");
        if name == "lowered" {
            assert_eq!(argument(&rig.upstream, "amount"), 5);
            let seen = rig.upstream.last();
            assert_eq!(seen.headers["content-length"], seen.body.len().to_string());
            assert_eq!(seen.headers["mcp-name"], "pay");
        }
    }
}

/// R-200 for hooks: whatever goes wrong in one refuses the request.
#[tokio::test]
async fn hooks_fail_closed() {
    async fn never(_: HookEvent) -> Result<HookVerdict, Failure> {
        std::future::pending().await
    }
    const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;
    fn with(text: &str) -> Result<HookVerdict, Failure> {
        Ok(HookVerdict::Change(text.replace("META", META).into()))
    }
    let rows: Vec<(&str, Hook)> = vec![
        ("an error", saying("h", || Err("secret of the house".into()))),
        ("a panic", Hook::mutation("h", async |_: HookEvent| panic!("secret of the house"))),
        ("no answer in time", Hook::validation("h", never).timeout(Duration::from_millis(5))),
        (
            "a check that changes",
            Hook::validation("h", async |event: HookEvent| {
                Ok(HookVerdict::Change(event.json().clone()))
            }),
        ),
        ("no JSON", saying("h", || with("{"))),
        ("no object", saying("h", || with("[]"))),
        ("more than an object", saying("h", || with(r#"{"name":"get_weather",META},"id":2"#))),
        (
            "names twice",
            saying("h", || with(r#"{"name":"get_weather","arguments":{"a":1,"a":2},META}"#)),
        ),
        ("another tool", saying("h", || with(r#"{"name":"nap","arguments":{},META}"#))),
        ("no tool", saying("h", || with(r#"{"arguments":{},META}"#))),
        (
            "a name in other letters",
            saying("h", || with(r#"{"name":"get_weather","Name":"x",META}"#)),
        ),
        (
            "arguments of another type",
            saying("h", || with(r#"{"name":"get_weather","arguments":[],META}"#)),
        ),
        ("no era", saying("h", || with(r#"{"name":"get_weather"}"#))),
        (
            "another version",
            saying("h", || {
                with(r#"{"name":"get_weather",META}"#.replace("META", &META.replace("2026", "2027")).as_str())
            }),
        ),
        (
            "too large",
            saying("h", || {
                with(&format!(r#"{{"name":"get_weather","x":"{}",META}}"#, "x".repeat(3900)))
            }),
        ),
        (
            "too deep",
            saying("h", || {
                let deep = format!("{}{}", "[".repeat(63), "]".repeat(63));
                with(&format!(r#"{{"name":"get_weather","arguments":{{"a":{deep}}},META}}"#))
            }),
        ),
    ];
    for (name, hook) in rows {
        let rig = Rig::new([hook.requests([Method::ToolsCall])], Upstream::echo()).await;
        let reply = rig.ask(Ask::call("get_weather")).await;
        assert_eq!((reply.status, reply.code()), (503, -32603), "{name}");
        assert_eq!(reply.json()["id"], 1, "{name}");
        assert!(!reply.text().contains("secret"), "{name}");
        assert_eq!(reply.header("retry-after"), Some("5"), "{name}");
        assert_eq!(rig.upstream.count(), 0, "{name}");
        let (decision, _) = rig.records().await;
        assert_eq!(
            [&decision["decision"], &decision["reason"], &decision["rule_id"]],
            [&json!("error"), &json!("hook_failed"), &json!("hook:h")],
            "{name}"
        );
    }
}

/// Who is asked when: requests by priority and then the checks, answers the way back.
#[tokio::test]
async fn order() {
    struct Named(&'static str, Arc<Mutex<Vec<String>>>);
    impl Interceptor for Named {
        async fn invoke(&self, event: HookEvent) -> Result<HookVerdict, Failure> {
            let Self(name, seen) = self;
            let json: Value = serde_json::from_slice(event.json())?;
            let key = match event.phase() {
                HookPhase::Request => "arguments",
                _ => "structuredContent",
            };
            let text = json[key]["by"].as_str().unwrap_or_default();
            seen.lock().unwrap().push(format!("{name} sees {text}"));
            if name.starts_with("check") {
                return Ok(HookVerdict::Pass);
            }
            let mut changed = json.clone();
            changed[key]["by"] = json!(format!("{text}{name}"));
            Ok(HookVerdict::Change(changed.to_string().into()))
        }
    }
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let hook = |name, priority| {
        let code = Named(name, Arc::clone(&seen));
        let hook = match name {
            "check" => Hook::validation(name, code),
            _ => Hook::mutation(name, code),
        };
        hook.priority(priority).requests([Method::ToolsCall]).answers([Method::ToolsCall])
    };
    let upstream =
        Upstream::always(result(&json!({"content": [], "structuredContent": {"by": "-"}})));
    let rig = Rig::new([hook("check", -9), hook("b", 2), hook("a", 1)], upstream).await;
    let reply = rig.ask(call("get_weather", &json!({ "by": "" }))).await;
    assert_eq!(argument(&rig.upstream, "by"), "ab");
    assert_eq!(reply.json()["result"]["structuredContent"]["by"], "-ba");
    assert_eq!(
        *seen.lock().unwrap(),
        ["a sees ", "b sees a", "check sees ab", "check sees -", "b sees -", "a sees -b"]
    );
}

/// What hooks learn: who calls and what, and nothing of the credentials.
#[tokio::test]
async fn what_hooks_see() {
    let seen = Arc::<Mutex<Vec<HookEvent>>>::default();
    let keep = {
        let seen = Arc::clone(&seen);
        move |event: HookEvent| {
            seen.lock().unwrap().push(event);
            std::future::ready(Ok(HookVerdict::Pass))
        }
    };
    let hook = Hook::validation("keep", keep).all_requests().all_answers();
    let answer = json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "no"}});
    let rig = Rig::new([hook], Upstream::always(Answer::json(answer.to_string()))).await;
    rig.ask(call("get_weather", &json!({"city": "Bonn"})).header("x-secret", "hush")).await;
    rig.ask(Ask::modern("server/discover", "", None)).await;
    let seen = seen.lock().unwrap();
    let [request, answer] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((request.phase(), answer.phase()), (HookPhase::Request, HookPhase::Answer));
    for event in [request, answer] {
        assert_eq!(event.method(), Method::ToolsCall);
        assert_eq!(event.target().unwrap().name(), "get_weather");
        assert_eq!(event.version().as_str(), "2026-07-28");
        assert_eq!(event.caller().principal().unwrap().issuer(), ISSUER);
        let shown = format!("{event:?}");
        assert!(!shown.contains("Bonn"), "{shown}");
        let signature = rig.token.rsplit('.').next().unwrap();
        let all = format!("{shown}{:?}{:?}", event.request().raw(), event.json());
        assert!(!all.contains(signature) && !all.contains("hush"), "{all}");
    }
    let params: Value = serde_json::from_slice(request.json()).unwrap();
    assert_eq!((params["arguments"]["city"].as_str(), request.is_error()), (Some("Bonn"), false));
    let error: Value = serde_json::from_slice(answer.json()).unwrap();
    assert_eq!((error["code"].as_i64(), answer.is_error()), (Some(-32000), true));
}

/// Headers that repeat arguments follow, where somebody can say which they are.
#[tokio::test]
async fn headers_follow_changed_arguments() {
    let tools = json!({"resultType": "complete", "tools": [{"name": "get_weather", "inputSchema": {
        "type": "object", "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "days": {"type": "integer", "x-mcp-header": "Days"},
        },
    }}]});
    let upstream = Upstream::new(move |seen| {
        let body: Value = serde_json::from_slice(&seen.body).unwrap();
        if body["method"] == "tools/list" {
            result(&tools)
        } else {
            result(&json!({"content": []}))
        }
    });
    let hook = changing("region", |params| {
        params["arguments"] = json!({"region": " Köln", "other": 1});
    });
    let rig = Rig::new([hook.requests([Method::ToolsCall])], upstream).await;
    let ask = || {
        call("get_weather", &json!({"region": "eu", "days": 3}))
            .header("mcp-param-region", "eu")
            .header("mcp-param-days", "3")
            .header("mcp-param-foreign", "stays")
    };
    // Nobody knows the tool yet.
    assert_eq!(rig.ask(ask()).await.status, 503);
    assert_eq!(rig.ask(Ask::modern("tools/list", "", None)).await.status, 200);
    assert_eq!(rig.ask(ask()).await.status, 200);
    let seen = rig.upstream.last();
    assert_eq!(seen.headers["mcp-param-region"], "=?base64?IEvDtmxu?=");
    assert_eq!(seen.headers["mcp-param-foreign"], "stays");
    assert!(!seen.headers.contains_key("mcp-param-days"));
    assert_eq!(argument(&rig.upstream, "region"), " Köln");
}

fn batch(elements: &[Value]) -> Ask {
    Ask::post(Value::from(elements.to_vec()).to_string())
}

/// Each element is an event of its own, with a record of its own.
#[tokio::test]
async fn batches() {
    let no_nap = Hook::validation("no-nap", async |event: HookEvent| {
        Ok(match event.target().map(|tool| tool.name()) {
            Some("nap") => HookVerdict::Refuse(HookRefusal::tool_result("No naps.")),
            _ => HookVerdict::Pass,
        })
    });
    let mark = Hook::mutation("mark", async |event: HookEvent| {
        let mut params: Value = serde_json::from_slice(event.json())?;
        if params["name"] != "get_weather" {
            return Ok(HookVerdict::Pass);
        }
        params["arguments"]["marked"] = json!(true);
        Ok(HookVerdict::Change(params.to_string().into()))
    });
    let hooks = [no_nap.requests([Method::ToolsCall]), mark.requests([Method::ToolsCall])];
    let element = |id: u64, tool: &str| {
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
               "params": {"name": tool, "arguments": {}}})
    };
    let upstream = Upstream::new(|seen| {
        let sent: Vec<Value> = serde_json::from_slice(&seen.body).unwrap();
        let answer = |element: &Value| json!({"jsonrpc": "2.0", "id": element["id"], "result": {}});
        Answer::json(Value::from(sent.iter().map(answer).collect::<Vec<_>>()).to_string())
    });
    let rig = Rig::new(hooks, upstream).await;
    let reply = rig
        .ask(batch(&[
            element(1, "nap"),
            element(2, "get_weather"),
            element(3, "delete_user"),
            element(4, "note"),
        ]))
        .await;
    let sent: Vec<Value> = serde_json::from_slice(&rig.upstream.last().body).unwrap();
    let tools: Vec<_> = sent.iter().map(|e| (&e["id"], &e["params"]["arguments"])).collect();
    assert_eq!(tools, [(&json!(2), &json!({"marked": true})), (&json!(4), &json!({}))]);
    let mut ids: Vec<_> = reply.json().as_array().unwrap().clone();
    ids.sort_by_key(|answer| answer["id"].as_u64());
    assert_eq!(ids.len(), 4, "{ids:?}");
    assert_eq!(ids[0]["result"]["isError"], true);
    assert_eq!(ids[2]["error"]["code"], -32602);

    let records = wait_for(&rig.records, 8).await;
    let decided = |id: &str| {
        let mut all = records.iter().filter(|r| r["record"] == "decision" && r["jsonrpc_id"] == id);
        (all.next().unwrap().clone(), all.count())
    };
    for (id, decision, rule) in [
        ("1", "deny", "hook:no-nap"),
        ("2", "allow", "read"),
        ("3", "deny", "default-deny"),
        ("4", "allow", "read"),
    ] {
        let (record, more) = decided(id);
        assert_eq!(
            (&record["decision"], &record["rule_id"], more),
            (&json!(decision), &json!(rule), 0)
        );
    }

    // Nothing is left to forward.
    let before = rig.upstream.count();
    let reply = rig.ask(batch(&[element(1, "nap"), element(2, "nap")])).await;
    assert_eq!((reply.status, reply.json().as_array().unwrap().len()), (200, 2));
    assert_eq!(rig.upstream.count(), before);
}

/// What hooks make of an answer passes the checks of every answer.
#[tokio::test]
async fn answers_are_checked_after_hooks() {
    let tools =
        json!({"resultType": "complete", "tools": [{"name": "get_weather", "inputSchema": {}}]});
    let list = || Ask::modern("tools/list", "", None);
    let upstream = Upstream::always(result(&tools));

    // No hook can show what may not be called.
    let show = changing("show", |result| {
        let tools = result["tools"].as_array_mut().unwrap();
        tools.push(json!({"name": "delete_user", "inputSchema": {}}));
        tools.push(json!({"name": "nap", "inputSchema": {}}));
    });
    let rig = Rig::new([show.answers([Method::ToolsList])], upstream.clone()).await;
    let reply = rig.ask(list()).await;
    let shown = reply.json()["result"]["tools"].clone();
    let shown: Vec<_> = shown.as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect();
    assert_eq!(shown, ["get_weather", "nap"]);
    assert_eq!(reply.json()["result"]["cacheScope"], "private");
    let (_, outcome) = rig.records().await;
    assert_eq!(outcome["filtered_count"], 1);

    let rows: Vec<(&str, Hook, i64)> = vec![
        ("no object", saying("h", || Ok(HookVerdict::Change("[]".into()))), -32603),
        (
            "an answer to something else",
            saying("h", || Ok(HookVerdict::Change(r#"{"tools":[]},"id":2"#.into()))),
            -32603,
        ),
        (
            "names twice",
            saying("h", || Ok(HookVerdict::Change(r#"{"tools":[],"tools":[]}"#.into()))),
            -32603,
        ),
        (
            "a list that is none",
            saying("h", || Ok(HookVerdict::Change(r#"{"tools":{}}"#.into()))),
            -32603,
        ),
        ("an error", saying("h", || Err("secret".into())), -32603),
        (
            "a refusal",
            saying("h", || Ok(HookVerdict::Refuse(HookRefusal::new("Not this list.")))),
            -31403,
        ),
    ];
    for (name, hook, code) in rows {
        for streamed in [false, true] {
            let text = json!({"jsonrpc": "2.0", "id": 1, "result": tools}).to_string();
            let upstream = Upstream::always(match streamed {
                false => Answer::json(text),
                true => Answer::sse([format!("data: {text}\n\n")]),
            });
            let rig = Rig::new([hook.clone().answers([Method::ToolsList])], upstream).await;
            let reply = rig.ask(list()).await;
            let messages = reply.messages();
            let [message] = messages.as_slice() else { panic!("{name}: {messages:?}") };
            assert_eq!(
                (&message["error"]["code"], &message["id"]),
                (&json!(code), &json!(1)),
                "{name}"
            );
            assert!(!reply.text().contains("get_weather"), "{name}");
            let (_, outcome) = rig.records().await;
            if name != "a list that is none" {
                let reason = if code == -31403 { "hook_refused" } else { "hook_failed" };
                assert_eq!(
                    (&outcome["reason"], &outcome["hook"]),
                    (&json!(reason), &json!("h")),
                    "{name}"
                );
            }
        }
    }
}

/// Of a stream, what answers: one event after the other, and what is not an answer as it is.
#[tokio::test]
async fn streams() {
    let stars = changing("stars", |result| {
        let text = result["content"][0]["text"].as_str().unwrap().replace("4111", "****");
        result["content"][0]["text"] = json!(text);
    });
    let answer = |json: Value| format!("id: 7\ndata: {json}\n\n");
    let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress",
                          "params": {"progressToken": 1, "progress": 1}});
    let done = json!({"jsonrpc": "2.0", "id": 1,
                      "result": {"content": [{"type": "text", "text": "card 4111"}]}});
    let upstream = Upstream::always(Answer::sse([answer(progress), answer(done)]));
    let rig = Rig::new([stars.answers([Method::ToolsCall])], upstream).await;
    let reply = rig.ask(Ask::call("get_weather")).await;
    let messages = reply.messages();
    assert_eq!(messages[0]["method"], "notifications/progress");
    assert_eq!(messages[1]["result"]["content"][0]["text"], "card ****");
    assert_eq!(reply.text().matches("id: 7\n").count(), 2);
    assert!(!reply.text().contains("4111"));
}

/// A resumed stream says again what hooks have changed or withheld: nobody knows what it answers.
#[tokio::test]
async fn resumed_streams_repeat_no_answers() {
    for (hooked, kept) in [(true, 1), (false, 2)] {
        let upstream = Upstream::new(|seen| {
            if seen.headers.contains_key("last-event-id") {
                let note = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
                let done = r#"{"jsonrpc":"2.0","id":5,"result":{"content":[]}}"#;
                return Answer::sse([format!("data: {done}\n\n"), format!("data: {note}\n\n")]);
            }
            if seen.body.is_empty() {
                return Answer::sse(["id: e-1\ndata:\n\n"]);
            }
            let about =
                json!({"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {}});
            result(&about).with("mcp-session-id", "s-1")
        });
        let hook = Hook::validation("h", async |_: HookEvent| Ok(HookVerdict::Pass));
        let hook = hook.answers([Method::ToolsCall]);
        let rig = Rig::new(hooked.then_some(hook), upstream).await;
        let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}});
        let begun = rig.ask(Ask::post(hello.to_string())).await;
        let session = begun.header("mcp-session-id").unwrap();
        let stream = Ask::get("/mcp")
            .header("accept", "text/event-stream")
            .header("mcp-session-id", session)
            .header("mcp-protocol-version", "2025-06-18");
        let last = rig.ask(stream.clone()).await.last_event();
        let reply = rig.ask(stream.header("last-event-id", &last)).await;
        assert_eq!(reply.messages().len(), kept, "{}", reply.text());
    }
}

#[test]
fn hooks_that_cannot_be() {
    let hook = Hook::validation("h", async |_: HookEvent| Ok(HookVerdict::Pass));
    let error = Portcullis::builder()
        .resource(RESOURCE)
        .issuer(Issuer::new(ISSUER).keys(JwkSet::from_json(Mint::es256(ISSUER).jwks()).unwrap()))
        .policy(Policy::deny_all())
        .hook(hook.requests([Method::ServerDiscover]))
        .build()
        .unwrap_err();
    assert_eq!(error.part(), "hooks");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "hook \"h\" cannot be bound to server/discover");
}

/// What a task has come to is what its call was answered with, in both revisions that have tasks.
#[tokio::test]
async fn results_of_tasks() {
    type Seen = Arc<Mutex<Vec<(String, Option<String>, bool)>>>;
    let stars = |seen: &Seen| {
        let seen = Arc::clone(seen);
        Hook::mutation("stars", move |event: HookEvent| {
            let target = event.target().map(|target| target.name().to_owned());
            let method = event.method().as_str().to_owned();
            seen.lock().unwrap().push((method, target, event.is_error()));
            let text = std::str::from_utf8(event.json()).unwrap().replace("4111", "****");
            std::future::ready(Ok(HookVerdict::Change(text.into())))
        })
        .answers([Method::ToolsCall])
    };
    let content = json!({"content": [{"type": "text", "text": "card 4111"}]});
    let error = json!({"code": -32000, "message": "card 4111"});
    let rows = [
        ("2025-11-25", "tasks/result", content.clone(), Some(false)),
        ("2025-11-25", "tasks/get", json!({"status": "working"}), None),
        ("2026-07-28", "tasks/get", json!({"status": "completed", "result": content}), Some(false)),
        ("2026-07-28", "tasks/get", json!({"status": "failed", "error": error}), Some(true)),
        ("2026-07-28", "tasks/get", json!({"result": content, "error": error}), None),
        ("2026-07-28", "tasks/get", json!({"status": "working"}), None),
        ("2026-07-28", "tasks/cancel", json!({}), None),
    ];
    for (version, method, news, heard) in rows {
        let modern = version == "2026-07-28";
        let news_of = news.clone();
        let upstream = Upstream::new(move |seen| {
            let asked: Value = serde_json::from_slice(&seen.body).unwrap();
            match (asked["method"] == "tools/call", modern) {
                (true, true) => result(&json!({"resultType": "task", "taskId": "t-1"})),
                (true, false) => result(&json!({"task": {"taskId": "t-1"}})),
                _ => result(&news_of),
            }
        });
        let seen = Seen::default();
        let rig = Rig::new([stars(&seen)], upstream).await;
        let ask = |method: &str, mut params: Value| {
            let name = params["taskId"].as_str().unwrap_or("get_weather").to_owned();
            if modern {
                params["_meta"] = json!({
                    "io.modelcontextprotocol/protocolVersion": version,
                    "io.modelcontextprotocol/clientCapabilities":
                        {"extensions": {"io.modelcontextprotocol/tasks": {}}},
                });
            } else if method == "tools/call" {
                params["task"] = json!({});
            }
            let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
            let ask = Ask::post(body.to_string()).header("mcp-protocol-version", version);
            match modern {
                true => ask.header("mcp-method", method).header("mcp-name", &name),
                false => ask,
            }
        };
        let begun = rig.ask(ask("tools/call", json!({"name": "get_weather"}))).await.json();
        let id = begun["result"]["taskId"].as_str().or(begun["result"]["task"]["taskId"].as_str());
        seen.lock().unwrap().clear();
        let said = rig.ask(ask(method, json!({"taskId": id.unwrap()}))).await;
        let expected = news.to_string().replace("4111", "****");
        let name = format!("{version} {method}");
        if news.get("result").is_some() && news.get("error").is_some() {
            // Hooks would see one of them.
            assert_eq!((said.status, said.code(), seen.lock().unwrap().len()), (502, -32603, 0));
            continue;
        }
        assert_eq!(said.json()["result"], serde_json::from_str::<Value>(&expected).unwrap());
        let expected =
            heard.map(|is_error| (method.to_owned(), Some("get_weather".to_owned()), is_error));
        assert_eq!(*seen.lock().unwrap(), Vec::from_iter(expected), "{name}");
    }
}

/// Requests of sessions as well: what policy decides about is what was asked for.
#[tokio::test]
async fn hooks_do_not_change_what_is_asked_for() {
    let tool = changing("h", |params| params["name"] = json!("nap"));
    let uri = changing("h", |params| params["uri"] = json!("file:///payroll.csv"));
    let prompt = changing("h", |params| params["ref"]["name"] = json!("payroll"));
    let rows = [
        (tool, Method::ToolsCall, json!({"name": "get_weather", "arguments": {}})),
        (uri, Method::ResourcesSubscribe, json!({"uri": "a:b"})),
        (
            prompt,
            Method::CompletionComplete,
            json!({"ref": {"type": "ref/prompt", "name": "greeting"},
                   "argument": {"name": "a", "value": ""}}),
        ),
    ];
    for (hook, method, params) in rows {
        let rig = Rig::new([hook.requests([method])], Upstream::echo()).await;
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method.as_str(), "params": params});
        let ask = Ask::post(body.to_string()).header("mcp-protocol-version", "2025-11-25");
        let reply = rig.ask(ask).await;
        assert_eq!((reply.status, reply.code()), (503, -32603), "{method}: {}", reply.text());
        assert_eq!(rig.upstream.count(), 0, "{method}");
    }
}
