//! Profiles of identity providers, as the whole gate presents them.

use portcullis::{Issuer, JwkSet, Policy, Portcullis, PortcullisLayer, Profile};
use portcullis_test::Mint;
use serde_json::json;
use tower::Layer as _;

use crate::support::{Ask, ISSUER, RESOURCE, Upstream, h1, serve};

const METADATA: &str = "/.well-known/oauth-protected-resource/mcp";
const TENANT: &str = "5dbf1a52-3c0e-4a3b-9d4a-8f6d3f0a1c2e";
const API: &str = "7c9d0f4e-1a2b-4c3d-8e5f-60718293a4b5";

fn gate(issuers: impl IntoIterator<Item = Issuer>, policy: Policy) -> PortcullisLayer<Policy> {
    let mut issuers = issuers.into_iter();
    let builder = Portcullis::builder().resource(RESOURCE).issuer(issuers.next().unwrap());
    issuers
        .fold(builder, |builder, issuer| builder.issuer(issuer))
        .policy(policy)
        .scope("https://mcp.example.com/mcp/notes.read")
        .build()
        .unwrap()
}

/// What clients are told to ask Entra ID for is what policy asks for, though the token is shorter.
#[tokio::test]
async fn entra_scopes_are_the_same_in_metadata_challenge_and_policy() {
    let issuer = Profile::entra_v2(TENANT, API).set("app_id_uri", RESOURCE).unwrap();
    let issuer = issuer.issuer().unwrap();
    let mint = Mint::rs256(issuer.name());
    let policy = Policy::from_yaml(
        "
roles:
  reader: { groups: [staff] }
rules:
  - id: read
    roles: [reader]
    allow: { tools: [list_notes] }
    requires_scopes: [https://mcp.example.com/mcp/notes.read]
",
    )
    .unwrap();
    let issuer = issuer.keys(JwkSet::from_json(mint.jwks()).unwrap());
    let addr = serve(gate([issuer], policy).layer(Upstream::echo())).await;
    let metadata = h1(addr, &Ask::get(METADATA).without("accept")).await.json();
    assert_eq!(metadata["scopes_supported"], json!(["https://mcp.example.com/mcp/notes.read"]));

    let token = |scp: &str| {
        mint.token()
            .header("typ", "JWT")
            .audience(API)
            .claim("azp", "ide")
            .claim("azpacr", "0")
            .claim("tid", TENANT)
            .claim("oid", "b1f7e2a0")
            .claim("ver", "2.0")
            .claim("groups", json!(["staff"]))
            .claim("scp", scp)
            .sign()
    };
    let reply = h1(addr, &Ask::call("list_notes").bearer(&token("notes.read"))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let reply = h1(addr, &Ask::call("list_notes").bearer(&token("notes.list"))).await;
    assert_eq!(reply.status, 403);
    let challenge = reply.header("www-authenticate").unwrap();
    assert!(challenge.contains(r#"scope="https://mcp.example.com/mcp/notes.read"#), "{challenge}");
}

/// R-122: nobody is sent to sign in where only jobs have tokens.
#[tokio::test]
async fn issuers_of_jobs_are_not_in_the_metadata() {
    let keys = JwkSet::from_json(Mint::rs256(ISSUER).jwks()).unwrap();
    let people = || Issuer::new(ISSUER).keys(keys.clone());
    let jobs = || {
        let profile = Profile::github_actions().set("repository_id", "74").unwrap();
        profile.issuer().unwrap().keys(keys.clone())
    };
    let github = "https://token.actions.githubusercontent.com";
    let rows = [
        ("both", vec![jobs(), people()], json!([ISSUER])),
        ("jobs alone", vec![jobs()], json!([github])),
    ];
    for (name, issuers, expected) in rows {
        let gate = gate(issuers, Policy::danger_permit_all());
        assert!(gate.verifier().issuers().contains(&github.to_owned()), "{name}");
        assert!(!gate.verifier().is_listed(github), "{name}");
        let addr = serve(gate.layer(Upstream::echo())).await;
        let metadata = h1(addr, &Ask::get(METADATA)).await.json();
        assert_eq!(metadata["authorization_servers"], expected, "{name}");
    }
}
