//! Connecting.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::stream::Kind;
use crate::{ConfigError, Stream, Tls};

/// Connects to one server. Whoever calls sets the time limit.
#[derive(Clone)]
pub struct Dialer {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Dialer {
    /// A server spoken to over TLS, whose certificate is for `host`: a name or an IP address.
    ///
    /// # Errors
    /// `host` is neither, or there is no library for TLS.
    pub fn tls(host: &str, port: u16, tls: &Tls) -> Result<Self, ConfigError> {
        let bare = bare(host);
        let name = ServerName::try_from(bare.to_owned())
            .map_err(|_| ConfigError::new("the host is neither a name nor an IP address"))?;
        let tls = Some((TlsConnector::from(tls.config()?), name));
        Ok(Self { host: bare.to_owned(), port, tls })
    }

    /// A server spoken to in the clear: for a loopback address, or where the caller has been told
    /// that this is what the deployment wants.
    ///
    /// # Errors
    /// There is no host.
    pub fn plain(host: &str, port: u16) -> Result<Self, ConfigError> {
        let host = bare(host);
        if host.is_empty() {
            return Err(ConfigError::new("there is no host to connect to"));
        }
        Ok(Self { host: host.to_owned(), port, tls: None })
    }

    /// Offers these application protocols to the server (ALPN, RFC 7301), the most wanted first. What it
    /// chose, [`Stream::protocol`] says. Means nothing without TLS.
    #[must_use]
    pub fn offering(mut self, protocols: &[&[u8]]) -> Self {
        if let Some((connector, _)) = &mut self.tls {
            let mut config = ClientConfig::clone(connector.config());
            config.alpn_protocols = protocols.iter().map(|&protocol| protocol.to_owned()).collect();
            *connector = TlsConnector::from(Arc::new(config));
        }
        self
    }

    /// Whether `host` is this very machine: a loopback address, or `localhost`.
    #[must_use]
    pub fn is_loopback(host: &str) -> bool {
        let host = bare(host);
        host.eq_ignore_ascii_case("localhost")
            || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Connects, with `TCP_NODELAY`. Every address of the name is tried in turn.
    ///
    /// # Errors
    /// No address answers, or TLS fails.
    pub async fn dial(&self) -> io::Result<Stream> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await?;
        tcp.set_nodelay(true)?;
        Ok(Stream(match &self.tls {
            None => Kind::Plain(tcp),
            Some((connector, name)) => {
                Kind::Tls(Box::new(connector.connect(name.clone(), tcp).await?))
            }
        }))
    }
}

/// The host without the brackets that URLs put around IPv6 addresses.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    #[test]
    fn loopback_is_this_machine_alone() {
        let rows = [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("[::1]", true),
            ("LocalHost", true),
            ("localhost.example.com", false),
            ("10.0.0.1", false),
            ("0.0.0.0", false),
            ("", false),
        ];
        for (host, expected) in rows {
            assert_eq!(Dialer::is_loopback(host), expected, "{host}");
        }
    }

    /// A TLS server that says hello once to each connection.
    async fn server(names: &[&str]) -> (u16, String) {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der());
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(
            rustls::crypto::aws_lc_rs::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.unwrap())
        .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                tcp.set_nodelay(true).unwrap();
                if let Ok(mut stream) = acceptor.accept(tcp).await {
                    let _ = stream.write_all(b"hello").await;
                    let _ = stream.shutdown().await;
                }
            }
        });
        (port, made.cert.pem())
    }

    #[tokio::test]
    async fn a_server_is_who_its_certificate_says() {
        let (port, pem) = server(&["localhost", "127.0.0.1"]).await;
        let (other_port, other_pem) = server(&["other.example"]).await;
        let rows = [
            ("by name", "localhost", port, &pem, true),
            ("by address", "127.0.0.1", port, &pem, true),
            ("another authority", "localhost", port, &other_pem, false),
            ("another name", "localhost", other_port, &other_pem, false),
        ];
        for (name, host, port, pem, expected) in rows {
            let tls = Tls::authorities(pem).unwrap();
            let stream = Dialer::tls(host, port, &tls).unwrap().dial().await;
            assert_eq!(stream.is_ok(), expected, "{name}");
            if let Ok(mut stream) = stream {
                let mut text = String::new();
                stream.read_to_string(&mut text).await.unwrap();
                assert_eq!(text, "hello", "{name}");
            }
        }
        let platform = Dialer::tls("localhost", port, &Tls::platform());
        assert!(match platform {
            Ok(dialer) => dialer.dial().await.is_err(),
            Err(_) => true, // no roots here at all
        });
    }
}
