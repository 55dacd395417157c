//! What can go wrong while auditing is set up.

use std::error::Error;
use std::{fmt, io};

/// Why auditing could not be set up.
#[derive(Debug)]
pub struct ConfigError {
    kind: ConfigErrorKind,
    message: String,
    source: Option<io::Error>,
}

/// The category of a [`ConfigError`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// No sink was given.
    NoSink,
    /// A setting has a value that cannot be honoured.
    Setting,
    /// The file cannot be opened, or another process writes to it.
    File,
    /// A key cannot be used.
    Key,
    /// The system has no thread for a writer.
    Thread,
    /// The system has no random bytes.
    Random,
}

impl ConfigError {
    pub(crate) fn new(kind: ConfigErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    pub(crate) fn from_io(
        kind: ConfigErrorKind,
        message: impl Into<String>,
        source: io::Error,
    ) -> Self {
        Self { kind, message: message.into(), source: Some(source) }
    }

    /// The category.
    #[must_use]
    pub fn kind(&self) -> ConfigErrorKind {
        self.kind
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
