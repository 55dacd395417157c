//! Tokens that are bound to a key, through the whole gate.

use std::net::SocketAddr;

use portcullis::audit::MemorySink;
use portcullis::{ApiKey, ApiKeys, Dpop, Issuer, JwkSet, Policy, Portcullis};
use portcullis_test::Mint;
use serde_json::json;
use tower::Layer as _;

use crate::support::{Ask, ISSUER, RESOURCE, Upstream, h1, serve, wait_for};

const POLICY: &str = "
roles:
  reader: { groups: [staff] }
rules:
  - id: read
    roles: [reader]
    allow: { tools: [get_weather] }
  - id: write
    roles: [reader]
    allow: { tools: [write_file] }
    requires_scopes: [files:write]
";

async fn gate(dpop: Dpop, issuer: &Mint, upstream: &Upstream, records: &MemorySink) -> SocketAddr {
    let layer = Portcullis::builder()
        .resource(RESOURCE)
        .issuer(Issuer::new(ISSUER).keys(JwkSet::from_json(issuer.jwks()).unwrap()))
        .dpop(dpop)
        .policy(Policy::from_yaml(POLICY).unwrap())
        .audit(records.clone())
        .build()
        .unwrap();
    serve(layer.layer(upstream.clone())).await
}

#[tokio::test]
async fn a_client_with_a_key_finds_its_way_in() {
    let (issuer, key) = (Mint::es256(ISSUER), Mint::eddsa("client"));
    let (upstream, records) = (Upstream::echo(), MemorySink::new());
    let dpop = Dpop::builder().required().nonces().build().unwrap();
    let addr = gate(dpop, &issuer, &upstream, &records).await;

    // Without a token: one challenge, which leads to metadata that says the same.
    let reply = h1(addr, &Ask::call("get_weather")).await;
    assert_eq!(reply.status, 401);
    let challenges = &reply.headers["www-authenticate"];
    assert_eq!(challenges.len(), 1);
    assert!(challenges[0].starts_with("DPoP algs=\"ES256 EdDSA\", resource_metadata="));
    let path = "/.well-known/oauth-protected-resource/mcp";
    let document = h1(addr, &Ask::get(path)).await.json();
    assert_eq!(document["dpop_signing_alg_values_supported"], json!(["ES256", "EdDSA"]));
    assert_eq!(document["dpop_bound_access_tokens_required"], true);

    let token = issuer
        .token()
        .claim("groups", json!(["staff"]))
        .claim("cnf", json!({"jkt": key.thumbprint()}))
        .sign();
    let ask = |tool: &str, nonce: &str| {
        let proof = key.proof("POST", RESOURCE, &token).claim("nonce", nonce).sign();
        Ask::call(tool).header("authorization", &format!("DPoP {token}")).header("dpop", &proof)
    };
    let reply = h1(addr, &ask("get_weather", "")).await;
    assert_eq!(reply.status, 401);
    assert!(reply.header("www-authenticate").unwrap().contains("use_dpop_nonce"));
    let nonce = reply.header("dpop-nonce").unwrap();
    assert_eq!(upstream.count(), 0);

    let good = ask("get_weather", nonce);
    assert_eq!(h1(addr, &good).await.status, 200);
    let seen = upstream.last();
    assert!(!seen.headers.contains_key("authorization") && !seen.headers.contains_key("dpop"));
    let decisions = wait_for(&records, 3).await;
    let let_in = decisions.iter().find(|record| record["principal"]["sub"] == "alice");
    assert!(let_in.is_some(), "{decisions:?}");

    let replayed = h1(addr, &good).await;
    assert_eq!(replayed.status, 401);
    assert!(replayed.header("www-authenticate").unwrap().contains("invalid_dpop_proof"));
    let more = h1(addr, &ask("write_file", nonce)).await;
    assert_eq!(more.status, 403);
    let challenge = more.header("www-authenticate").unwrap();
    assert!(challenge.starts_with("DPoP error=\"insufficient_scope\""), "{challenge}");
    let bearer = h1(addr, &Ask::call("get_weather").bearer(&token)).await;
    assert_eq!(bearer.status, 401);
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn a_service_account_calls_with_an_api_key() {
    let pepper = [7; 32];
    let minted = ApiKeys::mint(&pepper).unwrap();
    let keys = [ApiKey::new(minted.digest(), "nightly").group("staff")];
    let keys = ApiKeys::new(&pepper, keys).unwrap();
    let issuer = Mint::es256(ISSUER);
    let upstream = Upstream::echo();
    let layer = Portcullis::builder()
        .resource(RESOURCE)
        .issuer(Issuer::new(ISSUER).keys(JwkSet::from_json(issuer.jwks()).unwrap()))
        .tokens(|layer| layer.api_keys(keys))
        .policy(Policy::from_yaml(POLICY).unwrap())
        .danger_no_audit()
        .build()
        .unwrap();
    let addr = serve(layer.layer(upstream.clone())).await;
    let key = minted.reveal();
    assert_eq!(h1(addr, &Ask::call("get_weather").bearer(&key)).await.status, 200);
    assert_eq!(h1(addr, &Ask::call("get_weather").bearer(&format!("{key}A"))).await.status, 401);
    assert_eq!(upstream.count(), 1);
}
