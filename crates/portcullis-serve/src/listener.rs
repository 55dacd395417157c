//! Places to listen.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;

use crate::{Certificates, Remote};

/// A place to listen, taken. It is displayed as `http://ADDRESS`, `https://ADDRESS`, or the path of its socket.
#[derive(Debug)]
pub struct Listener(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    Tls(TcpListener, Certificates),
    #[cfg(unix)]
    Unix(UnixListener),
}

impl Listener {
    /// HTTP without TLS: for loopback, or behind something that terminates TLS.
    ///
    /// # Errors
    /// The address cannot be had.
    pub async fn tcp(address: SocketAddr) -> io::Result<Self> {
        TcpListener::bind(address).await.map(Kind::Tcp).map(Self)
    }

    /// HTTPS.
    ///
    /// # Errors
    /// The address cannot be had.
    pub async fn tls(address: SocketAddr, certificates: Certificates) -> io::Result<Self> {
        Ok(Self(Kind::Tls(TcpListener::bind(address).await?, certificates)))
    }

    /// HTTP on a Unix socket with these permissions, such as `0o660`. A socket that a process left behind is
    /// replaced; one that somebody listens on is not, nor is a file.
    ///
    /// # Errors
    /// The socket cannot be made, or is in use.
    #[cfg(unix)]
    pub fn unix(path: impl AsRef<Path>, mode: u32) -> io::Result<Self> {
        use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
        let path = path.as_ref();
        if std::fs::symlink_metadata(path).is_ok_and(|it| it.file_type().is_socket()) {
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            std::fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        Ok(Self(Kind::Unix(listener)))
    }

    /// Its address; none of a Unix socket.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.0 {
            Kind::Tcp(listener) | Kind::Tls(listener, _) => listener.local_addr().ok(),
            #[cfg(unix)]
            Kind::Unix(_) => None,
        }
    }

    pub(crate) fn certificates(&self) -> Option<Certificates> {
        match &self.0 {
            Kind::Tls(_, certificates) => Some(certificates.clone()),
            _ => None,
        }
    }

    pub(crate) async fn accept(&self) -> io::Result<(Box<dyn Stream>, Remote)> {
        match &self.0 {
            Kind::Tcp(listener) | Kind::Tls(listener, _) => {
                let (stream, from) = listener.accept().await?;
                // Streamed answers are several small writes: Nagle's algorithm would add 40 ms to each.
                stream.set_nodelay(true)?;
                let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                Ok((Box::new(stream), Remote::Address(from)))
            }
            #[cfg(unix)]
            Kind::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Box::new(stream), Remote::UnixSocket))
            }
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = |it: &TcpListener| it.local_addr().map_err(|_| fmt::Error);
        match &self.0 {
            Kind::Tcp(listener) => write!(f, "http://{}", address(listener)?),
            Kind::Tls(listener, _) => write!(f, "https://{}", address(listener)?),
            #[cfg(unix)]
            Kind::Unix(listener) => {
                let address = listener.local_addr().map_err(|_| fmt::Error)?;
                write!(f, "{}", address.as_pathname().unwrap_or(Path::new("?")).display())
            }
        }
    }
}

/// A connection, of whatever kind.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}
