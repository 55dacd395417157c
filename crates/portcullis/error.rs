//! Why a gate could not be built.

use std::error::Error;
use std::fmt;

/// Why a gate could not be built: which part, and that part's own error as the source.
#[derive(Debug)]
pub struct BuildError {
    part: &'static str,
    source: Box<dyn Error + Send + Sync>,
}

impl BuildError {
    pub(crate) fn new(part: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { part, source: source.into() }
    }

    /// The part that could not be built: `metadata`, `tokens`, `sidecar`, `edge`, `hooks`, `audit`,
    /// `mirror` or `resources`.
    #[must_use]
    pub fn part(&self) -> &'static str {
        self.part
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the gate cannot be built: the configuration of {} is not valid", self.part)
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.source.as_ref())
    }
}
