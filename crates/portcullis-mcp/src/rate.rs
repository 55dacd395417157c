//! How often a caller may call.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::ConfigError;
use crate::rate_store::{MemoryRates, RateStore, Taken};

/// How many callers and tools the default store keeps count of.
const CAPACITY: usize = 100_000;

/// So many calls in so much time, and so many at once.
///
/// A bucket that holds [`burst`](Self::burst) calls and fills at an even pace. What is refused takes
/// nothing out of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "a rate limits nothing until it is given to `RateLimits`"]
pub struct Rate {
    interval: Duration,
    burst: u32,
}

impl Rate {
    /// `calls` in every `period`, and as many at once.
    ///
    /// # Errors
    /// When there are no calls in it, more than one in a microsecond, or less than one in a day.
    pub fn new(calls: u32, period: Duration) -> Result<Self, ConfigError> {
        let interval = period.checked_div(calls).unwrap_or_default();
        if interval < Duration::from_micros(1) || interval > Duration::from_secs(24 * 60 * 60) {
            return Err(ConfigError::new(
                "a rate is at least one call a day and at most one a microsecond",
            ));
        }
        Ok(Self { interval, burst: calls })
    }

    /// `calls` in every second.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn per_second(calls: u32) -> Result<Self, ConfigError> {
        Self::new(calls, Duration::from_secs(1))
    }

    /// `calls` in every minute.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn per_minute(calls: u32) -> Result<Self, ConfigError> {
        Self::new(calls, Duration::from_secs(60))
    }

    /// At most so many at once, after a pause.
    ///
    /// # Errors
    /// When there are none.
    pub fn burst(mut self, calls: u32) -> Result<Self, ConfigError> {
        if calls == 0 {
            return Err(ConfigError::new("a rate with a burst of 0 would let nobody call"));
        }
        self.burst = calls;
        Ok(self)
    }

    /// The time in which one call flows in.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// How many calls the bucket holds.
    #[must_use]
    pub fn burst_size(&self) -> u32 {
        self.burst
    }

    /// Takes `count` calls out of a bucket that is full again at `full_at` (the generic cell rate
    /// algorithm): when it is full again then, or how long to wait.
    ///
    /// More than the bucket holds are let in when it is full, and waited for afterwards.
    pub(crate) fn take(
        &self,
        full_at: Duration,
        count: u32,
        now: Duration,
    ) -> Result<Duration, Duration> {
        let times = |count: u32| self.interval.saturating_mul(count);
        let full_at = full_at.max(now);
        let needed = full_at.saturating_add(times(count.min(self.burst)));
        let latest = now.saturating_add(times(self.burst));
        match needed.checked_sub(latest) {
            None | Some(Duration::ZERO) => Ok(full_at.saturating_add(times(count))),
            Some(wait) => Err(wait),
        }
    }
}

/// How often callers may call; for
/// [`InspectLayer::rate_limits`](crate::InspectLayer::rate_limits).
///
/// Past a rate the answer is 429 with `Retry-After` and JSON-RPC `-31429`. A caller is an issuer,
/// a subject and a client; all callers without credentials are one. `server/discover` and
/// `initialize` are never counted, because clients take a refusal for a legacy server.
/// Failed sign-ins are not counted: nobody knows whose they are.
///
/// When the store cannot say, the answer is 503.
#[derive(Clone)]
#[must_use = "nothing is limited until a layer is given it"]
pub struct RateLimits {
    pub(crate) per_principal: Option<Rate>,
    pub(crate) tools: HashMap<String, Rate>,
    pub(crate) store: Arc<dyn RateStore>,
}

impl RateLimits {
    /// No limits, counted in memory: of one process, for up to 100 000 callers and tools at a time.
    pub fn new() -> Self {
        Self {
            per_principal: None,
            tools: HashMap::new(),
            store: Arc::new(MemoryRates::new(CAPACITY)),
        }
    }

    /// How often each caller may send a message, whatever it asks for. Each message of a batch
    /// counts.
    pub fn per_principal(mut self, rate: Rate) -> Self {
        self.per_principal = Some(rate);
        self
    }

    /// How often each caller may call the tool of this exact name, besides what
    /// [`per_principal`](Self::per_principal) says. Call it again for further tools.
    pub fn tool(mut self, name: impl Into<String>, rate: Rate) -> Self {
        self.tools.insert(name.into(), rate);
        self
    }

    /// Where calls are counted, for replicas that share the load.
    pub fn store(mut self, store: impl RateStore) -> Self {
        self.store = Arc::new(store);
        self
    }
}

impl Default for RateLimits {
    fn default() -> Self {
        Self::new()
    }
}

// By hand: a store need not be `Debug`.
impl fmt::Debug for RateLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimits")
            .field("per_principal", &self.per_principal)
            .field("tools", &self.tools)
            .finish_non_exhaustive()
    }
}

impl Taken {
    pub(crate) fn from_bucket(taken: Result<Duration, Duration>) -> Self {
        match taken {
            Ok(_) => Self::Granted,
            Err(retry_after) => Self::Refused { retry_after },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_bucket_empties_and_fills() {
        let rate = Rate::per_second(2).unwrap().burst(3).unwrap();
        let half = SECOND / 2;
        let mut full_at = Duration::ZERO;
        for (name, now, count, expected) in [
            ("one", SECOND, 1, Ok(())),
            ("two more", SECOND, 2, Ok(())),
            ("empty", SECOND, 1, Err(half)),
            ("two are further off", SECOND, 2, Err(SECOND)),
            ("not yet", SECOND + half / 2, 1, Err(half / 2)),
            ("one has flowed in", SECOND + half, 1, Ok(())),
            ("one only", SECOND + half, 1, Err(half)),
            ("full", SECOND * 10, 3, Ok(())),
            ("no fuller than full", SECOND * 10, 1, Err(half)),
            ("more than it holds", SECOND * 20, 9, Ok(())),
            ("is waited for", SECOND * 20, 1, Err(half * 7)),
            ("a clock that goes back", SECOND, 1, Err(SECOND * 19 + half * 7)),
        ] {
            let taken = rate.take(full_at, count, now);
            assert_eq!(taken.map(|_| ()), expected, "{name}");
            full_at = taken.unwrap_or(full_at);
        }
    }

    #[test]
    fn rates_that_mean_nothing_are_refused() {
        assert!(Rate::per_second(0).is_err());
        assert!(Rate::per_second(1_000_001).is_err());
        assert!(Rate::new(1, Duration::from_secs(24 * 60 * 60 + 1)).is_err());
        assert!(Rate::per_minute(1).unwrap().burst(0).is_err());
        assert!(Rate::new(1, Duration::from_secs(24 * 60 * 60)).is_ok());
    }

    proptest! {
        /// Never more than the burst and what has flowed in, and never a wait that is too short.
        #[test]
        fn no_more_than_promised(
            calls in 1_u32..50, burst in 1_u32..50,
            steps in proptest::collection::vec((0_u64..2000, 1_u32..4), 1..100),
        ) {
            let rate = Rate::per_second(calls).unwrap().burst(burst).unwrap();
            let (mut full_at, mut now, mut taken) = (Duration::ZERO, SECOND, 0_u32);
            let start = now;
            for (wait, count) in steps {
                let count = count.min(burst);
                now += Duration::from_millis(wait);
                match rate.take(full_at, count, now) {
                    Ok(next) => {
                        full_at = next;
                        taken += count;
                    }
                    Err(wait) => prop_assert!(rate.take(full_at, count, now + wait).is_ok()),
                }
                let flowed = (now - start).as_nanos() / rate.interval().as_nanos();
                prop_assert!(u128::from(taken) <= u128::from(burst) + flowed);
            }
        }
    }
}
