//! A server of raw bytes behind an upstream, and a server of raw bytes before it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis_core::{
    Buffered, Caller, McpMessage, McpRequestParts, Method, Principal, RequestFacts as _, Text,
    Version,
};
use portcullis_proxy::{HttpUpstream, HttpUpstreamBuilder, ProxyBody};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt as _;

/// A server that reads requests and answers each with the bytes that a function makes of it.
#[derive(Clone)]
pub(crate) struct Behind {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

/// What to do after a request was read.
pub(crate) enum Then {
    /// Send this, and read the next request.
    Say(&'static str),
    /// Send this, and close.
    SayAndClose(&'static str),
    /// Close.
    Close,
    /// Send nothing more, and keep the connection.
    Wait,
}

pub(crate) const NOTHING_FOUND: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

impl Behind {
    pub(crate) async fn always(answer: &'static str) -> Self {
        Self::new(move |_, _| Then::Say(answer)).await
    }

    /// `answer` gets the number of the request (from 0) and its text.
    pub(crate) async fn new(answer: impl Fn(usize, &str) -> Then + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let behind = Self {
            url: format!("http://{}/mcp", listener.local_addr().unwrap()),
            seen: Arc::default(),
            connections: Arc::default(),
        };
        let (answer, kept) = (Arc::new(answer), behind.clone());
        tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                tcp.set_nodelay(true).unwrap();
                kept.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(kept.clone().converse(tcp, Arc::clone(&answer)));
            }
        });
        behind
    }

    async fn converse(
        self,
        mut tcp: TcpStream,
        answer: Arc<impl Fn(usize, &str) -> Then + Send + Sync>,
    ) {
        while let Some(request) = read_request(&mut tcp).await {
            let number = {
                let mut seen = self.seen.lock().unwrap();
                seen.push(request.clone());
                seen.len() - 1
            };
            match answer(number, &request) {
                Then::Say(text) => tcp.write_all(text.as_bytes()).await.unwrap(),
                Then::SayAndClose(text) => {
                    tcp.write_all(text.as_bytes()).await.unwrap();
                    return;
                }
                Then::Close => return,
                Then::Wait => std::future::pending().await,
            }
        }
    }

    /// The requests so far, as they came.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// The last request.
    pub(crate) fn last(&self) -> String {
        self.seen().pop().expect("a request")
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn builder(&self) -> HttpUpstreamBuilder {
        HttpUpstream::builder(&self.url).unwrap()
    }

    pub(crate) fn upstream(&self) -> HttpUpstream {
        self.builder().build().unwrap()
    }
}

/// One request: its head, and a body as its head says. `None` when there is none.
pub(crate) async fn read_request(tcp: &mut TcpStream) -> Option<String> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if tcp.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(read[..end].to_vec()).unwrap().to_ascii_lowercase();
    if head.contains("transfer-encoding: chunked") {
        while !read.ends_with(b"0\r\n\r\n") {
            if tcp.read_buf(&mut read).await.ok()? == 0 {
                return None;
            }
        }
    }
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    while read.len() < end + length {
        if tcp.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    }
    Some(String::from_utf8(read).unwrap())
}

/// A server on a port, with `upstream` and nothing else inside.
pub(crate) async fn front(upstream: HttpUpstream) -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            tcp.set_nodelay(true).unwrap();
            let upstream = upstream.clone();
            let service = service_fn(move |request| upstream.clone().oneshot(request));
            tokio::spawn(async move {
                let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(tcp), service)
                    .await;
            });
        }
    });
    let tcp = TcpStream::connect(address).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    tcp
}

/// Sends raw bytes, and reads what comes until the other side closes.
pub(crate) async fn raw(upstream: HttpUpstream, request: &str) -> String {
    let mut tcp = front(upstream).await;
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), tcp.read_to_end(&mut answer));
    let _ = read.await.expect("the connection ends");
    String::from_utf8_lossy(&answer).into_owned()
}

/// A `tools/call` as it leaves the gate: with facts.
pub(crate) fn call() -> Request<Buffered> {
    post(Version::V2025_11_25)
}

pub(crate) fn post(version: Version) -> Request<Buffered> {
    let body = Bytes::from_static(br#"{"jsonrpc":"2.0","id":7,"method":"tools/call"}"#);
    let mut request = Request::post("https://gate.example/notes?access_token=leak")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", version.as_str())
        .body(Buffered::new(body.clone()))
        .unwrap();
    request.set_caller(Caller::Verified(
        Principal::builder("https://id.example", "alice").build().into(),
    ));
    let parts = McpRequestParts {
        version,
        method: Method::ToolsCall,
        id: Text::from("7"),
        target: None,
        more_targets: Vec::new(),
        arguments: None,
        raw: body,
    };
    request.set_message(McpMessage::Request(parts.into()));
    request
}

pub(crate) fn get() -> Request<Buffered> {
    Request::get("https://gate.example/notes")
        .header("accept", "text/event-stream")
        .body(Buffered::empty())
        .unwrap()
}

pub(crate) async fn ask(
    upstream: &HttpUpstream,
    request: Request<Buffered>,
) -> Response<ProxyBody> {
    let answered: Result<_, Infallible> = upstream.clone().oneshot(request).await;
    answered.unwrap()
}

/// Status and body, which has to be whole.
pub(crate) async fn told(response: Response<ProxyBody>) -> (u16, String) {
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

pub(crate) fn error_of(message: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":7,"error":{{"code":-32603,"message":"{message}"}}}}"#)
}

/// A body of these frames, whose length nobody knows.
pub(crate) struct Pieces(pub(crate) VecDeque<Frame<Bytes>>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}
