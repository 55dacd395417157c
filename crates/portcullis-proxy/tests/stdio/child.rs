//! The command: this very test program, asked to be a server.

use std::collections::BTreeMap;
use std::io::{BufRead, Read, Write};
use std::process::Stdio;
use std::time::Duration;

use portcullis_proxy::{StdioUpstream, StdioUpstreamBuilder};
use serde_json::{Value, json};

/// A command that behaves in this way.
pub fn builder(manner: &str) -> StdioUpstreamBuilder {
    StdioUpstream::builder(std::env::current_exe().unwrap())
        .args(["--exact", "child::child_program", "--nocapture", "--test-threads=1"])
        .env("CHILD", manner)
        .grace(Duration::from_millis(300))
}

/// Not a test: what children run.
#[test]
fn child_program() {
    let Ok(manner) = std::env::var("CHILD") else { return };
    // The test harness has begun a line.
    say("");
    match &*manner {
        "dies" => std::process::exit(3),
        "silent" => {
            // Reads, and says nothing.
            let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
            std::thread::sleep(Duration::from_secs(1000));
        }
        "deaf" => std::thread::sleep(Duration::from_secs(1000)),
        "stubborn" => {
            // Not even the end of its input ends it.
            Server::default().run();
            std::thread::sleep(Duration::from_secs(1000));
        }
        "refuses" => {
            let message: Value = serde_json::from_str(&first_line()).unwrap();
            say(&json!({"jsonrpc": "2.0", "id": message["id"],
                "error": {"code": -32602, "message": "no"}})
            .to_string());
            std::thread::sleep(Duration::from_secs(1000));
        }
        "sessions" => {
            // As servers that know only sessions do.
            let line = first_line();
            if !line.contains("\"initialize\"") {
                std::process::exit(1);
            }
            let mut server = Server::default();
            server.hear(&line);
            server.run();
        }
        "babbles" => {
            for number in 0..5000 {
                say(&format!("not a message {number}"));
            }
            std::thread::sleep(Duration::from_secs(1000));
        }
        "endless" => loop {
            let mut out = std::io::stdout().lock();
            if out.write_all(&[b'x'; 4096]).is_err() {
                std::process::exit(0);
            }
        },
        _ => Server::default().run(),
    }
    std::process::exit(0);
}

fn first_line() -> String {
    std::io::stdin().lock().lines().next().unwrap().unwrap()
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let said = out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush());
    if said.is_err() {
        std::process::exit(0);
    }
}

#[derive(Default)]
struct Server {
    calls: u64,
    cancelled: Vec<Value>,
    /// The call that waits for an answer of the client's, by the id of the server's own request.
    waiting: BTreeMap<String, Value>,
    /// The listening request, if there is one.
    listening: Option<Value>,
    raw: Vec<String>,
}

impl Server {
    fn run(&mut self) {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            self.hear(&line);
        }
    }

    fn hear(&mut self, line: &str) {
        let message: Value = serde_json::from_str(line).unwrap();
        self.raw.push(line.to_owned());
        let id = message.get("id").cloned();
        let params = &message["params"];
        match (message["method"].as_str(), id) {
            (Some("initialize"), Some(id)) => answer(
                &id,
                json!({"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}},
                    "serverInfo": {"name": "child", "version": "1"}}),
            ),
            (Some("server/discover"), Some(id)) => answer(
                &id,
                json!({"resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {},
                    "ttlMs": 0, "cacheScope": "private"}),
            ),
            (Some("subscriptions/listen"), Some(id)) => {
                let meta = json!({"io.modelcontextprotocol/subscriptionId": id});
                say(
                    &json!({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged",
                    "params": {"_meta": meta, "notifications": params["notifications"]}})
                    .to_string(),
                );
                self.listening = Some(id);
            }
            (Some("tools/call"), Some(id)) => self.call(&id, params),
            (Some("no/such"), Some(id)) => {
                say(
                    &json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "?"}})
                        .to_string(),
                );
            }
            (Some("notifications/cancelled"), None) => {
                self.cancelled.push(params["requestId"].clone());
            }
            (Some(_), Some(id)) => answer(&id, json!({})),
            (Some(_), None) => {}
            (None, Some(id)) => {
                if let Some(call) = self.waiting.remove(&id.to_string()) {
                    answer(&call, text(&message["result"].to_string()));
                }
            }
            (None, None) => std::process::exit(9),
        }
    }

    fn call(&mut self, id: &Value, params: &Value) {
        self.calls += 1;
        let arguments = &params["arguments"];
        match params["name"].as_str().unwrap() {
            "count" => answer(id, text(&self.calls.to_string())),
            "pid" => answer(id, text(&std::process::id().to_string())),
            "raw" => answer(id, text(&self.raw.join("\n"))),
            "cancelled" => answer(id, text(&json!(self.cancelled).to_string())),
            "surroundings" => answer(id, text(&surroundings().to_string())),
            "die" => std::process::exit(3),
            "last" => {
                answer(id, text(&"x".repeat(60_000)));
                std::process::exit(0);
            }
            "hang" => {}
            // What comes before the answer.
            "noise" => {
                say("Welcome to this server!");
                say("{\"jsonrpc\":\"2.0\",\"id\":424242,\"result\":{}}");
                let mut out = std::io::stdout().lock();
                out.write_all(b"\xff\xfe\n{\"half\":\n\n").unwrap();
                drop(out);
                answer(id, text("after the noise"));
            }
            "progress" => {
                let token = &params["_meta"]["progressToken"];
                for progress in 0..arguments["times"].as_u64().unwrap() {
                    say(&json!({"jsonrpc": "2.0", "method": "notifications/progress",
                        "params": {"progressToken": token, "progress": progress}})
                    .to_string());
                }
                answer(id, text("done"));
            }
            "log" => {
                say(&json!({"jsonrpc": "2.0", "method": "notifications/message",
                    "params": {"level": "info", "data": "logged"}})
                .to_string());
                answer(id, text("done"));
            }
            "ask" => {
                let own = json!(format!("own-{}", self.calls));
                say(&json!({"jsonrpc": "2.0", "id": own, "method": "roots/list"}).to_string());
                self.waiting.insert(own.to_string(), id.clone());
            }
            "change" => {
                let mut params = json!({});
                if let Some(listening) = &self.listening {
                    params =
                        json!({"_meta": {"io.modelcontextprotocol/subscriptionId": listening}});
                }
                say(&json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed",
                    "params": params})
                .to_string());
                answer(id, text("changed"));
            }
            "stop_listening" => {
                say(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
                    "params": {"requestId": self.listening.take()}})
                .to_string());
                answer(id, text("stopped"));
            }
            "big" => answer(id, text(&"x".repeat(arguments["size"].as_u64().unwrap() as usize))),
            "fork" => {
                // It keeps our standard output open, and nobody waits for it.
                // Only SIGKILL ends it.
                let mut sleeper = std::process::Command::new("/bin/sh");
                let sleeper = sleeper.args(["-c", "trap '' TERM; exec sleep 1000"]);
                let sleeper = sleeper.stdin(Stdio::null()).spawn().unwrap();
                answer(id, text(&sleeper.id().to_string()));
            }
            // A number that no float has, and one with a spelling.
            "number" => say(&format!(
                r#"{{"jsonrpc":"2.0", "id": {id},"result":{{"n":9007199254740993,"m":1.50E+2}}}}"#
            )),
            other => panic!("{other}"),
        }
    }
}

fn answer(id: &Value, result: Value) {
    say(&json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string());
}

fn text(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}

/// What this process has.
fn surroundings() -> Value {
    let env: BTreeMap<_, _> = std::env::vars().collect();
    // One of them reads the folder.
    let files: Vec<_> = std::fs::read_dir("/proc/self/fd")
        .map(|fds| {
            let links = fds.filter_map(|fd| std::fs::read_link(fd.unwrap().path()).ok());
            links.map(|link| link.to_string_lossy().into_owned()).collect()
        })
        .unwrap_or_default();
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    json!({
        "env": env,
        "files": files,
        "limits": limits,
        "directory": std::env::current_dir().unwrap(),
        "args": std::env::args().collect::<Vec<_>>(),
    })
}
