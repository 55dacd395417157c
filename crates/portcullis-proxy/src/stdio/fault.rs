//! Why there is no answer.

use std::time::Duration;

use portcullis_core::{Denial, Text};

/// What went wrong between a request and its answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// The command has ended, or does not speak MCP.
    Broken,
    /// The command takes too long.
    Slow,
    /// There are too many children, or one ended too often: later.
    Busy(Duration),
}

impl Fault {
    /// What the client gets to see.
    pub(super) fn denial(self, id: Option<&Text>) -> Denial {
        match self {
            Self::Broken => Denial::upstream(id),
            Self::Slow => Denial::upstream_timeout(id),
            Self::Busy(after) => {
                Denial::upstream_unavailable(id, after.max(Duration::from_secs(1)))
            }
        }
    }
}
