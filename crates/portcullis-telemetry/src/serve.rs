//! Serves health checks and metrics on a listener of their own.

use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::Health;

/// The most connections at once. Scrapers and probes are few.
const MAX_CONNECTIONS: usize = 64;
/// How long a client may take over the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may last. Nobody holds one open to keep others out.
const MAX_AGE: Duration = Duration::from_secs(300);
/// How long to wait after a connection could not be accepted: no file descriptors, mostly.
const BREATH: Duration = Duration::from_millis(100);

impl Health {
    /// Serves on `listener` until the future is dropped. HTTP/1.1 without TLS: bind to loopback, or
    /// to an address that only probes and scrapers reach.
    ///
    /// ```no_run
    /// # async fn start(telemetry: portcullis_telemetry::Telemetry) -> std::io::Result<()> {
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:9464").await?;
    /// tokio::spawn(telemetry.health().serve(listener));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// At most 64 connections at once, of at most 5 minutes each; the others wait.
    pub async fn serve(self, listener: TcpListener) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match accept(&listener).await {
                Ok(stream) => {
                    let health = self.clone();
                    tokio::spawn(async move {
                        // One that does not end well is its client's affair.
                        let _ = tokio::time::timeout(MAX_AGE, connection(health, stream)).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(
                        target: "portcullis",
                        error = ?error.kind(),
                        "cannot accept a connection for health checks"
                    );
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }
}

async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn connection(health: Health, stream: TcpStream) -> Result<(), hyper::Error> {
    let service = service_fn(move |request: Request<Incoming>| {
        ready(Ok::<_, Infallible>(health.answer(request.method(), request.uri().path())))
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), service)
        .await
}
