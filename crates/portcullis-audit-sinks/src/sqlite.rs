//! A SQLite database.

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use portcullis_audit::{Record, Sink};
use portcullis_core::Clock;
use rusqlite::{Connection, ErrorCode, params};

use crate::ConfigError;
use crate::fields::{Fields, trim};

/// The version of the tables, in the file's `user_version`.
const VERSION: i64 = 1;

const TABLES: &str = "
CREATE TABLE portcullis_audit (
    id INTEGER PRIMARY KEY,
    event_id TEXT NOT NULL,
    record TEXT NOT NULL,
    ts INTEGER NOT NULL, -- milliseconds since 1970 UTC
    issuer TEXT,
    subject TEXT,
    client_id TEXT,
    method TEXT,
    target TEXT,
    decision TEXT,
    reason TEXT,
    line TEXT NOT NULL,
    UNIQUE (event_id, record)
) STRICT;
CREATE INDEX portcullis_audit_ts ON portcullis_audit (ts);
CREATE INDEX portcullis_audit_person ON portcullis_audit (issuer, subject, ts);
PRAGMA user_version = 1;
";

const INSERT: &str = "
INSERT INTO portcullis_audit
    (event_id, record, ts, issuer, subject, client_id, method, target, decision, reason, line)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
ON CONFLICT (event_id, record) DO NOTHING";

/// How long another process may hold the file.
const PATIENCE: Duration = Duration::from_secs(5);

/// Writes records to the table `portcullis_audit` of a SQLite database.
///
/// A group of records is one transaction. A flush succeeds when it is committed and the disk has it (`WAL`,
/// `synchronous = FULL`). `event_id` and `record` are the key of a record, so that none is there twice;
/// `line` is the record as the audit layer made it; the other columns are for searching. Others may read the
/// file at any time.
///
/// ```
/// use portcullis_audit_sinks::SqliteSink;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("audit.db");
/// let sink = SqliteSink::open(path)?;
/// # Ok(())
/// # }
/// ```
pub struct SqliteSink {
    connection: Connection,
    clock: Clock,
    /// A record that was taken since the last flush is lost.
    broken: bool,
}

impl SqliteSink {
    /// Opens the database at `path`, which is created if it does not exist; on Unix only its owner may then
    /// read and write it. Its folder must exist, on a local disk: `WAL` does not work over a network.
    ///
    /// # Errors
    /// The file cannot be opened, is not a SQLite database, or has tables of a newer version.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let fault = |cause: Box<dyn std::error::Error + Send + Sync>| {
            ConfigError::with(format!("cannot open the audit database {path:?}"), cause)
        };
        private(path).map_err(|error| fault(error.into()))?;
        let connection = prepared(path).map_err(|error| fault(error.into()))?;
        Ok(Self { connection, clock: Clock::system(), broken: false })
    }

    /// Puts the record into the transaction, which is begun if there is none.
    fn insert(&mut self, record: &Record, line: &[u8]) -> rusqlite::Result<()> {
        let line = trim(line);
        let text = String::from_utf8_lossy(line);
        let fields = Fields::of(line);
        let at = fields.at().unwrap_or_else(|| self.clock.unix());
        if self.connection.is_autocommit() {
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
        }
        self.connection.prepare_cached(INSERT)?.execute(params![
            record.event_id().to_string(),
            record.kind(),
            i64::try_from(at.as_millis()).unwrap_or(i64::MAX),
            fields.issuer(),
            fields.subject(),
            fields.client_id(),
            fields.method.as_deref(),
            fields.target.as_deref(),
            fields.decision.as_deref(),
            fields.reason.as_deref(),
            text.as_ref(),
        ])?;
        Ok(())
    }
}

impl Sink for SqliteSink {
    fn write(&mut self, record: &Record, line: &[u8]) -> io::Result<()> {
        let under_way = !self.connection.is_autocommit();
        self.insert(record, line).map_err(|error| {
            // A full disk, among others, takes the whole transaction back.
            self.broken |= under_way && self.connection.is_autocommit();
            failed(&error)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        let broken = std::mem::take(&mut self.broken);
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("COMMIT")
        {
            // The records count as lost: they must not come back with the next group.
            if !self.connection.is_autocommit() {
                let _ = self.connection.execute_batch("ROLLBACK");
            }
            return Err(failed(&error));
        }
        if broken { Err(io::Error::other("an earlier transaction was lost")) } else { Ok(()) }
    }
}

impl fmt::Debug for SqliteSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteSink").finish_non_exhaustive()
    }
}

/// Makes the file its owner's alone, before SQLite makes one that is not; its journals get the same rights.
fn private(path: &Path) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn prepared(path: &Path) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let step = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let version: i64 = step.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match version {
        0 => step.execute_batch(TABLES)?,
        VERSION => {}
        _ => return Err(rusqlite::Error::InvalidQuery),
    }
    step.commit()?;
    Ok(connection)
}

/// The error in other words: a kind, and SQLite's number for it.
fn failed(error: &rusqlite::Error) -> io::Error {
    use io::ErrorKind;
    let Some(cause) = error.sqlite_error() else {
        return io::Error::other("SQLite refused the record");
    };
    let kind = match cause.code {
        ErrorCode::DiskFull => ErrorKind::StorageFull,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => ErrorKind::ResourceBusy,
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => ErrorKind::PermissionDenied,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => ErrorKind::InvalidData,
        _ => ErrorKind::Other,
    };
    io::Error::new(kind, format!("SQLite failed with code {}", cause.extended_code))
}

#[cfg(test)]
mod tests;
