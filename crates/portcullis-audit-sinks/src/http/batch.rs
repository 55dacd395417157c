//! What goes into one request.

use crate::outbox::Load;

/// Records in the form of the protocol, without what goes around them.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) body: Vec<u8>,
    pub(super) records: u64,
    /// The name of this very batch: its first record, and how many follow.
    pub(super) first: Option<String>,
}

impl Batch {
    /// The value of `Idempotency-Key`: the same for every attempt at this batch, and for no other.
    pub(super) fn key(&self) -> String {
        format!("\"{}/{}\"", self.first.as_deref().unwrap_or_default(), self.records)
    }
}

impl Load for Batch {
    fn size(&self) -> usize {
        self.body.len()
    }
}
