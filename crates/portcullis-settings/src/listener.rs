//! Where to listen.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use portcullis_serve::CertificateFiles;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{At, Problem, Sources};

/// A place to listen.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Listener {
    /// HTTP without TLS, on this address: for loopback, or behind something that terminates TLS.
    Http(At<String>),
    /// HTTPS.
    Tls(Tls),
    /// HTTP on a Unix socket.
    Unix(Unix),
}

/// HTTPS. The files are looked at every two seconds, and new ones used for new connections.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Address, such as `0.0.0.0:8443`.
    pub address: At<String>,
    /// PEM file of the certificate chain, leaf first.
    pub certificate: PathBuf,
    /// PEM file of its private key.
    pub key: PathBuf,
    /// PEM file of authorities. Clients may then present a certificate of theirs; tokens bound to it are accepted.
    pub client_authorities: Option<PathBuf>,
    /// Refuse clients without a certificate.
    #[serde(default)]
    pub require_client_certificate: bool,
}

/// A Unix socket.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unix {
    /// Path of the socket.
    pub path: PathBuf,
    /// Its permissions in octal, as a string; `"0660"` by default.
    pub mode: Option<At<String>>,
}

impl Listener {
    /// Whether the place is one, and certificates can be used. Takes nothing.
    ///
    /// # Errors
    /// It is not, or they cannot.
    pub fn check(&self, sources: &Sources) -> Result<(), Problem> {
        match self {
            Self::Http(address) => socket_address(address).map(drop),
            Self::Tls(tls) => {
                socket_address(&tls.address)?;
                tls.files(sources).load().map(drop).map_err(|error| Problem::of(&error))
            }
            Self::Unix(unix) => unix.bits().map(drop),
        }
    }

    /// Takes the place, on a `tokio` runtime. Certificates are watched.
    ///
    /// # Errors
    /// As [`check`](Self::check), or somebody else has it.
    pub async fn bind(&self, sources: &Sources) -> Result<portcullis_serve::Listener, Problem> {
        use portcullis_serve::Listener as Place;
        let place = match self {
            Self::Http(address) => Place::tcp(socket_address(address)?).await,
            Self::Tls(tls) => {
                let loaded = tls.files(sources).load().map_err(|error| Problem::of(&error))?;
                tokio::spawn(loaded.watch());
                Place::tls(socket_address(&tls.address)?, loaded).await
            }
            #[cfg(unix)]
            Self::Unix(unix) => Place::unix(sources.path(&unix.path), unix.bits()?),
            #[cfg(not(unix))]
            Self::Unix(_) => Err(std::io::ErrorKind::Unsupported.into()),
        };
        place.map_err(|error| Problem::new(format!("cannot listen: {error}")))
    }

    /// Whether only this machine reaches it.
    ///
    /// # Errors
    /// The address is none.
    pub fn is_local(&self) -> Result<bool, Problem> {
        match self {
            Self::Http(address) | Self::Tls(Tls { address, .. }) => {
                Ok(socket_address(address)?.ip().is_loopback())
            }
            Self::Unix(_) => Ok(true),
        }
    }

    /// Whether clients may present certificates.
    #[must_use]
    pub fn takes_client_certificates(&self) -> bool {
        matches!(self, Self::Tls(tls) if tls.client_authorities.is_some())
    }
}

/// As a person reads it.
impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(address) => write!(f, "{}, without TLS", address.as_str()),
            Self::Tls(tls) => write!(f, "{}, with TLS", tls.address.as_str()),
            Self::Unix(unix) => write!(f, "{}", unix.path.display()),
        }
    }
}

impl Tls {
    fn files(&self, sources: &Sources) -> CertificateFiles {
        let (chain, key) = (sources.path(&self.certificate), sources.path(&self.key));
        let mut files = CertificateFiles::new(chain, key);
        if let Some(path) = &self.client_authorities {
            files = files.client_authorities(sources.path(path));
        }
        if self.require_client_certificate { files.require_client_certificate() } else { files }
    }
}

impl Unix {
    fn bits(&self) -> Result<u32, Problem> {
        let Some(mode) = &self.mode else { return Ok(0o660) };
        let bits = u32::from_str_radix(mode, 8).ok().filter(|bits| *bits <= 0o777);
        bits.ok_or_else(|| Problem::new("the mode is not octal, such as \"0660\"").at(mode))
    }
}

/// An address with its port.
///
/// # Errors
/// It is none.
pub fn socket_address(address: &At<String>) -> Result<SocketAddr, Problem> {
    let problem =
        |_| Problem::new("not an address with a port, such as 127.0.0.1:8800").at(address);
    address.parse().map_err(problem)
}
