//! Who may vouch for callers: the other end of the connection.

use std::net::{IpAddr, SocketAddr};

use portcullis_core::Network;

use crate::ConfigError;

/// A peer whose identity headers are believed.
///
/// The peer is the other end of the connection itself, never what a header says about it. Trusting
/// a loopback address trusts every process on the machine; add a
/// [`shared_secret`](crate::ForwardedBuilder::shared_secret) where that is too much.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Peer(Kind);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Kind {
    Address(IpAddr),
    Network(Network),
    UnixSocket,
    TlsIdentity(String),
}

impl Peer {
    /// The peer with this address. An IPv4 address and its IPv4-mapped form (RFC 4291 §2.5.5.2),
    /// which dual-stack listeners report, are one address.
    #[must_use]
    pub fn address(address: IpAddr) -> Self {
        Self(Kind::Address(address.to_canonical()))
    }

    /// Every peer in this network, such as `10.1.0.0/16` or `fd00:12::/64`. Anything in that
    /// network can then speak for anybody.
    ///
    /// # Errors
    /// When it is not a network in CIDR notation, has bits set after the prefix, or is the whole
    /// address space.
    pub fn network(cidr: &str) -> Result<Self, ConfigError> {
        let network = Network::parse(cidr).map_err(|error| ConfigError::new(error.to_string()))?;
        Ok(Self(Kind::Network(network)))
    }

    /// Whoever may connect to the Unix socket that we listen on; its file permissions decide who.
    #[must_use]
    pub fn unix_socket() -> Self {
        Self(Kind::UnixSocket)
    }

    /// A peer whose client certificate, verified by the TLS layer, names exactly this identity,
    /// such as `spiffe://cluster.example/ns/edge/sa/proxy`.
    #[must_use]
    pub fn tls_identity(identity: impl Into<String>) -> Self {
        Self(Kind::TlsIdentity(identity.into()))
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        match &self.0 {
            Kind::TlsIdentity(identity) if identity.is_empty() => {
                Err(ConfigError::new("the TLS identity of a trusted peer is empty"))
            }
            Kind::Address(address) if address.is_unspecified() => {
                Err(ConfigError::new(format!("{address} is the address of no peer")))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn is(&self, info: &PeerInfo) -> bool {
        match &self.0 {
            Kind::Address(address) => info.address == Some(*address),
            Kind::Network(network) => info.address.is_some_and(|it| network.contains(it)),
            Kind::UnixSocket => info.unix_socket,
            Kind::TlsIdentity(identity) => info.tls_identities.contains(identity),
        }
    }
}

/// What is known of the other end of a connection; made by your closure for
/// [`peer`](crate::ForwardedBuilder::peer), from the connection and never from a header.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[must_use]
pub struct PeerInfo {
    address: Option<IpAddr>,
    unix_socket: bool,
    tls_identities: Vec<String>,
}

impl PeerInfo {
    /// A peer with this address.
    pub fn address(address: IpAddr) -> Self {
        Self { address: Some(address.to_canonical()), ..Self::default() }
    }

    /// A peer on a Unix socket.
    pub fn unix_socket() -> Self {
        Self { unix_socket: true, ..Self::default() }
    }

    /// Adds a name (URI or DNS) from the peer's client certificate, which the TLS layer has
    /// verified.
    pub fn with_tls_identity(mut self, identity: impl Into<String>) -> Self {
        self.tls_identities.push(identity.into());
        self
    }
}

impl From<IpAddr> for PeerInfo {
    fn from(address: IpAddr) -> Self {
        Self::address(address)
    }
}

impl From<SocketAddr> for PeerInfo {
    fn from(address: SocketAddr) -> Self {
        Self::address(address.ip())
    }
}
