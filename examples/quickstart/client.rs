//! A real rmcp client, with a person at its browser.

use std::collections::HashMap;
use std::error::Error;

use reqwest::redirect;
use rmcp::RoleClient;
use rmcp::model::{CallToolRequestParams, ClientConfig, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt as _, RunningService, ServiceError};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::auth::{AuthClient, AuthorizationRequest, OAuthState};
use rmcp::transport::streamable_http_client::{
    StreamableHttpClientTransportConfig, StreamableHttpError,
};

pub type Session = RunningService<RoleClient, ClientConfig>;
type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Where the issuer sends the browser back to. Nobody listens: the browser is ours.
const CALLBACK: &str = "http://127.0.0.1:8976/callback";

/// What a client asked the issuer for.
pub struct Asked {
    pub scope: String,
    pub resource: String,
}

/// Connects without a token; returns the challenge that the gate answers with.
pub async fn knock(mcp: &str) -> Result<String> {
    let config = StreamableHttpClientTransportConfig::with_uri(mcp);
    let transport = StreamableHttpClientTransport::with_client(reqwest::Client::default(), config);
    match ClientConfig::default().serve_with_lifecycle(transport, modern()).await {
        Ok(_) => Err("the server let a client in that has no token".into()),
        Err(error) => match error.auth_challenge() {
            Some(challenge) => Ok(challenge.to_owned()),
            None => Err(error.into()),
        },
    }
}

/// The whole OAuth flow as the client runs it: challenge → metadata → registration → authorization
/// code with PKCE → token → connection.
pub async fn sign_in(mcp: &str, challenge: &str, person: &str) -> Result<(Session, Asked)> {
    let mut oauth = OAuthState::new(mcp, None).await?;
    let request = AuthorizationRequest::new(CALLBACK)
        .with_client_name("quickstart")
        .with_challenge(challenge);
    oauth.start_authorization(request).await?;

    let page = oauth.get_authorization_url().await?;
    let query: HashMap<String, String> =
        reqwest::Url::parse(&page)?.query_pairs().into_owned().collect();
    let asked = |name| query.get(name).cloned().unwrap_or_default();
    let asked = Asked { scope: asked("scope"), resource: asked("resource") };

    oauth.handle_callback_url(&browse(&page, person).await?).await?;
    let manager = oauth.into_authorization_manager().ok_or("the sign-in did not complete")?;
    let client = AuthClient::new(reqwest::Client::default(), manager);
    let config = StreamableHttpClientTransportConfig::with_uri(mcp);
    let transport = StreamableHttpClientTransport::with_client(client, config);
    Ok((ClientConfig::default().serve_with_lifecycle(transport, modern()).await?, asked))
}

/// Opens the issuer's page as `person` would, and follows it back to the client.
async fn browse(page: &str, person: &str) -> Result<String> {
    let http = reqwest::Client::builder().redirect(redirect::Policy::none()).build()?;
    let mut url = reqwest::Url::parse(page)?;
    url.query_pairs_mut().append_pair("login_hint", person);
    for _ in 0..5 {
        let response = http.get(url.clone()).send().await?;
        let Some(location) = response.headers().get("location") else {
            return Err(format!("the issuer answered {}", response.status()).into());
        };
        url = url.join(location.to_str()?)?;
        if url.as_str().starts_with(CALLBACK) {
            return Ok(url.into());
        }
    }
    Err("the issuer redirects in circles".into())
}

/// Calls a tool; returns the text of its answer.
pub async fn call(
    session: &Session,
    tool: &'static str,
    arguments: serde_json::Value,
) -> CallResult {
    let arguments = arguments.as_object().cloned().unwrap_or_default();
    let params = CallToolRequestParams::new(tool).with_arguments(arguments);
    match session.call_tool(params).await {
        Ok(result) => {
            let text = result.content.first().and_then(|c| c.as_text()).map(|t| t.text.clone());
            CallResult::Answer(text.unwrap_or_default())
        }
        Err(error) => match (challenge_of(&error), error) {
            (Some(challenge), _) => CallResult::NeedsScope(challenge),
            (None, ServiceError::McpError(error)) => {
                CallResult::Refused(error.message.into_owned())
            }
            (None, error) => CallResult::Failed(error),
        },
    }
}

/// How a call ended.
pub enum CallResult {
    Answer(String),
    Refused(String),
    NeedsScope(String),
    Failed(ServiceError),
}

/// The challenge inside a transport error, which rmcp leaves to the application.
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

/// Speak 2026-07-28.
fn modern() -> ClientLifecycleMode {
    ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
}
