//! What stands for records that there are not.

use std::time::Duration;

use crate::EventId;

/// Records that are missing from a sink.
#[derive(Clone, Debug)]
pub struct Gap {
    pub(crate) at: Duration,
    pub(crate) event_id: EventId,
    pub(crate) since: Option<Duration>,
    pub(crate) dropped: u64,
}

impl Gap {
    /// When the first of them was lost, as time since the Unix epoch.
    #[must_use]
    pub fn since(&self) -> Option<Duration> {
        self.since
    }

    /// How many.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// Unauthenticated failures that were not recorded one by one.
#[derive(Clone, Debug)]
pub struct Suppressed {
    pub(crate) at: Duration,
    pub(crate) event_id: EventId,
    pub(crate) count: u64,
}

impl Suppressed {
    /// How many requests.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }
}
