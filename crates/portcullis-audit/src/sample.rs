//! How many unauthenticated failures are recorded one by one.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// A token bucket.
#[derive(Debug)]
pub(crate) struct Bucket {
    per_second: f64,
    burst: f64,
    level: Mutex<(f64, Instant)>,
}

impl Bucket {
    /// Full to the brim.
    pub(crate) fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        let burst = f64::from(burst);
        Self { per_second: f64::from(per_second), burst, level: Mutex::new((burst, now)) }
    }

    /// Whether there is one left.
    pub(crate) fn take(&self, now: Instant) -> bool {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, at) = *level;
        let earned = now.saturating_duration_since(at).as_secs_f64() * self.per_second;
        let left = (left + earned).min(self.burst);
        let taken = left >= 1.0;
        *level = (if taken { left - 1.0 } else { left }, now.max(at));
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use portcullis_core::Clock;

    use super::*;

    #[test]
    fn a_burst_then_a_rate() {
        let (clock, hand) = Clock::manual(0);
        let bucket = Bucket::new(10, 20, clock.instant());
        let take = |clock: &Clock| (0..100).filter(|_| bucket.take(clock.instant())).count();
        assert_eq!(take(&clock), 20);
        hand.advance(Duration::from_millis(500));
        assert_eq!(take(&clock), 5);
        hand.advance(Duration::from_secs(3600));
        assert_eq!(take(&clock), 20, "not more than the burst");
    }
}
