//! An MCP server that says what it was told, and can be kept waiting.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderName};
use portcullis::RequestFacts as _;
use rmcp::model::{ErrorData, ProgressNotificationParam, ServerCapabilities, ServerConfig};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{RoleServer, ServerHandler, tool, tool_handler, tool_router};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

/// Shared by all sessions and requests.
#[derive(Clone, Default)]
pub struct Told {
    released: Arc<Notify>,
}

impl Told {
    /// The server as a tower service that speaks Streamable HTTP.
    pub fn service() -> StreamableHttpService<Self, LocalSessionManager> {
        let server = Self::default();
        StreamableHttpService::new(
            move || Ok(server.clone()),
            LocalSessionManager::default().into(),
            StreamableHttpServerConfig::default(),
        )
    }
}

#[tool_router]
impl Told {
    #[tool(description = "Who is calling, and which headers reached the server")]
    #[allow(clippy::needless_pass_by_value, reason = "rmcp hands the context over by value")]
    fn whoami(&self, context: RequestContext<RoleServer>) -> Result<String, ErrorData> {
        let missing = || ErrorData::internal_error("nobody said who is calling", None);
        let parts = context.extensions.get::<Parts>().ok_or_else(missing)?;
        if let Some(named) = named(&parts.headers) {
            return Ok(named.to_string());
        }
        let caller = parts.caller().and_then(|caller| caller.principal()).ok_or_else(missing)?;
        let headers = names(&parts.headers);
        Ok(json!({
            "issuer": caller.issuer(),
            "subject": caller.subject(),
            "groups": caller.groups(),
            "groups_unknown": caller.groups_unknown(),
            "claims": caller.claims(),
            "headers": headers,
        })
        .to_string())
    }

    #[tool(description = "Delete everything")]
    fn purge(&self) -> String {
        "purged".to_owned()
    }

    #[tool(description = "Say that you have begun, and end when you are released")]
    async fn wait(&self, context: RequestContext<RoleServer>) -> Result<String, ErrorData> {
        let released = self.released.notified();
        if let Some(token) = context.meta.get_progress_token() {
            let begun = ProgressNotificationParam::new(token, 1.0).with_message("begun");
            let told = context.peer.notify_progress(begun).await;
            told.map_err(|_| ErrorData::internal_error("the caller is gone", None))?;
        }
        released.await;
        Ok("released".to_owned())
    }

    #[tool(description = "Release whoever waits, and tell listeners that the tools have changed")]
    async fn release(&self, context: RequestContext<RoleServer>) -> String {
        self.released.notify_waiters();
        // Without a stream that listens there is nobody to tell.
        let _ = context.peer.notify_tool_list_changed().await;
        "released".to_owned()
    }
}

/// Whom a gateway in another process names, if one does.
fn named(headers: &HeaderMap) -> Option<Value> {
    let text = |name| headers.get(name)?.to_str().ok();
    let (issuer, subject) = text("x-auth-request-user")?.split_once('#')?;
    let groups = text("x-auth-request-groups").unwrap_or_default();
    let groups: Vec<_> = groups.split(',').filter(|group| !group.is_empty()).collect();
    let (email, name) = (text("x-auth-request-email"), text("x-auth-request-preferred-username"));
    let claims = [("email", email), ("preferred_username", name)];
    let claims =
        claims.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into())));
    Some(json!({
        "issuer": issuer,
        "subject": subject,
        "groups": groups,
        "claims": claims.collect::<Map<_, _>>(),
        "headers": names(headers),
    }))
}

fn names(headers: &HeaderMap) -> Vec<&str> {
    headers.keys().map(HeaderName::as_str).collect()
}

#[tool_handler]
impl ServerHandler for Told {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(
            ServerCapabilities::builder().enable_tools().enable_tool_list_changed().build(),
        )
    }
}
