//! A notebook on rmcp, for the gateway to stand before.
//!
//! It believes the name in `X-Auth-Request-User`, reports progress, and can be cancelled. `GET /seen` says
//! which headers came, which tools ran, and which calls were cancelled.

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::routing::get;
use http::request::Parts;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData,
    ListToolsResult, PaginatedRequestParams, ProgressNotificationParam, ServerCapabilities,
    ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{RoleServer, ServerHandler};
use serde_json::{Map, Value, json};

use crate::listen::listen;

const TOOLS: [(&str, &[&str]); 6] = [
    ("list_notes", &[]),
    ("read_note", &["title"]),
    ("add_note", &["title", "text"]),
    ("purge_notes", &[]),
    ("count_notes", &[]),
    ("wait_for_notes", &["key"]),
];

#[derive(Default)]
struct Seen {
    headers: Vec<Value>,
    ran: Vec<String>,
    cancelled: Vec<String>,
}

#[derive(Clone, Default)]
struct Notebook(Arc<Mutex<Seen>>);

impl Notebook {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self) -> String {
        let seen = self.seen();
        json!({"headers": seen.headers, "ran": seen.ran, "cancelled": seen.cancelled}).to_string()
    }
}

impl ServerHandler for Notebook {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
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
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let argument = |name| {
            let value = request.arguments.as_ref().and_then(|all| all.get(name)?.as_str());
            value.ok_or_else(|| ErrorData::invalid_params(format!("{name} is missing"), None))
        };
        self.seen().ran.push(request.name.to_string());
        let text = match &*request.name {
            "list_notes" => "welcome".to_owned(),
            "read_note" => "The text of welcome.".to_owned(),
            "add_note" => format!("added \"{}\" by {}", argument("title")?, caller(&context)),
            "purge_notes" => "deleted 1 note".to_owned(),
            "count_notes" => {
                for done in [1.0, 2.0, 3.0] {
                    report(&context, done).await;
                }
                "counted 3 notes".to_owned()
            }
            "wait_for_notes" => {
                let key = argument("key")?.to_owned();
                report(&context, 1.0).await;
                context.ct.cancelled().await;
                self.seen().cancelled.push(key);
                return Err(ErrorData::internal_error("cancelled", None));
            }
            _ => return Err(ErrorData::invalid_params("Unknown tool", None)),
        };
        Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
    }
}

async fn report(context: &RequestContext<RoleServer>, done: f64) {
    let Some(token) = context.meta.get_progress_token() else { return };
    let news = ProgressNotificationParam::new(token, done).with_total(3.0);
    // A client that is gone needs no news.
    let _ = context.peer.notify_progress(news).await;
}

/// Whom the gateway names.
fn caller(context: &RequestContext<RoleServer>) -> &str {
    let named = context.extensions.get::<Parts>().map(|parts| &parts.headers);
    let named = named.and_then(|headers| headers.get("x-auth-request-user")?.to_str().ok());
    named.unwrap_or("nobody")
}

fn tool((name, arguments): (&'static str, &'static [&'static str])) -> Tool {
    let properties = arguments.iter().map(|name| ((*name).to_owned(), json!({"type": "string"})));
    let properties: Map<_, _> = properties.collect();
    let schema = [("type", Value::from("object")), ("properties", properties.into())];
    Tool::new(name, "", Map::from_iter(schema.map(|(name, value)| (name.to_owned(), value))))
}

/// Serves until it is killed.
pub async fn run() -> Result<(), Box<dyn Error>> {
    let notebook = Notebook::default();
    let handler = notebook.clone();
    let mcp = StreamableHttpService::new(
        move || Ok(handler.clone()),
        LocalSessionManager::default().into(),
        StreamableHttpServerConfig::default(),
    );
    let watch = notebook.clone();
    let watched = from_fn(move |request: Request, next: Next| {
        let headers = request.headers().iter();
        let headers = headers
            .map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]));
        let headers = headers.collect();
        watch.seen().headers.push(headers);
        next.run(request)
    });
    let app = Router::new()
        .route_service("/mcp", mcp)
        .layer(watched)
        .route("/seen", get(async move || notebook.say()));
    listen(app).await
}
