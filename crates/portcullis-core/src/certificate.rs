//! The certificate that a client proved to have.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;

use crate::RequestFacts as _;

/// The certificate, in DER, that a client proved in a TLS handshake to have the key of.
///
/// Its writer is whoever knows that handshake: a TLS layer of your own for this very connection, or
/// a layer that takes the word of a trusted proxy (RFC 9440). It says whose key it is and not whose
/// permission: a token bound to it (RFC 8705 §3) is still needed.
#[derive(Clone, Eq, PartialEq)]
pub struct ClientCertificate {
    leaf: Bytes,
    chain: Arc<[Bytes]>,
}

impl ClientCertificate {
    /// The end-entity certificate.
    #[must_use]
    pub fn new(leaf: impl Into<Bytes>) -> Self {
        Self { leaf: leaf.into(), chain: Arc::default() }
    }

    /// Adds the certificates that the client sent besides, each certifying the one before it.
    #[must_use]
    pub fn with_chain(mut self, chain: impl IntoIterator<Item = Bytes>) -> Self {
        self.chain = chain.into_iter().collect();
        self
    }

    /// The end-entity certificate, in DER.
    #[must_use]
    pub fn leaf(&self) -> &Bytes {
        &self.leaf
    }

    /// The certificates that the client sent besides, in DER; empty when they are not known.
    #[must_use]
    pub fn chain(&self) -> &[Bytes] {
        &self.chain
    }

    /// The end-entity certificate of a request: the argument that
    /// `portcullis_jwt::JwtLayer::client_certificate` takes.
    #[must_use]
    pub fn leaf_of(parts: &Parts) -> Option<Bytes> {
        parts.client_certificate().map(|certificate| certificate.leaf.clone())
    }
}

// By hand: a certificate names a person or a machine, and is long.
impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientCertificate({} bytes, {} more)", self.leaf.len(), self.chain.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_fact_of_the_connection() {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        assert_eq!(ClientCertificate::leaf_of(&parts), None);
        let certificate = ClientCertificate::new(&b"leaf"[..]).with_chain([Bytes::from("issuer")]);
        assert_eq!(format!("{certificate:?}"), "ClientCertificate(4 bytes, 1 more)");
        parts.set_client_certificate(certificate);
        assert_eq!(ClientCertificate::leaf_of(&parts).unwrap(), "leaf");
        parts.clear_caller();
        assert_eq!(parts.client_certificate().unwrap().chain(), ["issuer"]);
        parts.clear_client_certificate();
        assert_eq!(ClientCertificate::leaf_of(&parts), None);
    }
}
