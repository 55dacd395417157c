//! What happens to a roster.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::{Block, PersonId};

/// What happened to a roster, for records and alerts.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RosterEvent {
    /// A block is in force here from now on, or what it says has changed.
    Blocked(Block),
    /// A block is no longer in force here.
    Unblocked(PersonId),
    /// The store does not answer, or refuses. The last list of blocks stays in force, and sightings wait in
    /// memory.
    StoreFailed(io::ErrorKind),
    /// The store answers again.
    StoreRecovered,
}

type Hook = dyn Fn(&RosterEvent) + Send + Sync;

/// Who wants to know.
#[derive(Clone, Default)]
pub(crate) struct Hooks(Vec<Arc<Hook>>);

impl Hooks {
    pub(crate) fn add(&mut self, hook: impl Fn(&RosterEvent) + Send + Sync + 'static) {
        self.0.push(Arc::new(hook));
    }

    pub(crate) fn tell(&self, event: &RosterEvent) {
        for hook in &self.0 {
            // Whoever wants to know must not keep the others, or the roster itself, from going on.
            if catch_unwind(AssertUnwindSafe(|| hook(event))).is_err() {
                tracing::error!(target: "portcullis", "a hook of the roster panicked");
            }
        }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hooks").field(&self.0.len()).finish()
    }
}
