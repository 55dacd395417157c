//! Who uses the servers, and who is blocked.

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::sink::folder;
use crate::{Postgres, Problem, Sources};

/// Where it is kept who uses the servers, and who is blocked.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Roster {
    /// A SQLite database, for one machine; needs the Cargo feature `roster`.
    Sqlite(PathBuf),
    /// A PostgreSQL database, which several share; needs the Cargo feature `roster-postgres`.
    Postgres(Postgres),
}

impl Roster {
    /// Whether it could be opened, as far as can be known without writing and without a network.
    ///
    /// # Errors
    /// It could not, or this program is built without it.
    pub fn check(&self, sources: &Sources) -> Result<(), Problem> {
        match self {
            Self::Sqlite(path) if cfg!(feature = "roster") => folder(&sources.path(path)),
            #[cfg(feature = "roster-postgres")]
            Self::Postgres(settings) => settings.database(sources).map(drop),
            _ => Err(Problem::new("this program is built without the roster: see its feature")),
        }
    }

    /// Opens it, and waits until it has said who is blocked: nobody is let in before that is known. Blocks for
    /// 30 seconds at most.
    ///
    /// # Errors
    /// It cannot be opened or does not answer, or this program is built without it.
    #[cfg(feature = "roster")]
    pub fn open(&self, sources: &Sources) -> Result<portcullis_roster::Roster, Problem> {
        self.check(sources)?;
        let fault = |error: portcullis_roster::ConfigError| Problem::of(&error);
        let builder = match self {
            Self::Sqlite(path) => {
                let store = portcullis_roster::SqliteStore::open(sources.path(path));
                portcullis_roster::Roster::builder(store.map_err(fault)?)
            }
            #[cfg(feature = "roster-postgres")]
            Self::Postgres(settings) => {
                let store = portcullis_roster::PostgresStore::new(settings.database(sources)?);
                portcullis_roster::Roster::builder(store.map_err(fault)?)
            }
            #[cfg(not(feature = "roster-postgres"))]
            Self::Postgres(_) => return Err(Problem::new("this program is built without it")),
        };
        builder.build().map_err(fault)
    }
}

/// As a person reads it.
impl fmt::Display for Roster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "the database {}", path.display()),
            Self::Postgres(_) => f.write_str("a PostgreSQL database"),
        }
    }
}
