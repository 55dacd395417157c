//! The decision: whose word is this, and of which certificate does it speak?

use std::fmt;

use http::request::Parts;
use http::{HeaderMap, HeaderName};
use portcullis_core::{ClientCertificate, Denial, Reason};

use super::parse;
use crate::admit::FindPeer;
use crate::read::{not_hop_by_hop, only_line};
use crate::secret::HopSecret;
use crate::{IdentityError, IdentityErrorKind as Kind, Peer, names};

const LEAF: HeaderName = HeaderName::from_static("client-cert");
const CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");

/// Everything that was configured.
pub(super) struct Config {
    pub(super) peers: Vec<Peer>,
    pub(super) find_peer: Box<FindPeer>,
    pub(super) secret: Option<HopSecret>,
}

impl Config {
    /// The certificate that a trusted proxy names, if it names one; and then no header that names
    /// any is left, whoever sent it.
    pub(super) fn take(&self, parts: &mut Parts) -> Result<Option<ClientCertificate>, Denial> {
        let taken = match (self.find_peer)(parts) {
            None => Err(Denial::miswired("the peer of a connection is not known to ClientCertLayer")),
            Some(info) if !self.peers.iter().any(|peer| peer.is(&info)) => Ok(None),
            Some(_) if !self.is_proved(&parts.headers) => Ok(None),
            Some(_) => read(&parts.headers).map_err(|error| {
                // The client cannot mend this, and must not learn more; the operator can.
                tracing::warn!(target: "portcullis", %error, "certificate from a trusted peer refused");
                Denial::bad_http(Reason::BadIdentity)
            }),
        };
        self.scrub(&mut parts.headers);
        taken
    }

    fn is_proved(&self, headers: &HeaderMap) -> bool {
        self.secret.as_ref().is_none_or(|secret| secret.is_proved_by(headers))
    }

    fn scrub(&self, headers: &mut HeaderMap) {
        let is_secret = |name: &str| {
            self.secret.as_ref().is_some_and(|secret| names::same(name, secret.name().as_str()))
        };
        let unwanted: Vec<HeaderName> = headers
            .keys()
            .filter(|name| names::is_certificate(name.as_str()) || is_secret(name.as_str()))
            .cloned()
            .collect();
        for name in unwanted {
            headers.remove(name);
        }
    }
}

/// RFC 9440 §2.2: at most one line with one certificate. §2.3: a chain only beside it.
fn read(headers: &HeaderMap) -> Result<Option<ClientCertificate>, IdentityError> {
    not_hop_by_hop(headers, &LEAF)?;
    not_hop_by_hop(headers, &CHAIN)?;
    let twin =
        headers.keys().any(|name| names::same(name.as_str(), CHAIN.as_str()) && name != CHAIN);
    if twin {
        return Err(IdentityError::new(Kind::Repeated, CHAIN.as_str()));
    }
    let Some(leaf) = only_line(headers, &LEAF)? else {
        return match headers.contains_key(CHAIN) {
            true => Err(IdentityError::new(Kind::Missing, LEAF.as_str())),
            false => Ok(None),
        };
    };
    let leaf = parse::certificate(leaf.as_bytes())
        .map_err(|kind| IdentityError::new(kind, LEAF.as_str()))?;
    let lines: Vec<&[u8]> = headers.get_all(CHAIN).iter().map(|line| line.as_bytes()).collect();
    let chain = parse::chain(&lines).map_err(|kind| IdentityError::new(kind, CHAIN.as_str()))?;
    Ok(Some(ClientCertificate::new(leaf).with_chain(chain)))
}

// By hand: a closure need not be `Debug`.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("peers", &self.peers)
            .field("secret", &self.secret)
            .finish_non_exhaustive()
    }
}
