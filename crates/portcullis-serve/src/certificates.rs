//! Certificates that may change while connections last.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::{ConfigError, Watched};

/// The files of a certificate: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1.
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use portcullis_serve::{CertificateFiles, Listener};
///
/// let certificates = CertificateFiles::new("tls.pem", "tls.key").load()?; // bad files: no start
/// tokio::spawn(certificates.watch());
/// let listener = Listener::tls("0.0.0.0:8443".parse()?, certificates).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is read until `load`"]
pub struct CertificateFiles {
    chain: PathBuf,
    key: PathBuf,
    authorities: Option<PathBuf>,
    required: bool,
}

impl CertificateFiles {
    /// The certificate chain, leaf first, and its private key (PKCS#8, SEC 1 or PKCS#1); both in PEM form.
    pub fn new(chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { chain: chain.into(), key: key.into(), authorities: None, required: false }
    }

    /// Asks clients for certificates of these authorities, a file in PEM form. A client without one is let
    /// in; one with somebody else's is not. Layers find them by
    /// [`ClientCertificate`](portcullis_core::ClientCertificate).
    pub fn client_authorities(mut self, path: impl Into<PathBuf>) -> Self {
        self.authorities = Some(path.into());
        self
    }

    /// Lets no client in without a certificate.
    pub fn require_client_certificate(mut self) -> Self {
        self.required = true;
        self
    }

    /// Reads the files.
    ///
    /// # Errors
    /// One of them cannot be read, the key is not the certificate's, or certificates are required of no
    /// authority.
    pub fn load(self) -> Result<Certificates, ConfigError> {
        let config = self.read()?;
        Ok(Certificates(Arc::new(Inner { current: ArcSwap::from(config), files: self })))
    }

    fn read(&self) -> Result<Arc<ServerConfig>, ConfigError> {
        let fault = |error: &dyn std::error::Error| ConfigError::new(error.to_string());
        let chain = certificates(&self.chain)?;
        // The error of the reader is left out: it may show a part of the key.
        let key = PrivateKeyDer::from_pem_slice(&bytes(&self.key)?).map_err(|_| {
            ConfigError::new(format!("{} holds no private key", self.key.display()))
        })?;
        let provider = provider()
            .ok_or_else(|| ConfigError::new("there is no cryptography for TLS in this program"))?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| fault(&error))?;
        let builder = match &self.authorities {
            None if self.required => {
                return Err(ConfigError::new("client certificates are required of no authority"));
            }
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for authority in certificates(path)? {
                    roots.add(authority).map_err(|error| fault(&error))?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier =
                    if self.required { verifier } else { verifier.allow_unauthenticated() };
                builder.with_client_cert_verifier(verifier.build().map_err(|error| fault(&error))?)
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|error| fault(&error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, ConfigError> {
    std::fs::read(path)
        .map_err(|error| ConfigError::new(format!("cannot read {}: {error}", path.display())))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let pem = bytes(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(ConfigError::new(format!("{} holds no certificate", path.display()))),
    }
}

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

/// A certificate as it was when its files could last be used; made by [`CertificateFiles::load`].
///
/// Clones share it. Connections keep the one that they began with.
#[derive(Clone)]
pub struct Certificates(Arc<Inner>);

struct Inner {
    current: ArcSwap<ServerConfig>,
    files: CertificateFiles,
}

impl Certificates {
    /// Watches the files until every other clone of this is gone. Files that cannot be used are told to
    /// `tracing`, and what was in use stays so. Spawn it on a `tokio` runtime with time.
    pub fn watch(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        let files = &self.0.files;
        let paths = [&files.chain, &files.key].into_iter().chain(&files.authorities).cloned();
        watch(Arc::downgrade(&self.0), Watched::new(paths))
    }

    /// For one connection.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.current.load_full())
    }
}

async fn watch(certificates: Weak<Inner>, mut watched: Watched) {
    loop {
        watched.changed().await;
        let Some(inner) = certificates.upgrade() else { return };
        let certificate = inner.files.chain.display();
        match inner.files.read() {
            Ok(config) => {
                inner.current.store(config);
                tracing::info!(%certificate, "another certificate is in use");
            }
            Err(error) => {
                tracing::error!(%certificate, "{error}; the one before stays in use");
            }
        }
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificates").field(&self.0.files).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_cannot_be_used_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(["b.example".to_owned()]).unwrap();
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| std::fs::write(path(name), text).unwrap();
        write("tls.pem", &made.cert.pem());
        write("tls.key", &made.signing_key.serialize_pem());
        write("other.key", &other.signing_key.serialize_pem());
        write("broken.pem", &made.cert.pem().replace('M', "*"));
        let files = |chain: &str, key: &str| CertificateFiles::new(path(chain), path(key));
        let good = || files("tls.pem", "tls.key");
        let rows = [
            ("good", good(), None),
            ("authorities", good().client_authorities(path("tls.pem")), None),
            ("nothing there", files("none.pem", "tls.key"), Some("cannot read")),
            ("no certificate", files("tls.key", "tls.key"), Some("holds no certificate")),
            ("a broken one", files("broken.pem", "tls.key"), Some("holds no certificate")),
            ("no key", files("tls.pem", "tls.pem"), Some("holds no private key")),
            ("another's key", files("tls.pem", "other.key"), Some("")),
            ("of whom?", good().require_client_certificate(), Some("required of no authority")),
            (
                "no authorities",
                good().client_authorities(path("tls.key")),
                Some("holds no certificate"),
            ),
        ];
        for (name, files, expected) in rows {
            let told = files.load().err().map(|error| error.to_string());
            match (&told, expected) {
                (None, None) => {}
                (Some(told), Some(expected)) => assert!(told.contains(expected), "{name}: {told}"),
                _ => panic!("{name}: {told:?}"),
            }
            assert!(!told.unwrap_or_default().contains("PRIVATE"), "{name}");
        }
    }
}
