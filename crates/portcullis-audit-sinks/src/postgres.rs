//! A PostgreSQL database.

use std::fmt;
use std::io;

use portcullis_audit::{Record, Sink};
use portcullis_core::Clock;
use portcullis_dial::{Postgres, Session};
use tokio::runtime::Builder;

use crate::fields::{Fields, trim};
use crate::outbox::{Load, Outbox};
use crate::retry::{Carrier, Fault};
use crate::{ConfigError, Retry};

/// The tables, version by version.
const STEPS: [&str; 1] = ["
CREATE TABLE portcullis_audit (
    id bigint GENERATED ALWAYS AS IDENTITY,
    event_id uuid NOT NULL,
    record text NOT NULL,
    ts timestamptz NOT NULL,
    received timestamptz NOT NULL DEFAULT now(),
    issuer text,
    subject text,
    client_id text,
    method text,
    target text,
    decision text,
    reason text,
    line text NOT NULL,
    PRIMARY KEY (event_id, record)
);
CREATE INDEX portcullis_audit_ts ON portcullis_audit (ts);
CREATE INDEX portcullis_audit_person ON portcullis_audit (issuer, subject, ts);
"];

// No conflict target: naming one would ask for the right to read the table.
const INSERT: &str = "
INSERT INTO portcullis_audit
    (event_id, record, ts, issuer, subject, client_id, method, target, decision, reason, line)
SELECT event_id::uuid, record, to_timestamp(ms / 1000.0), issuer, subject, client_id, method, target,
    decision, reason, line
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::text[], $9::text[], $10::text[], $11::text[])
    AS new (event_id, record, ms, issuer, subject, client_id, method, target, decision, reason, line)
ON CONFLICT DO NOTHING";

/// Writes records to the table `portcullis_audit` of a PostgreSQL database.
///
/// A batch is one statement and one transaction. A record whose commit was not acknowledged is written again
/// after reconnecting, and is never there twice: `event_id` and `record` are its key. `line` is the record
/// as the audit layer made it, byte for byte; the other columns are for searching, with U+FFFD in place of NUL,
/// which PostgreSQL does not store.
///
/// # Rights
/// The role of the gate needs one right: `GRANT INSERT ON portcullis_audit TO audit_writer`. It can then
/// neither read nor change nor remove what is there. Create the table once, with [`create_table`](Self::create_table) and the
/// role that shall own it.
pub struct PostgresSink {
    outbox: Outbox<Table>,
    clock: Clock,
}

impl PostgresSink {
    /// Writes to `database`, with the default [`Retry`]. It connects when the first record comes.
    ///
    /// # Errors
    /// The settings cannot be honoured.
    pub fn new(database: Postgres) -> Result<Self, ConfigError> {
        Self::with_retry(database, Retry::new())
    }

    /// Writes to `database`, as patiently as `retry` says.
    ///
    /// # Errors
    /// The settings cannot be honoured.
    pub fn with_retry(database: Postgres, retry: Retry) -> Result<Self, ConfigError> {
        retry.check()?;
        database.check()?;
        let table = Table { database, session: None };
        Ok(Self { outbox: Outbox::new(table, retry), clock: Clock::system() })
    }

    /// Creates the table in `database`, or brings it to the newest version. For the role that shall own it, not
    /// for that of the gate. Blocks for 30 seconds at most; not to be called inside an async runtime.
    ///
    /// # Errors
    /// The database cannot be reached, or refuses.
    pub fn create_table(database: &Postgres) -> io::Result<()> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        runtime.block_on(async {
            let limit = std::time::Duration::from_secs(30);
            let created = tokio::time::timeout(limit, async {
                database.connect().await?.migrate("portcullis_audit", &STEPS).await
            });
            created.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        })
    }
}

impl Sink for PostgresSink {
    fn write(&mut self, record: &Record, line: &[u8]) -> io::Result<()> {
        let line = trim(line);
        let text = str::from_utf8(line)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the line is not text"))?;
        let fields = Fields::of(line);
        let at = fields.at().unwrap_or_else(|| self.clock.unix());
        let own = |text: Option<&str>| text.map(storable);
        let rows = self.outbox.room(text.len());
        rows.size += text.len();
        rows.event_id.push(record.event_id().to_string());
        rows.record.push(record.kind().to_owned());
        rows.ms.push(i64::try_from(at.as_millis()).unwrap_or(i64::MAX));
        rows.issuer.push(own(fields.issuer()));
        rows.subject.push(own(fields.subject()));
        rows.client_id.push(own(fields.client_id()));
        rows.method.push(own(fields.method.as_deref()));
        rows.target.push(own(fields.target.as_deref()));
        rows.decision.push(own(fields.decision.as_deref()));
        rows.reason.push(own(fields.reason.as_deref()));
        rows.line.push(storable(text));
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.outbox.flush()
    }

    fn close(&mut self) -> io::Result<()> {
        self.outbox.close();
        Ok(())
    }
}

/// `text` without NUL, which PostgreSQL does not store: a client could otherwise make every record of a batch
/// be refused.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

impl fmt::Debug for PostgresSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresSink").field("outbox", &self.outbox).finish_non_exhaustive()
    }
}

/// A batch, column by column.
#[derive(Debug, Default)]
struct Rows {
    size: usize,
    event_id: Vec<String>,
    record: Vec<String>,
    ms: Vec<i64>,
    issuer: Vec<Option<String>>,
    subject: Vec<Option<String>>,
    client_id: Vec<Option<String>>,
    method: Vec<Option<String>>,
    target: Vec<Option<String>>,
    decision: Vec<Option<String>>,
    reason: Vec<Option<String>>,
    line: Vec<String>,
}

impl Load for Rows {
    fn size(&self) -> usize {
        self.size
    }
}

/// The connection, made when it is needed.
struct Table {
    database: Postgres,
    session: Option<(Session, tokio_postgres::Statement)>,
}

impl Table {
    async fn insert(&mut self, rows: &Rows) -> io::Result<()> {
        // The runtime stood still since the last batch: let it see that the far side has hung up.
        tokio::task::yield_now().await;
        let usable = self.session.as_ref().is_some_and(|(session, _)| !session.is_closed());
        if !usable {
            self.session = None;
        }
        let (session, insert) = match &mut self.session {
            Some(session) => session,
            none => {
                let mut session = self.database.connect().await?;
                let insert = session.client().prepare(INSERT).await.map_err(Session::explain)?;
                none.insert((session, insert))
            }
        };
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 11] = [
            &rows.event_id,
            &rows.record,
            &rows.ms,
            &rows.issuer,
            &rows.subject,
            &rows.client_id,
            &rows.method,
            &rows.target,
            &rows.decision,
            &rows.reason,
            &rows.line,
        ];
        session.client().execute(insert, &values).await.map(drop).map_err(Session::explain)
    }
}

impl Carrier for Table {
    type Batch = Rows;

    async fn carry(&mut self, rows: &Rows) -> Result<(), Fault> {
        use io::ErrorKind::{InvalidData, InvalidInput, NotFound, PermissionDenied};
        let inserted = self.insert(rows).await;
        inserted.map_err(|error| {
            let again =
                !matches!(error.kind(), InvalidData | InvalidInput | NotFound | PermissionDenied);
            Fault { error, again, after: None }
        })
    }

    fn hang_up(&mut self) {
        self.session = None;
    }
}
