//! Where records go.

use std::sync::Arc;

use portcullis_test::{FakeMcp, Seen, serve};
use rustix::process::Signal;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::ask::{bearer, call, list, send};
use crate::listeners::Authority;
use crate::rig::{FILE, Folder, PATIENCE, Rig};

/// The first request of which this is so.
async fn arrival(collector: &FakeMcp, said: impl Fn(&Seen) -> bool) -> Seen {
    let mut count = 1;
    loop {
        collector.arrived(count).await;
        if let Some(seen) = collector.seen().into_iter().find(&said) {
            return seen;
        }
        count = collector.count() + 1;
    }
}

#[tokio::test]
async fn a_collector_gets_the_records_with_the_secret_that_it_wants() {
    let folder = Folder::new();
    folder.write("secret", "open-sesame");
    let collector = FakeMcp::json("{}");
    let server = serve(collector.clone()).await;
    let url = server.url("/collect");
    let sink = format!("{{ http: {{ url: \"{url}\", bearer_token: collector }} }}");
    let file = FILE.replace("sinks: [", &format!("sinks: [{sink}, "));
    let file = format!("{file}secrets: {{ collector: {{ file: secret }} }}\n");
    let rig = Rig::with(folder, &file).await;
    assert_eq!(send(rig.address, bearer(list(), &rig.token())).await.status(), 200);
    let said = |seen: &Seen| String::from_utf8_lossy(&seen.body).contains("\"decision\":\"allow\"");
    let seen = timeout(PATIENCE, arrival(&collector, said)).await.expect("the record arrives");
    assert_eq!(seen.headers["authorization"], "Bearer open-sesame");
}

/// A syslog server that has a certificate, and tells the first message that holds `text`.
async fn syslog(authority: &Authority, text: &'static str) -> (u16, JoinHandle<String>) {
    let made = authority.certify("127.0.0.1");
    let key = PrivateKeyDer::from_pem_slice(made.signing_key.serialize_pem().as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let told = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap();
        let mut stream = BufReader::new(stream);
        loop {
            // Each message after its length (RFC 5425 section 4.3).
            let mut length = Vec::new();
            stream.read_until(b' ', &mut length).await.unwrap();
            let length = String::from_utf8(length).unwrap().trim().parse().unwrap();
            let mut message = vec![0; length];
            stream.read_exact(&mut message).await.unwrap();
            let message = String::from_utf8(message).unwrap();
            if message.contains(text) {
                return message;
            }
        }
    });
    (port, told)
}

#[tokio::test]
async fn syslog_and_opentelemetry_get_them_as_well() {
    const ALLOWED: &str = "\"decision\":\"allow\"";
    let (authority, folder) = (Authority::new(), Folder::new());
    folder.write("syslog.pem", authority.pem());
    folder.write("secret", "open-sesame");
    let (port, told) = syslog(&authority, ALLOWED).await;
    let collector = FakeMcp::json("{}");
    let server = serve(collector.clone()).await;
    let url = server.url("/v1/logs");
    let sinks = format!(
        "{{ syslog: {{ host: 127.0.0.1, port: {port}, authorities: syslog.pem }} }}, \
         {{ otlp: {{ url: \"{url}\", bearer_token: collector }} }}, "
    );
    let file = FILE.replace("sinks: [", &format!("sinks: [{sinks}"));
    let file = format!("{file}secrets: {{ collector: {{ file: secret }} }}\n");
    let rig = Rig::with(folder, &file).await;
    assert_eq!(send(rig.address, bearer(call("read_note"), &rig.token())).await.status(), 200);

    let message = timeout(PATIENCE, told).await.expect("the record arrives").unwrap();
    assert!(message.starts_with('<') && message.contains(">1 "), "RFC 5424: {message}");
    assert!(message.contains("\"target\"") || message.contains("read_note"), "{message}");
    let said = |seen: &Seen| {
        let body = String::from_utf8_lossy(&seen.body);
        body.contains("read_note") && body.contains("allow")
    };
    let seen = timeout(PATIENCE, arrival(&collector, said)).await.expect("the record arrives");
    assert_eq!(seen.headers["authorization"], "Bearer open-sesame");
    assert_eq!(seen.uri.path(), "/v1/logs");
}

/// With the feature: the calls of a program that ends in order are in its database.
#[cfg(feature = "audit-sqlite")]
#[tokio::test]
async fn a_database_has_them_when_the_program_has_ended() {
    let file = FILE.replace("{ file: { path: audit.jsonl } }", "{ sqlite: audit.db }");
    let mut rig = Rig::with(Folder::new(), &file).await;
    assert_eq!(send(rig.address, bearer(call("read_note"), &rig.token())).await.status(), 200);
    rig.gateway.signal(Signal::TERM);
    assert!(rig.gateway.ended().await.success());
    let bytes = std::fs::read(rig.folder.path("audit.db")).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("read_note") && text.contains("\"decision\":\"allow\""));
}

/// Two servers, one trail: each record of a request says whose it is, by the names of the file, and decisions
/// say where the server is, without what may be a key there.
#[tokio::test]
async fn each_record_names_its_server() {
    let folder = Folder::new();
    let wiki = "  wiki:\n    path: /wiki\n    upstream: { http: { url: \"http://UPSTREAM/k3y/mcp?k3y\" } }\n";
    let mut rig = Rig::with(folder, &format!("{FILE}{wiki}")).await;
    let token = |path: &str| {
        let audience = format!("https://mcp.example.com{path}");
        rig.folder.mint.token().audience(&audience).sign()
    };
    for path in ["/notes", "/wiki"] {
        for (tool, status) in [("read_note", 200), ("purge_notes", 200)] {
            let mut request = bearer(call(tool), &token(path));
            *request.uri_mut() = path.parse().unwrap();
            assert_eq!(send(rig.address, request).await.status(), status, "{path} {tool}");
        }
        let mut nobody = call("read_note");
        *nobody.uri_mut() = path.parse().unwrap();
        assert_eq!(send(rig.address, nobody).await.status(), 401, "{path}");
    }
    let origin = rig.folder.read("gateway.yaml");
    let origin = origin.split("url: \"").nth(1).unwrap().split("/mcp").next().unwrap().to_owned();
    rig.gateway.signal(Signal::TERM);
    rig.gateway.ended().await;

    let trail = rig.folder.read("audit.jsonl");
    assert!(!trail.contains("k3y"), "{trail}");
    let records: Vec<Value> =
        trail.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &'static str| records.iter().filter(move |it| it["record"] == kind);
    for server in ["notes", "wiki"] {
        let decisions: Vec<_> = of("decision").filter(|it| it["server"] == server).collect();
        let verdicts: Vec<_> =
            decisions.iter().map(|it| it["decision"].as_str().unwrap()).collect();
        assert_eq!(verdicts, ["allow", "deny", "challenge"], "{server}");
        for decision in decisions {
            assert_eq!(decision["resource"], format!("https://mcp.example.com/{server}"));
            assert_eq!(decision["upstream"], origin, "{server}");
            let outcome = of("outcome").find(|it| it["event_id"] == decision["event_id"]);
            let outcome = outcome.expect("each decision has its outcome");
            assert_eq!(outcome["server"], server);
            let said = (decision["decision"] == "allow").then_some("kitchen");
            assert_eq!(outcome["unverified_server_name"].as_str(), said, "{server}");
        }
    }
    let nameless = records.iter().filter(|it| it.get("server").is_none());
    for record in nameless {
        let kind = record["record"].as_str().unwrap();
        assert!(matches!(kind, "chain" | "checkpoint" | "event"), "{record}");
    }
}
