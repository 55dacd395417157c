//! The gate on standard input and output: a real client starts a real server, and odd lines.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use portcullis::forwarded::Environment;
use portcullis::stdio::{NamedLayer, StdioGate};
use portcullis::testing::Authority;
use portcullis::{JsonLines, Policy, Principal, Verifier};
use portcullis_test::{Answer, DropProbe, FakeMcp};
use rmcp::model::{CallToolRequestParams, ClientConfig, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt as _, ServiceError};
use rmcp::transport::TokioChildProcess;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines};

const RESOURCE: &str = "https://mcp.example.com/mcp";
const POLICY: &str = "
roles:
  reader: { groups: [staff] }
rules:
  - id: staff-read
    roles: [reader]
    allow: { tools: [read_note] }
";

/// The program that Cargo built beside this test.
fn program() -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    path.join("examples").join("stdio_server")
}

fn records(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_client_starts_a_server_that_knows_its_caller() {
    let modern =
        ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] };
    for (era, lifecycle) in [("legacy", ClientLifecycleMode::Initialize), ("modern", modern)] {
        let directory = tempfile::tempdir().unwrap();
        let trail = directory.path().join("audit.jsonl");
        let mut command = tokio::process::Command::new(program());
        command
            .arg(&trail)
            .env("MCP_USER_EMAIL", "rita@example.com")
            .env("MCP_USER_GROUPS", "staff,site ops");
        let transport = TokioChildProcess::new(command).unwrap();
        let mut config = ClientConfig::default();
        if era == "legacy" {
            config.protocol_version = ProtocolVersion::V_2025_11_25;
        }
        let session = config.serve_with_lifecycle(transport, lifecycle).await.unwrap();

        let tools = session.list_all_tools().await.unwrap();
        let mut tools: Vec<_> = tools.iter().map(|tool| tool.name.to_string()).collect();
        tools.sort();
        assert_eq!(tools, ["list_notes", "read_note"], "{era}");

        let arguments = json!({"title": "welcome"}).as_object().unwrap().clone();
        let call = CallToolRequestParams::new("read_note").with_arguments(arguments);
        let result = session.call_tool(call).await.unwrap();
        let text = &result.content[0].as_text().unwrap().text;
        assert!(text.starts_with("Tools, prompts"), "{era}: {text}");

        let hidden = session.call_tool(CallToolRequestParams::new("purge_notes")).await;
        let Err(ServiceError::McpError(error)) = hidden else { panic!("{era}: {hidden:?}") };
        assert_eq!(error.message, "Unknown tool: purge_notes", "{era}");
        session.cancel().await.unwrap();

        let records = records(&trail);
        let decided = |target: &str| {
            let of = |record: &&Value| record.to_string().contains(&format!("\"{target}\""));
            records.iter().find(of).unwrap_or_else(|| panic!("{era}: {target} in {records:#?}"))
        };
        for target in ["read_note", "purge_notes"] {
            let record = decided(target).to_string();
            assert!(record.contains("rita@example.com"), "{era}: {record}");
            assert!(record.contains("urn:example:laptops"), "{era}: {record}");
        }
        assert!(decided("read_note").to_string().contains("staff-read"), "{era}");
    }
}

#[test]
fn a_server_that_nobody_vouches_for_does_not_start() {
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(program())
        .arg(directory.path().join("audit.jsonl"))
        .env_remove("MCP_USER_EMAIL")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert_eq!(output.stdout, b"");
    assert!(String::from_utf8_lossy(&output.stderr).contains("MCP_USER_EMAIL"), "{output:?}");
}

#[test]
fn what_is_piped_in_is_answered_before_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = Command::new(program())
        .arg(directory.path().join("audit.jsonl"))
        .env("MCP_USER_EMAIL", "rita@example.com")
        .env("MCP_USER_GROUPS", "staff")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    use std::io::Write as _;
    let list = message(1, "tools/list", json!({}));
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{list}").unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["result"]["tools"].as_array().unwrap().len(), 2, "{answer}");
}

/// A message of the revision that needs no session.
fn message(id: u32, method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

fn read_note(id: u32) -> String {
    message(id, "tools/call", json!({"name": "read_note", "arguments": {}})).to_string()
}

/// The client's end of a gate that serves on a pipe.
struct Client {
    lines: Lines<BufReader<tokio::io::ReadHalf<DuplexStream>>>,
    writer: tokio::io::WriteHalf<DuplexStream>,
}

impl Client {
    fn new(stream: DuplexStream) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self { lines: BufReader::new(reader).lines(), writer }
    }

    async fn send(&mut self, line: &str) {
        self.writer.write_all(line.as_bytes()).await.unwrap();
        self.writer.write_all(b"\n").await.unwrap();
    }

    async fn receive(&mut self) -> Value {
        let line = self.lines.next_line().await.unwrap().expect("a line");
        serde_json::from_str(&line).unwrap()
    }

    async fn ask(&mut self, line: &str) -> Value {
        self.send(line).await;
        self.receive().await
    }
}

fn result(id: u32) -> Answer {
    let result =
        json!({"jsonrpc": "2.0", "id": id, "result": {"content": [], "resultType": "complete"}});
    Answer::json(result.to_string())
}

fn rita() -> Principal {
    let vars = [("MCP_USER_EMAIL", "rita@example.com"), ("MCP_USER_GROUPS", "staff")];
    let vars = vars.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Environment::principal("urn:example:laptops", vars).unwrap()
}

/// Serves `upstream` to rita, on a pipe.
fn start(upstream: FakeMcp) -> Client {
    let gate = StdioGate::named(rita())
        .policy(Policy::from_yaml(POLICY).unwrap())
        .danger_no_audit()
        .build()
        .unwrap();
    serve(gate, upstream)
}

fn serve(gate: StdioGate<Policy, NamedLayer>, upstream: FakeMcp) -> Client {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move {
        let (reader, writer) = tokio::io::split(theirs);
        gate.serve_on(upstream, reader, writer).await.unwrap();
    });
    Client::new(ours)
}

#[tokio::test]
async fn odd_lines_are_answered_or_ignored_and_never_executed() {
    let upstream = FakeMcp::new();
    let mut client = start(upstream.clone());
    let duplicate =
        read_note(2).replace(r#""name":"read_note""#, r#""name":"x","name":"read_note""#);
    let unsigned = message(3, "tools/call", json!({"name": "purge_notes"})).to_string();
    let unknown = message(4, "tools/destroy", json!({})).to_string();
    for (name, line, code) in [
        ("no JSON", "{", -32700),
        ("a duplicate member", &*duplicate, -32700),
        ("a hidden tool", &*unsigned, -32602),
        ("an unknown method", &*unknown, -32601),
        ("a batch where there are none", "[]", -32600),
    ] {
        let answer = client.ask(line).await;
        let got = &answer["error"]["code"];
        assert!(got.is_number(), "{name}: {answer}");
        if name != "a duplicate member" {
            assert_eq!(got, code, "{name}: {answer}");
        }
    }
    // A line that is too long is dropped, and the next one is read whole.
    let long = format!("{{\"x\":\"{}\"}}", "x".repeat(5 * 1024 * 1024));
    let answer = client.ask(&long).await;
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&Value::Null, &json!(-32600)));
    assert_eq!(upstream.count(), 0, "nothing reached the server");

    upstream.push(result(9));
    assert!(client.ask(&read_note(9)).await["result"].is_object());
}

#[tokio::test]
async fn pretty_printed_and_streamed_answers_are_one_line_each() {
    let upstream = FakeMcp::new();
    let pretty = "{\n  \"jsonrpc\": \"2.0\",\r\n  \"id\": 1,\n  \"result\": {\"content\": []}\n}\n";
    upstream.push(Answer::json(pretty));
    let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#;
    let done = r#"{"jsonrpc":"2.0","id":2,"result":{"content":[]}}"#;
    upstream
        .push(Answer::sse([format!(": hi\n\ndata: {progress}\n\n"), format!("data: {done}\n\n")]));
    // A stream that ends without the answer.
    upstream.push(Answer::sse([format!("data: {progress}\n\n")]));
    let mut client = start(upstream);
    assert_eq!(client.ask(&read_note(1)).await["id"], 1);
    assert_eq!(client.ask(&read_note(2)).await["method"], "notifications/progress");
    assert_eq!(client.receive().await["id"], 2);
    assert_eq!(client.ask(&read_note(3)).await["method"], "notifications/progress");
    let broken = client.receive().await;
    assert_eq!((&broken["id"], &broken["error"]["code"]), (&json!(3), &json!(-32603)));
}

/// Clients that read lines with `readline` of Node.js end them at U+2028 and U+2029 too.
#[tokio::test]
async fn a_line_is_one_line_to_every_client() {
    let upstream = FakeMcp::new();
    let text = "\u{2028}{}\u{2029}\u{85}";
    let content = json!([{"type": "text", "text": text}]);
    let result = json!({"jsonrpc": "2.0", "id": 1, "result": {"content": content}}).to_string();
    upstream.push(Answer::json(result.clone()));
    upstream.push(Answer::sse([format!("data: {result}\n\n")]));
    let mut client = start(upstream);
    for _ in 0..2 {
        client.send(&read_note(1)).await;
        let line = client.lines.next_line().await.unwrap().unwrap();
        assert!(line.contains(r#""\u2028{}\u2029\u0085""#), "{line}");
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["result"]["content"], content);
    }
}

#[tokio::test]
async fn cancelling_drops_the_request() {
    let probe = DropProbe::new();
    let upstream = FakeMcp::new();
    upstream.push(Answer::sse(["\n"]).never_ending().probed(&probe));
    upstream.push(result(2));
    let mut client = start(upstream.clone());
    client.send(&read_note(1)).await;
    // The second answer shows that the first request is under way, not in the way.
    while upstream.count() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(client.ask(&read_note(2)).await["result"].is_object());
    assert!(!probe.is_dropped());
    let cancel =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    client.send(&cancel.to_string()).await;
    while !probe.is_dropped() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_token_is_verified_for_every_message() {
    let directory = tempfile::tempdir().unwrap();
    let trail = directory.path().join("audit.jsonl");
    let authority = Authority::in_process();
    let verifier = Verifier::builder(RESOURCE).issuer(authority.issuer()).build().unwrap();
    let token = authority.token(RESOURCE).subject("rita").group("staff").sign();
    let gate = StdioGate::token(verifier.clone(), &token)
        .policy(Policy::from_yaml(POLICY).unwrap())
        .audit(JsonLines::open(&trail).unwrap())
        .build()
        .unwrap();
    let upstream = FakeMcp::new();
    upstream.push(result(1));
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let server = {
        let upstream = upstream.clone();
        tokio::spawn(async move {
            let (reader, writer) = tokio::io::split(theirs);
            gate.serve_on(upstream, reader, writer).await.unwrap();
        })
    };
    let mut client = Client::new(ours);
    assert!(client.ask(&read_note(1)).await["result"].is_object());
    assert!(!format!("{:?}", upstream.last().headers).contains(&token), "the token stays outside");

    assert!(verifier.remove_issuer(authority.name()));
    let refused = client.ask(&read_note(2)).await;
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(2), &json!(-31401)));
    assert_eq!(upstream.count(), 1);
    drop(client);
    server.await.unwrap();
    let records = records(&trail);
    assert!(records.iter().any(|r| r.to_string().contains("rita")), "{records:#?}");
    assert!(!records.iter().any(|r| r.to_string().contains(&token)));
}

#[cfg(all(feature = "roster", feature = "telemetry"))]
#[tokio::test]
async fn a_caller_is_counted_watched_and_blocked() {
    use portcullis::audit::MemorySink;
    use portcullis::roster::{Block, MemoryStore, PersonId, Roster};
    use portcullis::telemetry::Telemetry;

    let roster = Roster::builder(MemoryStore::new()).build().unwrap();
    let (telemetry, records) = (Telemetry::new(), MemorySink::new());
    let gate = StdioGate::named(rita())
        .policy(Policy::from_yaml(POLICY).unwrap())
        .resource("stdio:notes")
        .audit(records.clone())
        .roster(roster.clone())
        .build()
        .unwrap()
        .watched_by(&telemetry, "notes");
    let upstream = FakeMcp::new();
    upstream.push(result(1));
    let mut client = serve(gate, upstream.clone());
    assert!(client.ask(&read_note(1)).await["result"].is_object());
    let id = PersonId::new("urn:example:laptops", "rita@example.com");
    let rita = roster.person(id.clone()).await.unwrap().unwrap();
    assert_eq!((rita.requests, rita.servers), (1, vec!["stdio:notes".to_owned()]));

    roster.block(Block::new(id.clone(), std::time::Duration::ZERO).by("carol")).await.unwrap();
    let refused = client.ask(&read_note(2)).await;
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(2), &json!(-31403)));
    assert_eq!(upstream.count(), 1);
    roster.unblock(id).await.unwrap();
    let hidden = message(3, "tools/call", json!({"name": "purge_notes", "arguments": {}}));
    assert_eq!(client.ask(&hidden.to_string()).await["error"]["code"], -32602);

    let numbers = telemetry.metrics_text();
    for part in [
        r#"portcullis_requests_total{route="notes",outcome="ok",status="200"} 1"#,
        r#"portcullis_requests_total{route="notes",outcome="denied",status="403"} 1"#,
        r#"portcullis_tool_calls_total{route="notes",tool="read_note",decision="allow"} 1"#,
        r#"portcullis_roster_blocked{route="notes"} 0"#,
        r#"portcullis_audit_queue_capacity{route="notes",sink="0"}"#,
    ] {
        assert!(numbers.contains(part), "{part}\n{numbers}");
    }
    // Records are written by a thread of their own.
    for part in [r#""reason":"blocked""#, r#""event":"person.blocked""#, "by carol"] {
        let written = async {
            while !records.lines().iter().any(|line| line.contains(part)) {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        let limit = std::time::Duration::from_secs(20);
        let written = tokio::time::timeout(limit, written).await;
        assert!(written.is_ok(), "{part}: {:#?}", records.lines());
    }
}

/// Its answer may depend on what the client says next.
#[tokio::test]
async fn a_batch_is_not_in_the_way() {
    let upstream = FakeMcp::new();
    let version = json!({"protocolVersion": "2025-03-26", "capabilities": {},
        "serverInfo": {"name": "s", "version": "1"}});
    let opened = json!({"jsonrpc": "2.0", "id": 0, "result": version}).to_string();
    upstream.push(Answer::json(opened).header("mcp-session-id", "one"));
    upstream.push(Answer::hang());
    upstream.push(Answer::json(json!({"jsonrpc": "2.0", "id": 2, "result": {}}).to_string()));
    let mut client = start(upstream.clone());
    let opening = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-03-26", "capabilities": {},
        "clientInfo": {"name": "c", "version": "1"}}});
    assert!(client.ask(&opening.to_string()).await["result"].is_object());
    client.send(r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#).await;
    while upstream.count() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(client.ask(r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#).await["id"], 2);
}
