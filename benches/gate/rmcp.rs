//! The gate in front of a real MCP server.

use std::sync::Arc;

use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{ServerCapabilities, ServerConfig};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, schemars, tool, tool_handler, tool_router};
use tower::Layer as _;

use crate::corpus;
use crate::serve::exchange;
use crate::support::{Group, keep};
use crate::whole;

#[derive(Clone)]
struct Echo;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Text {
    text: String,
}

#[tool_router]
impl Echo {
    #[tool(name = "service0.get_issue", description = "Says it again")]
    fn echo(&self, Parameters(Text { text }): Parameters<Text>) -> String {
        text
    }
}

#[tool_handler]
impl ServerHandler for Echo {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}

/// One call of a trivial tool, answered in JSON.
pub fn in_front(group: &mut Group) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let runtime: &'static tokio::runtime::Runtime = keep(runtime);
    let server = || {
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_allowed_hosts(["mcp.example.com"]);
        StreamableHttpService::new(|| Ok(Echo), Arc::new(NeverSessionManager::default()), config)
    };
    let mint = whole::mint();
    let text = "lorem ipsum dolor sit amet, consectetur adipiscing";
    let body = corpus::call(&corpus::tool(0), &format!(r#"{{"text":"{text}"}}"#));
    let request = corpus::request(&corpus::tool(0), &body, &whole::token(&mint));

    let alone = group.work("rmcp", {
        let (service, request) = (server(), request.clone());
        move || run(runtime, exchange(service.clone(), request.clone()))
    });
    let off = portcullis::AuditLayer::danger_off();
    let without = group.work("gate without audit, rmcp", {
        let (service, request) = (whole::gate(&mint, off).layer(server()), request.clone());
        move || run(runtime, exchange(service.clone(), request.clone()))
    });
    let with = group.work("gate, rmcp", {
        let service = whole::gate(&mint, whole::unwaited()).layer(server());
        move || run(runtime, exchange(service.clone(), request.clone()))
    });
    group.at_most("T15", without, alone, 1.03);
    group.at_most("T15", with, alone, 1.12);
}

fn run<F: Future<Output = (http::StatusCode, usize)>>(runtime: &tokio::runtime::Runtime, call: F) {
    let (status, size) = runtime.block_on(call);
    assert!(status.is_success() && size > 0, "{status}");
}
