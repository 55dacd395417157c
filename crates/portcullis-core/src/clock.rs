//! The only place in the workspace that reads a clock.
#![expect(clippy::disallowed_methods, reason = "this is the accessor that everything else uses")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// Where a layer gets the time from: the system, or a test's hand.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    manual: Option<Arc<Manual>>,
}

#[derive(Debug)]
struct Manual {
    origin: Instant,
    started_at: Duration,
    elapsed_ms: AtomicU64,
}

impl Clock {
    /// The system's clocks.
    #[must_use]
    pub const fn system() -> Self {
        Self { manual: None }
    }

    /// A clock that stands at `unix` seconds until [`ManualClock::advance`] moves it.
    #[must_use]
    pub fn manual(unix: u64) -> (Self, ManualClock) {
        let manual = Arc::new(Manual {
            origin: Instant::now(),
            started_at: Duration::from_secs(unix),
            elapsed_ms: AtomicU64::new(0),
        });
        (Self { manual: Some(Arc::clone(&manual)) }, ManualClock(manual))
    }

    /// Wall-clock time since the Unix epoch; zero for a clock set before it.
    #[must_use]
    pub fn unix(&self) -> Duration {
        match &self.manual {
            None => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
            Some(manual) => manual.started_at.saturating_add(manual.elapsed()),
        }
    }

    /// Monotonic time, for measuring how long something took.
    #[must_use]
    pub fn instant(&self) -> Instant {
        match &self.manual {
            None => Instant::now(),
            Some(manual) => manual.origin + manual.elapsed(),
        }
    }
}

impl Manual {
    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.elapsed_ms.load(Ordering::Acquire))
    }
}

/// Moves a clock made by [`Clock::manual`].
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Manual>);

impl ManualClock {
    /// Moves the clock forward, in whole milliseconds.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.0.elapsed_ms.fetch_add(by, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_by_hand() {
        let (clock, hand) = Clock::manual(1_000);
        let start = clock.instant();
        assert_eq!(clock.unix(), Duration::from_secs(1_000));
        hand.advance(Duration::from_millis(1_500));
        assert_eq!(clock.unix(), Duration::from_millis(1_001_500));
        assert_eq!(clock.instant() - start, Duration::from_millis(1_500));
    }
}
