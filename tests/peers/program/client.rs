//! The rmcp client, through the whole of MCP's authorization flow; says as JSON what it saw.

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use rmcp::model::{
    CallToolRequest, CallToolRequestParams, ClientConfig, ProgressNotificationParam,
    ProtocolVersion, ServerResult,
};
use rmcp::service::{
    ClientLifecycleMode, ClientServiceExt as _, NotificationContext, PeerRequestOptions,
    RequestHandle, RunningService, ServiceError,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::auth::{AuthClient, AuthorizationRequest, OAuthState};
use rmcp::transport::streamable_http_client::{
    StreamableHttpClientTransportConfig, StreamableHttpError,
};
use rmcp::{ClientHandler, RoleClient};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use crate::browser::browse;

type Session = RunningService<RoleClient, Ears>;
type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Where the issuer sends the browser back to. Nobody listens: the browser is ours.
const CALLBACK: &str = "http://127.0.0.1:8976/callback";

/// Longer than any news takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// Whose client it is, and what it speaks.
struct Client {
    mcp: String,
    /// Without one, the newest that the server speaks.
    version: Option<ProtocolVersion>,
    person: String,
    news: UnboundedSender<f64>,
}

/// Hears of progress.
struct Ears(ClientConfig, UnboundedSender<f64>);

impl ClientHandler for Ears {
    fn get_info(&self) -> ClientConfig {
        self.0.clone()
    }

    async fn on_progress(
        &self,
        news: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        // At the end nobody listens.
        let _ = self.1.send(news.progress);
    }
}

pub async fn run(mut arguments: impl Iterator<Item = String>) -> Result<()> {
    let mut next = |name| arguments.next().ok_or_else(|| format!("{name} is missing"));
    let mcp = next("MCP_URL")?;
    let version = match next("VERSION")? {
        auto if auto == "auto" => None,
        version => Some(serde_json::from_value(version.into())?),
    };
    let (news, mut heard) = unbounded_channel();
    let client = Client { mcp, version, person: next("PERSON")?, news };

    let challenge = client.knock().await?;
    let (session, asked) = client.sign_in(&challenge).await?;
    let tools = session.list_all_tools().await?;
    let tools: Vec<_> = tools.into_iter().map(|tool| tool.name).collect();
    let read = call(&session, "read_note", json!({ "title": "welcome" })).await?;
    let hidden = match call(&session, "purge_notes", json!({})).await {
        Ok(text) => format!("answered: {text}"),
        Err(error) => error.to_string(),
    };

    let note = json!({ "title": "lunch", "text": "Soup today." });
    let challenge = match call(&session, "add_note", note.clone()).await {
        Ok(_) => return Err("a note was added without its scope".into()),
        Err(error) => challenge_of(&error).ok_or(error)?,
    };
    session.cancel().await?;
    // rmcp leaves the step-up to the application.
    let (session, more) = client.sign_in(&challenge).await?;
    let added = call(&session, "add_note", note).await?;
    let mut report = json!({
        "asked": asked, "tools": tools, "read": read, "hidden": hidden, "more": more, "added": added,
    });
    if tools.iter().any(|tool| tool == "count_notes")
        && let (Some(report), Value::Object(beside)) =
            (report.as_object_mut(), beyond(&session, &mut heard).await?)
    {
        report.extend(beside);
    }
    session.cancel().await?;
    println!("{report}");
    Ok(())
}

/// Progress of a call, and the end of one that is cancelled once it runs.
async fn beyond(session: &Session, heard: &mut UnboundedReceiver<f64>) -> Result<Value> {
    let handle = begin(session, "count_notes", json!({})).await?;
    let mut progress = Vec::new();
    while progress.len() < 3 {
        progress.push(timeout(PATIENCE, heard.recv()).await?.ok_or("nobody tells of progress")?);
    }
    // rmcp hands each message to a task of its own, which lose their order.
    progress.sort_by(f64::total_cmp);
    let ServerResult::CallToolResult(counted) = handle.await_response().await? else {
        return Err("a call was answered with something else".into());
    };
    let counted = counted.content.first().and_then(|content| content.as_text());
    let counted = counted.map(|text| text.text.clone());

    let key = format!("rmcp-{}", std::process::id());
    let handle = begin(session, "wait_for_notes", json!({ "key": key })).await?;
    timeout(PATIENCE, heard.recv()).await?;
    handle.cancel(Some("enough".to_owned())).await?;
    // The others go on.
    let after = call(session, "read_note", json!({ "title": "welcome" })).await?;
    Ok(json!({
        "progress": progress, "counted": counted, "key": key, "waited": "cancelled", "after": after,
    }))
}

/// Begins a call of which there will be news.
async fn begin(
    session: &Session,
    tool: &'static str,
    arguments: Value,
) -> std::result::Result<RequestHandle<RoleClient>, ServiceError> {
    let arguments = arguments.as_object().cloned().unwrap_or_default();
    let params = CallToolRequestParams::new(tool).with_arguments(arguments);
    let request = CallToolRequest::new(params).into();
    session.send_cancellable_request(request, PeerRequestOptions::no_options()).await
}

impl Client {
    fn lifecycle(&self) -> ClientLifecycleMode {
        match &self.version {
            Some(version) if version.has_initialize() => ClientLifecycleMode::Initialize,
            Some(version) => {
                ClientLifecycleMode::Discover { preferred_versions: vec![version.clone()] }
            }
            None => ClientLifecycleMode::Auto {
                preferred_versions: vec![ProtocolVersion::V_2026_07_28],
                legacy_version: None,
            },
        }
    }

    /// Comes without a token; returns the challenge.
    async fn knock(&self) -> Result<String> {
        let config = StreamableHttpClientTransportConfig::with_uri(self.mcp.as_str());
        let http = reqwest::Client::default();
        let transport = StreamableHttpClientTransport::with_client(http, config);
        match self.config().serve_with_lifecycle(transport, self.lifecycle()).await {
            Ok(_) => Err("the server let a client in that has no token".into()),
            Err(error) => match error.auth_challenge() {
                Some(challenge) => Ok(challenge.to_owned()),
                None => Err(error.into()),
            },
        }
    }

    /// Registers, signs the person in, connects; returns also what it asked the issuer for.
    async fn sign_in(&self, challenge: &str) -> Result<(Session, Value)> {
        let mut oauth = OAuthState::new(self.mcp.as_str(), None).await?;
        let request =
            AuthorizationRequest::new(CALLBACK).with_client_name("peers").with_challenge(challenge);
        oauth.start_authorization(request).await?;

        let page = oauth.get_authorization_url().await?;
        let query: HashMap<String, String> =
            reqwest::Url::parse(&page)?.query_pairs().into_owned().collect();
        let asked = json!({ "scope": query.get("scope"), "resource": query.get("resource") });
        oauth.handle_callback_url(&browse(&page, &self.person, CALLBACK).await?).await?;

        let manager = oauth.into_authorization_manager().ok_or("the sign-in did not complete")?;
        let http = AuthClient::new(reqwest::Client::default(), manager);
        let config = StreamableHttpClientTransportConfig::with_uri(self.mcp.as_str());
        let transport = StreamableHttpClientTransport::with_client(http, config);
        let session = self.config().serve_with_lifecycle(transport, self.lifecycle()).await?;
        Ok((session, asked))
    }

    fn config(&self) -> Ears {
        let mut config = ClientConfig::default();
        if let Some(version) = self.version.as_ref().filter(|version| version.has_initialize()) {
            config.protocol_version = version.clone();
        }
        Ears(config, self.news.clone())
    }
}

/// Calls a tool; returns the text of its answer.
async fn call(
    session: &Session,
    tool: &'static str,
    arguments: Value,
) -> std::result::Result<String, ServiceError> {
    let arguments = arguments.as_object().cloned().unwrap_or_default();
    let params = CallToolRequestParams::new(tool).with_arguments(arguments);
    let result = session.call_tool(params).await?;
    let text = result.content.first().and_then(|content| content.as_text());
    Ok(text.map(|text| text.text.clone()).unwrap_or_default())
}

/// The challenge inside a transport error.
fn challenge_of(error: &ServiceError) -> Option<String> {
    let ServiceError::TransportSend(transport) = error else { return None };
    let mut cause: Option<&(dyn Error + 'static)> = Some(transport.error.as_ref());
    while let Some(error) = cause {
        if let Some(http) = error.downcast_ref::<StreamableHttpError<reqwest::Error>>() {
            return http.auth_challenge().map(str::to_owned);
        }
        cause = error.source();
    }
    None
}
