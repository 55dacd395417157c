//! The gate before a command: a real rmcp server on standard input and output, for each person her own.

use http::Method;
use portcullis::proxy::StdioUpstream;
use portcullis::testing::Authority;
use portcullis::{Policy, Portcullis};
use rmcp::ServiceExt as _;
use rmcp::model::{CallToolRequestParams, ClientConfig, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt as _, ServiceError};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower::Layer as _;

use crate::support::{Ask, h1, serve_on};

#[path = "../../examples/quickstart/notes.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "the server is shared with the examples")]
mod notes;

const POLICY: &str = "
roles:
  staff: { groups: [staff] }
rules:
  - id: notes
    roles: [staff]
    allow: { tools: [list_notes, add_note] }
";

/// Not a test: what the children of the others run.
#[tokio::test]
async fn command() {
    if std::env::var("COMMAND").is_ok() {
        // The test harness has begun a line.
        println!();
        let server = notes::Notes::new().serve((tokio::io::stdin(), tokio::io::stdout()));
        server.await.unwrap().waiting().await.unwrap();
        std::process::exit(0);
    }
}

/// A gate before that command. Yields its address and the issuer that it trusts.
async fn start() -> (String, std::net::SocketAddr, Authority) {
    let authority = Authority::start().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let resource = format!("http://{addr}/mcp");
    let upstream = StdioUpstream::builder(std::env::current_exe().unwrap())
        .args(["--exact", "commands::command", "--nocapture", "--test-threads=1"])
        .env("COMMAND", "1")
        .build()
        .unwrap();
    let gate = Portcullis::builder()
        .resource(&resource)
        .issuer(authority.issuer())
        .policy(Policy::from_yaml(POLICY).unwrap())
        .build()
        .unwrap();
    serve_on(listener, gate.layer(upstream));
    (resource, addr, authority)
}

fn token(authority: &Authority, resource: &str, subject: &str) -> String {
    authority.token(resource).subject(subject).group("staff").sign()
}

#[tokio::test]
async fn everyone_has_a_notebook_of_their_own() {
    let modern =
        ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] };
    for (era, lifecycle) in [("legacy", ClientLifecycleMode::Initialize), ("modern", modern)] {
        let (resource, _, authority) = start().await;
        let mut sessions = Vec::new();
        for subject in ["rita", "omar"] {
            let token = token(&authority, &resource, subject);
            let config =
                StreamableHttpClientTransportConfig::with_uri(&*resource).auth_header(token);
            let transport =
                StreamableHttpClientTransport::with_client(reqwest::Client::default(), config);
            let mut client = ClientConfig::default();
            if era == "legacy" {
                client.protocol_version = ProtocolVersion::V_2025_11_25;
            }
            sessions.push(client.serve_with_lifecycle(transport, lifecycle.clone()).await.unwrap());
        }
        let [rita, omar] = &*sessions else { panic!() };

        let tools = rita.list_all_tools().await.unwrap();
        let mut tools: Vec<_> = tools.iter().map(|tool| tool.name.to_string()).collect();
        tools.sort();
        assert_eq!(tools, ["add_note", "list_notes"], "{era}");

        let note = json!({"title": "lunch", "text": "noon"}).as_object().unwrap().clone();
        let add = CallToolRequestParams::new("add_note").with_arguments(note);
        rita.call_tool(add).await.unwrap();
        for (session, expected) in [(rita, true), (omar, false)] {
            let list = session.call_tool(CallToolRequestParams::new("list_notes")).await.unwrap();
            let list = &list.content[0].as_text().unwrap().text;
            assert_eq!(list.contains("lunch"), expected, "{era}: {list}");
            assert!(list.contains("welcome"), "{era}: {list}");
        }
        let hidden = rita.call_tool(CallToolRequestParams::new("purge_notes")).await;
        let Err(ServiceError::McpError(error)) = hidden else { panic!("{era}: {hidden:?}") };
        assert_eq!(error.message, "Unknown tool: purge_notes", "{era}");
        for session in sessions {
            session.cancel().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_session_of_somebody_else_is_none() {
    let (resource, addr, authority) = start().await;
    let host = addr.to_string();
    let [rita, omar] = ["rita", "omar"].map(|subject| token(&authority, &resource, subject));
    let ask = |method: &str, params: Value, token: &str| {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        Ask::post(body.to_string()).host(&host).bearer(token)
    };
    let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"}});
    let opened = h1(addr, &ask("initialize", hello, &rita)).await;
    assert_eq!(opened.status, 200, "{opened:?}");
    let session = opened.header("mcp-session-id").unwrap().to_owned();
    let told = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let told = Ask::post(told).host(&host).bearer(&rita).header("mcp-session-id", &session);
    assert_eq!(h1(addr, &told).await.status, 202);

    let list = |token: &str| {
        ask("tools/call", json!({"name": "list_notes"}), token).header("mcp-session-id", &session)
    };
    let stolen = h1(addr, &list(&omar)).await;
    assert_eq!((stolen.status, stolen.text()), (404, "Session not found"));
    let end = |token: &str| list(token).method(Method::DELETE).body("");
    assert_eq!(h1(addr, &end(&omar)).await.status, 404);
    let own = h1(addr, &list(&rita)).await;
    assert!(own.text().contains("welcome"), "{own:?}");
    assert!(h1(addr, &end(&rita)).await.status < 300);
    assert_eq!(h1(addr, &list(&rita)).await.status, 404);
}
