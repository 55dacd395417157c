//! Connections to one upstream.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use portcullis_dial::{Dialer, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tower_service::Service;

/// Makes connections to one upstream, whatever URL it is asked for: where requests go was settled
/// when the upstream was configured.
#[derive(Clone)]
pub(crate) struct Connector {
    target: Arc<Target>,
    limit: Duration,
    /// How long a server that refuses connections is asked again.
    patience: Duration,
}

pub(crate) enum Target {
    Network(Dialer),
    Unix(Box<Path>),
}

impl Connector {
    pub(crate) fn new(target: Target, limit: Duration, patience: Duration) -> Self {
        Self { target: Arc::new(target), limit, patience }
    }

    /// A connection, within the limits of time.
    pub(crate) async fn connect(&self) -> io::Result<Io> {
        tokio::time::timeout(self.limit, self.insist())
            .await
            .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))
    }

    /// A server that is being restarted refuses connections for a moment. Nothing was sent to it, so
    /// asking again is safe whatever the request is.
    async fn insist(&self) -> io::Result<Io> {
        const LONGEST: Duration = Duration::from_millis(200);
        let mut pause = Duration::from_millis(20);
        let mut left = self.patience;
        loop {
            match self.once().await {
                Err(error) if is_absent(&error) && !left.is_zero() => {
                    let wait = pause.min(left);
                    tokio::time::sleep(wait).await;
                    left = left.saturating_sub(wait);
                    pause = LONGEST.min(pause * 2);
                }
                done => return done,
            }
        }
    }

    async fn once(&self) -> io::Result<Io> {
        Ok(match &*self.target {
            Target::Network(dialer) => Io::Network(dialer.dial().await?),
            Target::Unix(path) => Io::Unix(UnixStream::connect(path).await?),
        })
    }
}

/// Whether nobody listens there: a port that refuses, a socket that is not there or is nobody's.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Io>;
    type Error = io::Error;
    // Boxed: once per connection.
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Io>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move { connector.connect().await.map(TokioIo::new) })
    }
}

/// A connection to an upstream.
pub(crate) enum Io {
    Network(Stream),
    Unix(UnixStream),
}

impl Connection for Io {
    fn connected(&self) -> Connected {
        match self {
            Self::Network(stream) if stream.protocol() == Some(b"h2") => {
                Connected::new().negotiated_h2()
            }
            Self::Network(_) | Self::Unix(_) => Connected::new(),
        }
    }
}

impl AsyncRead for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Network(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Network(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Network(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Network(stream) => stream.is_write_vectored(),
            Self::Unix(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Network(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Network(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
