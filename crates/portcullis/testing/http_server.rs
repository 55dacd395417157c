//! An authority's documents over HTTP.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use portcullis_core::Buffered;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use crate::testing::Outage;
use crate::testing::published::Published;

/// Where issuers publish their metadata (RFC 8414 §3, OpenID Connect Discovery §4).
const METADATA: [&str; 2] =
    ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];

/// A socket that is open and not served yet.
pub(crate) struct Listening(TcpListener);

impl Listening {
    pub(crate) async fn new() -> io::Result<(Self, SocketAddr)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        Ok((Self(listener), addr))
    }

    /// Serves until the task is ended.
    pub(crate) fn serve(self, published: Arc<Published>) -> AbortHandle {
        tokio::spawn(accept(self.0, published)).abort_handle()
    }
}

async fn accept(listener: TcpListener, published: Arc<Published>) {
    let mut connections = tokio::task::JoinSet::new();
    // Ends with the test's runtime, or when the system has no more sockets to give.
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        connections.spawn(connection(stream, Arc::clone(&published)));
    }
}

async fn connection(stream: TcpStream, published: Arc<Published>) {
    if stream.set_nodelay(true).is_err() || published.outage() == Some(Outage::Disconnects) {
        return;
    }
    let service = service_fn(move |request| {
        let published = Arc::clone(&published);
        async move { Ok::<_, std::convert::Infallible>(answer(&request, &published).await) }
    });
    // A client that goes away is a normal event.
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

async fn answer<B>(request: &Request<B>, published: &Published) -> Response<Buffered> {
    published.count_fetch();
    match published.outage() {
        None | Some(Outage::Disconnects) => {}
        Some(Outage::Hangs) => std::future::pending().await,
        Some(Outage::Errors) => return with(StatusCode::INTERNAL_SERVER_ERROR, String::new()),
        Some(Outage::Garbage) => return with(StatusCode::OK, r#"{"issuer":"#.to_owned()),
    }
    match request.uri().path() {
        "/jwks" => with(StatusCode::OK, published.jwks()),
        path if METADATA.contains(&path) => with(StatusCode::OK, published.metadata()),
        _ => with(StatusCode::NOT_FOUND, String::new()),
    }
}

fn with(status: StatusCode, body: String) -> Response<Buffered> {
    let mut response = Response::new(Buffered::new(Bytes::from(body)));
    *response.status_mut() = status;
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().append(header::CONTENT_TYPE, json);
    response
}
