//! Answers that still hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::Question;

/// What one remembered answer takes besides its question, in bytes, about.
const OVERHEAD: u64 = 96;

pub(crate) struct Answers {
    cache: Cache<Arc<str>, Remembered, Bytes>,
    lifetime: Duration,
    /// How often all was forgotten.
    revision: AtomicU64,
}

#[derive(Clone, Copy)]
struct Remembered {
    allowed: bool,
    revision: u64,
    asked: Duration,
    until: Duration,
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Arc<str>, Remembered> for Bytes {
    fn weight(&self, question: &Arc<str>, _: &Remembered) -> u64 {
        u64::try_from(question.len()).unwrap_or(u64::MAX).saturating_add(OVERHEAD)
    }
}

impl Answers {
    pub(crate) fn new(lifetime: Duration, bytes: u64) -> Self {
        let items = usize::try_from(bytes / 1024).unwrap_or(usize::MAX).clamp(1, 100_000);
        let cache = Cache::with_weighter(items, bytes, Bytes);
        Self { cache, lifetime, revision: AtomicU64::new(0) }
    }

    /// The number to [`keep`](Self::keep) an answer with, read before the question is sent.
    pub(crate) fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    pub(crate) fn get(&self, question: &str, now: Duration) -> Option<bool> {
        if self.lifetime.is_zero() {
            return None;
        }
        let found = self.cache.get(question)?;
        // A clock that was set back says nothing about how old an answer is.
        let holds = found.revision == self.revision() && found.asked <= now && now < found.until;
        holds.then_some(found.allowed)
    }

    /// Remembers an answer to what was asked at `asked`.
    pub(crate) fn keep(
        &self,
        key: Arc<str>,
        question: &Question,
        allowed: bool,
        asked: Duration,
        revision: u64,
    ) {
        let until = asked.saturating_add(self.lifetime);
        let until = question.ends.map_or(until, |ends| until.min(ends));
        if !self.lifetime.is_zero() && asked < until {
            self.cache.insert(key, Remembered { allowed, revision, asked, until });
        }
    }

    pub(crate) fn forget(&self) {
        self.revision.fetch_add(1, Ordering::AcqRel);
        self.cache.clear();
    }

    #[cfg(test)]
    fn weight(&self) -> u64 {
        self.cache.weight()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(ends: Option<u64>) -> Question {
        let ends = ends.map(Duration::from_secs);
        Question { shared: "".into(), own: String::new(), ends, listed: None }
    }

    #[test]
    fn answers_end_with_their_time_or_with_the_token() {
        let rows = [
            ("fresh", 5, None, 104, true),
            ("at its end", 5, None, 105, false),
            ("the token ends first", 5, Some(103), 103, false),
            ("the token has not ended", 5, Some(103), 102, true),
            ("the token had ended", 5, Some(100), 100, false),
            ("nothing is remembered", 0, None, 100, false),
            ("the clock was set back", 5, None, 99, false),
        ];
        for (name, lifetime, ends, now, expected) in rows {
            let answers = Answers::new(Duration::from_secs(lifetime), 1 << 20);
            let asked = Duration::from_secs(100);
            answers.keep("q".into(), &question(ends), true, asked, answers.revision());
            let found = answers.get("q", Duration::from_secs(now));
            assert_eq!(found, expected.then_some(true), "{name}");
            assert_eq!(answers.get("r", Duration::from_secs(now)), None, "{name}");
        }
    }

    #[test]
    fn what_was_asked_before_all_was_forgotten_is_not_remembered_after() {
        let answers = Answers::new(Duration::from_secs(5), 1 << 20);
        let revision = answers.revision();
        answers.keep("old".into(), &question(None), true, Duration::ZERO, revision);
        answers.forget();
        answers.keep("late".into(), &question(None), true, Duration::ZERO, revision);
        assert_eq!(answers.get("old", Duration::ZERO), None);
        assert_eq!(answers.get("late", Duration::ZERO), None);
    }

    #[test]
    fn memory_is_bounded() {
        let answers = Answers::new(Duration::from_secs(5), 64 * 1024);
        for n in 0..5_000 {
            let key = format!("{n} {}", "x".repeat(n % 900));
            answers.keep(key.into(), &question(None), true, Duration::ZERO, 0);
        }
        answers.keep("y".repeat(100_000).into(), &question(None), true, Duration::ZERO, 0);
        assert!(answers.weight() <= 64 * 1024, "{}", answers.weight());
    }
}
