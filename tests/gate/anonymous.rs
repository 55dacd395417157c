//! A gate that wants no token for some methods (R-105).

use http::Method;
use portcullis::audit::MemorySink;
use portcullis::core::Method as McpMethod;
use portcullis::{Issuer, JwkSet, Policy, Portcullis};
use portcullis_test::Mint;
use serde_json::{Value, json};
use tower::Layer as _;

use crate::support::{Answer, Ask, ISSUER, RESOURCE, Upstream, h1, h2, serve, wait_for};

const POLICY: &str = "
roles:
  public: { anonymous: true }
  reader: { groups: [staff] }
rules:
  - id: open
    roles: [public, reader]
    allow: { tools: [get_weather] }
  - id: read
    roles: [reader]
    allow: { tools: [write_file] }
";

#[tokio::test]
async fn only_the_chosen_methods_need_no_token() {
    let mint = Mint::es256(ISSUER);
    let records = MemorySink::new();
    let upstream = Upstream::new(|seen| {
        let answer = |m: &Value| json!({ "jsonrpc": "2.0", "id": m["id"], "result": {} });
        match serde_json::from_slice(&seen.body).unwrap() {
            Value::Array(all) => {
                Answer::json(all.iter().map(answer).collect::<Value>().to_string())
            }
            one => Answer::json(answer(&one).to_string()),
        }
    });
    let gate = Portcullis::builder()
        .resource(RESOURCE)
        .issuer(Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap()))
        .policy(Policy::from_yaml(POLICY).unwrap())
        .scope("mcp:read")
        .danger_optional_for([McpMethod::ToolsCall])
        .audit(records.clone())
        .build()
        .unwrap();
    let addr = serve(gate.layer(upstream.clone())).await;
    let legacy = |method: &str| {
        let params = r#"{"name":"get_weather","arguments":{}}"#;
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#)
    };
    let batch = |all: &[&str]| {
        let all: Vec<_> = all
            .iter()
            .enumerate()
            .map(|(at, method)| legacy(method).replace(r#""id":1"#, &format!(r#""id":{at}"#)))
            .collect();
        Ask::post(format!("[{}]", all.join(",")))
    };
    let token = mint.token().claim("groups", json!(["staff"])).sign();
    let stale = mint.token().claim("exp", 1).sign();
    let rows = [
        ("modern", Ask::call("get_weather"), 200, true),
        ("legacy", Ask::post(legacy("tools/call")), 200, true),
        ("a batch", batch(&["tools/call", "tools/call"]), 200, true),
        ("what policy keeps for others", Ask::call("write_file"), 200, false),
        ("that, with a token", Ask::call("write_file").bearer(&token), 200, true),
        ("modern, another method", Ask::modern("tools/list", "", None), 401, false),
        ("that, with a token", Ask::modern("tools/list", "", None).bearer(&token), 200, true),
        ("legacy, another method", Ask::post(legacy("prompts/list")), 401, false),
        ("a batch with another", batch(&["tools/call", "tools/list"]), 401, false),
        ("the probe", Ask::modern("server/discover", "", None), 401, false),
        ("no JSON", Ask::post("{"), 401, false),
        ("GET", Ask::get("/mcp"), 401, false),
        ("DELETE", Ask::get("/mcp").method(Method::DELETE), 401, false),
        ("PUT", Ask::get("/mcp").method(Method::PUT), 401, false),
        ("a bad token", Ask::call("get_weather").bearer(&stale), 401, false),
        ("no token at all", Ask::call("get_weather").header("authorization", "Bearer"), 400, false),
    ];
    for (name, ask, status, reached) in rows {
        let before = upstream.count();
        for (protocol, reply) in
            [("HTTP/1.1", h1(addr, &ask).await), ("HTTP/2", h2(addr, &ask).await)]
        {
            assert_eq!(reply.status, status, "{name} over {protocol}: {reply:?}");
            if status == 401 {
                let challenge = reply.header("www-authenticate").unwrap();
                assert!(challenge.contains(r#"scope="mcp:read", resource_metadata="#), "{name}");
            }
        }
        assert_eq!(upstream.count() - before, if reached { 2 } else { 0 }, "{name}");
    }
}

/// R-228: lists of callers without a token are filtered for them.
#[tokio::test]
async fn nobody_sees_only_what_is_open() {
    let mint = Mint::es256(ISSUER);
    let list = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"get_weather"},{"name":"write_file"}]}}"#;
    let gate = Portcullis::builder()
        .resource(RESOURCE)
        .issuer(Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap()))
        .policy(Policy::from_yaml(POLICY).unwrap())
        .danger_optional_for([McpMethod::ToolsList])
        .build()
        .unwrap();
    let addr = serve(gate.layer(Upstream::always(Answer::json(list)))).await;
    let token = mint.token().claim("groups", json!(["staff"])).sign();
    let ask = || Ask::modern("tools/list", "", None);
    for (who, ask, shown) in [
        ("nobody", ask(), json!(["get_weather"])),
        ("a reader", ask().bearer(&token), json!(["get_weather", "write_file"])),
    ] {
        let reply = h1(addr, &ask).await;
        assert_eq!(reply.status, 200, "{who}");
        let answer: Value = serde_json::from_str(reply.text()).unwrap();
        let names = answer["result"]["tools"].as_array().unwrap().iter();
        assert_eq!(names.map(|tool| tool["name"].clone()).collect::<Value>(), shown, "{who}");
    }
}

#[tokio::test]
async fn records_say_that_nobody_called() {
    let mint = Mint::es256(ISSUER);
    let records = MemorySink::new();
    let gate = Portcullis::builder()
        .resource(RESOURCE)
        .issuer(Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap()))
        .policy(Policy::from_yaml(POLICY).unwrap())
        .danger_optional_for([McpMethod::ToolsCall])
        .audit(records.clone())
        .build()
        .unwrap();
    let addr = serve(gate.layer(Upstream::echo())).await;
    assert_eq!(h1(addr, &Ask::call("get_weather")).await.status, 200);
    assert_eq!(h1(addr, &Ask::modern("tools/list", "", None)).await.status, 401);
    assert_eq!(h1(addr, &Ask::post("{")).await.status, 401);

    let all = wait_for(&records, 6).await;
    let decisions = all.iter().filter(|record| record["record"] == "decision");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let seen: Vec<_> = decisions
        .map(|r| {
            (
                text(&r["decision"]),
                text(&r["reason"]),
                text(&r["method"]),
                text(&r["principal"]["sub"]),
            )
        })
        .collect();
    let row = |decision: &str, reason: &str, method: &str| {
        (decision.to_owned(), reason.to_owned(), method.to_owned(), String::new())
    };
    assert_eq!(
        seen,
        [
            row("allow", "", "tools/call"),
            row("challenge", "no_token", "tools/list"),
            row("challenge", "no_token", ""),
        ]
    );
}
