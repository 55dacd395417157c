//! Settings of a roster, and its start.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use portcullis_core::Clock;

use crate::blocks::Blocks;
use crate::event::Hooks;
use crate::person::Kept;
use crate::roster::Inner;
use crate::tally::Tally;
use crate::worker::{Failing, Shared, Worker};
use crate::{ConfigError, Roster, RosterEvent, RosterStore};

/// How long the store may take to say who is blocked before anyone is let in.
const START: Duration = Duration::from_secs(30);
/// After how many of the intervals at which it is read the list of blocks is overdue.
const OVERDUE: u32 = 5;

/// Builds a [`Roster`]; made by [`Roster::builder`].
#[must_use = "a builder does nothing until `build`"]
pub struct RosterBuilder {
    store: Box<dyn RosterStore>,
    poll_every: Duration,
    flush_every: Duration,
    capacity: usize,
    kept: Kept,
    hooks: Hooks,
    max_age: Option<Duration>,
    clock: Clock,
}

impl RosterBuilder {
    pub(crate) fn new(store: Box<dyn RosterStore>) -> Self {
        Self {
            store,
            poll_every: Duration::from_secs(2),
            flush_every: Duration::from_secs(10),
            capacity: 10_000,
            kept: Kept::default(),
            hooks: Hooks::default(),
            max_age: None,
            clock: Clock::system(),
        }
    }

    /// How often the store is asked who is blocked, and so how late a block that another replica was told of
    /// takes force here: every 2 seconds by default, between 100 milliseconds and 1 minute. A call to the store that
    /// is under way when the time comes is waited for.
    pub fn poll_every(mut self, time: Duration) -> Self {
        self.poll_every = time;
        self
    }

    /// How often the store is told who was seen: every 10 seconds by default, between 100 milliseconds and 1
    /// hour. A crash loses what was seen since.
    pub fn flush_every(mut self, time: Duration) -> Self {
        self.flush_every = time;
        self
    }

    /// How many people may be seen between two of those times, which bounds memory: 10 000 by default.
    pub fn capacity(mut self, people: usize) -> Self {
        self.capacity = people;
        self
    }

    /// Also keeps a display name: the text of this claim, such as `name`. Not by default.
    pub fn name_claim(mut self, claim: impl Into<String>) -> Self {
        self.kept.name = Some(claim.into());
        self
    }

    /// Also keeps an e-mail address: the text of this claim, such as `email`. Not by default.
    pub fn email_claim(mut self, claim: impl Into<String>) -> Self {
        self.kept.email = Some(claim.into());
        self
    }

    /// Keeps neither groups nor roles.
    pub fn without_groups(mut self) -> Self {
        self.kept.no_groups = true;
        self
    }

    /// Refuses everybody who has signed in with 503 while the list of blocks is older than `age`: the store has
    /// not answered for that long. By default the last list stays in force, however old: an outage of the store is
    /// then none of the server, and a block that is ordered meanwhile takes force when it ends.
    pub fn refuse_when_older_than(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Calls `hook` when someone is blocked or let in again, and when the store fails or works again. It runs on the
    /// roster's thread and must return soon. One that panics is logged, and called again the next time.
    pub fn on_event(mut self, hook: impl Fn(&RosterEvent) + Send + Sync + 'static) -> Self {
        self.hooks.add(hook);
        self
    }

    /// Takes the time of sightings from `clock`.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Starts the roster. Waits until the store has said who is blocked, 30 seconds at most: nobody is let in
    /// before that is known.
    ///
    /// # Errors
    /// The store does not say who is blocked, a setting cannot be honoured, or the system gives no thread.
    pub fn build(self) -> Result<Roster, ConfigError> {
        self.check()?;
        let timer = Clock::system();
        let now = timer.instant();
        let shared = Arc::new(Shared {
            tally: Tally::new(self.capacity),
            blocks: ArcSwap::from_pointee(Blocks::new(Vec::new(), now, 0)),
            version: AtomicU64::new(0),
            failing: AtomicBool::new(false),
            lost: AtomicU64::new(0),
            clock: self.clock,
            timer,
        });
        let mut worker = Worker {
            store: self.store,
            shared: Arc::clone(&shared),
            kept: self.kept,
            hooks: self.hooks,
            capacity: self.capacity,
            poll_every: self.poll_every,
            flush_every: self.flush_every,
            waiting: std::collections::HashMap::new(),
            next_poll: now,
            next_flush: now + self.flush_every,
            failing: Failing::default(),
        };
        let (orders, received) = channel();
        let (start, started) = channel();
        let (end, ended) = channel();
        thread::Builder::new()
            .name("portcullis-roster".into())
            .spawn(move || {
                let known = worker.poll();
                let go_on = known.is_ok();
                if start.send(known).is_ok() && go_on {
                    worker.run(&received);
                }
                drop(end);
            })
            .map_err(|cause| ConfigError::with("cannot start the roster's thread", cause))?;
        match started.recv_timeout(START) {
            Ok(Ok(())) => {}
            Ok(Err(cause)) => {
                return Err(ConfigError::with("the roster cannot be read", cause));
            }
            Err(_) => return Err(ConfigError::new("the roster's store does not answer")),
        }
        let ended = std::sync::Mutex::new(ended);
        let overdue = self.poll_every.saturating_mul(OVERDUE);
        Ok(Roster(Arc::new(Inner { shared, orders, ended, max_age: self.max_age, overdue })))
    }

    fn check(&self) -> Result<(), ConfigError> {
        let (soon, minute) = (Duration::from_millis(100), Duration::from_secs(60));
        let fault = if !(soon..=minute).contains(&self.poll_every) {
            "a roster asks who is blocked between every 100 milliseconds and every minute"
        } else if !(soon..=Duration::from_secs(3600)).contains(&self.flush_every) {
            "a roster stores who was seen between every 100 milliseconds and every hour"
        } else if !(1..=10_000_000).contains(&self.capacity) {
            "the capacity of a roster is between 1 and 10 000 000 people"
        } else if self.max_age.is_some_and(|age| age < self.poll_every.saturating_mul(2)) {
            "a list of blocks may become as old as two times the interval at which it is read"
        } else {
            return Ok(());
        };
        Err(ConfigError::new(fault))
    }
}

impl fmt::Debug for RosterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RosterBuilder")
            .field("poll_every", &self.poll_every)
            .field("flush_every", &self.flush_every)
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}
