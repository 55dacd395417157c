//! Counters, gauges and histograms that cost a request little and never wait for a reader.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Something by key, made when it is first asked for. Keys are of words that are few.
#[derive(Debug)]
pub(crate) struct Each<K, V>(RwLock<HashMap<K, Arc<V>>>);

impl<K, V> Default for Each<K, V> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<K: Copy + Eq + Hash, V> Each<K, V> {
    pub(crate) fn get(&self, key: K, make: impl FnOnce() -> V) -> Arc<V> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        known.unwrap_or_else(|| {
            let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(key).or_insert_with(|| Arc::new(make())))
        })
    }

    pub(crate) fn all(&self) -> Vec<(K, Arc<V>)> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(key, value)| (*key, Arc::clone(value))).collect()
    }
}

/// Counters by key.
pub(crate) type Counters<K> = Each<K, AtomicU64>;

impl<K: Copy + Eq + Hash> Counters<K> {
    pub(crate) fn add(&self, key: K) {
        self.get(key, AtomicU64::default).fetch_add(1, Ordering::Relaxed);
    }
}

/// How many of something there are now.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicI64);

impl Gauge {
    pub(crate) fn enter(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn leave(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How long things take.
#[derive(Debug)]
pub(crate) struct Histogram {
    bounds: &'static [f64],
    /// One more than there are bounds.
    buckets: Box<[AtomicU64]>,
    nanoseconds: AtomicU64,
}

/// What a [`Histogram`] holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Distribution {
    pub(crate) bounds: &'static [f64],
    /// Not cumulative; one more than there are bounds.
    pub(crate) counts: Vec<u64>,
    pub(crate) seconds: f64,
}

impl Histogram {
    pub(crate) fn new(bounds: &'static [f64]) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, buckets, nanoseconds: AtomicU64::new(0) }
    }

    pub(crate) fn record(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let at = self.bounds.partition_point(|bound| *bound < seconds);
        if let Some(bucket) = self.buckets.get(at) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Distribution {
        let nanoseconds = Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed));
        Distribution {
            bounds: self.bounds,
            counts: self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect(),
            seconds: nanoseconds.as_secs_f64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_within_its_bucket() {
        let histogram = Histogram::new(&[0.001, 0.01]);
        for milliseconds in [0, 1, 2, 10, 11, 5000] {
            histogram.record(Duration::from_millis(milliseconds));
        }
        let read = histogram.read();
        assert_eq!(read.counts, [2, 2, 2]);
        assert!((read.seconds - 5.024).abs() < 1e-9);
    }

    #[test]
    fn threads_count_together() {
        let counters = Counters::<u8>::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|n: u16| counters.add((n % 3) as u8)));
            }
        });
        let total: u64 = counters.all().iter().map(|(_, n)| n.load(Ordering::Relaxed)).sum();
        assert_eq!(total, 4000);
    }
}
