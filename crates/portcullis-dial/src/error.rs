//! Errors in settings, found before anything is sent.

use std::error::Error;
use std::fmt;

/// Why a connection cannot be set up. The text is one line, without credentials.
pub struct ConfigError(String);

impl ConfigError {
    /// An error with this text: lower case, one line, no full stop.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfigError({:?})", self.0)
    }
}

impl Error for ConfigError {}
