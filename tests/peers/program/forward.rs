//! A plain reverse proxy: what the gate guards when the server is another program.

use std::error::Error;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::Service;

type BoxError = Box<dyn Error + Send + Sync>;

/// Sends each request on a connection of its own to `/mcp` at an address.
#[derive(Clone, Debug)]
pub struct Forward(SocketAddr);

impl Forward {
    /// `url` is `http://ADDRESS/mcp`.
    pub fn to(url: &str) -> Result<Self, Box<dyn Error>> {
        let url: Uri = url.parse()?;
        let authority = url.authority().ok_or("the URL has no address")?;
        Ok(Self(authority.as_str().parse()?))
    }
}

impl<B> Service<Request<B>> for Forward
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Incoming>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let address = self.0;
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            *request.uri_mut() = Uri::from_static("/mcp");
            *request.version_mut() = http::Version::HTTP_11;
            let host = HeaderValue::from_str(&address.to_string())?;
            request.headers_mut().insert(header::HOST, host);
            Ok(sender.send_request(request).await?)
        })
    }
}
