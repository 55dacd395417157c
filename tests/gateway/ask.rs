//! Requests, and what comes back.

use std::net::SocketAddr;
use std::pin::Pin;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// The name in the gateway's `public_url`, which requests carry to whatever port it has.
pub const HOST: &str = "mcp.example.com";

/// A request of 2026-07-28 to `/notes`.
pub fn modern(method: &str, params: &str, name: Option<&str>) -> Request<Bytes> {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    );
    let mut request = bare(Method::POST, "/notes");
    *request.body_mut() = body.into();
    let request = with(request, "content-type", "application/json");
    let request = with(request, "accept", "application/json, text/event-stream");
    let request = with(request, "mcp-protocol-version", "2026-07-28");
    let request = with(request, "mcp-method", method);
    match name {
        Some(name) => with(request, "mcp-name", name),
        None => request,
    }
}

pub fn list() -> Request<Bytes> {
    modern("tools/list", "", None)
}

pub fn call(tool: &str) -> Request<Bytes> {
    modern("tools/call", &format!(r#""name":"{tool}","arguments":{{}},"#), Some(tool))
}

pub fn listen() -> Request<Bytes> {
    let params = r#""notifications":{"toolsListChanged":true},"#;
    modern("subscriptions/listen", params, None)
}

pub fn bare(method: Method, path: &str) -> Request<Bytes> {
    let request = Request::builder().method(method).uri(path).header("host", HOST);
    request.body(Bytes::new()).unwrap()
}

pub fn with(mut request: Request<Bytes>, name: &'static str, value: &str) -> Request<Bytes> {
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

pub fn bearer(request: Request<Bytes>, token: &str) -> Request<Bytes> {
    with(request, "authorization", &format!("Bearer {token}"))
}

/// One connection over HTTP/1.1.
pub struct Connection(SendRequest<Full<Bytes>>);

impl Connection {
    pub async fn open(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap()).await
    }

    pub async fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    /// The head of an answer, and its body as it comes.
    pub async fn stream(&mut self, request: Request<Bytes>) -> hyper::Result<Response<Incoming>> {
        self.0.ready().await?;
        self.0.send_request(request.map(Full::new)).await
    }

    pub async fn send(&mut self, request: Request<Bytes>) -> hyper::Result<Reply> {
        let (parts, body) = self.stream(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Reply(Response::from_parts(parts, body)))
    }
}

/// Sends a request over a connection of its own.
pub async fn send(address: SocketAddr, request: Request<Bytes>) -> Reply {
    Connection::open(address).await.send(request).await.unwrap()
}

/// An answer, complete.
pub struct Reply(Response<Bytes>);

impl Reply {
    pub fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(self.0.body()).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.0.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The message in it.
    pub fn json(&self) -> Value {
        let event = self.text().lines().filter_map(|line| line.strip_prefix("data:")).next_back();
        serde_json::from_str(event.unwrap_or(self.text())).unwrap()
    }
}

/// The next piece of a stream; `None` at its end.
pub async fn piece(body: &mut Incoming) -> Option<Bytes> {
    Pin::new(body).frame().await.map(|frame| frame.unwrap().into_data().unwrap())
}
