//! Metrics, health checks and spans of a whole gate, over real sockets (R-273).

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use portcullis::audit::{AuditLayer, Delivery, MemorySink, SinkOptions};
use portcullis::rbac::PolicyFile;
use portcullis::telemetry::Telemetry;
use portcullis::{Authorizer, Issuer, JwkSet, Policy, Portcullis, PortcullisLayer};
use portcullis_test::Mint;
use serde_json::Value;
use tokio::net::TcpListener;
use tower::Layer as _;

use crate::support::{Answer, Ask, ISSUER, RESOURCE, Reply, Setup, Upstream, h1, layer, serve};

const POLICY: &str = "
roles:
  reader: { groups: [staff] }
rules:
  - id: read
    roles: [reader]
    allow: { tools: [get_weather, \"note_*\"] }
  - id: write
    roles: [reader]
    allow: { tools: [write_file] }
    requires_scopes: [files:write]
";

/// A gate that is watched, and the listener of its health checks.
struct Watched {
    gate: SocketAddr,
    health: SocketAddr,
    telemetry: Telemetry,
    mint: Mint,
    records: MemorySink,
    audit: AuditLayer,
}

impl Watched {
    async fn new(upstream: Upstream) -> Self {
        Self::with(upstream, Policy::from_yaml(POLICY).unwrap()).await
    }

    async fn with(upstream: Upstream, policy: impl Authorizer) -> Self {
        let (mint, records) = (Mint::es256(ISSUER), MemorySink::new());
        let gate = Portcullis::builder()
            .policy(policy)
            .issuer(Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap()))
            .resource(RESOURCE)
            .audit(records.clone())
            .build()
            .unwrap();
        let (telemetry, audit) = (Telemetry::new(), gate.audit().clone());
        let gate = watched(&gate, &telemetry, upstream).await;
        let health = health(&telemetry).await;
        Self { gate, health, telemetry, mint, records, audit }
    }

    fn token(&self) -> String {
        self.mint.token().claim("groups", serde_json::json!(["staff"])).sign()
    }

    async fn ask(&self, ask: Ask) -> Reply {
        h1(self.gate, &ask.bearer(&self.token())).await
    }

    async fn metrics(&self) -> Metrics {
        let reply = h1(self.health, &Ask::get("/metrics")).await;
        assert_eq!(reply.status, 200);
        Metrics(reply.text().to_owned())
    }

    async fn ready(&self) -> (u16, Value) {
        let reply = h1(self.health, &Ask::get("/ready")).await;
        (reply.status, reply.json())
    }
}

async fn watched<A: Authorizer>(
    gate: &PortcullisLayer<A>,
    telemetry: &Telemetry,
    upstream: Upstream,
) -> SocketAddr {
    let watch = gate.watched_by(telemetry, "notes");
    serve(watch.layer(gate.layer(telemetry.stopwatch().layer(upstream)))).await
}

async fn health(telemetry: &Telemetry) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(telemetry.health().serve(listener));
    addr
}

struct Metrics(String);

impl Metrics {
    /// The number on the line that starts with `series`.
    fn of(&self, series: &str) -> Option<f64> {
        let line = self.0.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map(|number| number.parse().unwrap())
    }

    #[track_caller]
    fn are(&self, rows: &[(&str, f64)]) {
        for (series, expected) in rows {
            let found = self.of(&format!("portcullis_{series}"));
            assert_eq!(found, Some(*expected), "{series}\n{}", self.0);
        }
    }

    fn series(&self) -> usize {
        self.0.lines().filter(|line| !line.starts_with('#')).count()
    }
}

/// An identity regression does not look like an outage, nor the other way round.
#[tokio::test]
async fn requests_are_told_apart_by_what_came_of_them() {
    let upstream = Upstream::new(|seen| {
        let message: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
        let id = &message["id"];
        let result = match message["params"]["name"].as_str().unwrap_or_default() {
            "note_error" => r#""error":{"code":-32000,"message":"no"}"#.to_owned(),
            "note_bad" => r#""result":{"content":[],"isError":true}"#.to_owned(),
            "note_down" => return Answer::status(503),
            _ => r#""result":{"content":[]}"#.to_owned(),
        };
        Answer::json(format!(r#"{{"jsonrpc":"2.0","id":{id},{result}}}"#))
    });
    let world = Watched::new(upstream).await;
    let ask = |tool: &str| world.ask(Ask::call(tool));
    assert_eq!(ask("get_weather").await.status, 200);
    assert_eq!(ask("get_weather").await.status, 200);
    assert_eq!(ask("note_error").await.status, 200);
    assert_eq!(ask("note_bad").await.status, 200);
    assert!(ask("note_down").await.status >= 500);
    assert_eq!(ask("drop_tables").await.status, 200);
    assert_eq!(ask("write_file").await.status, 403);
    assert_eq!(h1(world.gate, &Ask::call("get_weather")).await.status, 401);
    assert_eq!(h1(world.gate, &Ask::call("get_weather").bearer("x.y.z")).await.status, 401);
    assert_eq!(world.ask(Ask::post("{")).await.status, 400);
    let document = Ask::get("/.well-known/oauth-protected-resource/mcp");
    assert_eq!(h1(world.gate, &document).await.status, 200);

    let metrics = world.metrics().await;
    let requests = |outcome: &str, status: &str| {
        format!(r#"requests_total{{route="notes",outcome="{outcome}",status="{status}"}}"#)
    };
    let down = world.metrics().await.0.lines().any(|line| {
        line.starts_with(
            r#"portcullis_requests_total{route="notes",outcome="service_error",status="5"#,
        )
    });
    assert!(down, "{}", metrics.0);
    metrics.are(&[
        (&requests("ok", "200"), 3.0),
        (&requests("rpc_error", "200"), 1.0),
        (&requests("tool_error", "200"), 1.0),
        (&requests("denied", "200"), 1.0),
        (&requests("forbidden", "403"), 1.0),
        (&requests("unauthenticated", "401"), 2.0),
        (&requests("rejected", "400"), 1.0),
        (r#"decisions_total{route="notes",method="tools/call",decision="allow",reason="none"}"#, 5.0),
        (
            r#"decisions_total{route="notes",method="tools/call",decision="deny",reason="default_deny"}"#,
            1.0,
        ),
        (
            r#"decisions_total{route="notes",method="tools/call",decision="challenge",reason="insufficient_scope"}"#,
            1.0,
        ),
        (r#"decisions_total{route="notes",method="none",decision="challenge",reason="no_token"}"#, 1.0),
        (
            r#"decisions_total{route="notes",method="none",decision="challenge",reason="malformed_token"}"#,
            1.0,
        ),
        (r#"decisions_total{route="notes",method="none",decision="deny",reason="bad_json"}"#, 1.0),
        (r#"decisions_total{route="notes",method="none",decision="public",reason="none"}"#, 1.0),
        (r#"tool_calls_total{route="notes",tool="get_weather",decision="allow"}"#, 2.0),
        (r#"tool_calls_total{route="notes",tool="other",decision="allow"}"#, 3.0),
        (r#"tool_calls_total{route="notes",tool="other",decision="deny"}"#, 1.0),
        (r#"tool_calls_total{route="notes",tool="write_file",decision="challenge"}"#, 1.0),
        (r#"decision_duration_seconds_count{route="notes"}"#, 7.0),
        (r#"policy_duration_seconds_count{route="notes"}"#, 7.0),
        (r#"added_duration_seconds_count{route="notes"}"#, 5.0),
        (r#"request_duration_seconds_count{route="notes",method="tools/call"}"#, 7.0),
        (r#"requests_in_flight{route="notes"}"#, 0.0),
        (r#"streams_open{route="notes"}"#, 0.0),
        (r#"jwks_usable{route="notes",issuer="https://auth.example.com"}"#, 1.0),
        (r#"audit_sink_accepting{route="notes",sink="0"}"#, 1.0),
        (r#"audit_records_lost_total{route="notes",sink="0"}"#, 0.0),
        ("ready", 1.0),
    ]);
    let hits = r#"portcullis_token_cache_lookups_total{route="notes",result="hit"}"#;
    assert!(metrics.of(hits).is_some_and(|hits| hits >= 0.0));
    // The audit trail has the same to say.
    assert!(world.audit.flush().await);
    let decisions = world.records.records().iter().filter(|r| r.kind() == "decision").count();
    assert_eq!(decisions, 10, "all but the public document");
}

/// R-273: whatever a client sends, it makes no series.
#[tokio::test]
async fn random_names_make_no_series() {
    let world = Watched::new(Upstream::echo()).await;
    let some = |n: usize| format!("tool_{n}_\u{202e}{}", "x".repeat(n % 50));
    for n in 0..5 {
        world.ask(Ask::call(&format!("note_{n}"))).await;
        world.ask(Ask::call(&some(n)).set("mcp-name", "a")).await;
    }
    let before = world.metrics().await;
    for n in 0..200 {
        let token = world
            .mint
            .token()
            .subject(&format!("user-{n}"))
            .claim("groups", serde_json::json!(["staff"]))
            .sign();
        let asks = [
            Ask::call(&format!("note_{n}")),
            Ask::call(&format!("random_{n}")),
            Ask::modern("prompts/get", &format!(r#""name":"p{n}","#), Some(&format!("p{n}"))),
            Ask::modern(&format!("made/up{n}"), "", None),
            Ask::call("get_weather").set("mcp-protocol-version", &format!("2026-{n}")),
        ];
        for ask in asks {
            h1(world.gate, &ask.bearer(&token)).await;
        }
    }
    let after = world.metrics().await;
    // Kinds of refusals that the first round did not have, and no more.
    let more = after.series() - before.series();
    assert!(more < 40, "{more} more series:\n{}", after.0);
    for made_up in ["note_1", "random_1", "user-1", "up1", "2026-1", "tool_1"] {
        assert!(!after.0.contains(made_up), "{made_up}");
    }
    after.are(&[(r#"tool_calls_total{route="notes",tool="other",decision="allow"}"#, 205.0)]);
}

/// A tool that a new version of the policy spells out is told apart from then on, and a version that
/// cannot be used is warned of.
#[tokio::test]
async fn a_policy_file_is_watched() {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("policy.yaml");
    fs::write(&path, POLICY).unwrap();
    let policy = PolicyFile::new(&path).load().unwrap();
    let world = Watched::with(Upstream::echo(), policy.clone()).await;
    world.ask(Ask::call("note_new")).await;
    fs::write(&path, POLICY.replace("get_weather", "note_new")).unwrap();
    assert!(policy.reload().unwrap());
    world.ask(Ask::call("note_new")).await;
    world.metrics().await.are(&[
        (r#"tool_calls_total{route="notes",tool="other",decision="allow"}"#, 1.0),
        (r#"tool_calls_total{route="notes",tool="note_new",decision="allow"}"#, 1.0),
        (r#"policy_loads_total{route="notes"}"#, 2.0),
        (r#"policy_reload_failing{route="notes"}"#, 0.0),
    ]);
    assert!(world.metrics().await.of(r#"portcullis_policy_age_seconds{route="notes"}"#).is_some());

    fs::write(&path, "rules: [secret-looking").unwrap();
    assert!(policy.reload().is_err());
    let (status, body) = world.ready().await;
    assert_eq!(status, 200, "an older policy is in force: {body}");
    assert_eq!(body["warnings"][0]["code"], "policy_not_reloaded");
    assert!(!body.to_string().contains("secret-looking"), "no text of the file: {body}");
    world.metrics().await.are(&[
        (r#"policy_reload_failing{route="notes"}"#, 1.0),
        (r#"policy_reload_failures_total{route="notes"}"#, 1.0),
        (r#"warnings{warning="policy_not_reloaded"}"#, 1.0),
    ]);
}

#[tokio::test]
async fn a_gate_is_ready_when_its_keys_and_sinks_are() {
    let world = Watched::new(Upstream::echo()).await;
    assert_eq!(
        world.ready().await,
        (200, serde_json::json!({"ready":true,"reasons":[],"warnings":[]}))
    );
    world.records.fail(true);
    // A call that cannot be recorded does not run, and the gate says that it is of no use.
    assert_eq!(world.ask(Ask::call("get_weather")).await.status, 503);
    let (status, body) = world.ready().await;
    assert_eq!((status, &body["reasons"][0]["code"]), (503, &"sink_not_accepting".into()));
    let metrics = world.metrics().await;
    metrics.are(&[
        ("ready", 0.0),
        (r#"audit_sink_accepting{route="notes",sink="0"}"#, 0.0),
        (r#"requests_total{route="notes",outcome="gate_error",status="503"}"#, 1.0),
        (
            r#"decisions_total{route="notes",method="tools/call",decision="error",reason="audit_unavailable"}"#,
            1.0,
        ),
    ]);
    world.records.fail(false);
    // Nobody calls meanwhile: the gap record tries the sink.
    while world.ready().await.0 != 200 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.telemetry.shut_down();
    let (status, body) = world.ready().await;
    assert_eq!((status, &body["reasons"][0]["code"]), (503, &"shutting_down".into()));
    assert_eq!(h1(world.health, &Ask::get("/live")).await.status, 200, "alive until the end");
    assert_eq!(world.ask(Ask::call("get_weather")).await.status, 200, "and still serving");
}

/// Keys that are fetched: not ready before they are there, and a warning when they grow old.
#[cfg(feature = "jwks-client")]
#[tokio::test]
async fn keys_that_cannot_be_fetched_are_seen() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    let mint = Mint::es256(ISSUER);
    let (up, jwks) = (Arc::new(AtomicBool::new(false)), mint.jwks());
    let idp = {
        let up = Arc::clone(&up);
        serve(Upstream::new(move |_| match up.load(Ordering::SeqCst) {
            true => Answer::json(jwks.clone()),
            false => Answer::status(500),
        }))
        .await
    };
    let gate = Portcullis::builder()
        .policy(Policy::from_yaml(POLICY).unwrap())
        .issuer(Issuer::new(ISSUER).jwks_url(format!("http://{idp}/jwks")).internal())
        .resource(RESOURCE)
        .danger_no_audit()
        .build()
        .unwrap();
    let telemetry = Telemetry::new();
    let watch = gate.watched_by(&telemetry, "notes");
    let _service = watch.layer(gate.layer(Upstream::echo()));
    let health = health(&telemetry).await;
    assert!(gate.verifier().fetch_fault(ISSUER).await.is_some());
    let reply = h1(health, &Ask::get("/ready")).await;
    assert_eq!((reply.status, &reply.json()["reasons"][0]["code"]), (503, &"no_keys".into()));
    assert_eq!(reply.json()["reasons"][0]["about"], ISSUER);
    let metrics = Metrics(h1(health, &Ask::get("/metrics")).await.text().to_owned());
    metrics.are(&[
        (r#"jwks_usable{route="notes",issuer="https://auth.example.com"}"#, 0.0),
        (r#"jwks_fetches_total{route="notes",issuer="https://auth.example.com",result="ok"}"#, 0.0),
    ]);
    assert_eq!(metrics.of(r#"portcullis_jwks_age_seconds{route="notes""#), None);

    up.store(true, Ordering::SeqCst);
    while h1(health, &Ask::get("/ready")).await.status != 200 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let metrics = Metrics(h1(health, &Ask::get("/metrics")).await.text().to_owned());
    let labels = r#"{route="notes",issuer="https://auth.example.com"}"#;
    assert!(metrics.of(&format!("portcullis_jwks_age_seconds{labels}")).is_some());
    metrics.are(&[(&format!("jwks_changes_total{labels}"), 1.0)]);
    telemetry.forget("notes");
    assert_eq!(
        h1(health, &Ask::get("/ready")).await.json()["reasons"][0]["code"],
        "nothing_watched"
    );
}

/// Nothing of what is asked and by whom is told to whoever reads metrics and health checks.
#[tokio::test]
async fn no_secrets_and_no_people_in_it() {
    let world = Watched::new(Upstream::echo()).await;
    let token = world
        .mint
        .token()
        .subject("alice@example.com")
        .claim("groups", serde_json::json!(["staff"]))
        .claim("jti", "token-id-1")
        .sign();
    let ask = Ask::modern(
        "tools/call",
        r#""name":"get_weather","arguments":{"in_town":"hunter2"},"#,
        Some("get_weather"),
    );
    h1(world.gate, &ask.header("user-agent", "agent-x").bearer(&token)).await;
    let texts = [world.metrics().await.0, world.ready().await.1.to_string()];
    for text in texts {
        for secret in ["alice", "hunter2", "in_town", "token-id-1", "agent-x", &token] {
            assert!(!text.contains(secret), "{secret}");
        }
    }
}

/// A sink that may drop records is no reason to send requests elsewhere.
#[tokio::test]
async fn a_sink_that_may_drop_is_warned_of() {
    let (mint, records) = (Mint::es256(ISSUER), MemorySink::new());
    let options = SinkOptions::new().delivery(Delivery::DropAndCount);
    let audit = AuditLayer::builder().sink(MemorySink::new());
    let audit = audit.sink_with(records.clone(), options).build().unwrap();
    let gate = Portcullis::builder()
        .policy(Policy::from_yaml(POLICY).unwrap())
        .issuer(Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap()))
        .resource(RESOURCE)
        .audit_layer(audit)
        .build()
        .unwrap();
    let telemetry = Telemetry::new();
    let addr = watched(&gate, &telemetry, Upstream::echo()).await;
    records.fail(true);
    assert_eq!(h1(addr, &Ask::call("get_weather")).await.status, 401);
    assert!(!gate.audit().flush().await);
    let readiness = telemetry.readiness();
    assert!(readiness.ready, "{readiness:?}");
    assert_eq!(readiness.warnings[0].code, "sink_dropping");
}

/// The telemetry does not keep the audit sinks open once the gate is gone.
#[tokio::test]
async fn sinks_end_with_the_gate() {
    let (mint, records) = (Mint::es256(ISSUER), MemorySink::new());
    let gate = layer(Setup::default(), &mint, records.clone());
    let telemetry = Telemetry::new();
    let watch = gate.watched_by(&telemetry, "notes");
    assert!(telemetry.metrics_text().contains("audit_queue_depth"));
    drop((gate, watch));
    assert!(!telemetry.metrics_text().contains("audit_queue_depth"));
    assert!(AuditLayer::danger_off().log().status().is_empty());
}
