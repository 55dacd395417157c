//! Things kept for a while under a name nobody can guess.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::random;

/// How many things a shelf holds; then the oldest makes room.
const CAPACITY: usize = 1_000;

/// A bounded map whose entries expire. Time is given, not taken.
#[derive(Debug)]
pub(crate) struct Shelf<T> {
    lifetime: Duration,
    entries: Mutex<HashMap<String, Entry<T>>>,
}

#[derive(Debug)]
struct Entry<T> {
    expires: Duration,
    value: T,
}

impl<T: Clone> Shelf<T> {
    pub(crate) fn new(lifetime: Duration) -> Self {
        Self { lifetime, entries: Mutex::default() }
    }

    /// Keeps `value` and returns its name.
    pub(crate) fn put(&self, value: T, now: Duration) -> String {
        let name = random::id();
        self.put_as(name.clone(), value, now);
        name
    }

    /// Keeps `value` under this name, in place of what is there.
    pub(crate) fn put_as(&self, name: String, value: T, now: Duration) {
        let mut entries = self.entries();
        entries.retain(|_, entry| entry.expires > now);
        if entries.len() >= CAPACITY {
            let oldest = entries.iter().min_by_key(|(_, entry)| entry.expires);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                entries.remove(&oldest);
            }
        }
        entries.insert(name, Entry { expires: now + self.lifetime, value });
    }

    /// What is kept under `name`.
    pub(crate) fn get(&self, name: &str, now: Duration) -> Option<T> {
        let entries = self.entries();
        entries.get(name).filter(|entry| entry.expires > now).map(|entry| entry.value.clone())
    }

    /// Takes what is kept under `name`: it can be taken once.
    pub(crate) fn take(&self, name: &str, now: Duration) -> Option<T> {
        let entry = self.entries().remove(name);
        entry.filter(|entry| entry.expires > now).map(|entry| entry.value)
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry<T>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_taken_once_and_expire() {
        let at = Duration::from_secs;
        let shelf = Shelf::new(at(60));
        let name = shelf.put("code", at(0));
        assert_eq!(shelf.get(&name, at(59)), Some("code"));
        assert_eq!(shelf.get(&name, at(60)), None);
        assert_eq!(shelf.take(&name, at(1)), Some("code"));
        assert_eq!(shelf.take(&name, at(1)), None);
    }

    #[test]
    fn the_oldest_makes_room() {
        let shelf = Shelf::new(Duration::from_secs(1_000_000));
        let first = shelf.put(0, Duration::ZERO);
        let names: Vec<String> =
            (1..=1_000).map(|n| shelf.put(n, Duration::from_secs(n))).collect();
        assert_eq!(shelf.entries().len(), CAPACITY);
        assert!(shelf.get(&first, Duration::from_secs(2_000)).is_none());
        assert!(names.iter().all(|name| shelf.get(name, Duration::from_secs(2_000)).is_some()));
    }
}
