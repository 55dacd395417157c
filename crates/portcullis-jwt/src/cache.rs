//! Fetched keys: kept fresh by one task per issuer, shared by all requests.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use portcullis_core::{Clock, Reason};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::JwkSet;
use crate::error::{ConfigError, TokenError};
use crate::fetch::Fetch;
use crate::jose::Token;
use crate::jwk::Match;
use crate::keys::{Obstacle, Turn};
use crate::status::KeyStatus;
use crate::wait::{Wait, Waited};

mod refresh;
mod unknown;

use refresh::refresh;
use unknown::UnknownKids;

/// The least time between two fetches that requests ask for.
const ASK_FLOOR: Duration = Duration::from_secs(30);
/// What clients are told while no keys can be had.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The fetched keys of one issuer; ends its task when dropped.
pub(crate) struct RemoteKeys {
    cache: Arc<Cache>,
    clock: Clock,
    task: AbortHandle,
}

impl RemoteKeys {
    /// Starts the task that fetches and refreshes the keys.
    pub(crate) fn start<F: Fetch>(
        issuer: &str,
        fetch: F,
        clock: Clock,
        max_stale: Duration,
    ) -> Result<Self, ConfigError> {
        let runtime = Handle::try_current().map_err(|_| {
            ConfigError::new(format!("no tokio runtime to fetch the keys of {issuer} on"))
        })?;
        let cache = Arc::new(Cache::new(max_stale));
        let refresh = refresh(Arc::clone(&cache), issuer.to_owned(), fetch, clock.clone());
        let task = runtime.spawn(refresh).abort_handle();
        Ok(Self { cache, clock, task })
    }

    pub(crate) fn verify(&self, token: &Token<'_>, turn: Turn) -> Result<(), Obstacle> {
        self.cache.verify(token, self.clock.instant(), turn)
    }

    /// Why the latest fetch failed; waits for the first one to end.
    pub(crate) async fn fault(&self) -> Option<String> {
        if let Some(first) = self.cache.first_attempt() {
            first.await;
        }
        self.cache.state().fault.clone()
    }

    pub(crate) fn status(&self, issuer: &str) -> KeyStatus {
        let now = self.clock.instant();
        let age = self.cache.current.load().as_ref().map(|snapshot| snapshot.age(now));
        let usable_for = self.usable_for();
        let state = self.cache.state();
        KeyStatus {
            fetched: true,
            usable: !usable_for.is_zero(),
            age,
            usable_for,
            failing: state.attempted && !state.succeeded,
            fetches: state.fetches,
            failures: state.failures,
            changes: self.cache.generation.load(Ordering::Acquire),
            ..KeyStatus::fixed(issuer)
        }
    }

    /// Joins the fetch under way, or asks for one where that is allowed.
    pub(crate) fn wait(&self) -> Option<Wait> {
        match self.cache.fetch_wait(self.clock.instant(), Turn::First) {
            Some(Obstacle::Wait(wait)) => Some(wait),
            _ => None,
        }
    }

    /// Counts the changes of the keys.
    pub(crate) fn generation(&self) -> &Arc<AtomicU64> {
        &self.cache.generation
    }

    /// How much longer the keys may be used if they are not fetched again.
    pub(crate) fn usable_for(&self) -> Duration {
        let now = self.clock.instant();
        self.cache.current.load().as_ref().map_or(Duration::ZERO, |snapshot| {
            snapshot.usable_for.saturating_sub(snapshot.age(now))
        })
    }
}

impl Drop for RemoteKeys {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Cache {
    current: ArcSwapOption<Snapshot>,
    state: Mutex<State>,
    asked: Notify,
    finished: Arc<Notify>,
    max_stale: Duration,
    generation: Arc<AtomicU64>,
}

struct Snapshot {
    keys: JwkSet,
    fetched_at: Instant,
    usable_for: Duration,
}

impl Snapshot {
    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.fetched_at)
    }
}

#[derive(Default)]
struct State {
    /// A fetch is under way or about to start; requests may wait for its end.
    pending: bool,
    /// A request asked, and no fetch has started since.
    wanted: bool,
    attempted: bool,
    succeeded: bool,
    closed: bool,
    fetches: u64,
    failures: u64,
    /// Why the latest fetch failed.
    fault: Option<String>,
    asked_at: Option<Instant>,
    begun_at: Option<Instant>,
    unknown: UnknownKids,
}

impl Cache {
    fn new(max_stale: Duration) -> Self {
        Self {
            current: ArcSwapOption::empty(),
            state: Mutex::default(),
            asked: Notify::new(),
            finished: Arc::default(),
            max_stale,
            generation: Arc::default(),
        }
    }

    fn verify(&self, token: &Token<'_>, now: Instant, turn: Turn) -> Result<(), Obstacle> {
        let current = self.current.load();
        let usable = current.as_ref().filter(|snapshot| snapshot.age(now) < snapshot.usable_for);
        match usable.map(|snapshot| snapshot.keys.verify(token)) {
            Some(Match::Verified) => Ok(()),
            Some(Match::Refused(reason)) => Err(reason.into()),
            Some(Match::UnknownKid) => {
                Err(self.unknown_kid(token.kid.as_deref().unwrap_or_default(), now, turn))
            }
            None => Err(self
                .fetch_wait(now, turn)
                .unwrap_or(Obstacle::Refused(TokenError::keys_unavailable(RETRY_AFTER)))),
        }
    }

    fn unknown_kid(&self, kid: &str, now: Instant, turn: Turn) -> Obstacle {
        let known_unknown = {
            let mut state = self.state();
            // Only a fetch that succeeded has shown that the issuer does not have the key.
            if turn == Turn::Last && state.succeeded {
                state.unknown.insert(kid, now);
            }
            state.unknown.contains(kid, now)
        };
        let wait = if known_unknown { None } else { self.fetch_wait(now, turn) };
        wait.unwrap_or_else(|| Reason::UnknownKid.into())
    }

    /// Joins the fetch under way, or asks for one where that is allowed.
    fn fetch_wait(&self, now: Instant, turn: Turn) -> Option<Obstacle> {
        if turn == Turn::Last {
            return None;
        }
        // Before looking at the state, so that a fetch that ends meanwhile is not missed.
        let finished = Arc::clone(&self.finished).notified_owned();
        let mut state = self.state();
        if state.closed {
            return None;
        }
        if !state.pending && state.attempted {
            // While the issuer fails, the task's own attempts count too.
            let begun_at = state.begun_at.filter(|_| !state.succeeded);
            let recent = |at: Instant| now.saturating_duration_since(at) < ASK_FLOOR;
            if state.asked_at.is_some_and(recent) || begun_at.is_some_and(recent) {
                return None;
            }
            state.asked_at = Some(now);
            state.wanted = true;
            state.pending = true;
            self.asked.notify_one();
        }
        Some(Obstacle::Wait(Wait::new(finished, Waited::Keys)))
    }

    fn begin(&self, now: Instant) {
        let mut state = self.state();
        state.begun_at = Some(now);
        state.pending = true;
        state.wanted = false;
    }

    fn replace(&self, keys: JwkSet, lifetime: Duration, now: Instant) {
        let changed = self.current.load().as_ref().is_none_or(|snapshot| snapshot.keys != keys);
        self.current.store(Some(Arc::new(Snapshot {
            keys,
            fetched_at: now,
            usable_for: lifetime.saturating_add(self.max_stale),
        })));
        if changed {
            // After the store: who reads the new number sees the new keys.
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
        self.state().fault = None;
        self.end(true);
    }

    fn fail(&self, fault: Option<String>) {
        self.state().fault = fault;
        self.end(false);
    }

    /// The end of the first fetch, when that is still to come.
    fn first_attempt(&self) -> Option<Wait> {
        // Before looking at the state, so that an end meanwhile is not missed.
        let finished = Arc::clone(&self.finished).notified_owned();
        let state = self.state();
        (!state.attempted && !state.closed).then(|| Wait::new(finished, Waited::Keys))
    }

    fn end(&self, succeeded: bool) {
        let mut state = self.state();
        state.pending = false;
        state.attempted = true;
        state.succeeded = succeeded;
        state.fetches += 1;
        state.failures += u64::from(!succeeded);
        drop(state);
        self.finished.notify_waiters();
    }

    /// Waits until a request asks for keys, at most for `delay`.
    async fn asked_within(&self, delay: Duration) {
        let sleep = tokio::time::sleep(delay);
        let deadline = sleep.deadline();
        drop(sleep);
        // A permit may be left from an ask that a fetch has answered already.
        while tokio::time::timeout_at(deadline, self.asked.notified()).await.is_ok() {
            if self.state().wanted {
                return;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock, and any state is a safe one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
