//! Where records go.

use portcullis_test::{FakeMcp, serve};
use rustix::process::Signal;
use serde_json::Value;
use tokio::time::timeout;

use crate::ask::{bearer, call, list, send};
use crate::rig::{FILE, Folder, PATIENCE, Rig};

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
    let got = async {
        let said = |seen: &portcullis_test::Seen| {
            String::from_utf8_lossy(&seen.body).contains("\"decision\":\"allow\"")
        };
        let mut count = 1;
        loop {
            collector.arrived(count).await;
            if let Some(seen) = collector.seen().into_iter().find(said) {
                return seen;
            }
            count = collector.count() + 1;
        }
    };
    let seen = timeout(PATIENCE, got).await.expect("the record arrives");
    assert_eq!(seen.headers["authorization"], "Bearer open-sesame");
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
