//! Lines in the log about what callers can cause.

use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_core::Clock;

/// The least time between two lines, in seconds.
const SILENCE: u64 = 60;

/// Says no more than once a minute what callers can cause.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// From when on the next failure is worth a line, in seconds since the Unix epoch.
    next: AtomicU64,
}

impl Report {
    /// Whether a line is due now.
    pub(crate) fn is_due(&self, clock: &Clock) -> bool {
        let now = clock.unix().as_secs();
        let next = now.saturating_add(SILENCE);
        let due = |line: u64| (line <= now).then_some(next);
        self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, due).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn once_a_minute() {
        let (clock, hand) = Clock::manual(1_000);
        let report = Report::default();
        assert!(report.is_due(&clock));
        assert!(!report.is_due(&clock));
        hand.advance(Duration::from_secs(59));
        assert!(!report.is_due(&clock));
        hand.advance(Duration::from_secs(1));
        assert!(report.is_due(&clock));
    }
}
