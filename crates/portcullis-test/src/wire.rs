//! Clients that say exactly what a test wants said.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a server may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// Writes exactly `request` on a new connection and returns exactly the bytes of the response:
/// its interim responses, head, and body as framed (`Content-Length`, chunked, or until close).
///
/// # Panics
/// When the server does not answer.
pub async fn raw_http1(addr: SocketAddr, request: impl AsRef<[u8]>) -> Vec<u8> {
    let request = request.as_ref();
    let exchange = async {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        // A server may refuse and close before it has read everything.
        let _ = stream.write_all(request).await;
        let mut response = Vec::new();
        while !is_complete(&response, request.starts_with(b"HEAD ")) {
            match stream.read_buf(&mut response).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        response
    };
    timeout(PATIENCE, exchange).await.expect("the server did not answer in time")
}

/// The head as text and the body bytes of what [`raw_http1`] returned.
///
/// # Panics
/// When there is no head.
#[must_use]
pub fn split_response(response: &[u8]) -> (String, Vec<u8>) {
    let end = find(response, b"\r\n\r\n").expect("a response head") + 4;
    (String::from_utf8_lossy(&response[..end]).into_owned(), response[end..].to_vec())
}

fn is_complete(response: &[u8], head_only: bool) -> bool {
    let Some(end) = find(response, b"\r\n\r\n") else { return false };
    let (head, body) = (&response[..end], &response[end + 4..]);
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status.starts_with('1') {
        return is_complete(body, head_only);
    }
    if head_only || matches!(status, "204" | "304") {
        return true;
    }
    let field = |name: &str| {
        head.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
    };
    if field("transfer-encoding:").is_some_and(|coding| coding.contains("chunked")) {
        return chunked_ended(body);
    }
    match field("content-length:") {
        Some(length) => body.len() >= length.parse().unwrap(),
        None => false, // Until the server closes.
    }
}

/// Whether `body` holds the last chunk and what may follow it.
fn chunked_ended(mut body: &[u8]) -> bool {
    loop {
        let Some(line) = find(body, b"\r\n") else { return false };
        let size = String::from_utf8_lossy(&body[..line]);
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).expect("a chunk size");
        body = &body[line + 2..];
        if size == 0 {
            return body.starts_with(b"\r\n") || find(body, b"\r\n\r\n").is_some();
        }
        if body.len() < size + 2 {
            return false;
        }
        body = &body[size + 2..];
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// Sends one request over a new HTTP/1.1 connection; the URI should be a path, the `Host` is yours.
///
/// # Panics
/// When the exchange fails.
pub async fn send_http1(addr: SocketAddr, request: Request<Bytes>) -> Response<Bytes> {
    let io = TokioIo::new(connect(addr).await);
    let (mut sender, connection) = conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let response = timeout(PATIENCE, sender.send_request(request.map(Full::new)));
    collect(response.await.expect("an answer in time").unwrap()).await
}

/// Sends one request over a new HTTP/2 connection (prior knowledge); the URI must be absolute and
/// becomes `:scheme`, `:authority` and `:path`.
///
/// # Panics
/// When the exchange fails.
pub async fn send_http2(addr: SocketAddr, request: Request<Bytes>) -> Response<Bytes> {
    let io = TokioIo::new(connect(addr).await);
    let (mut sender, connection) = conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let response = timeout(PATIENCE, sender.send_request(request.map(Full::new)));
    collect(response.await.expect("an answer in time").unwrap()).await
}

async fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

async fn collect(response: Response<hyper::body::Incoming>) -> Response<Bytes> {
    let (parts, body) = response.into_parts();
    let body = timeout(PATIENCE, body.collect()).await.expect("a body in time").unwrap();
    Response::from_parts(parts, body.to_bytes())
}
