//! Configuration time.

use std::sync::Arc;

use tower_layer::Layer;

use super::take::Config;
use super::{ClientCert, ClientCertBuilder};

/// Takes the client's certificate from `Client-Cert` and `Client-Cert-Chain` (RFC 9440), when the
/// proxy that ends the client's TLS is trusted, as the fact
/// [`ClientCertificate`](portcullis_core::ClientCertificate). Tokens bound to a certificate
/// (RFC 8705 §3) then work behind that proxy.
///
/// The header proves possession because the proxy saw the handshake; it identifies nobody, and no
/// policy reads it. From anyone else it says nothing and is removed, in any spelling, together with
/// `X-Client-Cert`, `X-Forwarded-Client-Cert`, `X-SSL-Client-*` and their kin (R-139).
///
/// It goes around the whole stack, because the edge removes what `Connection` names. A fact that
/// was there before is forgotten: the certificate of this very connection is the proxy's own.
///
/// **400**, when a trusted proxy's header is there twice or in another spelling, is named by
/// `Connection`, or is not one byte sequence in strict base64 of at most 16 KiB (the chain: 16
/// certificates, 64 KiB); a chain without a certificate. **500**, when the peer is not known.
///
/// ```
/// use std::net::SocketAddr;
///
/// use portcullis_core::{Challenge, ClientCertificate};
/// use portcullis_forwarded::{ClientCertLayer, Peer, PeerInfo};
/// use portcullis_jwt::{Issuer, JwkSet, JwtLayer, Verifier};
/// use tower::ServiceBuilder;
/// # use portcullis_test::{FakeMcp, Mint};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let jwks = JwkSet::from_json(Mint::es256("https://id.example.com").jwks())?;
///
/// let certificates = ClientCertLayer::builder()
///     .trust(Peer::address("10.0.0.5".parse()?))
///     .peer(|parts| parts.extensions.get::<SocketAddr>().copied().map(PeerInfo::from))
///     .build()?;
/// let verifier = Verifier::builder("https://mcp.example.com/mcp")
///     .issuer(Issuer::new("https://id.example.com").keys(jwks))
///     .build()?;
/// let tokens = JwtLayer::new(verifier, Challenge::without_metadata(["mcp:read"])?)
///     .client_certificate(ClientCertificate::leaf_of);
/// let service = ServiceBuilder::new().layer(certificates).layer(tokens).service(FakeMcp::new());
/// # Ok(())
/// # }
/// ```
///
/// With the facade, `portcullis::Builder::tokens` takes the call of `client_certificate`, and this
/// layer goes around the built gate.
#[derive(Clone, Debug)]
#[must_use = "no certificate is taken until the layer is applied"]
pub struct ClientCertLayer {
    config: Arc<Config>,
}

impl ClientCertLayer {
    /// Starts a layer that trusts nobody yet.
    pub fn builder() -> ClientCertBuilder {
        ClientCertBuilder::default()
    }

    pub(super) fn new(config: Config) -> Self {
        Self { config: Arc::new(config) }
    }
}

impl<S> Layer<S> for ClientCertLayer {
    type Service = ClientCert<S>;

    fn layer(&self, inner: S) -> ClientCert<S> {
        ClientCert::new(inner, Arc::clone(&self.config))
    }
}
