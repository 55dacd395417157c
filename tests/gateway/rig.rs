//! The program, with a file of its own and a server behind it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use portcullis_test::{Answer, FakeMcp, Mint, Seen, Server, serve};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

/// Longer than anything takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);
pub const ISSUER: &str = "https://auth.example.com";
pub const RESOURCE: &str = "https://mcp.example.com/notes";

pub const FILE: &str = r#"public_url: https://mcp.example.com
listen:
  - http: 127.0.0.1:0
authentication:
  tokens:
    issuers:
      - { issuer: "https://auth.example.com", jwks_file: jwks.json }
policy: policy.yaml
audit: { sinks: [{ file: { path: audit.jsonl } }] }
grace_seconds: 20
servers:
  notes:
    path: /notes
    upstream: { http: { url: "http://UPSTREAM/mcp" } }
"#;

pub const POLICY: &str = "rules:
  - { id: read, everyone: true, allow: { tools: [read_note] } }
";

/// A folder with everything that a file may name.
pub struct Folder {
    pub root: TempDir,
    pub mint: Mint,
}

impl Folder {
    pub fn new() -> Self {
        let folder = Self { root: tempfile::tempdir().unwrap(), mint: Mint::es256(ISSUER) };
        folder.write("jwks.json", &folder.mint.jwks());
        folder.write("policy.yaml", POLICY);
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Puts a file in place as a whole.
    pub fn write(&self, name: &str, text: &str) {
        let beside = self.path("beside");
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(beside, self.path(name)).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }
}

/// The example that Cargo built beside this test.
pub fn program() -> Command {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    let mut command = Command::new(path.join("examples/gateway"));
    command.env("NO_COLOR", "1").env_remove("RUST_LOG").stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// A gateway that runs.
pub struct Gateway {
    child: Child,
    pub out: Lines,
    pub log: Lines,
}

impl Gateway {
    /// Starts it with this file; it listens when this returns, or what it said in place of that.
    pub async fn try_start(file: &Path) -> Result<Self, String> {
        let mut child = program()
            .arg("--config")
            .arg(file)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = Lines::of(child.stdout.take().unwrap());
        let log = Lines::of(child.stderr.take().unwrap());
        let gateway = Self { child, out, log };
        match gateway.out.find("listening on ").await {
            Some(_) => Ok(gateway),
            None => Err(gateway.log.all().await),
        }
    }

    pub async fn start(file: &Path) -> Self {
        Self::try_start(file).await.unwrap_or_else(|log| panic!("it did not start: {log}"))
    }

    /// Where it listens, if that is a port.
    pub async fn address(&self) -> SocketAddr {
        let line = self.out.find("listening on http").await.unwrap();
        line.rsplit('/').next().unwrap().parse().unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        let id = self.child.id().expect("it runs");
        kill_process(Pid::from_raw(id.try_into().unwrap()).unwrap(), signal).unwrap();
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self) -> ExitStatus {
        timeout(PATIENCE, self.child.wait()).await.expect("it ends").unwrap()
    }
}

/// What a program prints, line by line.
pub struct Lines(watch::Receiver<Vec<String>>);

impl Lines {
    fn of(stream: impl AsyncRead + Send + Unpin + 'static) -> Self {
        let (sender, receiver) = watch::channel(Vec::new());
        tokio::spawn(async move {
            let mut lines = BufReader::new(stream).lines();
            while let Some(line) = lines.next_line().await.unwrap() {
                sender.send_modify(|all| all.push(line));
            }
        });
        Self(receiver)
    }

    /// The first line that holds `text`, as soon as there is one; `None` if there will be none.
    pub async fn find(&self, text: &str) -> Option<String> {
        self.find_nth(text, 1).await
    }

    pub async fn find_nth(&self, text: &str, nth: usize) -> Option<String> {
        let found =
            |all: &Vec<String>| all.iter().filter(|line| line.contains(text)).nth(nth - 1).cloned();
        let mut lines = self.0.clone();
        let waited = timeout(PATIENCE, lines.wait_for(|all| found(all).is_some())).await;
        match waited.unwrap_or_else(|_| panic!("no {text:?} in {:#?}", self.0.borrow())) {
            Ok(all) => found(&all),
            Err(_) => None,
        }
    }

    /// What has come by now.
    pub fn so_far(&self) -> String {
        self.0.borrow().join("\n")
    }

    /// Everything, after the end.
    pub async fn all(&self) -> String {
        let mut lines = self.0.clone();
        let ended = async { while lines.changed().await.is_ok() {} };
        timeout(PATIENCE, ended).await.expect("it ends");
        self.0.borrow().join("\n")
    }
}

/// A gateway before a server that answers as told.
pub struct Rig {
    pub folder: Folder,
    pub gateway: Gateway,
    pub address: SocketAddr,
    pub upstream: FakeMcp,
    _server: Server,
}

impl Rig {
    pub async fn new() -> Self {
        Self::with(Folder::new(), FILE).await
    }

    pub async fn with(folder: Folder, file: &str) -> Self {
        let upstream = FakeMcp::answering(answer);
        let server = serve(upstream.clone()).await;
        folder.write("gateway.yaml", &file.replace("UPSTREAM", &server.addr().to_string()));
        let gateway = Gateway::start(&folder.path("gateway.yaml")).await;
        let address = gateway.address().await;
        Self { folder, gateway, address, upstream, _server: server }
    }

    /// Changes the file.
    pub fn rewrite(&self, from: &str, to: &str) {
        let old = self.folder.read("gateway.yaml");
        assert!(old.contains(from), "{from} is not in {old}");
        self.folder.write("gateway.yaml", &old.replace(from, to));
    }

    /// Asks for the changed file to be read again, and waits until it is in force.
    pub async fn reload(&self) {
        self.reload_to("the file is in force", 1).await;
    }

    /// The same, until the log has said so for the `nth` time. The gateway may have seen the change by itself before.
    pub async fn reload_to(&self, said: &str, nth: usize) {
        self.gateway.signal(Signal::HUP);
        self.gateway.log.find_nth(said, nth).await.unwrap();
    }

    /// Somebody's token.
    pub fn token(&self) -> String {
        self.folder.mint.token().audience(RESOURCE).sign()
    }
}

/// A server with two tools.
pub fn answer(seen: &Seen) -> Answer {
    let asked = seen.json();
    let result = match asked["method"].as_str() {
        Some("tools/list") => {
            let tool = |name| json!({ "name": name, "inputSchema": { "type": "object" } });
            json!({ "resultType": "complete", "ttlMs": 0, "cacheScope": "private",
                "tools": [tool("read_note"), tool("purge_notes")] })
        }
        Some("tools/call") => json!({ "resultType": "complete",
            "content": [{ "type": "text", "text": "Soup today." }],
            "_meta": { "io.modelcontextprotocol/serverInfo": { "name": "kitchen", "version": "3" } } }),
        Some("subscriptions/listen") => {
            let id = json!({ "io.modelcontextprotocol/subscriptionId": asked["id"] });
            let message = json!({ "jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged",
                "params": { "_meta": id, "notifications": { "toolsListChanged": true } } });
            return Answer::sse([format!("data: {message}\n\n")]).never_ending();
        }
        _ => return Answer::accepted(),
    };
    Answer::json(json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result }).to_string())
}
