//! What a request is judged by: the first thing that is wrong with it, and nothing that came before it
//! on its connection or in its session.

use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Answer, Ask, Rig, Seen, Upstream, modern_body};

const TOOLS: [&str; 3] = ["get_weather", "delete_user", "ping_tool"];

/// Begins sessions, lists tools, and does whatever it is told.
fn server(seen: &Seen) -> Answer {
    let message: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
    let Some(id) = message.get("id") else { return Answer::status(202) };
    let result = match message["method"].as_str() {
        Some("initialize") => json!({
            "protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "s", "version": "1"},
        }),
        Some("tools/list") => json!({"tools": TOOLS.map(|name| json!({"name": name}))}),
        _ => json!({}),
    };
    let answer = Answer::json(json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string());
    if message["method"] == "initialize" {
        answer.with("mcp-session-id", "upstream-1")
    } else {
        answer
    }
}

/// R-001: each row has all the faults of the rows below it.
#[tokio::test]
async fn the_first_step_that_fails_answers() {
    let rig = Rig::new(Upstream::echo()).await;
    let token = rig.token();
    let broken = "{";
    let unknown = modern_body("1", "admin/reset", "");
    let wrong_version = unknown.replace("2026-07-28", "2027-01-01");
    let forbidden = modern_body("1", "tools/call", r#""name":"delete_user","#);
    let bare = |body: &str| Ask { headers: Vec::new(), ..Ask::post(body) };
    let signed = |body: &str| bare(body).bearer(&token);
    let json = |body: &str| signed(body).header("content-type", "application/json");
    let both = |body: &str| json(body).header("accept", "application/json, text/event-stream");
    let version = |body: &str, version: &str| both(body).header("mcp-protocol-version", version);
    let new = "2026-07-28";

    let rows = [
        ("host", bare(broken).host("evil.example").method(Method::PUT), 403, 0),
        ("token", bare(broken).method(Method::PUT), 401, 0),
        ("HTTP method", signed(broken).method(Method::PUT), 405, 0),
        ("media type", signed(broken), 415, 0),
        ("accept", json(broken), 406, 0),
        ("JSON", version(broken, "2027-01-01"), 400, -32700),
        ("shape", version(r#"{"jsonrpc":"1.0"}"#, "2027-01-01"), 400, -32600),
        ("version", version(&wrong_version, "2027-01-01"), 400, -32022),
        ("mirrored header", version(&unknown, new), 400, -32020),
        ("method", version(&unknown, new).header("mcp-method", "admin/reset"), 404, -32601),
        (
            "policy",
            version(&forbidden, new)
                .header("mcp-method", "tools/call")
                .header("mcp-name", "delete_user"),
            200,
            -32602,
        ),
    ];
    for (name, ask, status, code) in rows {
        let reply = rig.h1(&ask).await;
        assert_eq!(reply.status, status, "{name}: {reply:?}");
        if code != 0 {
            assert_eq!(reply.code(), code, "{name}: {reply:?}");
        }
    }
    assert_eq!(rig.upstream.count(), 0);
}

/// R-015: nobody is asked for a body that is not wanted.
#[tokio::test]
async fn a_body_is_asked_for_after_the_token() {
    let rig = Rig::new(Upstream::echo()).await;
    let body = modern_body("1", "tools/list", "");
    for (token, continues) in [(None, false), (Some(rig.token()), true)] {
        let mut head = format!(
            "POST /mcp HTTP/1.1\r\nHost: mcp.example.com\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n\
             Mcp-Method: tools/list\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: {}\r\n",
            body.len()
        );
        if let Some(token) = token {
            head += &format!("Authorization: Bearer {token}\r\n");
        }
        let mut stream = TcpStream::connect(rig.addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
        let mut answer = vec![0; 64];
        let read = stream.read(&mut answer).await.unwrap();
        let first = String::from_utf8_lossy(&answer[..read]);
        let expected = if continues { "HTTP/1.1 100 " } else { "HTTP/1.1 401 " };
        assert!(first.starts_with(expected), "{first}");
    }
}

type Sender = http1::SendRequest<Full<bytes::Bytes>>;

/// A connection that many requests share, as behind a proxy. Some refusals end it: then there is another.
struct Connection {
    addr: std::net::SocketAddr,
    sender: Sender,
}

impl Connection {
    async fn new(rig: &Rig) -> Self {
        Self { addr: rig.addr, sender: Self::open(rig.addr).await }
    }

    async fn open(addr: std::net::SocketAddr) -> Sender {
        let stream = TcpStream::connect(addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    /// The answer, its status and its session.
    async fn ask(&mut self, ask: &Ask) -> (u16, Value, Option<String>) {
        let mut request =
            Request::builder().method(&ask.method).uri(&ask.path).header("host", &ask.host);
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(ask.body.clone())).unwrap();
        let response = match self.sender.send_request(request.clone()).await {
            Ok(response) => response,
            Err(_) => {
                self.sender = Self::open(self.addr).await;
                self.sender.send_request(request).await.unwrap()
            }
        };
        let session =
            response.headers().get("mcp-session-id").map(|id| id.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or_default(), session)
    }
}

fn names(answer: &Value) -> Vec<&str> {
    let tools = answer["result"]["tools"].as_array().unwrap_or_else(|| panic!("{answer}"));
    tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

/// R-430, R-438, R-439, R-065, X-143: nothing is inferred from what came before on the connection.
#[tokio::test]
async fn callers_and_eras_share_a_connection() {
    let rig = Rig::new(Upstream::new(server)).await;
    let reader = rig.token();
    let writer = rig.mint.token().subject("wanda").claim("groups", json!(["writers"])).sign();
    let list = Ask::modern("tools/list", r#""cursor":"page-2","#, None);
    let initialize = Ask::post(
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#,
    );
    let mut connection = Connection::new(&rig).await;

    let (_, _, session) = connection.ask(&initialize.bearer(&reader)).await;
    let session = session.expect("a session");
    let in_session = Ask::post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#)
        .header("mcp-session-id", &session);
    for round in 0..3 {
        let (_, answer, _) = connection.ask(&list.clone().bearer(&reader)).await;
        assert_eq!(names(&answer), ["get_weather", "ping_tool"], "{round}");
        let (_, answer, _) = connection.ask(&list.clone().bearer(&writer)).await;
        assert_eq!(names(&answer), ["delete_user"], "{round}");
        assert_eq!(rig.upstream.last().headers["mcp-protocol-version"], "2026-07-28");

        // The session goes on beside it, and is still its owner's alone.
        let (_, answer, _) = connection.ask(&in_session.clone().bearer(&reader)).await;
        assert_eq!(names(&answer), ["get_weather", "ping_tool"], "{round}");
        assert_eq!(rig.upstream.last().headers["mcp-protocol-version"], "2025-11-25");
        assert_eq!(connection.ask(&in_session.clone().bearer(&writer)).await.0, 404, "{round}");

        // Nor does a caller who said who it is say so for the next request.
        assert_eq!(connection.ask(&list).await.0, 401, "{round}");
        assert_eq!(connection.ask(&in_session).await.0, 401, "X-162, {round}");
        // A modern request that names the session is none of the session's.
        let stray = list.clone().header("mcp-session-id", &session).bearer(&reader);
        assert_eq!(connection.ask(&stray).await.2, None, "R-437, {round}");
        assert!(!rig.upstream.last().headers.contains_key("mcp-session-id"));
    }
}

/// R-444, R-213: each request is judged by its own token, in a session and when it is tried again.
#[tokio::test]
async fn a_new_token_is_all_that_counts() {
    let rig = Rig::new(Upstream::new(server)).await;
    let broad = rig.mint.token().claim("groups", json!(["staff", "writers"])).sign();
    let narrow = rig.token();
    let initialize = Ask::post(
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#,
    );
    let opened = rig.h1(&initialize.bearer(&broad)).await;
    let session = opened.header("mcp-session-id").unwrap();
    let call = Ask::post(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_user"}}"#,
    )
    .header("mcp-session-id", session);
    let retry = Ask::modern(
        "tools/call",
        r#""name":"delete_user","inputResponses":{"x":{"action":"accept"}},"requestState":"s","#,
        Some("delete_user"),
    );
    for ask in [call, retry] {
        assert_eq!(rig.h1(&ask.clone().bearer(&broad)).await.code(), 0);
        let before = rig.upstream.count();
        assert_eq!(rig.h1(&ask.bearer(&narrow)).await.code(), -32602);
        assert_eq!(rig.upstream.count(), before, "R-234: what is denied goes nowhere");
    }
}

/// R-064: what clients say about themselves decides nothing.
#[tokio::test]
async fn names_of_clients_decide_nothing() {
    let rig = Rig::new(Upstream::new(server)).await;
    for client in ["admin-console", "get_weather", "writers", "../x", ""] {
        for (tool, code) in [("get_weather", 0), ("delete_user", -32602)] {
            let meta = format!(
                r#""_meta":{{"io.modelcontextprotocol/clientInfo":{{"name":"{client}","version":"1"}},"#
            );
            let call = Ask::call(tool);
            let body = std::str::from_utf8(&call.body).unwrap().replace(r#""_meta":{"#, &meta);
            let call = call.body(body).header("user-agent", client).header("x-role", "writers");
            assert_eq!(rig.ask(call).await.code(), code, "{client} {tool}");
        }
    }
}
