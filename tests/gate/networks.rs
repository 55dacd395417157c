//! Rules about networks in the whole gate (R-201).

use std::net::IpAddr;

use portcullis::audit::MemorySink;
use portcullis::rbac::Rule;
use portcullis::{Issuer, JwkSet, Policy, Portcullis};
use portcullis_test::Mint;
use serde_json::{Value, json};
use tower::Layer as _;

use crate::support::{Ask, ISSUER, RESOURCE, Upstream, h1, serve};

/// What a proxy of ours writes; here, whoever sends the request.
const HEADER: &str = "x-real-ip";

#[tokio::test]
async fn the_address_decides_and_is_on_record() {
    let (mint, records) = (Mint::es256(ISSUER), MemorySink::new());
    let policy = || {
        Policy::builder()
            .add_rule(Rule::allow("everywhere").tools(["get_weather"]).everyone())
            .add_rule(Rule::allow("office").tools(["deploy"]).networks(["192.0.2.0/24"]).everyone())
            .build()
            .unwrap()
    };
    let builder = || {
        Portcullis::builder()
            .resource(RESOURCE)
            .issuer(Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap()))
            .policy(policy())
            .audit(records.clone())
    };
    let told = builder().source_address(|parts| {
        let header = parts.headers.get(HEADER)?.to_str().ok()?;
        header.parse::<IpAddr>().ok()
    });
    let upstream = Upstream::new(|seen| {
        assert!(!seen.headers.contains_key(HEADER));
        let asked: Value = serde_json::from_slice(&seen.body).unwrap();
        let schema = json!({ "type": "object" });
        let tools = ["get_weather", "deploy"].map(|n| json!({ "name": n, "inputSchema": schema }));
        let result = match asked["method"].as_str().unwrap() {
            "tools/list" => json!({ "tools": tools }),
            _ => json!({ "content": [] }),
        };
        crate::support::Answer::json(
            json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result }).to_string(),
        )
    });
    let told = told.build().unwrap();
    let knowing = serve(told.layer(upstream.clone())).await;
    let ignorant = serve(builder().build().unwrap().layer(upstream.clone())).await;
    let token = mint.token().sign();
    let rows = [
        ("from the office", knowing, Some("192.0.2.7"), true),
        ("in its IPv6 form", knowing, Some("::ffff:192.0.2.7"), true),
        ("from elsewhere", knowing, Some("198.51.100.7"), false),
        ("from nowhere", knowing, None, false),
        ("where nobody reads the header", ignorant, Some("192.0.2.7"), false),
    ];
    for (name, addr, from, allowed) in rows {
        let ask = async |ask: Ask| {
            let ask = ask.bearer(&token);
            let ask = match from {
                Some(from) => ask.header(HEADER, from),
                None => ask,
            };
            h1(addr, &ask).await
        };
        let before = upstream.count();
        assert_eq!(ask(Ask::call("get_weather")).await.status, 200, "{name}");
        ask(Ask::call("deploy")).await;
        assert_eq!(upstream.count() - before, 1 + usize::from(allowed), "{name}");
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        let list = Ask::post(body).header("mcp-protocol-version", "2025-11-25");
        let listed = ask(list).await.text().to_owned();
        assert!(listed.contains("get_weather"), "{name}: {listed}");
        assert_eq!(listed.contains("deploy"), allowed, "{name}: {listed}");
    }
    assert!(told.audit().flush().await);
    let recorded = |address: &str| {
        let source = format!(r#""source_ip":"{address}""#);
        records.lines().iter().filter(|line| line.contains(&source)).count()
    };
    assert!(recorded("192.0.2.7") > 0 && recorded("198.51.100.7") > 0, "{:#?}", records.lines());
}
