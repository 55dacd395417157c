//! The examples as a person runs them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests"
)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

/// The program that Cargo built beside this test.
fn program(name: &str) -> Command {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    let mut command = Command::new(path.join("examples").join(name));
    command.env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

fn run(name: &str, arguments: &[&str]) -> (bool, String, String) {
    let output = program(name).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[test]
fn quickstart_tells_its_story() {
    let (success, out, err) = run("quickstart", &[]);
    assert!(success, "{out}\n{err}");
    let story = [
        "401 Unauthorized",
        "resource_metadata=",
        "signed in",
        "purge_notes",
        "read_note → Tools, prompts and resources are yours to guard.",
        "purge_notes → Unknown tool: purge_notes",
        "add_note → 403 Forbidden",
        "insufficient_scope",
        "add_note → added \"lunch\" by rita",
    ];
    let mut rest = out.as_str();
    for line in story {
        let Some(at) = rest.find(line) else {
            panic!("{line:?} is not there, or too early:\n{out}")
        };
        rest = &rest[at + line.len()..];
    }
    for decision in ["staff-read", "default_deny", "insufficient_scope", "no_token"] {
        assert!(rest.contains(decision), "the table shows {decision}:\n{out}");
    }
    assert!(!out.contains("Soup today."), "no argument value");
}

#[test]
fn quickstart_says_what_is_wrong_in_one_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let directory = tempfile::tempdir().unwrap();
    let policy = directory.path().join("policy.yaml");
    std::fs::write(&policy, "roles: {}\nrulez: []\n").unwrap();
    let policy = policy.to_str().unwrap();
    let rows: [(&[&str], &str); 6] = [
        (&["--port", &port], "cannot listen on port"),
        (&["--prot", "1"], "\"--prot\" is not an option"),
        (&["--port", "a"], "\"a\" is not a port"),
        (&["--port"], "--port needs a value"),
        (&["--policy", policy], "rulez"),
        (&["--policy", "/does/not/exist.yaml"], "/does/not/exist.yaml"),
    ];
    for (arguments, expected) in rows {
        let (success, _, err) = run("quickstart", arguments);
        assert!(!success, "{arguments:?}");
        assert_eq!(err.lines().count(), 1, "{arguments:?}: {err}");
        assert!(err.contains(expected), "{arguments:?}: {err}");
    }
}

/// A server that is stopped when the test ends.
struct Server {
    child: Child,
    lines: Box<dyn Iterator<Item = String>>,
}

impl Server {
    fn start(name: &str, arguments: &[&str]) -> Self {
        let mut child = program(name).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        Self { child, lines: Box::new(lines) }
    }

    fn line(&mut self, start: &str) -> String {
        let line = self.lines.find_map(|line| line.trim().strip_prefix(start).map(str::to_owned));
        line.unwrap_or_else(|| panic!("no line starts with {start:?}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn list(url: &str, token: Option<&str>) -> (u16, String) {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;
    let mut request = reqwest::Client::new()
        .post(url)
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/list")
        .body(body);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[cfg(feature = "telemetry")]
#[tokio::test]
async fn a_gate_with_eyes_on_it_tells_what_it_sees() {
    let mut server = Server::start("observed", &[]);
    let health = server.line("health checks on ");
    let url = server.line("listening on ");
    let token = server.line("rita's token: ");
    assert_eq!(list(&url, None).await.0, 401);
    assert_eq!(list(&url, Some(&token)).await.0, 200);
    let look = async |path: &str| {
        let response = reqwest::get(format!("{health}{path}")).await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    assert_eq!(look("/live").await, (200, "live\n".to_owned()));
    let (status, body) = look("/ready").await;
    assert_eq!(status, 200, "{body}");
    let (_, metrics) = look("/metrics").await;
    for line in [
        r#"portcullis_requests_total{route="notes",outcome="ok",status="200"} 1"#,
        r#"portcullis_requests_total{route="notes",outcome="unauthenticated",status="401"} 1"#,
        r#"portcullis_decisions_total{route="notes",method="tools/list",decision="allow",reason="none"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}

#[tokio::test]
async fn servers_are_gated_and_serve() {
    for name in ["rmcp_server", "axum_router", "by_hand", "own_policy"] {
        let mut server = Server::start(name, &[]);
        let url = server.line("listening on ");
        let token = server.line("rita's token: ");

        assert_eq!(list(&url, None).await.0, 401, "{name}");
        let (status, body) = list(&url, Some(&token)).await;
        assert_eq!(status, 200, "{name}: {body}");
        assert!(body.contains("read_note"), "{name}: {body}");
        assert!(!body.contains("purge_notes"), "{name}: {body}");

        if name == "axum_router" {
            let root = url.replace("/tools/mcp", "/");
            assert_eq!(reqwest::get(root).await.unwrap().status(), 200, "the open page stays open");
            let metadata = url.replace("/tools", "/.well-known/oauth-protected-resource/tools");
            assert_eq!(reqwest::get(metadata).await.unwrap().status(), 200);
        }
    }
}

/// The commands that `--serve` prints do what they say.
#[test]
fn serve_prints_commands_that_work() {
    let port = free_port();
    let mut server = Server::start("quickstart", &["--serve", "--port", &port.to_string()]);
    server.line("rita, of the group staff");
    let mut command = String::new();
    for line in server.lines.by_ref() {
        let more = line.ends_with('\\');
        command.push_str(&line);
        command.push('\n');
        if !more {
            break;
        }
    }
    let mut curl =
        Command::new("sh").args(["-c", &command]).stdout(Stdio::piped()).spawn().unwrap();
    let mut answer = String::new();
    curl.stdout.take().unwrap().read_to_string(&mut answer).unwrap();
    assert!(curl.wait().unwrap().success(), "curl is not installed, or failed: {command}");
    assert!(
        answer.contains("list_notes") && !answer.contains("purge_notes"),
        "{command}\n{answer}"
    );
    let record = server.line("");
    drop(record);
}

/// A port that is free together with the next one.
fn free_port() -> u16 {
    loop {
        let first = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        if port < u16::MAX && std::net::TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return port;
        }
    }
}
