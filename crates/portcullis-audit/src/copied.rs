//! Bytes of a request that a record needs until it is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How much all records that are not written yet may hold, in bytes.
const BUDGET: usize = 16 * 1024 * 1024;

/// What is held of the budget now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Budget(Arc<AtomicUsize>);

/// A copy of a request's bytes. A copy, because a slice of the request would keep a whole read buffer
/// alive; to look into it is for the writer's thread.
#[derive(Debug)]
pub(crate) struct Copied {
    bytes: Box<[u8]>,
    budget: Budget,
}

impl Budget {
    /// A copy of `bytes`, unless they are more than `most` or the budget is spent.
    pub(crate) fn copy(&self, bytes: &[u8], most: usize) -> Option<Copied> {
        if bytes.len() > most {
            return None;
        }
        let (copied, all) = self.hold(bytes);
        // If it is too much, dropping it gives it back.
        (all <= BUDGET).then_some(copied)
    }

    /// A copy of `bytes`, and how much all hold with it.
    fn hold(&self, bytes: &[u8]) -> (Copied, usize) {
        let before = self.0.fetch_add(bytes.len(), Ordering::Relaxed);
        let copied = Copied { bytes: bytes.into(), budget: self.clone() };
        (copied, before.saturating_add(bytes.len()))
    }
}

impl Copied {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

// By hand: a clone holds as much again. Records are cloned by those who keep them, not on the way of a request.
impl Clone for Copied {
    fn clone(&self) -> Self {
        self.budget.hold(&self.bytes).0
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        self.budget.0.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_records_hold_is_bounded_and_given_back() {
        let budget = Budget::default();
        let megabyte = vec![0; 1 << 20];
        assert!(budget.copy(&megabyte, 1000).is_none(), "too long");
        let held: Vec<_> = (0..20).map_while(|_| budget.copy(&megabyte, 1 << 20)).collect();
        assert_eq!(held.len(), 16);
        assert_eq!(held.last().cloned().map(|it| it.bytes().len()), Some(1 << 20));
        assert!(budget.copy(b"x", 10).is_none());
        drop(held);
        assert_eq!(budget.0.load(Ordering::Relaxed), 0);
        assert_eq!(budget.copy(b"x", 10).unwrap().bytes(), b"x");
    }
}
