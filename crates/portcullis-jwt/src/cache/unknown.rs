//! Key ids that an issuer does not have.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// How long a key id that the issuer does not have is remembered as such, and how many are.
const UNKNOWN_FOR: Duration = Duration::from_secs(60);
const MAX_UNKNOWN: usize = 1024;

/// Key ids that the issuer was found not to have; the oldest makes room.
#[derive(Default)]
pub(super) struct UnknownKids {
    seen: HashMap<String, Instant>,
    order: VecDeque<String>,
}

impl UnknownKids {
    pub(super) fn contains(&self, kid: &str, now: Instant) -> bool {
        self.seen.get(kid).is_some_and(|at| now.saturating_duration_since(*at) < UNKNOWN_FOR)
    }

    pub(super) fn insert(&mut self, kid: &str, now: Instant) {
        if self.seen.insert(kid.to_owned(), now).is_some() {
            return;
        }
        self.order.push_back(kid.to_owned());
        if self.order.len() > MAX_UNKNOWN
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::Clock;

    use super::*;

    #[test]
    fn the_memory_of_unknown_kids_is_bounded() {
        let mut unknown = UnknownKids::default();
        let (clock, _hand) = Clock::manual(0);
        for kid in 0..5_000 {
            unknown.insert(&kid.to_string(), clock.instant());
        }
        assert_eq!((unknown.seen.len(), unknown.order.len()), (MAX_UNKNOWN, MAX_UNKNOWN));
        assert!(unknown.contains("4999", clock.instant()));
        assert!(!unknown.contains("0", clock.instant()));
    }
}
