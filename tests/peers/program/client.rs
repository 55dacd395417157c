//! The rmcp client, through the whole of MCP's authorization flow; says as JSON what it saw.

use std::collections::HashMap;
use std::error::Error;

use rmcp::RoleClient;
use rmcp::model::{CallToolRequestParams, ClientConfig, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt as _, RunningService, ServiceError};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::auth::{AuthClient, AuthorizationRequest, OAuthState};
use rmcp::transport::streamable_http_client::{
    StreamableHttpClientTransportConfig, StreamableHttpError,
};
use serde_json::{Value, json};

use crate::browser::browse;

type Session = RunningService<RoleClient, ClientConfig>;
type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Where the issuer sends the browser back to. Nobody listens: the browser is ours.
const CALLBACK: &str = "http://127.0.0.1:8976/callback";

/// Whose client it is, and what it speaks.
struct Client {
    mcp: String,
    modern: bool,
    person: String,
}

pub async fn run(mut arguments: impl Iterator<Item = String>) -> Result<()> {
    let mut next = |name| arguments.next().ok_or_else(|| format!("{name} is missing"));
    let mcp = next("MCP_URL")?;
    let modern = match next("VERSION")?.as_str() {
        "2026-07-28" => true,
        "2025-11-25" => false,
        other => return Err(format!("this client does not speak {other}").into()),
    };
    let client = Client { mcp, modern, person: next("PERSON")? };

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
    session.cancel().await?;

    let report = json!({
        "asked": asked, "tools": tools, "read": read, "hidden": hidden, "more": more, "added": added,
    });
    println!("{report}");
    Ok(())
}

impl Client {
    fn lifecycle(&self) -> ClientLifecycleMode {
        if self.modern {
            let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
            ClientLifecycleMode::Discover { preferred_versions }
        } else {
            ClientLifecycleMode::Initialize
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

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::default();
        if !self.modern {
            config.protocol_version = ProtocolVersion::V_2025_11_25;
        }
        config
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
