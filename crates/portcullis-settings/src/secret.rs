//! Where secrets are, and what the file says of other files.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{At, Problem};

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Secret {
    /// In this environment variable.
    Env(String),
    /// In this file; blanks and line ends around it do not count.
    File(PathBuf),
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(variable) => write!(f, "the variable {variable}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
        }
    }
}

/// What settings only name: secrets, and the text of other files.
///
/// It remembers what it has given, so that a program that reads its settings again can tell whether the same
/// settings still mean the same.
pub struct Sources {
    folder: PathBuf,
    secrets: BTreeMap<String, Secret>,
    given: Mutex<BTreeMap<Named, String>>,
}

#[derive(Clone, Eq, Ord, PartialEq, PartialOrd)]
enum Named {
    Secret(String),
    Text(PathBuf),
}

impl Sources {
    /// Of settings in `folder`, whose secrets are these.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, secrets: BTreeMap<String, Secret>) -> Self {
        Self { folder: folder.into(), secrets, given: Mutex::default() }
    }

    /// A path, which starts at the folder of the settings.
    #[must_use]
    pub fn path(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }

    /// The text of a file, read now.
    ///
    /// # Errors
    /// It cannot be read, or is not UTF-8.
    pub fn text(&self, path: &Path) -> Result<String, Problem> {
        let text = self.read(path)?;
        self.give(Named::Text(path.to_owned()), &text);
        Ok(text)
    }

    /// The secret of this name, read now.
    ///
    /// # Errors
    /// There is none of this name, it is not where it should be, or it is empty.
    pub fn secret(&self, name: &At<String>) -> Result<String, Problem> {
        let value = self.look_up(name).map_err(|problem| problem.at(name))?;
        self.give(Named::Secret(String::clone(name)), &value);
        Ok(value)
    }

    /// Whether everything that `before` has given is the same now.
    #[must_use]
    pub fn are_as(&self, before: &Self) -> bool {
        let given = before.given.lock().unwrap_or_else(PoisonError::into_inner).clone();
        given.into_iter().all(|(named, value)| {
            let now = match &named {
                Named::Secret(name) => self.look_up(name),
                Named::Text(path) => self.read(path),
            };
            let same = now.is_ok_and(|now| now == value);
            if same {
                self.give(named, &value);
            }
            same
        })
    }

    fn give(&self, named: Named, value: &str) {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.insert(named, value.to_owned());
    }

    fn read(&self, path: &Path) -> Result<String, Problem> {
        let path = self.path(path);
        std::fs::read_to_string(&path)
            .map_err(|error| Problem::new(format!("cannot read {}: {error}", path.display())))
    }

    fn look_up(&self, name: &str) -> Result<String, Problem> {
        let about = format!("the secret {name:?}");
        let Some(secret) = self.secrets.get(name) else {
            return Err(Problem::new(format!("{about} is not among `secrets`")));
        };
        let value = match secret {
            Secret::Env(variable) => std::env::var(variable).map_err(|_| {
                Problem::new(format!("{about}: the variable {variable} is not set"))
            })?,
            Secret::File(path) => {
                let text = self.read(path).map_err(|problem| problem.about(&about))?;
                text.trim().to_owned()
            }
        };
        if value.is_empty() {
            return Err(Problem::new(format!("{about} is empty")));
        }
        Ok(value)
    }
}

// By hand: no secret is shown.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("folder", &self.folder).finish_non_exhaustive()
    }
}
