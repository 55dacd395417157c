//! Whether the wall clock moves with the monotonic one.

use std::time::{Duration, Instant};

/// How far it may move against it unreported.
const JUMP: Duration = Duration::from_secs(5);

/// Both clocks at the last look.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    last: Option<(Duration, Instant)>,
}

/// The wall clock is not where it should be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Jump {
    pub(crate) expected: Duration,
    pub(crate) found: Duration,
}

impl Watch {
    /// Looks at both clocks.
    pub(crate) fn look(&mut self, unix: Duration, instant: Instant) -> Option<Jump> {
        let (unix_before, instant_before) = self.last.replace((unix, instant))?;
        let passed = instant.saturating_duration_since(instant_before);
        let jump = Jump { expected: unix_before.saturating_add(passed), found: unix };
        (jump.moved() > JUMP).then_some(jump)
    }
}

impl Jump {
    pub(crate) fn moved(self) -> Duration {
        self.expected.abs_diff(self.found)
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::Clock;

    use super::*;

    #[test]
    fn only_what_moves_against_the_monotonic_clock_is_a_jump() {
        let (clock, hand) = Clock::manual(1_000);
        let mut watch = Watch::default();
        let mut look =
            || watch.look(clock.unix(), clock.instant()).map(|jump| jump.moved().as_secs());
        assert_eq!(look(), None, "the first look");
        for (name, passes, jumps, expected) in [
            ("time passes", 3600, 0, None),
            ("a correction", 1, 5_000, None),
            ("forward", 1, 5_001, Some(5)),
            ("and stays there", 1, 0, None),
            ("back", 1, -60_000, Some(60)),
            ("back by little", 1, -5_000, None),
        ] {
            hand.advance(Duration::from_secs(passes));
            hand.jump(jumps);
            assert_eq!(look(), expected, "{name}");
        }
    }
}
