//! A stack with a layer missing answers 500; it never passes.

use http::Request;
use portcullis::audit::{AuditLayer, MemorySink};
use portcullis::core::Buffered;
use portcullis::jwt::{Issuer, JwkSet, JwtLayer, Verifier};
use portcullis::mcp::InspectLayer;
use portcullis::prm::ResourceMetadata;
use portcullis::rbac::{Policy, RbacLayer};
use portcullis_test::Mint;
use tower::{Layer as _, ServiceBuilder, ServiceExt as _};

use crate::support::{Ask, ISSUER, RESOURCE, Rig, Upstream};

fn request(token: &str) -> Request<Buffered> {
    let ask = Ask::call("get_weather").bearer(token);
    let mut request = Request::post("/mcp").header("host", &ask.host);
    for (name, value) in &ask.headers {
        request = request.header(name, value);
    }
    request.body(Buffered::new(ask.body)).unwrap()
}

struct Parts {
    jwt: JwtLayer,
    inspect: InspectLayer,
    rbac: RbacLayer<Policy>,
    token: String,
}

fn parts() -> Parts {
    let mint = Mint::es256(ISSUER);
    let metadata =
        ResourceMetadata::builder(RESOURCE).authorization_server(ISSUER).build().unwrap();
    let issuer = Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap());
    let verifier = Verifier::builder(RESOURCE).issuer(issuer).build().unwrap();
    Parts {
        jwt: JwtLayer::new(verifier, metadata.challenge()),
        inspect: InspectLayer::new().resource(RESOURCE),
        rbac: RbacLayer::new(Policy::danger_permit_all(), metadata.challenge()),
        token: mint.token().sign(),
    }
}

#[tokio::test]
async fn a_missing_layer_is_a_500() {
    let Parts { jwt, inspect, rbac, token } = parts();
    let records = MemorySink::new();
    let audit = AuditLayer::builder().sink(records.clone()).build().unwrap();

    let upstream = Upstream::echo();
    let whole = ServiceBuilder::new()
        .layer(audit.clone())
        .layer(jwt.clone())
        .layer(inspect.clone())
        .layer(rbac.clone())
        .service(upstream.clone());
    let response = whole.oneshot(request(&token)).await.unwrap();
    assert_eq!(response.status(), 200, "the whole stack passes");
    assert_eq!(upstream.count(), 1);

    let upstream = Upstream::echo();
    let no_jwt = inspect.layer(rbac.layer(upstream.clone()));
    assert_eq!(no_jwt.oneshot(request(&token)).await.unwrap().status(), 500, "without jwt");

    let no_mcp = jwt.layer(rbac.layer(upstream.clone()));
    assert_eq!(no_mcp.oneshot(request(&token)).await.unwrap().status(), 500, "without mcp");

    let only_rbac = rbac.layer(upstream.clone());
    assert_eq!(only_rbac.oneshot(request(&token)).await.unwrap().status(), 500, "rbac alone");

    let wrong_order = rbac.layer(jwt.layer(upstream.clone()));
    assert_eq!(
        wrong_order.oneshot(request(&token)).await.unwrap().status(),
        500,
        "rbac outside jwt"
    );
    assert_eq!(upstream.count(), 0, "none of these reached the service");

    // Without rbac nobody can know before the call; the answer is withheld.
    let no_rbac = jwt.layer(inspect.layer(upstream));
    assert_eq!(no_rbac.oneshot(request(&token)).await.unwrap().status(), 500, "without rbac");
}

/// The one-line check that users run on their own service.
#[tokio::test]
async fn assert_gated_accepts_a_gate() {
    let rig = crate::support::layer(
        crate::support::Setup::default(),
        &Mint::es256(ISSUER),
        MemorySink::new(),
    );
    portcullis::testing::assert_gated(rig.layer(Upstream::echo()), RESOURCE).await;
}

#[tokio::test]
#[should_panic(expected = "not gated")]
async fn assert_gated_finds_an_open_service() {
    portcullis::testing::assert_gated(Upstream::echo(), RESOURCE).await;
}

/// The audit trail of the whole path: one decision and one outcome each, and no secrets.
#[tokio::test]
async fn records() {
    let rig = Rig::new(Upstream::echo()).await;
    let secret = "hunter2-argument-value";
    let body = crate::support::modern_body(
        "1",
        "tools/call",
        &format!(r#""name":"get_weather","arguments":{{"city":"{secret}"}},"#),
    );
    assert_eq!(rig.ask(Ask::call("get_weather").body(body)).await.status, 200);
    assert_eq!(rig.ask(Ask::call("delete_user")).await.status, 200);
    assert_eq!(rig.ask(Ask::call("write_file")).await.status, 403);
    assert_eq!(rig.h1(&Ask::call("get_weather")).await.status, 401);
    assert_eq!(rig.h1(&Ask::get("/.well-known/oauth-protected-resource/mcp")).await.status, 200);

    // Besides the pairs there is one record more, of the scopes that were asked for.
    let records = crate::support::wait_for(&rig.records, 9).await;
    let decisions: Vec<_> = records.iter().filter(|r| r["record"] == "decision").collect();
    let outcomes = records.iter().filter(|r| r["record"] == "outcome").count();
    let seen: Vec<_> = decisions
        .iter()
        .map(|r| {
            let text = |name: &str| r[name].as_str().unwrap_or_default();
            (text("decision"), text("reason"), text("rule_id"), text("target"))
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("allow", "", "read", "get_weather"),
            ("deny", "default_deny", "default-deny", "delete_user"),
            ("challenge", "insufficient_scope", "write", "write_file"),
            ("challenge", "no_token", "", ""),
        ]
    );
    assert_eq!(outcomes, 4);
    assert_eq!(decisions[0]["argument_keys"], serde_json::json!(["city"]));
    assert_eq!(decisions[0]["principal"]["sub"], "alice");
    let all = serde_json::to_string(&records).unwrap();
    assert!(!all.contains(secret), "argument values are never recorded");
    assert!(!all.contains(&rig.token()[..40]), "tokens are never recorded");
}
