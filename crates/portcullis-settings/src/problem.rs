//! What is wrong, in words for people.

use std::fmt;
use std::path::Path;

use crate::At;

/// What is wrong with the file, and where.
#[derive(Clone, Debug)]
pub struct Problem {
    text: String,
    /// Line and column, from 1.
    place: Option<(u64, u64)>,
}

impl Problem {
    /// A problem whose place is not known yet.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), place: None }
    }

    /// An error with its causes, in one line.
    #[must_use]
    pub fn of(error: &dyn std::error::Error) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        Self::new(text.replace('\n', " "))
    }

    /// Says where, unless that is known better already.
    #[must_use]
    pub fn at<T>(self, value: &At<T>) -> Self {
        Self { place: self.place.or(value.place()), ..self }
    }

    /// Says what it is about.
    #[must_use]
    pub fn about(self, what: impl fmt::Display) -> Self {
        Self { text: format!("{what}: {}", self.text), ..self }
    }

    /// In full, for a person: `FILE:LINE:COLUMN: TEXT`.
    #[must_use]
    pub fn show(&self, file: &Path) -> String {
        match self.place {
            Some((line, column)) => format!("{}:{line}:{column}: {}", file.display(), self.text),
            None => format!("{}: {}", file.display(), self.text),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Problem {}

impl Problem {
    pub(crate) fn placed(text: String, place: Option<(u64, u64)>) -> Self {
        Self { text, place }
    }
}
