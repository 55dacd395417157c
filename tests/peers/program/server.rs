//! An rmcp server that writes down what it executes.
//!
//! Tools named `allowed_…` and `forbidden_…` do nothing else. `GET /executed` says, and forgets, which
//! ran.

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::routing::get;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData,
    GetPromptRequestParams, GetPromptResponse, GetPromptResult, ListToolsResult,
    PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult,
    ResourceContents, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{RoleServer, ServerHandler};
use serde_json::{Map, Value, json};

use crate::listen::listen;

const TOOLS: [&str; 6] = [
    "allowed_read",
    "allowed_note",
    "allowed_pay",
    "allowed_near",
    "forbidden_delete",
    "forbidden_wipe",
];
const PROMPTS: [&str; 2] = ["allowed_prompt", "forbidden_prompt"];

#[derive(Clone, Default)]
struct Peer(Arc<Mutex<Vec<Value>>>);

impl Peer {
    fn note(&self, method: &str, target: &str, arguments: Option<Map<String, Value>>) {
        let arguments = arguments.unwrap_or_default();
        let keys: Vec<_> = arguments.keys().collect();
        let amount = arguments.get("amount");
        let said = json!({"method": method, "target": target, "keys": keys, "amount": amount});
        self.executed().push(said);
    }

    fn executed(&self) -> MutexGuard<'_, Vec<Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ServerHandler for Peer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_resources();
        ServerConfig::new(capabilities.enable_prompts().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(TOOLS.map(tool).into()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if !TOOLS.contains(&&*request.name) {
            return Err(ErrorData::invalid_params("Unknown tool", None));
        }
        self.note("tools/call", &request.name, request.arguments);
        Ok(CallToolResult::success(vec![ContentBlock::text("done")]).into())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        self.note("resources/read", &request.uri, None);
        let contents = ResourceContents::text("read", request.uri);
        Ok(ReadResourceResult::new(vec![contents]).into())
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        if !PROMPTS.contains(&&*request.name) {
            return Err(ErrorData::invalid_params("Unknown prompt", None));
        }
        self.note("prompts/get", &request.name, None);
        Ok(GetPromptResult::new(Vec::new()).into())
    }
}

/// `allowed_near` declares headers that repeat its arguments.
fn tool(name: &'static str) -> Tool {
    let properties = match name {
        "allowed_near" => json!({
            "region": { "type": "string", "x-mcp-header": "Region" },
            "count": { "type": "integer", "x-mcp-header": "Count" },
            "flag": { "type": "boolean", "x-mcp-header": "Flag" },
        }),
        _ => json!({}),
    };
    let schema = Map::from_iter([
        ("type".to_owned(), "object".into()),
        ("properties".to_owned(), properties),
    ]);
    Tool::new(name, "", schema)
}

/// Serves until it is killed.
pub async fn run() -> Result<(), Box<dyn Error>> {
    let peer = Peer::default();
    let handler = peer.clone();
    let mcp = StreamableHttpService::new(
        move || Ok(handler.clone()),
        LocalSessionManager::default().into(),
        StreamableHttpServerConfig::default().with_legacy_session_mode(false),
    );
    let executed = async move || {
        let all = std::mem::take(&mut *peer.executed());
        Value::Array(all).to_string()
    };
    let app = Router::new().route_service("/mcp", mcp).route("/executed", get(executed));
    listen(app).await
}
