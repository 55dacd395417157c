//! Takes connections, and lets nobody hold them for nothing.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{fmt, io};

use http::Request;
use http::request::Parts;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use portcullis::RequestFacts as _;
use portcullis::core::ClientCertificate;
use portcullis::forwarded::PeerInfo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use crate::config::{Listener, Unix};
use crate::gateway::Gateway;
use crate::read::{At, File, Problem};
use crate::tls::Acceptor;

/// How long a client may take over a TLS handshake, over its first request, and over the head of each.
const PATIENCE: Duration = Duration::from_secs(10);

/// The other end of a request's connection.
#[derive(Clone)]
struct Remote(PeerInfo, Option<IpAddr>);

/// For whoever believes a sidecar.
#[expect(clippy::disallowed_methods, reason = "the server's own, no fact of a layer")]
pub fn peer(parts: &Parts) -> Option<PeerInfo> {
    parts.extensions.get::<Remote>().map(|remote| remote.0.clone())
}

/// For records.
#[expect(clippy::disallowed_methods, reason = "the server's own, no fact of a layer")]
pub fn address(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get::<Remote>().and_then(|remote| remote.1)
}

/// Whether the file's places are places.
pub fn check(file: &File) -> Result<(), Problem> {
    if file.config.listen.is_empty() {
        return Err(Problem::new("there is nowhere to listen"));
    }
    for listener in &file.config.listen {
        match &**listener {
            Listener::Http(address) => drop(parse(address)?),
            Listener::Tls(tls) => drop(parse(&tls.address)?),
            Listener::Unix(unix) => drop(mode(unix)?),
        }
    }
    file.config.admin.as_ref().map_or(Ok(()), |address| parse(address).map(drop))
}

/// An address with its port.
pub fn parse(address: &At<String>) -> Result<SocketAddr, Problem> {
    let problem =
        |_| Problem::new("not an address with a port, such as 127.0.0.1:8800").at(address);
    address.parse().map_err(problem)
}

fn mode(unix: &Unix) -> Result<u32, Problem> {
    let Some(mode) = &unix.mode else { return Ok(0o660) };
    let bits = u32::from_str_radix(mode, 8).ok().filter(|bits| *bits <= 0o777);
    bits.ok_or_else(|| Problem::new("the mode is not octal, such as \"0660\"").at(mode))
}

/// A place to listen, taken.
pub enum Bound {
    Tcp(TcpListener),
    Tls(TcpListener, Acceptor),
    #[cfg(unix)]
    Unix(UnixListener),
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(listener) | Self::Tls(listener, _) => {
                let scheme = if matches!(self, Self::Tls(..)) { "https" } else { "http" };
                let address = listener.local_addr().map_err(|_| fmt::Error)?;
                write!(f, "{scheme}://{address}")
            }
            #[cfg(unix)]
            Self::Unix(listener) => {
                let address = listener.local_addr().map_err(|_| fmt::Error)?;
                write!(f, "{}", address.as_pathname().unwrap_or(Path::new("?")).display())
            }
        }
    }
}

impl Bound {
    /// Takes all places of the file.
    pub async fn all(file: &File) -> Result<Vec<Self>, Problem> {
        let mut bound = Vec::new();
        for listener in &file.config.listen {
            let taken = match &**listener {
                Listener::Http(address) => TcpListener::bind(parse(address)?).await.map(Self::Tcp),
                Listener::Tls(tls) => {
                    let acceptor = Acceptor::new(file, tls).map_err(|it| it.at(listener))?;
                    TcpListener::bind(parse(&tls.address)?).await.map(|it| Self::Tls(it, acceptor))
                }
                Listener::Unix(unix) => socket(&file.path(&unix.path), mode(unix)?),
            };
            let fault = |error| Problem::new(format!("cannot listen: {error}")).at(listener);
            bound.push(taken.map_err(fault)?);
        }
        Ok(bound)
    }

    /// Serves until `stop` says so.
    pub async fn serve(
        self,
        gateway: Arc<Gateway>,
        places: Arc<Semaphore>,
        mut stop: watch::Receiver<bool>,
    ) {
        loop {
            let taken = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, self.accept().await)
            };
            let (place, accepted) = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                taken = taken => taken,
            };
            let connection = match accepted {
                Ok(connection) => connection,
                Err(error) => {
                    tracing::warn!(error = ?error.kind(), "cannot accept a connection");
                    sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let (gateway, stop) = (Arc::clone(&gateway), stop.clone());
            let acceptor = if let Self::Tls(_, it) = &self { Some(it.clone()) } else { None };
            tokio::spawn(async move {
                connection.serve(acceptor, &gateway, stop).await;
                drop(place);
            });
        }
    }

    async fn accept(&self) -> io::Result<Connection> {
        match self {
            Self::Tcp(listener) | Self::Tls(listener, _) => {
                let (stream, from) = listener.accept().await?;
                // Streamed answers are several small writes: Nagle's algorithm would add 40 ms to each.
                stream.set_nodelay(true)?;
                let address = SocketAddr::ip(&from).to_canonical();
                Ok(Connection {
                    stream: Box::new(stream),
                    remote: Remote(PeerInfo::address(address), Some(address)),
                })
            }
            #[cfg(unix)]
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                let remote = Remote(PeerInfo::unix_socket(), None);
                Ok(Connection { stream: Box::new(stream), remote })
            }
        }
    }
}

/// A Unix socket; one that a process left behind is replaced.
#[cfg(unix)]
fn socket(path: &Path, mode: u32) -> io::Result<Bound> {
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
    if std::fs::symlink_metadata(path).is_ok_and(|it| it.file_type().is_socket()) {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok(Bound::Unix(listener))
}

#[cfg(not(unix))]
fn socket(_: &Path, _: u32) -> io::Result<Bound> {
    Err(io::ErrorKind::Unsupported.into())
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

struct Connection {
    stream: Box<dyn Stream>,
    remote: Remote,
}

impl Connection {
    async fn serve(self, tls: Option<Acceptor>, gateway: &Gateway, stop: watch::Receiver<bool>) {
        let Some(acceptor) = tls else {
            return http(self.stream, self.remote, None, gateway, stop).await;
        };
        // A handshake that fails or takes too long is its client's affair.
        let Ok(Ok(stream)) = timeout(PATIENCE, acceptor.current().accept(self.stream)).await else {
            return;
        };
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let certificate = chain.split_first().map(|(leaf, chain)| {
            let bytes = |it: &[u8]| bytes::Bytes::copy_from_slice(it);
            ClientCertificate::new(bytes(leaf)).with_chain(chain.iter().map(|it| bytes(it)))
        });
        http(stream, self.remote, certificate, gateway, stop).await;
    }
}

async fn http(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    remote: Remote,
    certificate: Option<ClientCertificate>,
    gateway: &Gateway,
    mut stop: watch::Receiver<bool>,
) {
    let begun = AtomicBool::new(false);
    let service = service_fn(|mut request: Request<Incoming>| {
        begun.store(true, Ordering::Relaxed);
        #[expect(clippy::disallowed_methods, reason = "the server's own, no fact of a layer")]
        request.extensions_mut().insert(remote.clone());
        if let Some(certificate) = &certificate {
            request.set_client_certificate(certificate.clone());
        }
        let routes = gateway.routes();
        async move { Ok::<_, Infallible>(routes.answer(request).await) }
    });
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_headers(100)
        .max_buf_size(64 * 1024);
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
