//! The corpus of attacks: nothing passes that policy did not allow, and what passes means the same to
//! every reader. `tests/peers` sends it to real servers.

use std::collections::BTreeSet;
use std::time::Duration;

use portcullis::audit::MemorySink;
use portcullis::{Issuer, JwkSet, Policy, Portcullis};
use portcullis_test::Mint;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tower::Layer as _;

use crate::corpus::{self, Attack};
use crate::readers::{self, Call};
use crate::support::{Answer, ISSUER, RESOURCE, Seen, Upstream, serve};

const HOST: &str = "mcp.example.com";
const POLICY: &str = include_str!("../corpus/policy.yaml");

/// What `tests/peers` has: a tool that declares headers, and an empty result for all else.
fn answer(seen: &Seen) -> Answer {
    let message: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
    let Some(id) = message.get("id") else { return Answer::status(202) };
    let declared = json!({
        "region": { "type": "string", "x-mcp-header": "Region" },
        "count": { "type": "integer", "x-mcp-header": "Count" },
        "flag": { "type": "boolean", "x-mcp-header": "Flag" },
    });
    let schema = json!({ "type": "object", "properties": declared });
    let result = match message["method"].as_str() {
        Some("tools/list") => json!({
            "resultType": "complete",
            "tools": [{ "name": "allowed_near", "inputSchema": schema }],
        }),
        _ => json!({}),
    };
    Answer::json(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#))
}

/// What came back, which is nothing when the connection broke.
async fn send(addr: std::net::SocketAddr, attack: &Attack, token: &str, agent: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.set_nodelay(true).unwrap();
    // A server that has seen enough closes before everything is written.
    let _ = stream.write_all(&attack.wire(HOST, token, agent)).await;
    if attack.cut {
        let _ = stream.shutdown().await;
    }
    let mut answer = Vec::new();
    let all = stream.read_to_end(&mut answer);
    let ended = tokio::time::timeout(Duration::from_secs(20), all).await;
    assert!(ended.is_ok(), "{}: still waiting after {:?}", attack.name, text(&answer));
    answer
}

fn holds(seen: &Seen, token: &str) -> bool {
    let mut parts = seen.headers.values().map(http::HeaderValue::as_bytes).chain([&seen.body[..]]);
    parts.any(|part| text(part).contains(token))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The calls that the records say were allowed.
fn allowed(records: &MemorySink, from: usize, agent: &str) -> Vec<Call> {
    let lines = records.lines();
    let decisions = lines[from..].iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let decisions = decisions.filter(|record| {
        record["unverified_user_agent"] == agent
            && record["decision"] == "allow"
            && record.get("target").is_some()
    });
    let call = |record: Value| Call {
        method: record["method"].as_str().unwrap().to_owned(),
        target: record["target"].as_str().unwrap().to_owned(),
        keys: strings(&record["argument_keys"]),
    };
    decisions.map(call).collect()
}

fn strings(list: &Value) -> BTreeSet<String> {
    let items = list.as_array().into_iter().flatten();
    items.map(|item| item.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn nothing_passes_that_policy_refuses() {
    let mint = Mint::es256(ISSUER);
    let records = MemorySink::new();
    let gate = Portcullis::builder()
        .policy(Policy::from_yaml(POLICY).unwrap())
        .issuer(Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap()))
        .resource(RESOURCE)
        .scope("mcp:read")
        .audit(records.clone())
        .build()
        .unwrap();
    let upstream = Upstream::new(answer);
    let addr = serve(gate.layer(upstream.clone())).await;
    let token = mint.token().claim("groups", json!(["staff"])).scope("mcp:read").sign();

    let attacks = corpus::attacks();
    assert!(attacks.len() >= 1_000, "only {} attacks", attacks.len());
    let (mut passed, mut wrong) = (0, Vec::new());
    for (number, attack) in attacks.iter().enumerate() {
        let agent = format!("attack-{number}");
        let before = (upstream.count(), records.lines().len());
        let answer = send(addr, attack, &token, &agent).await;
        let head = text(&answer).split("\r\n\r\n").next().unwrap_or_default().to_lowercase();
        if head.contains("x-injected") {
            wrong.push(format!("{}: a header out of nowhere: {head}", attack.name));
        }

        let seen = upstream.seen.lock().unwrap()[before.0..].to_vec();
        if seen.iter().any(|seen| holds(seen, &token)) {
            wrong.push(format!("{}: the token went on (X-187)", attack.name));
        }
        let bodies = || seen.iter().map(|seen| &seen.body).filter(|body| !body.is_empty());
        if bodies().next().is_some() {
            // Only those of tools are written before anything is forwarded.
            while !records.lines()[before.1..].iter().any(|line| line.contains(&agent)) {
                records.next().await;
            }
        }
        let allowed = allowed(&records, before.1, &agent);
        let names: Vec<_> =
            allowed.iter().map(|call| format!("{} {}", call.method, call.target)).collect();
        for reader in [readers::serde, readers::first_wins, readers::go] {
            let read: Option<Vec<_>> = bodies().map(|body| reader(body)).collect();
            let read = read.map(|calls| calls.concat());
            if read.as_ref().is_some_and(|read| *read != allowed) {
                wrong.push(format!("{}: {allowed:?} is read as {read:?}", attack.name));
            }
        }
        if names != attack.expect || (attack.runs && bodies().next().is_none()) {
            let answer = text(&answer);
            let said: String =
                answer.split("\r\n\r\n").map(|part| part.get(..300).unwrap_or(part)).collect();
            wrong.push(format!("{}: {names:?}, not {:?}: {said}", attack.name, attack.expect));
        }
        if let (Some(keys), Some(call)) = (&attack.keys, allowed.first())
            && !keys.iter().eq(&call.keys)
        {
            wrong.push(format!("{}: {:?}, not {keys:?}", attack.name, call.keys));
        }
        passed += names.len();
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), attacks.len(), wrong.join("\n\n"));
    assert!(passed >= 100, "only {passed} calls passed: this says little");
}
