//! A gate in front of a scripted upstream, and clients that send exactly what they are told.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use portcullis::audit::MemorySink;
use portcullis::{Issuer, JwkSet, Policy, Portcullis, PortcullisLayer, Version};
use portcullis_test::{Mint, TokenBuilder};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer as _, Service};

pub const RESOURCE: &str = "https://mcp.example.com/mcp";
pub const ISSUER: &str = "https://auth.example.com";

const POLICY: &str = "
roles:
  reader: { groups: [staff] }
  writer: { groups: [writers] }
rules:
  - id: read
    roles: [reader]
    allow:
      tools: [get_weather, ping_tool]
      prompts: [greeting]
      resources: [\"file:///public/**\"]
  - id: write
    roles: [reader]
    allow: { tools: [write_file] }
    requires_scopes: [files:read, files:write]
  - id: secret
    roles: [writer]
    allow: { tools: [delete_user], prompts: [payroll], resources: [\"file:///payroll.csv\"] }
";

/// What reached the upstream.
#[derive(Clone, Debug)]
pub struct Seen {
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// One answer of the upstream.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub chunks: Vec<Bytes>,
}

impl Answer {
    pub fn json(body: impl Into<String>) -> Self {
        Self {
            status: 200,
            headers: vec![("content-type", "application/json".into())],
            chunks: vec![Bytes::from(body.into())],
        }
    }

    pub fn sse(chunks: impl IntoIterator<Item = impl Into<Bytes>>) -> Self {
        Self {
            status: 200,
            headers: vec![("content-type", "text/event-stream".into())],
            chunks: chunks.into_iter().map(Into::into).collect(),
        }
    }

    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), chunks: Vec::new() }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

pub type Script = Arc<dyn Fn(&Seen) -> Answer + Send + Sync>;

/// Records what it gets and answers from its script.
#[derive(Clone)]
pub struct Upstream {
    pub script: Script,
    pub seen: Arc<Mutex<Vec<Seen>>>,
}

impl Upstream {
    pub fn new(script: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        Self { script: Arc::new(script), seen: Arc::default() }
    }

    /// Answers every request with an empty result.
    pub fn echo() -> Self {
        Self::new(|seen| {
            let message: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
            match message.get("id") {
                Some(id) => Answer::json(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)),
                None => Answer::status(202),
            }
        })
    }

    pub fn always(answer: Answer) -> Self {
        Self::new(move |_| answer.clone())
    }

    pub fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().cloned().expect("the upstream was called")
    }
}

/// A body that arrives in exactly these chunks.
pub struct UpstreamBody(std::vec::IntoIter<Bytes>);

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(|chunk| Ok(Frame::data(chunk))))
    }
}

impl<B> Service<Request<B>> for Upstream
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: std::fmt::Debug,
{
    type Response = Response<UpstreamBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<UpstreamBody>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let seen = Seen { headers: parts.headers, body };
            let answer = (this.script)(&seen);
            this.seen.lock().unwrap().push(seen);
            let mut response = Response::new(UpstreamBody(answer.chunks.into_iter()));
            *response.status_mut() = StatusCode::from_u16(answer.status).unwrap();
            for (name, value) in answer.headers {
                response.headers_mut().append(name, value.parse().unwrap());
            }
            Ok(response)
        })
    }
}

/// A running gate.
pub struct Rig {
    pub addr: SocketAddr,
    pub upstream: Upstream,
    pub records: MemorySink,
    pub mint: Mint,
}

/// Choices of a gate under test.
#[derive(Default)]
pub struct Setup {
    pub versions: Option<Vec<Version>>,
    pub limits: Option<portcullis::Limits>,
}

impl Rig {
    pub async fn new(upstream: Upstream) -> Self {
        Self::with(Setup::default(), upstream).await
    }

    pub async fn modern_only(upstream: Upstream) -> Self {
        let versions = Some(vec![Version::V2026_07_28]);
        Self::with(Setup { versions, ..Setup::default() }, upstream).await
    }

    pub async fn with(setup: Setup, upstream: Upstream) -> Self {
        let mint = Mint::es256(ISSUER);
        let records = MemorySink::new();
        let layer = layer(setup, &mint, records.clone());
        let addr = serve(layer.layer(upstream.clone())).await;
        Self { addr, upstream, records, mint }
    }

    /// A token of a reader.
    pub fn token(&self) -> String {
        self.staff().scope("mcp:read").sign()
    }

    pub fn staff(&self) -> TokenBuilder {
        self.mint.token().claim("groups", serde_json::json!(["staff"]))
    }

    pub async fn h1(&self, ask: &Ask) -> Reply {
        h1(self.addr, ask).await
    }

    /// Sends with a reader's token.
    pub async fn ask(&self, ask: Ask) -> Reply {
        h1(self.addr, &ask.bearer(&self.token())).await
    }
}

pub fn layer(setup: Setup, mint: &Mint, records: MemorySink) -> PortcullisLayer<Policy> {
    let mut builder = Portcullis::builder()
        .policy(Policy::from_yaml(POLICY).unwrap())
        .issuer(Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap()))
        .resource(RESOURCE)
        .scope("mcp:read")
        .metadata(|document| document.resource_name("Example MCP"))
        .allow_origin("https://app.example.com")
        .audit(records);
    if let Some(versions) = setup.versions {
        builder = builder.versions(versions);
    }
    if let Some(limits) = setup.limits {
        builder = builder.limits(limits);
    }
    builder.build().unwrap()
}

/// Serves over HTTP/1.1 and HTTP/2 on a free port of loopback.
pub async fn serve<S, B>(service: S) -> SocketAddr
where
    S: Service<Request<hyper::body::Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    serve_on(listener, service);
    addr
}

/// The same, where somebody had to know the address before there was a service.
pub fn serve_on<S, B>(listener: TcpListener, service: S)
where
    S: Service<Request<hyper::body::Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
}

/// A request, as it goes on the wire.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: Method,
    pub path: String,
    pub host: String,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Ask {
    /// A `POST` with the headers that every revision asks for.
    pub fn post(body: impl Into<String>) -> Self {
        Self {
            method: Method::POST,
            path: "/mcp".into(),
            host: "mcp.example.com".into(),
            headers: Vec::new(),
            body: Bytes::from(body.into()),
        }
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
    }

    /// A modern request of `method` with `params` (members before `_meta`), headers mirrored.
    pub fn modern(method: &str, params: &str, name: Option<&str>) -> Self {
        let ask = Self::post(modern_body("1", method, params))
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", method);
        match name {
            Some(name) => ask.header("mcp-name", name),
            None => ask,
        }
    }

    pub fn call(tool: &str) -> Self {
        Self::modern("tools/call", &format!(r#""name":"{tool}","arguments":{{}},"#), Some(tool))
    }

    pub fn get(path: &str) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            host: "mcp.example.com".into(),
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    pub fn path(mut self, path: &str) -> Self {
        self.path = path.into();
        self
    }

    pub fn host(mut self, host: &str) -> Self {
        self.host = host.into();
        self
    }

    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Replaces every line of that name.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.header(name, value)
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(have, _)| have != name);
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }
}

pub fn modern_body(id: &str, method: &str, params: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{params}"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    )
}

/// A response, complete.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: BTreeMap<String, Vec<String>>,
    pub body: Bytes,
}

impl Reply {
    async fn of(response: Response<hyper::body::Incoming>) -> Self {
        let (parts, body) = response.into_parts();
        let mut headers = BTreeMap::<String, Vec<String>>::new();
        for (name, value) in &parts.headers {
            let value = value.to_str().unwrap().to_owned();
            headers.entry(name.as_str().to_owned()).or_default().push(value);
        }
        let body = body.collect().await.unwrap().to_bytes();
        Self { status: parts.status.as_u16(), headers, body }
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {:?}", self.body))
    }

    /// The JSON-RPC error code.
    pub fn code(&self) -> i64 {
        self.json()["error"]["code"].as_i64().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.first().map(String::as_str)
    }

    /// The id of the last event that has one.
    pub fn last_event(&self) -> String {
        let mut ids = self.text().lines().filter_map(|line| line.strip_prefix("id: "));
        ids.next_back().unwrap().to_owned()
    }

    /// The messages of an event stream, or the one of a JSON body.
    pub fn messages(&self) -> Vec<Value> {
        if self.header("content-type") != Some("text/event-stream") {
            return vec![self.json()];
        }
        let text = self.text().replace("\r\n", "\n").replace('\r', "\n");
        let events = text.split("\n\n");
        let data = events.filter_map(|event| {
            let lines: Vec<_> = event
                .lines()
                .filter_map(|line| line.strip_prefix("data:"))
                .map(str::trim)
                .collect();
            (!lines.is_empty()).then(|| lines.join("\n"))
        });
        data.filter(|data| !data.is_empty()).map(|d| serde_json::from_str(&d).unwrap()).collect()
    }
}

pub async fn h1(addr: SocketAddr, ask: &Ask) -> Reply {
    let stream = TcpStream::connect(addr).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request =
        Request::builder().method(&ask.method).uri(&ask.path).header(header::HOST, &ask.host);
    for (name, value) in &ask.headers {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(ask.body.clone())).unwrap();
    Reply::of(sender.send_request(request).await.unwrap()).await
}

pub async fn h2(addr: SocketAddr, ask: &Ask) -> Reply {
    let stream = TcpStream::connect(addr).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let uri = format!("http://{}{}", ask.host, ask.path);
    let mut request = Request::builder().method(&ask.method).uri(uri);
    for (name, value) in &ask.headers {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(ask.body.clone())).unwrap();
    Reply::of(sender.send_request(request).await.unwrap()).await
}

/// Waits until there are `count` records.
pub async fn wait_for(records: &MemorySink, count: usize) -> Vec<Value> {
    while records.records().len() < count {
        records.next().await;
    }
    records.records().iter().map(|record| serde_json::to_value(record).unwrap()).collect()
}
