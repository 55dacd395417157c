//! Where audit records go.

use std::fmt;
use std::path::{Path, PathBuf};

use portcullis_audit::{Chaining, SigningKey, Sink as AuditSink, TracingSink};
use portcullis_audit_sinks::{HttpLines, Otlp, Tls};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{At, Problem, Sources};

/// One place for records.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Sink {
    /// Standard error, with the gateway's own log.
    Tracing,
    /// A chained and rotated file.
    File(FileSink),
    /// Syslog (RFC 5424) over TLS.
    Syslog(Syslog),
    /// Lines of JSON by HTTPS.
    Http(Collector),
    /// An OpenTelemetry collector (OTLP over HTTPS); `/v1/logs` is added to its URL where it is not there.
    Otlp(Collector),
    /// A SQLite database; needs the Cargo feature `audit-sqlite`.
    Sqlite(PathBuf),
    /// A PostgreSQL database; needs the Cargo feature `audit-postgres`.
    Postgres(Postgres),
}

/// A file of records.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSink {
    /// Its path. The folder must exist.
    pub path: PathBuf,
    /// File with the key (JWK, Ed25519) that signs checkpoints of the chain.
    pub signing_key: Option<PathBuf>,
    /// Begin another file after so many bytes; 256 MiB by default.
    pub rotate_bytes: Option<u64>,
}

/// A syslog server.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Syslog {
    /// Its name.
    pub host: String,
    /// Its port; 6514 by default.
    pub port: Option<u16>,
    /// PEM file of authorities that vouch for it, in place of the platform's.
    pub authorities: Option<PathBuf>,
}

/// A collector over HTTPS.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Collector {
    /// URL: `https`, or `http` on this machine.
    pub url: String,
    /// Name of the secret that is sent as a bearer token.
    pub bearer_token: Option<At<String>>,
    /// PEM file of authorities that vouch for it, in place of the platform's.
    pub authorities: Option<PathBuf>,
}

/// A PostgreSQL database.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Postgres {
    /// Settings as `libpq` has them, without the password: `postgresql://user@host/database`.
    pub database: String,
    /// Name of the secret that is the password.
    pub password: Option<At<String>>,
    /// PEM file of authorities that vouch for it, in place of the platform's.
    pub authorities: Option<PathBuf>,
}

impl Sink {
    /// Whether it could be opened, as far as can be known without writing and without a network.
    ///
    /// # Errors
    /// It could not.
    pub fn check(&self, sources: &Sources) -> Result<(), Problem> {
        match self {
            Self::File(settings) => {
                let _chained = settings.chaining(sources)?;
                folder(&sources.path(&settings.path))
            }
            Self::Sqlite(path) if cfg!(feature = "sqlite") => folder(&sources.path(path)),
            _ => self.open(sources).map(drop),
        }
    }

    /// Opens it. What goes over a network connects later.
    ///
    /// # Errors
    /// It cannot be opened, or this program is built without it.
    pub fn open(&self, sources: &Sources) -> Result<Box<dyn AuditSink>, Problem> {
        let tls = |authorities: &Option<PathBuf>| trust(authorities.as_deref(), sources);
        let secret =
            |name: &Option<At<String>>| name.as_ref().map(|it| sources.secret(it)).transpose();
        let fault = |error: portcullis_audit_sinks::ConfigError| Problem::of(&error);
        Ok(match self {
            Self::Tracing => Box::new(TracingSink::new()),
            Self::File(settings) => {
                let builder = portcullis_audit::FileSink::builder(sources.path(&settings.path));
                let mut builder = builder.chaining(settings.chaining(sources)?);
                if let Some(bytes) = settings.rotate_bytes {
                    builder = builder.rotate_at(bytes);
                }
                Box::new(builder.open().map_err(|error| Problem::of(&error))?)
            }
            Self::Syslog(syslog) => {
                let builder =
                    portcullis_audit_sinks::Syslog::tls(&syslog.host, syslog.port.unwrap_or(6514));
                Box::new(builder.trust(tls(&syslog.authorities)?).build().map_err(fault)?)
            }
            Self::Http(collector) => {
                let mut builder =
                    HttpLines::new(&collector.url).trust(tls(&collector.authorities)?);
                if let Some(token) = secret(&collector.bearer_token)? {
                    builder = builder.bearer_token(token);
                }
                Box::new(builder.build().map_err(fault)?)
            }
            Self::Otlp(collector) => {
                let url = collector.url.trim_end_matches('/');
                let url = url.strip_suffix("/v1/logs").unwrap_or(url);
                let mut builder = Otlp::new(url).trust(tls(&collector.authorities)?);
                if let Some(token) = secret(&collector.bearer_token)? {
                    builder = builder.header("authorization", format!("Bearer {token}"));
                }
                Box::new(builder.build().map_err(fault)?)
            }
            #[cfg(feature = "sqlite")]
            Self::Sqlite(path) => {
                let path = sources.path(path);
                Box::new(portcullis_audit_sinks::SqliteSink::open(path).map_err(fault)?)
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(settings) => {
                let database = settings.database(sources)?;
                Box::new(portcullis_audit_sinks::PostgresSink::new(database).map_err(fault)?)
            }
            #[allow(unreachable_patterns, reason = "with all features there are no others")]
            _ => {
                return Err(Problem::new(
                    "this program is built without that sink: see its feature",
                ));
            }
        })
    }
}

impl FileSink {
    fn chaining(&self, sources: &Sources) -> Result<Chaining, Problem> {
        let Some(path) = &self.signing_key else { return Ok(Chaining::unsigned()) };
        let key = SigningKey::open(sources.path(path)).map_err(|error| Problem::of(&error))?;
        Ok(Chaining::signed(key))
    }
}

#[cfg(any(feature = "postgres", feature = "roster-postgres"))]
impl Postgres {
    /// The database.
    pub(crate) fn database(&self, sources: &Sources) -> Result<portcullis_dial::Postgres, Problem> {
        let database = portcullis_dial::Postgres::new(&self.database);
        let mut database = database.map_err(|error| Problem::of(&error))?;
        if let Some(path) = &self.authorities {
            database = database.tls(trust(Some(path), sources)?);
        }
        if let Some(name) = &self.password {
            database = database.password(sources.secret(name)?);
        }
        Ok(database)
    }
}

/// These authorities in place of the platform's.
fn trust(authorities: Option<&Path>, sources: &Sources) -> Result<Tls, Problem> {
    let Some(path) = authorities else { return Ok(Tls::platform()) };
    Tls::authorities(sources.text(path)?).map_err(|error| Problem::of(&error))
}

pub(crate) fn folder(path: &Path) -> Result<(), Problem> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if folder.is_none_or(Path::is_dir) {
        return Ok(());
    }
    Err(Problem::new(format!("there is no folder for {}", path.display())))
}

/// As a person reads it.
impl fmt::Display for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tracing => f.write_str("standard error"),
            Self::File(file) if file.signing_key.is_some() => {
                write!(f, "{}, chained and signed", file.path.display())
            }
            Self::File(file) => write!(f, "{}, chained", file.path.display()),
            Self::Syslog(syslog) => write!(f, "syslog at {}", syslog.host),
            Self::Http(collector) | Self::Otlp(collector) => f.write_str(&collector.url),
            Self::Sqlite(path) => write!(f, "the database {}", path.display()),
            Self::Postgres(_) => f.write_str("a PostgreSQL database"),
        }
    }
}
