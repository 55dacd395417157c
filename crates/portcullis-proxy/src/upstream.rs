//! Request time.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use http_body::Body;
use hyper_util::client::legacy::Client;
use portcullis_core::Denial;
use tower_service::Service;

use crate::connect::Connector;
use crate::exchange::Exchange;
use crate::future::Again;
use crate::outgoing::{BoxError, Outgoing};
use crate::request::{Telling, prepare};
use crate::{ConfigError, HttpUpstreamBuilder, ProxyBody, ResponseFuture};

/// An MCP server that speaks Streamable HTTP, on the network or on a Unix socket; see the
/// [crate docs](crate).
///
/// Clones share their connections.
#[derive(Clone)]
#[must_use = "services do nothing unless called"]
pub struct HttpUpstream {
    pub(crate) client: Client<Connector, Outgoing>,
    pub(crate) connector: Connector,
    pub(crate) config: Arc<Config>,
}

/// What was settled when the upstream was built.
pub(crate) struct Config {
    pub(crate) name: String,
    pub(crate) uri: Uri,
    pub(crate) telling: Telling,
    pub(crate) head_limit: Duration,
    pub(crate) document_limit: Duration,
    pub(crate) silence_limit: Option<Duration>,
}

impl HttpUpstream {
    /// Starts an upstream at `url`: `https://host/path`, `http://host/path`, or a Unix socket as
    /// `unix:/run/server.sock:/path`. Every request goes to this very URL, whatever path and query it
    /// came with.
    ///
    /// # Errors
    /// `url` is none of these, or holds credentials or a fragment.
    pub fn builder(url: &str) -> Result<HttpUpstreamBuilder, ConfigError> {
        HttpUpstreamBuilder::new(url)
    }

    /// Whether the server takes connections, for checks of readiness. Sends no request.
    pub async fn is_reachable(&self) -> bool {
        self.connector.connect().await.is_ok()
    }

    fn ask<B>(&self, request: Request<B>) -> Result<ResponseFuture, Denial>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (mut parts, body) = request.into_parts();
        prepare(&mut parts, &self.config.telling)?;
        let exchange = Exchange::new(&parts, Arc::clone(&self.config));
        // Nothing but the head goes on: facts are for this process.
        let mut outgoing = Request::new(match parts.method {
            Method::POST => Outgoing::new(body),
            _ => Outgoing::empty(),
        });
        *outgoing.method_mut() = parts.method;
        *outgoing.uri_mut() = self.config.uri.clone();
        *outgoing.headers_mut() = parts.headers;
        let again = (outgoing.method() == Method::GET).then(|| Again::new(&self.client, &outgoing));
        Ok(ResponseFuture::asking(self.client.request(outgoing), exchange, again))
    }
}

impl<B> Service<Request<B>> for HttpUpstream
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<ProxyBody>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        self.ask(request).unwrap_or_else(ResponseFuture::refuse)
    }
}

impl fmt::Debug for HttpUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpUpstream").field("name", &self.config.name).finish_non_exhaustive()
    }
}
