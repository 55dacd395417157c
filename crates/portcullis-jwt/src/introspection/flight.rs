//! One question under way, and those who wait for its answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::Notify;

use crate::token_cache::Tag;
use crate::verifier::Trusted;
use crate::wait::{Wait, Waited};

/// A question about one token.
pub(crate) struct Flight {
    /// Who is asked.
    pub(super) trusted: Weak<Trusted>,
    pub(super) tag: Tag,
    /// When it was asked, and what the state of things was before.
    pub(super) asked: Duration,
    pub(super) issuers: u64,
    pub(super) revision: u64,
    outcome: OnceLock<Outcome>,
    finished: Arc<Notify>,
}

/// How a question ended.
pub(super) enum Outcome {
    Active(Map<String, Value>),
    Inactive,
    /// Nothing was learnt.
    Unavailable,
}

impl Flight {
    pub(super) fn new(
        trusted: Weak<Trusted>,
        tag: Tag,
        asked: Duration,
        issuers: u64,
        revision: u64,
    ) -> Self {
        let (outcome, finished) = (OnceLock::new(), Arc::default());
        Self { trusted, tag, asked, issuers, revision, outcome, finished }
    }

    /// How it ended; that of one that has not is unavailable.
    pub(super) fn outcome(&self) -> &Outcome {
        self.outcome.get().unwrap_or(&Outcome::Unavailable)
    }
}

/// The questions under way.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<Tag, Arc<Flight>>>);

impl Flights {
    /// Joins the question about a token, or else starts one, unless `most` are under way.
    pub(super) fn join(
        self: &Arc<Self>,
        tag: Tag,
        most: usize,
        start: impl FnOnce() -> Flight,
    ) -> Option<(Wait, Option<Landing>)> {
        let mut flights = self.flights();
        let (flight, landing) = match flights.get(&tag) {
            Some(flight) => (Arc::clone(flight), None),
            None if flights.len() >= most => return None,
            None => {
                let flight = Arc::new(start());
                flights.insert(tag, Arc::clone(&flight));
                let landing = Landing { flights: Arc::clone(self), flight: Arc::clone(&flight) };
                (flight, Some(landing))
            }
        };
        // INVARIANT: made while the lock is held, which a landing takes before it wakes anybody.
        let finished = Arc::clone(&flight.finished).notified_owned();
        Some((Wait::new(finished, Waited::Answer(flight)), landing))
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<Tag, Arc<Flight>>> {
        // No code panics while it holds the lock, and any state is a safe one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a flight when dropped, whatever became of the question.
pub(super) struct Landing {
    flights: Arc<Flights>,
    flight: Arc<Flight>,
}

impl Landing {
    pub(super) fn with(self, outcome: Outcome) {
        // The only one who sets it.
        let _ = self.flight.outcome.set(outcome);
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.flights.flights().remove(&self.flight.tag);
        self.flight.finished.notify_waiters();
    }
}
