//! Issuers of a running gate: added, removed, revoked, mirrored and checked.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use portcullis::core::Clock;
use portcullis::testing::{Authority, Outage};
use portcullis::{Policy, Portcullis, PortcullisLayer, Revocation};
use serde_json::{Value, json};
use tower::{Layer as _, ServiceExt as _};

use crate::support::{Ask, RESOURCE, Upstream, h1, serve};

const MIRROR: &str = "/.well-known/oauth-authorization-server";

fn gate(authority: &Authority) -> PortcullisLayer<Policy> {
    Portcullis::builder()
        .resource(RESOURCE)
        .issuer(authority.issuer())
        .policy(Policy::danger_permit_all())
        .build()
        .unwrap()
}

async fn status(addr: SocketAddr, token: &str) -> u16 {
    h1(addr, &Ask::call("get_weather").bearer(token)).await.status
}

/// The handle works on services that were made before and are running.
#[tokio::test]
async fn issuers_come_and_go_while_requests_run() {
    let (first, second) = (Authority::start().await.unwrap(), Authority::start().await.unwrap());
    let upstream = Upstream::echo();
    let gate = gate(&first);
    let addr = serve(gate.layer(upstream.clone())).await;
    let (of_first, of_second) = (first.token(RESOURCE).sign(), second.token(RESOURCE).sign());
    assert_eq!(status(addr, &of_first).await, 200);
    assert_eq!(status(addr, &of_second).await, 401);

    gate.verifier().add_issuer(second.issuer()).unwrap();
    assert_eq!(status(addr, &of_second).await, 200);

    assert!(gate.verifier().remove_issuer(first.name()));
    assert_eq!(status(addr, &of_first).await, 401, "at once, though it was remembered");
    assert_eq!(status(addr, &of_second).await, 200);
    assert_eq!(upstream.count(), 3);

    gate.verifier().revoke(Revocation::subject(second.name(), "alice"));
    assert_eq!(status(addr, &of_second).await, 401);
    let bob = second.token(RESOURCE).subject("bob").sign();
    assert_eq!(status(addr, &bob).await, 200);
}

/// off by default; when on, the issuer's own bytes from memory, and no endpoint of ours.
#[tokio::test]
async fn the_mirror_is_the_issuers_own_document() {
    let (clock, hand) = Clock::manual(1_700_000_000);
    let authority = Authority::builder().clock(clock.clone()).start().await.unwrap();
    let plain = gate(&authority);
    let addr = serve(plain.layer(Upstream::echo())).await;
    let absent = [
        "/authorize",
        "/token",
        "/register",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server/mcp",
    ];
    for path in absent.into_iter().chain([MIRROR]) {
        assert_eq!(h1(addr, &Ask::get(path)).await.status, 404, "{path}");
    }

    authority.fail(Outage::Errors);
    let mirrored = Portcullis::builder()
        .resource(RESOURCE)
        .issuer(authority.issuer())
        .mirror_issuer_metadata(authority.name())
        .policy(Policy::danger_permit_all())
        .clock(clock)
        .build()
        .unwrap();
    let addr = serve(mirrored.layer(Upstream::echo())).await;
    let token = authority.token(RESOURCE).sign();
    assert_eq!(status(addr, &token).await, 503);
    let early = h1(addr, &Ask::get(MIRROR)).await;
    assert_eq!((early.status, early.header("retry-after")), (503, Some("5")));

    authority.recover();
    hand.advance(std::time::Duration::from_secs(31));
    assert_eq!(status(addr, &token).await, 200, "which makes the gate fetch");
    let fetches = authority.fetches();
    let direct: SocketAddr = authority.name().strip_prefix("http://").unwrap().parse().unwrap();
    let original = h1(direct, &Ask::get(MIRROR)).await;
    for host in ["mcp.example.com", "evil.example"] {
        let copy = h1(addr, &Ask::get(MIRROR).host(host)).await;
        assert_eq!((copy.status, &copy.body), (200, &original.body), "{host}");
        assert_eq!(copy.header("access-control-allow-origin"), Some("*"));
        assert_eq!(copy.json()["issuer"], authority.name());
    }
    assert_eq!(authority.fetches(), fetches + 1, "only the one that asked it directly");
    for path in absent {
        assert_eq!(h1(addr, &Ask::get(path)).await.status, 404, "{path}");
    }

    mirrored.verifier().remove_issuer(authority.name());
    assert_eq!(h1(addr, &Ask::get(MIRROR)).await.status, 404);
}

#[tokio::test]
async fn what_cannot_be_mirrored() {
    let authority = Authority::in_process();
    for (name, problem) in
        [(authority.name(), "is not discovered"), ("https://b.example", "is not one of this gate")]
    {
        let built = Portcullis::builder()
            .resource(RESOURCE)
            .issuer(authority.issuer())
            .mirror_issuer_metadata(name)
            .policy(Policy::danger_permit_all())
            .build();
        let error = built.unwrap_err();
        assert_eq!(error.part(), "mirror");
        assert!(std::error::Error::source(&error).unwrap().to_string().contains(problem));
    }
}

/// R-173, one row per fault of the issuer: the finding names the field.
#[tokio::test]
async fn the_self_check_names_the_field() {
    let nothing = |_: &Authority| {};
    let set = |member: &'static str, value: Value| {
        move |authority: &Authority| authority.set_metadata(member, value.clone())
    };
    type Fault = Box<dyn Fn(&Authority)>;
    let rows: Vec<(&str, Fault, &[&str])> = vec![
        ("sound", Box::new(nothing), &[]),
        (
            "plain PKCE",
            Box::new(set("code_challenge_methods_supported", json!(["plain"]))),
            &["code_challenge_methods_supported"],
        ),
        (
            "no PKCE, no code",
            Box::new(|authority| {
                authority.set_metadata("code_challenge_methods_supported", Value::Null);
                authority.set_metadata("response_types_supported", json!(["token"]));
            }),
            &["response_types_supported", "code_challenge_methods_supported"],
        ),
        ("no token endpoint", Box::new(set("token_endpoint", Value::Null)), &["token_endpoint"]),
        ("another name", Box::new(set("issuer", json!("https://evil.example"))), &["issuer"]),
        ("no keys", Box::new(set("jwks_uri", Value::Null)), &["issuer"]),
        ("down", Box::new(|authority| authority.fail(Outage::Disconnects)), &["issuer"]),
        ("only machines", Box::new(set("authorization_endpoint", Value::Null)), &[]),
    ];
    for (name, fault, expected) in rows {
        let authority = Authority::start().await.unwrap();
        fault(&authority);
        let findings = gate(&authority).self_check().await;
        let fields: Vec<_> = findings.iter().map(|finding| finding.field()).collect();
        assert_eq!(fields, expected, "{name}: {findings:?}");
        assert!(findings.iter().all(|finding| finding.about() == authority.name()), "{name}");
    }
}

#[tokio::test]
async fn the_self_check_compares_metadata_with_issuers() {
    let (first, second) = (Authority::start().await.unwrap(), Authority::start().await.unwrap());
    let gate = gate(&first);
    assert!(gate.self_check().await.is_empty());
    gate.verifier().add_issuer(second.issuer()).unwrap();
    gate.verifier().remove_issuer(first.name());
    let findings = gate.self_check().await;
    let problems: Vec<_> = findings.iter().map(ToString::to_string).collect();
    let url = gate.metadata().url();
    assert_eq!(
        problems,
        [
            format!(
                "{url}: authorization_servers: clients are sent to {}, whose tokens are not accepted",
                first.name()
            ),
            format!(
                "{url}: authorization_servers: does not name {}, so that clients do not find it",
                second.name()
            ),
        ]
    );
}

/// The gate's own document as clients will fetch it.
#[tokio::test]
async fn the_self_check_looks_from_outside() {
    type Slot = Arc<OnceLock<PortcullisLayer<Policy>>>;
    let authority = Authority::start().await.unwrap();
    let served = Slot::default();
    let behind = Arc::clone(&served);
    let addr = serve(tower::service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let gate = behind.get().unwrap().layer(Upstream::echo());
        gate.oneshot(request)
    }))
    .await;
    let at = |path: &str| {
        Portcullis::builder()
            .resource(format!("http://{addr}{path}"))
            .issuer(authority.issuer())
            .policy(Policy::danger_permit_all())
            .build()
            .unwrap()
    };
    served.set(at("/mcp")).unwrap();
    assert!(at("/mcp").self_check_in_public().await.is_empty());
    let findings = at("/other").self_check_in_public().await;
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].field(), "resource_metadata", "{findings:?}");
    // The same path, but another resource's document behind it.
    let another = Portcullis::builder()
        .resource(format!("http://{addr}/mcp"))
        .issuer(authority.issuer())
        .metadata(|metadata| metadata.resource_name("another"))
        .policy(Policy::danger_permit_all())
        .build()
        .unwrap();
    let findings = another.self_check_in_public().await;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].problem().contains("not this gate's"), "{findings:?}");
    let elsewhere = Portcullis::builder()
        .resource(format!("http://localhost:{}/mcp", addr.port()))
        .issuer(authority.issuer())
        .policy(Policy::danger_permit_all())
        .build()
        .unwrap();
    // `http` is for addresses written out.
    assert_eq!(elsewhere.self_check_in_public().await[0].field(), "resource_metadata");
}
