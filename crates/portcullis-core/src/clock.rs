//! The only place in the workspace that reads a clock.
#![expect(clippy::disallowed_methods, reason = "this is the accessor that everything else uses")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
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
    /// How far the wall clock is from where it would be.
    skew_ms: AtomicI64,
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
            skew_ms: AtomicI64::new(0),
        });
        (Self { manual: Some(Arc::clone(&manual)) }, ManualClock(manual))
    }

    /// Wall-clock time since the Unix epoch; zero for a clock set before it.
    #[must_use]
    pub fn unix(&self) -> Duration {
        match &self.manual {
            None => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
            Some(manual) => {
                let skew = manual.skew_ms.load(Ordering::Acquire);
                let by = Duration::from_millis(skew.unsigned_abs());
                let unix = manual.started_at.saturating_add(manual.elapsed());
                if skew < 0 { unix.saturating_sub(by) } else { unix.saturating_add(by) }
            }
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

    /// Sets the wall clock so many milliseconds forward, or back, against the monotonic one.
    pub fn jump(&self, by_ms: i64) {
        self.0.skew_ms.fetch_add(by_ms, Ordering::AcqRel);
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
        hand.jump(-10_000);
        assert_eq!(clock.unix(), Duration::from_millis(991_500), "only the wall clock");
        assert_eq!(clock.instant() - start, Duration::from_millis(1_500));
    }
}
