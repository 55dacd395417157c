//! The builder of the layer.

use std::fmt;

use http::request::Parts;

use super::ClientCertLayer;
use super::take::Config;
use crate::admit::FindPeer;
use crate::secret::HopSecret;
use crate::{ConfigError, Peer, PeerInfo, names};

/// Builds a [`ClientCertLayer`]; made by [`ClientCertLayer::builder`].
#[derive(Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct ClientCertBuilder {
    peers: Vec<Peer>,
    find_peer: Option<Box<FindPeer>>,
    secret: Option<Result<HopSecret, ConfigError>>,
}

impl ClientCertBuilder {
    /// Believes this proxy; may be called for several. At least one is required. It must remove what
    /// clients send under these names (RFC 9440 §4).
    pub fn trust(mut self, peer: Peer) -> Self {
        self.peers.push(peer);
        self
    }

    /// How to learn the other end of a request's connection: from what the server put into the
    /// request's extensions, and never from a header. Required. A request for which it knows
    /// nothing is answered 500, because the stack is then miswired.
    pub fn peer<F>(mut self, find: F) -> Self
    where
        F: Fn(&Parts) -> Option<PeerInfo> + Send + Sync + 'static,
    {
        self.find_peer = Some(Box::new(find));
        self
    }

    /// Demands a secret in the header `name` besides, such as `x-gate-secret`, from trusted proxies.
    /// The header is removed. May be called again with a second secret for the same header, while
    /// one replaces the other.
    ///
    /// Refused by [`build`](Self::build): a secret of fewer than 16 bytes or with others than visible
    /// ASCII, and a header that has a meaning of its own or is not the one named before.
    pub fn shared_secret(mut self, name: &str, secret: impl AsRef<[u8]>) -> Self {
        self.secret = Some(HopSecret::with(self.secret.take(), name, secret.as_ref()));
        self
    }

    /// The layer.
    ///
    /// # Errors
    /// When no proxy is trusted, there is no way to know the peer, or a shared secret is none.
    pub fn build(self) -> Result<ClientCertLayer, ConfigError> {
        if self.peers.is_empty() {
            return Err(ConfigError::new("no peer is trusted"));
        }
        self.peers.iter().try_for_each(Peer::check)?;
        let Some(find_peer) = self.find_peer else {
            return Err(ConfigError::new("there is no way to know the peer of a connection"));
        };
        let secret = self.secret.transpose()?;
        if secret.as_ref().is_some_and(|secret| names::is_certificate(secret.name().as_str())) {
            return Err(ConfigError::new("the shared secret has the header of a certificate"));
        }
        Ok(ClientCertLayer::new(Config { peers: self.peers, find_peer, secret }))
    }
}

// By hand: a closure need not be `Debug`.
impl fmt::Debug for ClientCertBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertBuilder").field("peers", &self.peers).finish_non_exhaustive()
    }
}
