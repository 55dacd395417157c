//! How it stands with a sink, for health checks and metrics.

use crate::Delivery;

/// How it stands with one sink; one of [`AuditLayer::status`](crate::AuditLayer::status).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SinkStatus {
    /// What its slowness or failure means for requests.
    pub delivery: Delivery,
    /// How many records wait to be written.
    pub queued: u64,
    /// How many may wait.
    pub capacity: u64,
    /// How many records the sink never got, since the start.
    pub lost: u64,
    /// Whether the last record that was tried could not be written. A later one that can says that the
    /// sink is well again.
    pub failing: bool,
    /// Whether its writer has ended. Nothing more is recorded then.
    pub ended: bool,
}

impl SinkStatus {
    /// Whether the next record will probably be written. Where a sink does not accept,
    /// [`Delivery`] says what becomes of requests.
    #[must_use]
    pub const fn accepting(&self) -> bool {
        !self.ended && !self.failing && self.queued < self.capacity
    }
}
