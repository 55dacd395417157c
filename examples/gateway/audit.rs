//! One trail for all servers.

use std::path::Path;

use portcullis::audit::{Chaining, FileSink, SigningKey, Sink as AuditSink};
use portcullis::audit_sinks::{HttpLines, Otlp, Syslog, Tls};
use portcullis::{AuditLayer, TracingSink};

use crate::config::{self, Sink};
use crate::read::{At, File, Problem};

/// Opens the sinks of the file.
pub fn open(file: &File) -> Result<AuditLayer, Problem> {
    check(file)?;
    let builder =
        AuditLayer::builder().peer(portcullis_serve::Remote::address_of).lifecycle_events();
    let builder = match &file.config.audit {
        None => builder.sink(TracingSink::new()),
        Some(audit) => {
            let fold = audit.sinks.iter().try_fold(builder, |builder, settings| {
                let opened = sink(file, settings).map_err(|problem| problem.at(settings))?;
                Ok(builder.sink(opened))
            })?;
            if audit.danger_fail_open { fold.danger_fail_open() } else { fold }
        }
    };
    builder.build().map_err(|error| match &file.config.audit {
        Some(audit) => Problem::of(&error).at(audit),
        None => Problem::of(&error),
    })
}

/// Whether they could be opened, as far as can be known without writing and without a network.
pub fn check(file: &File) -> Result<(), Problem> {
    if let Some(audit) = file.config.audit.as_ref().filter(|audit| audit.sinks.is_empty()) {
        return Err(Problem::new("there are no sinks").at(audit));
    }
    for settings in file.config.audit.iter().flat_map(|audit| &audit.sinks) {
        let checked = match &**settings {
            Sink::File(settings) => {
                chaining(file, settings).map(drop).and_then(|()| folder(&file.path(&settings.path)))
            }
            Sink::Sqlite(path) if cfg!(feature = "audit-sqlite") => folder(&file.path(path)),
            _ => sink(file, settings).map(drop),
        };
        checked.map_err(|problem| problem.at(settings))?;
    }
    Ok(())
}

fn folder(path: &Path) -> Result<(), Problem> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if folder.is_none_or(Path::is_dir) {
        return Ok(());
    }
    Err(Problem::new(format!("there is no folder for {}", path.display())))
}

fn chaining(file: &File, settings: &config::FileSink) -> Result<Chaining, Problem> {
    let Some(path) = &settings.signing_key else { return Ok(Chaining::unsigned()) };
    let key = SigningKey::open(file.path(path)).map_err(|error| Problem::of(&error))?;
    Ok(Chaining::signed(key))
}

fn sink(file: &File, settings: &At<Sink>) -> Result<Box<dyn AuditSink>, Problem> {
    let tls = |authorities: &Option<std::path::PathBuf>| match authorities {
        Some(path) => Tls::authorities(file.text(path)?).map_err(|error| Problem::of(&error)),
        None => Ok(Tls::platform()),
    };
    let secret = |name: &Option<At<String>>| name.as_ref().map(|it| file.secret(it)).transpose();
    let fault = |error: portcullis::audit_sinks::ConfigError| Problem::of(&error);
    Ok(match &**settings {
        Sink::Tracing => Box::new(TracingSink::new()),
        Sink::File(settings) => {
            let builder = FileSink::builder(file.path(&settings.path));
            let mut builder = builder.chaining(chaining(file, settings)?);
            if let Some(bytes) = settings.rotate_bytes {
                builder = builder.rotate_at(bytes);
            }
            Box::new(builder.open().map_err(|error| Problem::of(&error))?)
        }
        Sink::Syslog(syslog) => {
            let builder = Syslog::tls(&syslog.host, syslog.port.unwrap_or(6514));
            Box::new(builder.trust(tls(&syslog.authorities)?).build().map_err(fault)?)
        }
        Sink::Http(collector) => {
            let mut builder = HttpLines::new(&collector.url).trust(tls(&collector.authorities)?);
            if let Some(token) = secret(&collector.bearer_token)? {
                builder = builder.bearer_token(token);
            }
            Box::new(builder.build().map_err(fault)?)
        }
        Sink::Otlp(collector) => {
            let mut builder = Otlp::new(&collector.url).trust(tls(&collector.authorities)?);
            if let Some(token) = secret(&collector.bearer_token)? {
                builder = builder.header("authorization", format!("Bearer {token}"));
            }
            Box::new(builder.build().map_err(fault)?)
        }
        #[cfg(feature = "audit-sqlite")]
        Sink::Sqlite(path) => {
            let path = file.path(path);
            Box::new(portcullis::audit_sinks::SqliteSink::open(path).map_err(fault)?)
        }
        #[cfg(feature = "audit-postgres")]
        Sink::Postgres(settings) => {
            use portcullis::audit_sinks::{Postgres, PostgresSink};
            let database = Postgres::new(&settings.database).map_err(|e| Problem::of(&e))?;
            let mut database = match &settings.authorities {
                Some(_) => database.tls(tls(&settings.authorities)?),
                None => database,
            };
            if let Some(password) = secret(&settings.password)? {
                database = database.password(password);
            }
            Box::new(PostgresSink::new(database).map_err(fault)?)
        }
        #[allow(unreachable_patterns, reason = "with all features there are no others")]
        _ => return Err(Problem::new("this program is built without that sink: see its feature")),
    })
}
