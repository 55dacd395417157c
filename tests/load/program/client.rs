//! A client of 2026-07-28, with as little of its own as possible.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

const VERSION: &str = "2026-07-28";

type Http = hyper_util::client::legacy::Client<HttpConnector, Full<Bytes>>;

#[derive(Clone)]
pub struct Client {
    http: Http,
    url: String,
    token: String,
}

impl Client {
    pub fn new(url: &str, token: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new());
        Self { http: http.build(connector), url: url.to_owned(), token: token.to_owned() }
    }

    /// Calls a tool without arguments; what it says, or how it failed.
    pub async fn call(&self, tool: &str) -> Result<Value, String> {
        self.call_with(tool, json!({})).await
    }

    pub async fn call_with(&self, tool: &str, arguments: Value) -> Result<Value, String> {
        let params = json!({"name": tool, "arguments": arguments});
        let answer = self.post("tools/call", Some(tool), params).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await;
        let body = body.map_err(|error| format!("the answer broke off: {error}"))?.to_bytes();
        let message = last_message(&body).ok_or_else(|| {
            format!("{status} without a message: {:?}", String::from_utf8_lossy(&body))
        })?;
        if message.get("id") != Some(&json!(1)) {
            return Err(format!("{status} with another id: {message}"));
        }
        match (status, message.get("error")) {
            (StatusCode::OK, None) => Ok(message),
            (_, error) => Err(format!("{status} {}", error.unwrap_or(&message))),
        }
    }

    /// Opens a stream of news about tools.
    pub async fn listen(&self) -> Result<Incoming, String> {
        let params = json!({"notifications": {"toolsListChanged": true}});
        let answer = self.post("subscriptions/listen", None, params).await?;
        match answer.status() {
            StatusCode::OK => Ok(answer.into_body()),
            status => Err(format!("no stream: {status}")),
        }
    }

    async fn post(
        &self,
        method: &str,
        name: Option<&str>,
        params: Value,
    ) -> Result<Response<Incoming>, String> {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": VERSION,
            "io.modelcontextprotocol/clientInfo": {"name": "load", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let Value::Object(mut params) = params else { return Err("no parameters".to_owned()) };
        params.insert("_meta".to_owned(), meta);
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut request = Request::post(&self.url)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", VERSION)
            .header("mcp-method", method);
        if let Some(name) = name {
            request = request.header("mcp-name", name);
        }
        let request = request.body(Full::from(body.to_string()));
        let request = request.map_err(|error| error.to_string())?;
        self.http.request(request).await.map_err(|error| format!("no answer: {error}"))
    }
}

/// The last message of a JSON or an event-stream body: the answer.
fn last_message(body: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(body).ok()?;
    let last = text.lines().filter_map(|line| line.strip_prefix("data:")).next_back();
    serde_json::from_str(last.unwrap_or(text)).ok()
}
