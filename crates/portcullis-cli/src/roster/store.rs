//! Where the roster is.

use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use portcullis_roster::{
    ConfigError, Person, Postgres, PostgresStore, RosterStore, SqliteStore, Tls,
};

use crate::input;
use crate::problem::Problem;

/// How many people are read at once.
const PAGE: usize = 1000;

#[derive(Args, Debug)]
#[command(next_help_heading = "Where the roster is")]
pub(crate) struct StoreArgs {
    /// A SQLite file, or the URL of a PostgreSQL database: postgresql://user@host/database
    #[arg(long, short, value_name = "DATABASE")]
    database: String,
    /// A file whose first line is the password for PostgreSQL; otherwise PGPASSWORD is
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// A file with the certificates (PEM) of the authorities that PostgreSQL is known by; otherwise
    /// those of this machine are
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

impl StoreArgs {
    pub(crate) fn open(&self) -> Result<Box<dyn RosterStore>, Problem> {
        if let Some((scheme, rest)) = self.database.split_once("://")
            && ["postgresql", "postgres"].contains(&scheme)
        {
            return self.postgres(rest);
        }
        let path = Path::new(&self.database);
        let fault = |message: String| Problem::new(message).in_file(&*self.database);
        if self.password_file.is_some() || self.ca.is_some() {
            return Err(fault("is a file: it has neither a password nor certificates".into()));
        }
        // Opening would create it.
        if let Err(error) = path.metadata() {
            return Err(fault(format!("cannot be read: {}", input::cause(&error))));
        }
        let store = SqliteStore::open(path).map_err(|error| fault(words(&error)))?;
        Ok(Box::new(store))
    }

    fn postgres(&self, rest: &str) -> Result<Box<dyn RosterStore>, Problem> {
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let user = authority.rsplit_once('@').map(|(user, _)| user);
        if user.is_some_and(|user| user.contains(':')) || rest.contains("password=") {
            // Nor is it repeated here.
            return Err(Problem::new(
                "the password is in the URL, where others on this machine can see it: use \
                 --password-file or PGPASSWORD",
            ));
        }
        let fault = |error: ConfigError| Problem::new(words(&error));
        let mut database =
            Postgres::new(&self.database).map_err(|error| Problem::new(error.to_string()))?;
        if let Some(path) = &self.password_file {
            let text = input::text(path)?;
            database = database.password(text.lines().next().unwrap_or_default());
        } else if let Some(password) = std::env::var_os("PGPASSWORD") {
            database = database.password(password.as_encoded_bytes());
        }
        if let Some(path) = &self.ca {
            let tls = Tls::authorities(input::bytes(path)?)
                .map_err(|error| Problem::new(error.to_string()).in_file(input::name(path)))?;
            database = database.tls(tls);
        }
        Ok(Box::new(PostgresStore::new(database).map_err(fault)?))
    }
}

/// What is wrong, and why.
fn words(error: &ConfigError) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// The answer of a store.
pub(crate) fn answer<T>(answer: io::Result<T>) -> Result<T, Problem> {
    answer.map_err(|error| Problem::new(format!("the roster fails: {}", input::cause(&error))))
}

/// Everyone on the roster, by issuer and subject.
pub(crate) fn everyone(store: &mut dyn RosterStore) -> Result<Vec<Person>, Problem> {
    let mut people = Vec::new();
    loop {
        let page = answer(store.people(people.last().map(|person: &Person| &person.id), PAGE))?;
        let full = page.len() == PAGE;
        people.extend(page);
        if !full {
            return Ok(people);
        }
    }
}
