//! The duty to write the outcome.

use std::sync::Arc;

use crate::classify::End;
use crate::trail::RequestTrail;

/// Owes the outcome: whoever holds it says how the answer ended, or dropping it says so.
pub(crate) struct Debt {
    trail: Option<Arc<RequestTrail>>,
    pub(crate) bytes: u64,
}

impl Debt {
    /// Owes nothing if there is no trail.
    pub(crate) fn new(trail: Option<Arc<RequestTrail>>) -> Self {
        Self { trail, bytes: 0 }
    }

    pub(crate) fn trail(&self) -> Option<&RequestTrail> {
        self.trail.as_deref()
    }

    /// Hands the debt on.
    pub(crate) fn take(&mut self) -> Self {
        Self { trail: self.trail.take(), bytes: self.bytes }
    }

    /// Pays it.
    pub(crate) fn pay(&mut self, end: End) {
        if let Some(trail) = self.trail.take() {
            trail.finish(end, self.bytes);
        }
    }
}

impl Drop for Debt {
    fn drop(&mut self) {
        self.pay(End::Dropped);
    }
}
