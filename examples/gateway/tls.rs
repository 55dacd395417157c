//! HTTPS, with certificates that may change while connections last.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::config::Tls;
use crate::read::{File, Problem};
use crate::stamp::Watched;

/// Accepts TLS connections with the newest good certificate.
#[derive(Clone)]
pub struct Acceptor(Arc<ArcSwap<ServerConfig>>);

/// The files, as absolute as the file's own path.
struct Paths {
    certificate: PathBuf,
    key: PathBuf,
    authorities: Option<PathBuf>,
    required: bool,
}

impl Acceptor {
    pub fn new(file: &File, tls: &Tls) -> Result<Self, Problem> {
        let paths = Paths::new(file, tls);
        let current = Arc::new(ArcSwap::from(paths.load()?));
        tokio::spawn(follow(paths, Arc::clone(&current)));
        Ok(Self(current))
    }

    /// Whether the files can be used.
    pub fn check(file: &File, tls: &Tls) -> Result<(), Problem> {
        Paths::new(file, tls).load().map(drop)
    }

    /// For one connection.
    pub fn current(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.load_full())
    }
}

async fn follow(paths: Paths, current: Arc<ArcSwap<ServerConfig>>) {
    let files = [&paths.certificate, &paths.key].into_iter().chain(&paths.authorities);
    let mut watched = Watched::new(files.cloned().collect());
    loop {
        watched.changed().await;
        match paths.load() {
            Ok(config) => {
                current.store(config);
                tracing::info!(certificate = %paths.certificate.display(), "another certificate is in use");
            }
            Err(problem) => {
                tracing::error!(
                    "{}; the one before stays in use",
                    problem.show(&paths.certificate)
                );
            }
        }
    }
}

impl Paths {
    fn new(file: &File, tls: &Tls) -> Self {
        Self {
            certificate: file.path(&tls.certificate),
            key: file.path(&tls.key),
            authorities: tls.client_authorities.as_ref().map(|path| file.path(path)),
            required: tls.require_client_certificate,
        }
    }

    fn load(&self) -> Result<Arc<ServerConfig>, Problem> {
        let read = |path: &PathBuf| {
            std::fs::read(path)
                .map_err(|error| Problem::new(format!("cannot read {}: {error}", path.display())))
        };
        let certificates = |path: &PathBuf| {
            let pem = read(path)?;
            let chain: Vec<_> =
                CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect();
            let none = || Problem::new(format!("{} holds no certificate", path.display()));
            if chain.is_empty() { Err(none()) } else { Ok(chain) }
        };
        let chain = certificates(&self.certificate)?;
        // The error of the reader is left out: it may show a part of the key.
        let key = PrivateKeyDer::from_pem_slice(&read(&self.key)?)
            .map_err(|_| Problem::new(format!("{} holds no private key", self.key.display())))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let fault = |error: &dyn std::error::Error| Problem::of(error);
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| fault(&error))?;
        let builder = match &self.authorities {
            None if self.required => {
                return Err(Problem::new("client certificates are required of no authority"));
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
