//! What can be wrong with a configuration.

use std::error::Error;
use std::fmt;

/// Metadata that clients could not use, or must not be shown.
///
/// The text names the setting, its value, and what is wrong: it is for the operator.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigError {
    setting: &'static str,
    problem: String,
}

impl ConfigError {
    pub(crate) fn new(setting: &'static str, problem: impl Into<String>) -> Self {
        Self { setting, problem: problem.into() }
    }

    /// The metadata member that the setting is for, such as `resource`.
    #[must_use]
    pub fn setting(&self) -> &'static str {
        self.setting
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.problem)
    }
}

impl Error for ConfigError {}
