//! A roster in a PostgreSQL database.

use std::fmt;
use std::future::Future;
use std::io;
use std::time::Duration;

use portcullis_dial::{Postgres, Session};
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, Row};

use crate::{Block, ConfigError, Person, PersonId, RosterStore};

/// The tables, version by version. "C" compares byte by byte, as everything else here does.
const STEPS: [&str; 1] = [r#"
CREATE TABLE portcullis_people (
    issuer text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    name text,
    email text,
    client_only boolean NOT NULL,
    first_seen bigint NOT NULL, -- milliseconds since 1970 UTC
    last_seen bigint NOT NULL,
    requests bigint NOT NULL,
    groups text[] NOT NULL,
    roles text[] NOT NULL,
    clients text[] NOT NULL,
    servers text[] NOT NULL,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX portcullis_people_last_seen ON portcullis_people (last_seen);
CREATE TABLE portcullis_blocks (
    issuer text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    since bigint NOT NULL,
    by text,
    note text,
    PRIMARY KEY (issuer, subject)
);
"#];

/// The longest that one call takes, by default.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Keeps a roster in a PostgreSQL database, which several replicas share.
///
/// # Rights
/// The role of the gate needs `SELECT, INSERT, UPDATE, DELETE` on `portcullis_people` and `portcullis_blocks`;
/// where nobody is blocked by way of the gate, `SELECT` on the latter is enough. Create the tables once, with
/// [`create_tables`](Self::create_tables) and the role that shall own them.
pub struct PostgresStore {
    database: Postgres,
    timeout: Duration,
    /// Made by the thread that uses the store: it must not be made, or dropped, inside another.
    runtime: Option<Runtime>,
    session: Option<Session>,
}

impl PostgresStore {
    /// A roster in `database`. It connects when it is first used, and again when the connection was lost.
    ///
    /// # Errors
    /// The settings cannot be honoured.
    pub fn new(database: Postgres) -> Result<Self, ConfigError> {
        database.check().map_err(|error| ConfigError::new(error.to_string()))?;
        Ok(Self { database, timeout: TIMEOUT, runtime: None, session: None })
    }

    /// How long one call may take, connecting included: 10 seconds by default.
    #[must_use]
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = time;
        self
    }

    /// Creates the tables, or brings them to the newest version. For the role that shall own them. Blocks; not to
    /// be called inside an async runtime.
    ///
    /// # Errors
    /// The database cannot be reached, or refuses.
    pub fn create_tables(&mut self) -> io::Result<()> {
        self.call(async |session| session.migrate("portcullis_roster", &STEPS).await)
    }

    /// Does `work` within the time limit. After any failure the connection is made anew.
    fn call<T>(&mut self, work: impl AsyncFnOnce(&mut Session) -> io::Result<T>) -> io::Result<T> {
        let runtime = match self.runtime.take() {
            Some(runtime) => runtime,
            None => Builder::new_current_thread().enable_io().enable_time().build()?,
        };
        let session = self.session.take();
        let database = &self.database;
        let done = runtime.block_on(within(self.timeout, async {
            // The runtime stood still since the last call: let it see that the far side has hung up.
            tokio::task::yield_now().await;
            let mut session = match session.filter(|session| !session.is_closed()) {
                Some(session) => session,
                None => database.connect().await?,
            };
            let done = work(&mut session).await?;
            Ok((done, session))
        }));
        let done = done.map(|(done, session)| {
            self.session = Some(session);
            done
        });
        self.runtime = Some(runtime);
        done
    }
}

async fn within<T>(time: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, "PostgreSQL did not answer in time");
    tokio::time::timeout(time, work).await.unwrap_or_else(|_| Err(late()))
}

const PERSON: &str = "SELECT issuer, subject, name, email, client_only, first_seen, last_seen, \
                      requests, groups, roles, clients, servers FROM portcullis_people";

/// As [`Person::merge`] does.
const MERGE: &str = r#"
INSERT INTO portcullis_people AS known (issuer, subject, name, email, client_only, first_seen, last_seen,
    requests, groups, roles, clients, servers)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (issuer, subject) DO UPDATE SET
    name = CASE WHEN excluded.last_seen >= known.last_seen THEN excluded.name ELSE known.name END,
    email = CASE WHEN excluded.last_seen >= known.last_seen THEN excluded.email ELSE known.email END,
    client_only = CASE WHEN excluded.last_seen >= known.last_seen
        THEN excluded.client_only ELSE known.client_only END,
    groups = CASE WHEN excluded.last_seen >= known.last_seen THEN excluded.groups ELSE known.groups END,
    roles = CASE WHEN excluded.last_seen >= known.last_seen THEN excluded.roles ELSE known.roles END,
    first_seen = least(known.first_seen, excluded.first_seen),
    last_seen = greatest(known.last_seen, excluded.last_seen),
    requests = CASE WHEN known.requests > 9223372036854775807 - excluded.requests
        THEN 9223372036854775807 ELSE known.requests + excluded.requests END,
    clients = CASE WHEN known.clients @> excluded.clients THEN known.clients ELSE ARRAY(
        SELECT name FROM (
            SELECT name FROM (SELECT DISTINCT unnest(known.clients || excluded.clients) COLLATE "C" AS name) AS names
            ORDER BY NOT name = ANY (known.clients), name LIMIT 128) AS kept ORDER BY name) END,
    servers = CASE WHEN known.servers @> excluded.servers THEN known.servers ELSE ARRAY(
        SELECT name FROM (
            SELECT name FROM (SELECT DISTINCT unnest(known.servers || excluded.servers) COLLATE "C" AS name) AS names
            ORDER BY NOT name = ANY (known.servers), name LIMIT 128) AS kept ORDER BY name) END"#;

impl RosterStore for PostgresStore {
    fn record(&mut self, seen: &[Person]) -> io::Result<()> {
        // In one order everywhere, so that replicas do not wait for one another in a circle.
        let mut seen: Vec<&Person> = seen.iter().collect();
        seen.sort_by(|one, two| one.id.cmp(&two.id));
        self.call(async |session| {
            let step = session.client().transaction().await.map_err(Session::explain)?;
            let merge = step.prepare(MERGE).await.map_err(Session::explain)?;
            for person in seen {
                let requests = i64::try_from(person.requests).unwrap_or(i64::MAX);
                step.execute(
                    &merge,
                    &[
                        &person.id.issuer(),
                        &person.id.subject(),
                        &person.name,
                        &person.email,
                        &person.client_only,
                        &millis(person.first_seen),
                        &millis(person.last_seen),
                        &requests,
                        &person.groups,
                        &person.roles,
                        &person.clients,
                        &person.servers,
                    ],
                )
                .await
                .map_err(Session::explain)?;
            }
            step.commit().await.map_err(Session::explain)
        })
    }

    fn person(&mut self, id: &PersonId) -> io::Result<Option<Person>> {
        let sql = format!("{PERSON} WHERE issuer = $1 AND subject = $2");
        self.call(async |session| {
            let row = session.client().query_opt(&sql, &[&id.issuer(), &id.subject()]).await;
            row.map_err(Session::explain)?.as_ref().map(person).transpose()
        })
    }

    fn people(&mut self, after: Option<&PersonId>, limit: usize) -> io::Result<Vec<Person>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let (issuer, subject) = after.map_or(("", ""), |id| (id.issuer(), id.subject()));
        let sql = format!(
            "{PERSON} WHERE $1 OR (issuer, subject) > ($2, $3) ORDER BY issuer, subject LIMIT $4"
        );
        self.call(async |session| {
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
                [&after.is_none(), &issuer, &subject, &limit];
            let rows = session.client().query(&sql, &values).await.map_err(Session::explain)?;
            rows.iter().map(person).collect()
        })
    }

    fn forget(&mut self, id: &PersonId) -> io::Result<bool> {
        let sql = "DELETE FROM portcullis_people WHERE issuer = $1 AND subject = $2";
        self.call(async |session| Ok(delete(session.client(), sql, id).await? > 0))
    }

    fn prune(&mut self, before: Duration) -> io::Result<u64> {
        let sql = "DELETE FROM portcullis_people WHERE last_seen < $1";
        self.call(async |session| {
            session.client().execute(sql, &[&millis(before)]).await.map_err(Session::explain)
        })
    }

    fn block(&mut self, block: &Block) -> io::Result<()> {
        let sql = "INSERT INTO portcullis_blocks (issuer, subject, since, by, note) \
                   VALUES ($1, $2, $3, $4, $5) ON CONFLICT (issuer, subject) \
                   DO UPDATE SET since = excluded.since, by = excluded.by, note = excluded.note";
        self.call(async |session| {
            let (issuer, subject) = (block.id.issuer(), block.id.subject());
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
                [&issuer, &subject, &millis(block.since), &block.by, &block.note];
            session.client().execute(sql, &values).await.map_err(Session::explain).map(drop)
        })
    }

    fn unblock(&mut self, id: &PersonId) -> io::Result<bool> {
        let sql = "DELETE FROM portcullis_blocks WHERE issuer = $1 AND subject = $2";
        self.call(async |session| Ok(delete(session.client(), sql, id).await? > 0))
    }

    fn blocks(&mut self) -> io::Result<Vec<Block>> {
        let sql = "SELECT issuer, subject, since, by, note FROM portcullis_blocks \
                   ORDER BY issuer, subject";
        self.call(async |session| {
            let rows = session.client().query(sql, &[]).await.map_err(Session::explain)?;
            rows.iter().map(block).collect()
        })
    }
}

async fn delete(client: &mut Client, sql: &str, id: &PersonId) -> io::Result<u64> {
    client.execute(sql, &[&id.issuer(), &id.subject()]).await.map_err(Session::explain)
}

fn person(row: &Row) -> io::Result<Person> {
    Ok(Person {
        id: PersonId::new(get::<String>(row, 0)?, get::<String>(row, 1)?),
        name: get(row, 2)?,
        email: get(row, 3)?,
        client_only: get(row, 4)?,
        first_seen: unix(get(row, 5)?),
        last_seen: unix(get(row, 6)?),
        requests: get::<i64>(row, 7)?.try_into().unwrap_or_default(),
        groups: get(row, 8)?,
        roles: get(row, 9)?,
        clients: get(row, 10)?,
        servers: get(row, 11)?,
    })
}

fn block(row: &Row) -> io::Result<Block> {
    Ok(Block {
        id: PersonId::new(get::<String>(row, 0)?, get::<String>(row, 1)?),
        since: unix(get(row, 2)?),
        by: get(row, 3)?,
        note: get(row, 4)?,
    })
}

fn get<'a, T: tokio_postgres::types::FromSql<'a>>(row: &'a Row, column: usize) -> io::Result<T> {
    row.try_get(column).map_err(Session::explain)
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn unix(millis: i64) -> Duration {
    Duration::from_millis(millis.try_into().unwrap_or_default())
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        drop(self.session.take());
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("database", &self.database).finish_non_exhaustive()
    }
}
