//! A connection to PostgreSQL.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres::{Client, Config, Error, NoTls, Socket};
use tokio_rustls::TlsConnector;

use crate::stream::Kind;
use crate::{ConfigError, Dialer, Stream, Tls};

/// How to reach a PostgreSQL database.
///
/// ```
/// use portcullis_dial::Postgres;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let password = "secret";
/// let postgres = Postgres::new("postgresql://audit_writer@db.example.com/audit")?.password(password);
/// # Ok(())
/// # }
/// ```
///
/// Over a network there is always TLS, and the server's certificate is verified for its name. On this
/// machine (a Unix socket or a loopback address) there is none, unless [`tls`](Self::tls) is called.
#[derive(Clone)]
#[must_use = "nothing is connected to until this is used"]
pub struct Postgres {
    config: Config,
    tls: Option<Tls>,
    plain: bool,
}

impl Postgres {
    /// The database that `settings` name, as `libpq` writes them: a URL
    /// (`postgresql://user@host:port/database`) or words (`host=… user=… dbname=…`). Several hosts may be
    /// named; the first that answers is used.
    ///
    /// # Errors
    /// The settings cannot be read.
    pub fn new(settings: &str) -> Result<Self, ConfigError> {
        let mut config: Config = settings.parse().map_err(|_| {
            ConfigError::new("the settings of the PostgreSQL database are not valid")
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(ConfigError::new("the settings of the PostgreSQL database name no host"));
        }
        if config.get_application_name().is_none() {
            config.application_name("portcullis");
        }
        // A dead peer is noticed within a minute even where nobody waits for an answer.
        config.keepalives_idle(Duration::from_secs(30));
        config.keepalives_interval(Duration::from_secs(10));
        config.keepalives_retries(3);
        Ok(Self { config, tls: None, plain: false })
    }

    /// Sets the password, which then need not be in the settings. It is never shown.
    pub fn password(mut self, password: impl AsRef<[u8]>) -> Self {
        self.config.password(password);
        self
    }

    /// How the server is known; by the platform's root certificates if this is not called.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Does without TLS where the settings say `sslmode=disable`, whatever the host.
    ///
    /// Danger: whoever is on the way can read and change what is stored, and take the connection over.
    pub fn danger_plain(mut self) -> Self {
        self.plain = true;
        self
    }

    /// Whether to use TLS.
    fn mode(&self) -> Result<SslMode, ConfigError> {
        let local = self.config.get_hosts().iter().all(|host| match host {
            Host::Tcp(host) => Dialer::is_loopback(host),
            #[cfg(unix)]
            Host::Unix(_) => true,
        }) && self.config.get_hostaddrs().iter().all(|address| address.is_loopback());
        if self.tls.is_some() {
            return Ok(SslMode::Require);
        }
        if self.config.get_ssl_mode() == SslMode::Disable && !local && !self.plain {
            return Err(ConfigError::new(
                "a PostgreSQL database over a network needs TLS: take sslmode=disable away",
            ));
        }
        let wanted = self.config.get_ssl_mode() == SslMode::Require;
        let disabled = self.config.get_ssl_mode() == SslMode::Disable;
        Ok(if wanted || !(local || disabled) { SslMode::Require } else { SslMode::Disable })
    }

    /// Refuses settings that cannot be honoured, without connecting.
    ///
    /// # Errors
    /// A host over a network and no TLS, or TLS and no library for it.
    pub fn check(&self) -> Result<(), ConfigError> {
        match self.mode()? {
            SslMode::Disable => Ok(()),
            _ => self.tls.clone().unwrap_or_default().config().map(drop),
        }
    }

    /// Connects. Must be called inside a tokio runtime, which drives the connection; whoever calls sets
    /// the time limit.
    ///
    /// # Errors
    /// The server cannot be reached or refuses us; the text names nothing but a code.
    pub async fn connect(&self) -> io::Result<Session> {
        let fault = |error: ConfigError| io::Error::new(io::ErrorKind::InvalidInput, error);
        let mut config = self.config.clone();
        let mode = self.mode().map_err(fault)?;
        config.ssl_mode(mode);
        if mode == SslMode::Disable {
            let (client, connection) = config.connect(NoTls).await.map_err(refused)?;
            return Ok(Session { client, driver: tokio::spawn(drive(connection)) });
        }
        let tls = self.tls.clone().unwrap_or_default().config().map_err(fault)?;
        let (client, connection) = config.connect(MakeTls(tls)).await.map_err(refused)?;
        Ok(Session { client, driver: tokio::spawn(drive(connection)) })
    }
}

// By hand: the password stays out of it.
impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("hosts", &self.config.get_hosts())
            .field("database", &self.config.get_dbname())
            .field("user", &self.config.get_user())
            .finish_non_exhaustive()
    }
}

/// A connection to PostgreSQL. Dropped, it is closed at once, whatever is under way.
#[derive(Debug)]
pub struct Session {
    client: Client,
    driver: JoinHandle<()>,
}

impl Session {
    /// The client.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Whether the connection has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Brings the tables of `name` to the newest version: runs those of `steps` that no one has run yet, in
    /// one transaction, under a lock that other replicas heed. The role must be allowed to create tables.
    ///
    /// # Errors
    /// A step fails, and then nothing has changed; or the tables are of a newer version than `steps`.
    pub async fn migrate(&mut self, name: &str, steps: &[&str]) -> io::Result<()> {
        let step = self.client.transaction().await.map_err(refused)?;
        // Any number serves, as long as nobody else uses it.
        step.batch_execute(
            "SELECT pg_advisory_xact_lock(7236825418211); \
             CREATE TABLE IF NOT EXISTS portcullis_schema \
             (name text PRIMARY KEY, version integer NOT NULL)",
        )
        .await
        .map_err(refused)?;
        let rows = step
            .query("SELECT version FROM portcullis_schema WHERE name = $1", &[&name])
            .await
            .map_err(refused)?;
        let have: i32 = match rows.first() {
            Some(row) => row.try_get(0).map_err(refused)?,
            None => 0,
        };
        let done = usize::try_from(have).unwrap_or_default();
        let Some(missing) = steps.get(done..) else {
            return Err(io::Error::other("the tables are of a newer version than this program"));
        };
        for text in missing {
            step.batch_execute(text).await.map_err(refused)?;
        }
        let version = i32::try_from(steps.len()).unwrap_or(i32::MAX);
        step.execute(
            "INSERT INTO portcullis_schema (name, version) VALUES ($1, $2) \
             ON CONFLICT (name) DO UPDATE SET version = excluded.version",
            &[&name, &version],
        )
        .await
        .map_err(refused)?;
        step.commit().await.map_err(refused)
    }

    /// An error of the client in other words: a kind, and the SQLSTATE that the server gave. The server's
    /// own text can hold the values of a row.
    #[must_use]
    pub fn explain(error: Error) -> io::Error {
        refused(error)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn refused(error: Error) -> io::Error {
    use io::ErrorKind;
    let Some(code) = error.code() else {
        let kind = std::error::Error::source(&error)
            .and_then(|source| source.downcast_ref::<io::Error>())
            .map_or(ErrorKind::ConnectionAborted, io::Error::kind);
        let text = if error.is_closed() { "is closed" } else { "failed" };
        return io::Error::new(kind, format!("the connection to PostgreSQL {text}"));
    };
    let code = code.code();
    let kind = match code.get(..2) {
        Some("08" | "57") => ErrorKind::ConnectionAborted,
        Some("22" | "23") => ErrorKind::InvalidData,
        Some("28") => ErrorKind::PermissionDenied,
        Some("53") => ErrorKind::StorageFull,
        _ if code == "42501" => ErrorKind::PermissionDenied,
        _ if code == "42P01" => ErrorKind::NotFound,
        _ => ErrorKind::Other,
    };
    io::Error::new(kind, format!("PostgreSQL answered with SQLSTATE {code}"))
}

async fn drive(connection: impl Future<Output = Result<(), Error>>) {
    // Whoever uses the client is told what went wrong.
    let _ = connection.await;
}

/// TLS for the client.
struct MakeTls(Arc<ClientConfig>);

struct ConnectTls(TlsConnector, ServerName<'static>);

impl MakeTlsConnect<Socket> for MakeTls {
    type Stream = Stream<Socket>;
    type TlsConnect = ConnectTls;
    type Error = ConfigError;

    fn make_tls_connect(&mut self, host: &str) -> Result<ConnectTls, ConfigError> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| ConfigError::new("the database's host has no name to verify"))?;
        Ok(ConnectTls(TlsConnector::from(Arc::clone(&self.0)), name))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for ConnectTls {
    type Stream = Stream<S>;
    type Error = io::Error;
    // Boxed: once per connection.
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let stream = self.0.connect(self.1, stream).await?;
            Ok(Stream(Kind::Tls(Box::new(stream))))
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Stream<S> {
    fn channel_binding(&self) -> ChannelBinding {
        // The digest of the certificate depends on how that was signed; without it, SCRAM alone.
        ChannelBinding::none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_a_network_there_is_tls() {
        let require = Some(SslMode::Require);
        let disable = Some(SslMode::Disable);
        let rows = [
            ("postgresql://a@db.example.com/x", require, require),
            ("postgresql://a@db.example.com/x?sslmode=prefer", require, require),
            ("postgresql://a@db.example.com/x?sslmode=disable", None, disable),
            ("postgresql://a@10.0.0.1/x", require, require),
            ("postgresql://a@127.0.0.1/x", disable, disable),
            ("postgresql://a@localhost/x?sslmode=require", require, require),
            ("postgresql://a@127.0.0.1,db.example.com/x?sslmode=disable", None, disable),
            ("host=localhost hostaddr=10.0.0.1 user=a sslmode=disable", None, disable),
            ("host=/run/postgresql user=a", disable, disable),
        ];
        for (settings, expected, plain) in rows {
            let postgres = Postgres::new(settings).unwrap();
            assert_eq!(postgres.mode().ok(), expected, "{settings}");
            assert_eq!(postgres.clone().danger_plain().mode().ok(), plain, "{settings}, plain");
            let told = postgres.tls(Tls::platform()).mode().ok();
            assert_eq!(told, require, "{settings}, told to");
        }
        assert!(Postgres::new("postgresql://a@db:not-a-port/x").is_err());
        assert!(Postgres::new("user=a").is_err(), "no host");
    }

    #[test]
    fn passwords_are_not_shown() {
        let postgres = Postgres::new("postgresql://a:hunter2@db.example.com/x").unwrap();
        let shown = format!("{postgres:?} {:?}", postgres.clone().password("hunter3"));
        assert!(!shown.contains("hunter"), "{shown}");
    }
}
