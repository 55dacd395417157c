//! How a server is known, and how it knows us.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::ConfigError;

/// How a server is known, and how it knows us: TLS 1.2 or 1.3, the certificate always verified.
#[derive(Clone, Default)]
pub struct Tls {
    /// The platform's, if there are none.
    roots: Vec<CertificateDer<'static>>,
    client: Option<Arc<Client>>,
}

struct Client {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Tls {
    /// Servers are known by the root certificates that the platform trusts. This is the default.
    #[must_use]
    pub fn platform() -> Self {
        Self::default()
    }

    /// Servers are known by these authorities and no others: certificates in PEM form.
    ///
    /// # Errors
    /// There is no certificate in `pem`, or one that cannot be read.
    pub fn authorities(pem: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let roots = certificates(pem.as_ref(), "the certificates of authorities")?;
        Ok(Self { roots, client: None })
    }

    /// Shows this certificate to servers that ask for one: its chain, leaf first, and its private key
    /// (PKCS#8, SEC 1 or PKCS#1), in PEM form.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn client_certificate(
        mut self,
        chain: impl AsRef<[u8]>,
        key: impl AsRef<[u8]>,
    ) -> Result<Self, ConfigError> {
        let chain = certificates(chain.as_ref(), "the client certificate")?;
        let key = PrivateKeyDer::from_pem_slice(key.as_ref())
            .map_err(|_| ConfigError::new("the key of the client certificate cannot be read"))?;
        self.client = Some(Arc::new(Client { chain, key }));
        Ok(self)
    }

    /// The settings of rustls.
    pub(crate) fn config(&self) -> Result<Arc<ClientConfig>, ConfigError> {
        let provider = provider().ok_or_else(|| {
            ConfigError::new(
                "there is no library for TLS: turn on the feature aws-lc-rs, or install a default \
                 CryptoProvider of rustls first",
            )
        })?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| ConfigError::new("no TLS version is available"))?
            .with_root_certificates(self.root_store()?);
        let config = match &self.client {
            None => builder.with_no_client_auth(),
            Some(client) => builder
                .with_client_auth_cert(client.chain.clone(), client.key.clone_key())
                .map_err(|_| ConfigError::new("the client certificate and its key do not fit"))?,
        };
        Ok(Arc::new(config))
    }

    fn root_store(&self) -> Result<RootCertStore, ConfigError> {
        let mut store = RootCertStore::empty();
        if self.roots.is_empty() {
            // What the platform has and rustls cannot read is of no use, and no error.
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if store.is_empty() {
                return Err(ConfigError::new("the platform has no root certificates"));
            }
        }
        for root in &self.roots {
            store
                .add(root.clone())
                .map_err(|_| ConfigError::new("a certificate of an authority is not one"))?;
        }
        Ok(store)
    }
}

// By hand: no key is shown.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("authorities", &self.roots.len())
            .field("client_certificate", &self.client.is_some())
            .finish()
    }
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let read = read.map_err(|_| ConfigError::new(format!("{what} cannot be read")))?;
    if read.is_empty() {
        return Err(ConfigError::new(format!("{what} hold no certificate in PEM form")));
    }
    Ok(read)
}

/// The crypto provider is named, so that another crate's choice of a process default, or the lack
/// of one, makes no difference.
#[cfg(feature = "aws-lc-rs")]
#[expect(clippy::unnecessary_wraps, reason = "as the other one")]
fn provider() -> Option<Arc<CryptoProvider>> {
    Some(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

/// There is no provider without a C compiler among the dependencies: the program brings one.
#[cfg(not(feature = "aws-lc-rs"))]
fn provider() -> Option<Arc<CryptoProvider>> {
    CryptoProvider::get_default().cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_pem_is_an_error() {
        let certificate = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
        let (pem, key) = (certificate.cert.pem(), certificate.signing_key.serialize_pem());
        assert!(Tls::authorities(&pem).unwrap().config().is_ok());
        for bad in ["", "nonsense", &key] {
            assert!(Tls::authorities(bad).is_err(), "{bad}");
        }
        let tls = || Tls::authorities(&pem).unwrap();
        assert!(tls().client_certificate(&pem, &key).unwrap().config().is_ok());
        assert!(tls().client_certificate(&pem, "").is_err());
        let other = rcgen::generate_simple_self_signed(["b.example".to_owned()]).unwrap();
        let other = other.signing_key.serialize_pem();
        let misfit = tls().client_certificate(&pem, &other).unwrap();
        assert!(misfit.config().is_err(), "a key of another certificate");
        assert!(!format!("{misfit:?}").contains("PRIVATE"));
    }
}
