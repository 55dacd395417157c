//! What `--check` tells, and whether the files that come with the gateway are good.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::time::timeout;

use crate::faults::check;
use crate::rig::{Folder, PATIENCE, POLICY, program};

const FILE: &str = r#"public_url: https://mcp.example.com
secrets: { kc: { file: secret } }
listen:
  - tls: { address: "0.0.0.0:8443", certificate: tls.pem, key: tls.key }
  - unix: { path: socket }
  - http: 0.0.0.0:8080
admin: 127.0.0.1:9464
authentication:
  tokens:
    issuers:
      - { profile: entra-v2, settings: { tenant: 8b2f1c5e-1111-4222-8333-444455556666, application: 0c9d3f2a-1111-4222-8333-444455556666 }, audiences: ["api://notes"], require_claims: { azp: [one, two] } }
      - { issuer: "https://id.example.com", introspection: { client_id: us, client_secret: kc } }
policy: policy.yaml
origins: ["https://app.example.com"]
limits: { calls_per_minute: 60 }
audit: { danger_fail_open: true, sinks: [tracing, { file: { path: audit.jsonl } }, { syslog: { host: logs.example.com } }, { otlp: { url: "https://otlp.example.com/v1/logs" } }] }
servers:
  files:
    path: /files
    upstream: { stdio: { command: /bin/cat, args: [-u], env: { LANG: C }, secret_env: { KEY: kc }, max_processes: 9 } }
  notes:
    path: /notes
    upstream: { http: { url: "http://notes.internal/mcp", danger_plain_http: true } }
    identity: { signed: { key: identity.pem } }
  tools:
    path: /tools
    upstream: { http: { url: "https://tools.internal/mcp", danger_shared_credential: { header: Authorization, scheme: Bearer, secret: kc } } }
    identity: { headers: { family: auth-request } }
    policy: strict.yaml
    authentication:
      sidecar: { profile: oauth2-proxy, issuer: "https://proxy.example.com", trusted_peers: [10.1.0.0/16, unix], authorization_servers: ["https://id.example.com"] }
"#;

const STRICT: &str = "roles: { admin: { groups: [it-admins] } }
rules:
  - { id: no-purge, everyone: true, deny: { tools: [purge_notes] } }
  - { id: admins, roles: [admin], allow: { tools: [\"*\"] }, requires_scopes: [tools] }
";

const TOLD: &str = include_str!("told.txt");

#[tokio::test]
async fn a_file_is_told_in_plain_words() {
    let folder = Folder::new();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::generate_simple_self_signed(["mcp.example.com".to_owned()]).unwrap();
    folder.write("identity.pem", &key.serialize_pem());
    folder.write("tls.pem", &certificate.cert.pem());
    folder.write("tls.key", &certificate.signing_key.serialize_pem());
    folder.write("secret", "open-sesame");
    folder.write("policy.yaml", POLICY);
    folder.write("strict.yaml", STRICT);
    folder.write("gateway.yaml", FILE);
    let (good, told) = check(&folder, "gateway.yaml").await;
    assert!(good, "{told}");
    let told = told.replace(&*folder.path("").to_string_lossy(), "");
    assert_eq!(told, TOLD, "\n{told}");
    assert!(!folder.path("audit.jsonl").exists(), "it only looks");
}

async fn output(arguments: &[&str]) -> (Option<i32>, String) {
    let output = program().args(arguments).stdin(Stdio::null()).output();
    let output = timeout(PATIENCE, output).await.expect("it ends").unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[tokio::test]
async fn the_schema_is_the_one_that_the_program_prints() {
    let (_, printed) = output(&["--schema"]).await;
    let committed = include_str!("../../examples/gateway/gateway.schema.json");
    let value = |text| serde_json::from_str::<Value>(text).unwrap();
    assert!(
        value(&printed) == value(committed),
        "cargo run --example gateway -- --schema > examples/gateway/gateway.schema.json"
    );
}

#[tokio::test]
async fn every_file_that_comes_with_it_is_good() {
    let schema = include_str!("../../examples/gateway/gateway.schema.json");
    let schema = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/gateway");
    let mut files = 0;
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if !name.ends_with(".yaml") || name.starts_with("policy") {
            continue;
        }
        files += 1;
        let text = std::fs::read_to_string(&path).unwrap();
        let value: Value = serde_saphyr::from_str(&text).unwrap();
        let faults: Vec<String> = schema.iter_errors(&value).map(|it| it.to_string()).collect();
        assert!(faults.is_empty(), "{}: {faults:?}", path.display());
        // Its certificates and secrets are of the place where it will run.
        let folder = Folder::new();
        let certificate =
            rcgen::generate_simple_self_signed(["mcp.example.com".to_owned()]).unwrap();
        folder.write("tls.pem", &certificate.cert.pem());
        folder.write("tls.key", &certificate.signing_key.serialize_pem());
        folder.write("identity.pem", &rcgen::KeyPair::generate().unwrap().serialize_pem());
        folder.write("sidecar.secret", "0123456789abcdef0123456789abcdef");
        for policy in ["policy.yaml", "policy-entra.yaml", "policy-groups.yaml"] {
            folder.write(policy, &std::fs::read_to_string(path.with_file_name(policy)).unwrap());
        }
        folder.write("gateway.yaml", &text);
        let (good, told) = check(&folder, "gateway.yaml").await;
        assert!(good, "{}: {told}", path.display());
    }
    assert_eq!(files, 5);
}

/// What the schema allows, the program reads, and the other way round.
#[test]
fn the_schema_refuses_what_the_program_refuses() {
    let schema = include_str!("../../examples/gateway/gateway.schema.json");
    let schema = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    let valid = |text: &str| schema.is_valid(&serde_saphyr::from_str::<Value>(text).unwrap());
    assert!(valid(FILE));
    for (from, to) in [
        ("policy: policy.yaml\n", "polizy: policy.yaml\n"),
        ("policy: policy.yaml\n", "policy:\n"),
        ("listen:\n", "listen: []\nmore:\n"),
        ("path: /notes", "paths: /notes"),
        ("danger_plain_http: true", "danger_plain_http: \"yes\""),
        ("calls_per_minute: 60", "calls_per_minute: -1"),
        ("profile: oauth2-proxy", "profile: nginx"),
        ("[tracing, ", "[stdout, "),
    ] {
        assert!(FILE.contains(from), "{from}");
        assert!(!valid(&FILE.replacen(from, to, 1)), "{to}");
    }
}

#[tokio::test]
async fn a_wrong_command_line_is_answered_with_the_right_one() {
    for arguments in
        [&["--chek"][..], &["--config"], &["a.yaml"], &["--config", "a", "--config", "b"]]
    {
        assert_eq!(output(arguments).await.0, Some(2), "{arguments:?}");
    }
    let (code, help) = output(&["--help"]).await;
    assert!(code == Some(0) && help.contains("--check"), "{help}");
}
