//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::error::Error;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use portcullis_core::{ClientCertificate, RequestFacts as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tower_service::Service;

use crate::listener::Stream;
use crate::{Certificates, Remote, RequestBody};

/// How long a client may take over a TLS handshake, over its first request, and over the head of each.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most header fields of a request, and the most bytes of its head.
const MAX_HEADERS: usize = 100;
const MAX_HEAD: usize = 64 * 1024;

/// Serves one connection to its end. `stop` asks for an orderly one.
pub(crate) async fn serve<S, B>(
    stream: Box<dyn Stream>,
    remote: Remote,
    certificates: Option<Certificates>,
    service: S,
    stop: watch::Receiver<bool>,
) where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let Some(certificates) = certificates else {
        return http(stream, remote, None, service, stop).await;
    };
    // A handshake that fails or takes too long is its client's affair.
    let Ok(Ok(stream)) = timeout(PATIENCE, certificates.acceptor().accept(stream)).await else {
        return;
    };
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let certificate = chain.split_first().map(|(leaf, chain)| {
        let bytes = |it: &[u8]| Bytes::copy_from_slice(it);
        ClientCertificate::new(bytes(leaf)).with_chain(chain.iter().map(|it| bytes(it)))
    });
    http(stream, remote, certificate, service, stop).await;
}

async fn http<S, B>(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    remote: Remote,
    certificate: Option<ClientCertificate>,
    service: S,
    mut stop: watch::Receiver<bool>,
) where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let begun = AtomicBool::new(false);
    let service = service_fn(|request: Request<Incoming>| {
        begun.store(true, Ordering::Relaxed);
        let mut request = request.map(RequestBody);
        remote.mark(request.extensions_mut());
        if let Some(certificate) = &certificate {
            request.set_client_certificate(certificate.clone());
        }
        let mut service = service.clone();
        async move {
            std::future::poll_fn(|cx| service.poll_ready(cx)).await?;
            service.call(request).await
        }
    });
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(256)
        .max_header_list_size(64 * 1024)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    let mut connection = pin!(server.serve_connection(TokioIo::new(stream), service));
    let (mut stopping, mut idle) = (false, pin!(sleep(PATIENCE)));
    let mut waited = false;
    loop {
        tokio::select! {
            // A client that goes away is none of our business here.
            _ = connection.as_mut() => return,
            _ = stop.wait_for(|stop| *stop), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            () = idle.as_mut(), if !waited => {
                waited = true;
                if !begun.load(Ordering::Relaxed) {
                    return;
                }
            }
        }
    }
}
