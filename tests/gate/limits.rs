//! How much one caller may ask, at the whole gate.

use portcullis::audit::MemorySink;
use portcullis::{Issuer, JwkSet, Limits, Portcullis, Rate, RateLimits};
use portcullis_test::Mint;
use serde_json::{Value, json};
use tower::Layer as _;

use crate::support::{Answer, Ask, ISSUER, RESOURCE, Upstream, h1, serve, wait_for};

#[tokio::test]
async fn too_many_calls() {
    let mint = Mint::es256(ISSUER);
    let records = MemorySink::new();
    let upstream = Upstream::new(|seen| {
        let message: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
        let result = json!({ "supportedVersions": ["2026-07-28"], "capabilities": {} });
        Answer::json(json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }).to_string())
    });
    let gate = Portcullis::builder()
        .resource(RESOURCE)
        .issuer(Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap()))
        .danger_permit_all()
        .rate_limits(RateLimits::new().tool("deploy", Rate::per_minute(1).unwrap()))
        .audit(records.clone())
        .build()
        .unwrap();
    let addr = serve(gate.layer(upstream.clone())).await;
    let as_alice = |ask: Ask| ask.bearer(&mint.token().sign());
    assert_eq!(h1(addr, &as_alice(Ask::call("deploy"))).await.status, 200);
    let reply = h1(addr, &as_alice(Ask::call("deploy"))).await;
    assert_eq!((reply.status, reply.code()), (429, -31429));
    assert_eq!(reply.json()["id"], 1);
    assert_eq!(h1(addr, &as_alice(Ask::modern("server/discover", "", None))).await.status, 200);
    assert_eq!(upstream.count(), 2);

    let all = wait_for(&records, 6).await;
    let refused = all.iter().find(|record| record["decision"] == "deny").unwrap();
    assert_eq!(refused["reason"], "rate_limited");
    assert_eq!(
        (&refused["target"], &refused["principal"]["sub"]),
        (&json!("deploy"), &json!("alice"))
    );
}

#[tokio::test]
async fn too_many_at_once() {
    let mint = Mint::es256(ISSUER);
    let records = MemorySink::new();
    let gate = Portcullis::builder()
        .resource(RESOURCE)
        .issuer(Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap()))
        .danger_permit_all()
        .limits(Limits::new().calls_in_flight(0))
        .audit(records.clone())
        .build()
        .unwrap();
    let addr = serve(gate.layer(Upstream::echo())).await;
    let reply = h1(addr, &Ask::call("deploy").bearer(&mint.token().sign())).await;
    assert_eq!((reply.status, reply.code(), reply.header("retry-after")), (429, -31429, Some("5")));
    let all = wait_for(&records, 2).await;
    assert_eq!(all[0]["reason"], "concurrency_limited");
}
