//! A roster in a SQLite database.

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior, params};

use crate::{Block, ConfigError, Person, PersonId, RosterStore};

/// The version of the tables, kept in a table of our own: the file may be another's too.
const VERSION: i64 = 1;

const TABLES: &str = "
CREATE TABLE portcullis_people (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    name TEXT,
    email TEXT,
    client_only INTEGER NOT NULL,
    first_seen INTEGER NOT NULL, -- milliseconds since 1970 UTC
    last_seen INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    groups TEXT NOT NULL, -- JSON arrays
    roles TEXT NOT NULL,
    clients TEXT NOT NULL,
    servers TEXT NOT NULL,
    PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX portcullis_people_last_seen ON portcullis_people (last_seen);
CREATE TABLE portcullis_blocks (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    since INTEGER NOT NULL,
    by TEXT,
    note TEXT,
    PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;
INSERT INTO portcullis_roster_version (version) VALUES (1);
";

const PERSON: &str = "SELECT issuer, subject, name, email, client_only, first_seen, last_seen, \
                      requests, groups, roles, clients, servers FROM portcullis_people";

const BLOCK: &str = "SELECT issuer, subject, since, by, note FROM portcullis_blocks";

/// How long another process may hold the file.
const PATIENCE: Duration = Duration::from_secs(5);

/// Keeps a roster in a SQLite database: one file, for one machine. Processes on it may share the file.
pub struct SqliteStore {
    connection: Connection,
}

impl SqliteStore {
    /// Opens the database at `path`, which is created if it does not exist; on Unix only its owner may then
    /// read and write it. Its folder must exist, on a local disk.
    ///
    /// # Errors
    /// The file cannot be opened, is not a SQLite database, or has tables of a newer version.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let fault =
            |cause: io::Error| ConfigError::with(format!("cannot open the roster {path:?}"), cause);
        private(path).map_err(fault)?;
        let connection = prepared(path).map_err(|error| fault(failed(error)))?;
        Ok(Self { connection })
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
    let step = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    step.execute_batch(
        "CREATE TABLE IF NOT EXISTS portcullis_roster_version (version INTEGER NOT NULL) STRICT",
    )?;
    let sql = "SELECT version FROM portcullis_roster_version";
    let version: Option<i64> = step.query_row(sql, (), |row| row.get(0)).optional()?;
    match version {
        None => step.execute_batch(TABLES)?,
        Some(VERSION) => {}
        Some(_) => return Err(rusqlite::Error::InvalidQuery),
    }
    step.commit()?;
    Ok(connection)
}

impl RosterStore for SqliteStore {
    fn record(&mut self, seen: &[Person]) -> io::Result<()> {
        let behavior = TransactionBehavior::Immediate;
        let step = self.connection.transaction_with_behavior(behavior).map_err(failed)?;
        for seen in seen {
            let mut person = seen.clone();
            if let Some(mut known) = person_of(&step, &seen.id)? {
                known.merge(seen);
                person = known;
            }
            put(&step, &person)?;
        }
        step.commit().map_err(failed)
    }

    fn person(&mut self, id: &PersonId) -> io::Result<Option<Person>> {
        person_of(&self.connection, id)
    }

    fn people(&mut self, after: Option<&PersonId>, limit: usize) -> io::Result<Vec<Person>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let (issuer, subject) = after.map_or(("", ""), |id| (id.issuer(), id.subject()));
        let sql = format!(
            "{PERSON} WHERE ?1 OR (issuer, subject) > (?2, ?3) ORDER BY issuer, subject LIMIT ?4"
        );
        let mut query = self.connection.prepare_cached(&sql).map_err(failed)?;
        let rows = query
            .query_map(params![after.is_none(), issuer, subject, limit], |row| Ok(person(row)))
            .map_err(failed)?;
        rows.map(|row| row.map_err(failed)?).collect()
    }

    fn forget(&mut self, id: &PersonId) -> io::Result<bool> {
        let sql = "DELETE FROM portcullis_people WHERE issuer = ?1 AND subject = ?2";
        let gone = self.connection.execute(sql, (id.issuer(), id.subject())).map_err(failed)?;
        Ok(gone > 0)
    }

    fn prune(&mut self, before: Duration) -> io::Result<u64> {
        let sql = "DELETE FROM portcullis_people WHERE last_seen < ?1";
        let gone = self.connection.execute(sql, (millis(before),)).map_err(failed)?;
        Ok(gone as u64)
    }

    fn block(&mut self, block: &Block) -> io::Result<()> {
        let sql = "INSERT INTO portcullis_blocks (issuer, subject, since, by, note) \
                   VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (issuer, subject) \
                   DO UPDATE SET since = excluded.since, by = excluded.by, note = excluded.note";
        let (issuer, subject) = (block.id.issuer(), block.id.subject());
        let values = params![issuer, subject, millis(block.since), block.by, block.note];
        self.connection.execute(sql, values).map_err(failed).map(drop)
    }

    fn unblock(&mut self, id: &PersonId) -> io::Result<bool> {
        let sql = "DELETE FROM portcullis_blocks WHERE issuer = ?1 AND subject = ?2";
        let gone = self.connection.execute(sql, (id.issuer(), id.subject())).map_err(failed)?;
        Ok(gone > 0)
    }

    fn blocks(&mut self) -> io::Result<Vec<Block>> {
        let sql = format!("{BLOCK} ORDER BY issuer, subject");
        let mut query = self.connection.prepare_cached(&sql).map_err(failed)?;
        let rows = query.query_map((), block).map_err(failed)?;
        rows.map(|row| row.map_err(failed)).collect()
    }
}

fn person_of(connection: &Connection, id: &PersonId) -> io::Result<Option<Person>> {
    let sql = format!("{PERSON} WHERE issuer = ?1 AND subject = ?2");
    let mut query = connection.prepare_cached(&sql).map_err(failed)?;
    query
        .query_row((id.issuer(), id.subject()), |row| Ok(person(row)))
        .optional()
        .map_err(failed)?
        .transpose()
}

fn put(connection: &Connection, person: &Person) -> io::Result<()> {
    let sql = "INSERT OR REPLACE INTO portcullis_people (issuer, subject, name, email, client_only, \
               first_seen, last_seen, requests, groups, roles, clients, servers) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    let list = |names: &[String]| serde_json::to_string(names).map_err(io::Error::other);
    let values = params![
        person.id.issuer(),
        person.id.subject(),
        person.name,
        person.email,
        person.client_only,
        millis(person.first_seen),
        millis(person.last_seen),
        i64::try_from(person.requests).unwrap_or(i64::MAX),
        list(&person.groups)?,
        list(&person.roles)?,
        list(&person.clients)?,
        list(&person.servers)?,
    ];
    connection.prepare_cached(sql).and_then(|mut put| put.execute(values)).map_err(failed).map(drop)
}

fn person(row: &Row<'_>) -> io::Result<Person> {
    let text = |column: usize| row.get::<_, String>(column).map_err(failed);
    let time = |column: usize| row.get::<_, i64>(column).map_err(failed).map(unix);
    let list = |column: usize| {
        serde_json::from_str::<Vec<String>>(&text(column)?).map_err(io::Error::other)
    };
    Ok(Person {
        id: PersonId::new(text(0)?, text(1)?),
        name: row.get(2).map_err(failed)?,
        email: row.get(3).map_err(failed)?,
        client_only: row.get(4).map_err(failed)?,
        first_seen: time(5)?,
        last_seen: time(6)?,
        requests: row.get::<_, i64>(7).map_err(failed)?.try_into().unwrap_or_default(),
        groups: list(8)?,
        roles: list(9)?,
        clients: list(10)?,
        servers: list(11)?,
    })
}

fn block(row: &Row<'_>) -> rusqlite::Result<Block> {
    Ok(Block {
        id: PersonId::new(row.get::<_, String>(0)?, row.get::<_, String>(1)?),
        since: unix(row.get(2)?),
        by: row.get(3)?,
        note: row.get(4)?,
    })
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn unix(millis: i64) -> Duration {
    Duration::from_millis(millis.try_into().unwrap_or_default())
}

/// The error in other words: SQLite's number for it.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn failed(error: rusqlite::Error) -> io::Error {
    match error.sqlite_error() {
        Some(cause) => io::Error::other(format!("SQLite failed with code {}", cause.extended_code)),
        None if matches!(error, rusqlite::Error::InvalidQuery) => {
            io::Error::other("the tables are of a newer version than this program")
        }
        None => io::Error::other("SQLite holds what is not a roster"),
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}
