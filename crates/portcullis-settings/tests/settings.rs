//! Files as people write them: what is told of mistakes, and what is built.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::path::Path;

use portcullis_settings::{
    At, Dpop, File, HttpServer, Identity, Issuer, Limits, Listener, Problem, Proofs, Roster,
    Secret, Sidecar, Sink, Sources, StdioServer, schema,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// One of each.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    secrets: BTreeMap<String, Secret>,
    listen: Option<At<Listener>>,
    issuer: Option<At<Issuer>>,
    sidecar: Option<At<Sidecar>>,
    identity: Option<At<Identity>>,
    dpop: Option<Dpop>,
    roster: Option<At<Roster>>,
    limits: Option<At<Limits>>,
    http: Option<At<HttpServer>>,
    stdio: Option<At<StdioServer>>,
    sink: Option<At<Sink>>,
}

fn parse(text: &str) -> Result<File<Config>, String> {
    File::parse("f", text).map_err(|problem| problem.show(Path::new("f")))
}

/// Builds whatever is there.
fn build(text: &str) -> Result<(), Problem> {
    let file = File::<Config>::parse("f", text)?;
    let config = file.config();
    let sources = file.sources(&config.secrets);
    if let Some(it) = &config.listen {
        it.check(&sources).map_err(|problem| problem.at(it))?;
    }
    if let Some(it) = &config.issuer {
        it.build(&sources).map(drop).map_err(|problem| problem.at(it))?;
    }
    if let Some(it) = &config.sidecar {
        it.build(&sources).map(drop).map_err(|problem| problem.at(it))?;
    }
    if let Some(dpop) = config.dpop {
        dpop.build(&Proofs::default()).map(drop)?;
    }
    if let Some(it) = &config.roster {
        it.check(&sources).map_err(|problem| problem.at(it))?;
    }
    if let Some(it) = &config.limits {
        it.rates().map(drop).map_err(|problem| problem.at(it))?;
    }
    if let Some(it) = &config.http {
        let built = it.builder("it", &sources).map_err(|problem| problem.at(it))?;
        built.build().map(drop).map_err(|error| Problem::of(&error).at(it))?;
    }
    #[cfg(unix)]
    if let Some(it) = &config.stdio {
        let built = it.builder("it", &sources).map_err(|problem| problem.at(it))?;
        built.build().map(drop).map_err(|error| Problem::of(&error).at(it))?;
    }
    if let Some(it) = &config.sink {
        it.check(&sources).map_err(|problem| problem.at(it))?;
    }
    if let Some(it) = &config.identity
        && let Identity::Signed(signed) = &**it
    {
        signed.build("https://a", "https://a/b", &sources).map(drop)?;
    }
    Ok(())
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    let rows = [
        ("colour: red", "1:1: unknown field `colour`"),
        ("limits:", "1:1: expected a value; leave the key out for the default"),
        ("limits: { body_bytes: null }", "1:11: expected a value"),
        ("limits: {}\nlimits: {}", "2:1: duplicate mapping key: limits"),
        ("limits: &a {}\nsecrets: { <<: *a }", "2:12: merge keys (<<) are not allowed"),
        ("limits: [a]", "1:9: expected a mapping"),
        ("http: { url: * }", "1:14: write text that starts with * or & in quotes"),
        ("http: { url: *a }", "1:14: write text that starts with * in quotes"),
        ("limits: !!set {}", "1:15: unsupported tag"),
        ("listen: { http: a, tls: b }", "1:20: one key too many"),
        ("listen: { udp: a }", "1:11: unknown variant `udp`"),
        ("listen: { tls: { address: a, certificate: b, key: c, keys: d } }", "1:54: unknown field"),
        ("listen: { unix: { path: a, modes: b } }", "1:28: unknown field"),
        ("issuer: { isuer: a }", "1:11: unknown field"),
        ("issuer: { claims: { groop: a } }", "1:21: unknown field"),
        (
            "issuer: { introspection: { client_id: a, client_secret: b, jwt: true } }",
            "1:60: unknown",
        ),
        ("issuer: { settings: { a: 1 } }", "1:23: "),
        (
            "sidecar: { profile: vouch, issuer: a, trusted_peers: [], authorization_servers: [], x: 1 }",
            "1:85: unknown field",
        ),
        ("sidecar: { profile: other }", "1:21: unknown variant"),
        ("identity: { signed: { key: a, kid: b } }", "1:31: unknown field"),
        ("identity: { headers: { family: remote-user, name: b } }", "1:45: unknown field"),
        ("dpop: yes", "1:7: unknown variant `yes`"),
        ("roster: { mysql: a }", "1:11: unknown variant `mysql`"),
        ("roster: { postgres: { database: a, user: b } }", "1:36: unknown field `user`"),
        ("limits: { bodies: 1 }", "1:11: unknown field"),
        ("limits: { open_streams: 1.5 }", "1:25: expected a whole number"),
        ("http: { url: a, http2: yes }", "1:17: unknown field"),
        (
            "http: { url: a, danger_shared_credential: { header: a, secret: b, c: d } }",
            "1:67: unknown field",
        ),
        ("http: { url: a, http2_prior_knowledge: yes }", "1:40: "),
        ("stdio: { command: a, arguments: [] }", "1:22: unknown field"),
        ("stdio: { command: a, env: { A: [b] } }", "1:32: expected a string"),
        ("sink: { file: { path: a, rotate: 1 } }", "1:26: unknown field"),
        ("sink: { syslog: { host: a, port: 70000 } }", "1:34: expected a port"),
        ("sink: { otlp: { url: a, token: b } }", "1:25: unknown field"),
        ("sink: { postgres: { database: a, user: b } }", "1:34: unknown field"),
        ("secrets: { a: { environment: b } }", "1:17: unknown variant"),
    ];
    let mut wrong = Vec::new();
    for (text, expected) in rows {
        let told = parse(text).map(|file| format!("{:?}", file.config())).unwrap_err();
        let told = told.strip_prefix("f:").unwrap_or(&told);
        if !told.starts_with(expected) || told.contains('\n') {
            wrong.push(format!("{text}: {told}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[cfg(unix)]
#[test]
fn what_cannot_be_built_is_told_with_its_place() {
    let rows = [
        ("listen: { http: \"127.0.0.1:0\" }", None),
        ("listen: { http: nowhere }", Some("f:1:17: not an address with a port")),
        ("listen: { unix: { path: a, mode: \"0999\" } }", Some("f:1:34: the mode is not octal")),
        ("listen: { unix: { path: a, mode: \"7777\" } }", Some("f:1:34: the mode is not octal")),
        (
            "listen: { tls: { address: \"[::]:1\", certificate: none, key: none } }",
            Some("f:1:9: cannot read none"),
        ),
        ("issuer: { profile: okta, issuer: a }", Some("f:1:9: either a `profile` or an `issuer`")),
        ("issuer: { issuer: \"https://a\", settings: { b: c } }", Some("f:1:9: `settings` are")),
        ("issuer: { profile: nobody }", Some("f:1:9: ")),
        ("issuer: { issuer: \"https://a\", jwks_file: none }", Some("f:1:43: cannot read none")),
        (
            "issuer: { issuer: \"https://a\", introspection: { client_id: a, client_secret: b } }",
            Some("f:1:78: the secret \"b\" is not among `secrets`"),
        ),
        (
            "secrets: { b: { env: NOT_SET_ANYWHERE_4711 } }\n\
             http: { url: \"https://a\", danger_shared_credential: { header: a, secret: b } }",
            Some("f:2:74: the secret \"b\": the variable NOT_SET_ANYWHERE_4711 is not set"),
        ),
        ("http: { url: \"http://other.example/mcp\" }", Some("f:1:7: ")),
        ("http: { url: \"http://127.0.0.1:1/mcp\" }", None),
        ("http: { url: \"unix:/run/server.sock:/mcp\" }", None),
        ("dpop: required", None),
        ("roster: { sqlite: none/a }", Some("f:1:9: ")),
        ("stdio: { command: cat }", Some("f:1:8: the program of a command is not")),
        ("stdio: { command: /bin/cat, max_processes: 0 }", Some("f:1:8: a limit of a command")),
        ("stdio: { command: /bin/cat, secret_env: { A: b } }", Some("f:1:46: the secret \"b\"")),
        ("limits: { calls_per_minute: 0 }", Some("f:1:9: ")),
        ("sink: { file: { path: none/a } }", Some("f:1:7: there is no folder for none/a")),
        (
            "sidecar: { profile: vouch, issuer: a, trusted_peers: [10.0.0.0/33], \
             authorization_servers: [] }",
            Some("f:1:55: "),
        ),
        ("identity: { signed: { key: none } }", Some("f:1:28: cannot read none")),
    ];
    let mut wrong = Vec::new();
    for (text, expected) in rows {
        let told = build(text).err().map(|problem| problem.show(Path::new("f")));
        match (&told, expected) {
            (None, None) => {}
            (Some(told), Some(expected)) if told.starts_with(expected) => {}
            _ => wrong.push(format!("{text}: {told:?}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn sources_know_whether_what_they_gave_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("key", "  open-sesame\n");
    write("other", "x");
    write("empty", " \n");
    let text = "secrets: { key: { file: key }, other: { file: other }, empty: { file: empty } }";
    let file = File::<Config>::parse(folder.path().join("f"), text).unwrap();
    let sources = || file.sources(&file.config().secrets);
    let named: BTreeMap<String, At<String>> =
        serde_json::from_str(r#"{ "key": "key", "empty": "empty" }"#).unwrap();
    let before = sources();
    assert_eq!(before.secret(&named["key"]).unwrap(), "open-sesame");
    let empty = before.secret(&named["empty"]).unwrap_err().to_string();
    assert_eq!(empty, "the secret \"empty\" is empty");
    assert_eq!(before.text(Path::new("other")).unwrap(), "x");
    assert!(!format!("{before:?}").contains("sesame"));

    let now = sources();
    assert!(now.are_as(&before));
    write("empty", "nobody asked for this one");
    write("key", "open-sesame");
    assert!(now.are_as(&before), "blanks do not count");
    write("key", "close-sesame");
    assert!(!now.are_as(&before));
    write("key", "open-sesame");
    write("other", "y");
    assert!(!sources().are_as(&before));
    std::fs::remove_file(folder.path().join("other")).unwrap();
    assert!(!sources().are_as(&before));
    write("other", "x");
    let later = sources();
    assert!(later.are_as(&before));
    write("key", "another");
    assert!(!sources().are_as(&later), "what was found the same is remembered");
}

#[test]
fn the_schema_refuses_what_the_reader_refuses() {
    let schema: serde_json::Value = serde_json::from_str(&schema::<Config>()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let rows = [
        ("{}", true),
        (r#"{ "limits": {} }"#, true),
        (r#"{ "limits": null }"#, false),
        (r#"{ "limits": { "body_bytes": null } }"#, false),
        (r#"{ "colour": 1 }"#, false),
        (r#"{ "issuer": { "profile": "okta", "settings": { "a": ["b"], "c": "d" } } }"#, true),
        (r#"{ "issuer": { "profile": "okta", "settings": { "a": 1 } } }"#, false),
        (r#"{ "sink": "tracing" }"#, true),
        (r#"{ "sink": "stderr" }"#, false),
        (r#"{ "sink": { "file": { "path": "a", "rotate": 1 } } }"#, false),
        (r#"{ "listen": { "http": "a", "unix": { "path": "b" } } }"#, false),
    ];
    for (text, good) in rows {
        let value = serde_json::from_str(text).unwrap();
        assert_eq!(validator.is_valid(&value), good, "schema: {text}");
        assert_eq!(parse(text).is_ok(), good, "reader: {text}");
    }
}

#[test]
fn paths_start_at_the_folder_of_the_file() {
    let sources = Sources::new("/etc/gate", BTreeMap::new());
    assert_eq!(sources.path(Path::new("a/b")), Path::new("/etc/gate/a/b"));
    assert_eq!(sources.path(Path::new("/run/b")), Path::new("/run/b"));
}
