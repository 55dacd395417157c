//! Connections for key fetches: plain, or TLS with the library that there is.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use http::uri::Scheme;
use hyper_rustls::{
    ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream,
};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tower_service::Service;

use crate::ConfigError;
use crate::resolver::GuardedResolver;

type Tcp = HttpConnector<GuardedResolver>;
type BoxError = Box<dyn Error + Send + Sync>;

/// Makes connections; over TLS only where a crypto provider was found when it was built.
#[derive(Clone)]
pub(crate) enum Connector {
    Any(HttpsConnector<Tcp>),
    Plain(Tcp),
}

impl Connector {
    /// For connections to `url` and to the addresses that a document there names.
    pub(crate) fn new(url: &Uri, tcp: Tcp) -> Result<Self, ConfigError> {
        let secure = url.scheme() == Some(&Scheme::HTTPS);
        let Some(provider) = provider() else {
            return if secure {
                Err(ConfigError::new(
                    "keys cannot be fetched over https: turn on the feature aws-lc-rs, or install \
                     a default CryptoProvider of rustls first",
                ))
            } else {
                Ok(Self::Plain(tcp))
            };
        };
        // Plain `http` is allowed where `check_url` says so, and there is no redirect.
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(provider, secure)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Ok(Self::Any(connector))
    }
}

/// The crypto provider is named, so that another crate's choice of a process default, or the lack
/// of one, makes no difference.
#[cfg(feature = "aws-lc-rs")]
#[expect(clippy::unnecessary_wraps, reason = "as the other one")]
pub(crate) fn provider() -> Option<Arc<CryptoProvider>> {
    Some(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

/// There is no provider without a C compiler among the dependencies: the program brings one.
#[cfg(not(feature = "aws-lc-rs"))]
pub(crate) fn provider() -> Option<Arc<CryptoProvider>> {
    CryptoProvider::get_default().cloned()
}

fn tls(provider: Arc<CryptoProvider>, secure: bool) -> Result<ClientConfig, ConfigError> {
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| ConfigError::new("no TLS version is available"))?;
    // A document at a plain `http` address may name keys at an `https` one.
    let builder = match builder.clone().with_native_roots() {
        Ok(builder) => builder,
        Err(_) if !secure => builder.with_root_certificates(RootCertStore::empty()),
        Err(_) => {
            return Err(ConfigError::new(
                "the platform has no root certificates to verify the issuer with",
            ));
        }
    };
    Ok(builder.with_no_client_auth())
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    // Boxed: once per key fetch.
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self {
            Self::Any(any) => any.poll_ready(cx),
            Self::Plain(tcp) => tcp.poll_ready(cx).map_err(Into::into),
        }
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        match self {
            Self::Any(any) => any.call(url),
            Self::Plain(tcp) if url.scheme() == Some(&Scheme::HTTP) => {
                let connected = tcp.call(url);
                Box::pin(async move { Ok(MaybeHttpsStream::Http(connected.await?)) })
            }
            Self::Plain(_) => Box::pin(async { Err("there is no library for TLS".into()) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_a_library_for_tls_nothing_secure_is_sent_in_the_clear() {
        let tcp = HttpConnector::new_with_resolver(GuardedResolver::new(true));
        let mut plain = Connector::Plain(tcp);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut connect = async |scheme: &str| {
            std::future::poll_fn(|cx| plain.poll_ready(cx)).await.unwrap();
            plain.call(format!("{scheme}://{address}/").parse().unwrap()).await.is_ok()
        };
        assert!(connect("http").await);
        assert!(!connect("https").await);
    }
}
