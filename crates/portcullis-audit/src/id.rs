//! Ids of events.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use portcullis_core::Clock;
use serde::{Serialize, Serializer};
use uuid::{Builder, Uuid};

use crate::error::{ConfigError, ConfigErrorKind};

/// The id of an event: a UUIDv7 (RFC 9562 §5.7), so ids sort by time.
///
/// A decision and its outcome carry the same one.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct EventId(Uuid);

impl EventId {
    /// Stands where an id is not known yet.
    pub(crate) const fn nil() -> Self {
        Self(Uuid::nil())
    }

    /// Where [`encode`](Self::encode) writes.
    pub(crate) const fn buffer() -> [u8; 45] {
        Uuid::encode_buffer()
    }

    /// The id as text.
    pub(crate) fn encode(self, buffer: &mut [u8; 45]) -> &str {
        self.0.as_hyphenated().encode_lower(buffer)
    }

    pub(crate) const fn to_bytes(self) -> [u8; 16] {
        self.0.into_bytes()
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.encode(&mut Self::buffer()))
    }
}

/// Makes ids without a system call each: a counter (RFC 9562 §6.2, method 1) beside random bits
/// that are this generator's own. An id is a name, not a secret.
#[derive(Debug)]
pub(crate) struct Ids {
    own: [u8; 6],
    counter: AtomicU32,
}

impl Ids {
    pub(crate) fn new() -> Result<Self, ConfigError> {
        let mut random = [0; 10];
        portcullis_crypto::fill_random(&mut random)
            .map_err(|_| ConfigError::new(ConfigErrorKind::Random, "no random bytes to be had"))?;
        let [a, b, c, d, own @ ..] = random;
        Ok(Self { own, counter: AtomicU32::new(u32::from_be_bytes([a, b, c, d])) })
    }

    pub(crate) fn next(&self, clock: &Clock) -> EventId {
        self.at(clock.unix())
    }

    /// The next id, of something that happened at `unix`, as time since the Unix epoch.
    pub(crate) fn at(&self, unix: Duration) -> EventId {
        let millis = u64::try_from(unix.as_millis()).unwrap_or(u64::MAX);
        let [a, b, c, d] = self.counter.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let [e, f, g, h, i, j] = self.own;
        // The version and variant fields take the place of six bits; keep them off the counter.
        let spread = [a >> 4, (a << 4) | (b >> 4), (b & 0x0f) | (j & 0x30), c, d, e, f, g, h, i];
        EventId(Builder::from_unix_timestamp_millis(millis, &spread).into_uuid())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_distinct_version_seven_and_carry_the_time() {
        let (clock, _) = Clock::manual(1_795_000_000);
        let ids = Ids { own: [0xff; 6], counter: AtomicU32::new(u32::MAX - 50_000) };
        let mut seen = HashSet::new();
        for _ in 0..100_000 {
            let EventId(uuid) = ids.next(&clock);
            assert_eq!(uuid.get_version_num(), 7);
            assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
            assert_eq!(uuid.as_u128() >> 80, 1_795_000_000_000);
            assert!(seen.insert(uuid), "{uuid} twice");
        }
    }

    #[test]
    fn every_bit_of_the_counter_is_kept() {
        let (clock, _) = Clock::manual(0);
        let ids: HashSet<_> = (0..32)
            .map(|bit| {
                let ids = Ids { own: [0; 6], counter: AtomicU32::new(1 << bit) };
                ids.next(&clock)
            })
            .collect();
        assert_eq!(ids.len(), 32);
    }

    #[test]
    fn two_generators_differ() {
        let (clock, _) = Clock::manual(0);
        assert_ne!(Ids::new().unwrap().next(&clock), Ids::new().unwrap().next(&clock));
    }
}
