//! How many requests and streams of each caller are open.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use portcullis_core::{Caller, Principal};

use crate::rate_store::RateKey;

const SHARDS: usize = 16;

/// Tells crowds apart, for [`Principal::memo`].
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Everybody who has something open.
///
/// A caller is found once per token, not once per request: what was found is kept with the
/// principal, which sign-in layers cache. The table holds only callers of whom something is alive,
/// a request or a cached token, in 40 bytes each.
#[derive(Clone)]
pub(crate) struct Crowd {
    table: Arc<Table>,
    /// Callers without credentials cannot be told apart: they count as one.
    anonymous: Arc<Tally>,
}

struct Table {
    id: u64,
    /// Two secret 64-bit hashes name a caller: nobody can choose a name that meets another's.
    seeds: (RandomState, RandomState),
    shards: [Mutex<Shard>; SHARDS],
}

type Shard = HashMap<u128, Weak<Tally>>;

/// What one caller has open.
pub(crate) struct Tally {
    calls: AtomicU32,
    streams: AtomicU32,
    /// Worked out when a rate is limited.
    rate_key: OnceLock<RateKey>,
    name: u128,
    table: Weak<Table>,
}

/// What a request counts as.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Call,
    Stream,
}

/// A seat that a request takes until this is dropped.
pub(crate) struct Seat {
    tally: Arc<Tally>,
    kind: Kind,
    weight: u32,
}

impl Crowd {
    pub(crate) fn new() -> Self {
        let table = Arc::new(Table {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            seeds: (RandomState::new(), RandomState::new()),
            shards: std::array::from_fn(|_| Mutex::default()),
        });
        Self { anonymous: Arc::new(Tally::new(0, Weak::new())), table }
    }

    /// What `caller` has open.
    pub(crate) fn tally(&self, caller: &Caller) -> Arc<Tally> {
        let Some(principal) = caller.principal() else { return Arc::clone(&self.anonymous) };
        match principal.memo(self.table.id, || self.table.tally(principal)) {
            Some(tally) => Arc::clone(tally),
            None => self.table.tally(principal),
        }
    }
}

impl Table {
    fn tally(self: &Arc<Self>, principal: &Principal) -> Arc<Tally> {
        let hash = |seed: &RandomState| u128::from(seed.hash_one(principal));
        let name = (hash(&self.seeds.0) << 64) | hash(&self.seeds.1);
        let new = || Arc::new(Tally::new(name, Arc::downgrade(self)));
        let Some(mut shard) = self.shard(name) else { return new() };
        if let Some(tally) = shard.get(&name).and_then(Weak::upgrade) {
            return tally;
        }
        let tally = new();
        shard.insert(name, Arc::downgrade(&tally));
        tally
    }

    fn shard(&self, name: u128) -> Option<MutexGuard<'_, Shard>> {
        // INVARIANT: the remainder is less than the number of shards.
        let shard = usize::try_from(name % SHARDS as u128).ok().and_then(|at| self.shards.get(at));
        shard.map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Tally {
    fn new(name: u128, table: Weak<Table>) -> Self {
        let (calls, streams) = (AtomicU32::new(0), AtomicU32::new(0));
        Self { calls, streams, rate_key: OnceLock::new(), name, table }
    }

    /// Takes `weight` seats, if no more than `limit` are then taken.
    pub(crate) fn enter(self: &Arc<Self>, kind: Kind, weight: u32, limit: u32) -> Option<Seat> {
        let more = |taken: u32| taken.checked_add(weight).filter(|taken| *taken <= limit);
        self.taken(kind).fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Seat { tally: Arc::clone(self), kind, weight })
    }

    pub(crate) fn rate_key(&self, make: impl FnOnce() -> RateKey) -> &RateKey {
        self.rate_key.get_or_init(make)
    }

    fn taken(&self, kind: Kind) -> &AtomicU32 {
        match kind {
            Kind::Call => &self.calls,
            Kind::Stream => &self.streams,
        }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        let Some(table) = self.table.upgrade() else { return };
        let Some(mut shard) = table.shard(self.name) else { return };
        // Somebody may have come anew between the last use of this tally and here.
        if shard.get(&self.name).is_some_and(|tally| tally.strong_count() == 0) {
            shard.remove(&self.name);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.tally.taken(self.kind).fetch_sub(self.weight, Ordering::AcqRel);
    }
}

impl fmt::Debug for Crowd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crowd").finish_non_exhaustive()
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat").field("kind", &self.kind).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::anonymous;

    fn caller(subject: &str) -> Caller {
        Caller::Verified(Principal::builder("https://id.example", subject).build().into())
    }

    fn size(crowd: &Crowd) -> usize {
        crowd.table.shards.iter().map(|shard| shard.lock().unwrap().len()).sum()
    }

    #[test]
    fn places_are_taken_and_given_back() {
        let crowd = Crowd::new();
        let alice = caller("alice");
        let enter = |caller: &Caller, kind| crowd.tally(caller).enter(kind, 1, 2);
        let first = enter(&alice, Kind::Call).unwrap();
        let second = enter(&caller("alice"), Kind::Call).expect("another token of the same");
        assert!(enter(&alice, Kind::Call).is_none(), "full");
        assert!(enter(&alice, Kind::Stream).is_some(), "streams are counted apart");
        assert!(enter(&caller("bob"), Kind::Call).is_some());
        assert!(enter(&anonymous(), Kind::Call).is_some());
        drop(first);
        let third = enter(&alice, Kind::Call).unwrap();
        assert!(enter(&alice, Kind::Call).is_none(), "full again");
        drop((second, third));
        assert!(crowd.tally(&alice).enter(Kind::Call, 2, 2).is_some());
        assert!(crowd.tally(&alice).enter(Kind::Call, 3, 2).is_none());
        assert!(crowd.tally(&alice).enter(Kind::Call, u32::MAX, u32::MAX).is_some());
    }

    #[test]
    fn nobody_is_remembered_who_has_nothing() {
        let crowd = Crowd::new();
        for n in 0..1000 {
            let seat = crowd.tally(&caller(&n.to_string())).enter(Kind::Call, 1, 1);
            assert!(seat.is_some());
        }
        assert_eq!(size(&crowd), 0);
        let alice = caller("alice");
        let seat = crowd.tally(&caller("alice")).enter(Kind::Call, 1, 1).unwrap();
        assert!(crowd.tally(&alice).enter(Kind::Call, 1, 1).is_none());
        assert_eq!(size(&crowd), 1);
        drop((seat, alice));
        assert_eq!(size(&crowd), 0);
    }

    #[test]
    fn two_crowds_share_a_principal() {
        let crowds = [Crowd::new(), Crowd::new(), Crowd::new()];
        let alice = caller("alice");
        let seats: Vec<_> =
            crowds.iter().map(|crowd| crowd.tally(&alice).enter(Kind::Call, 1, 1)).collect();
        assert!(seats.iter().all(Option::is_some), "each has its own count");
        for crowd in &crowds {
            assert!(crowd.tally(&alice).enter(Kind::Call, 1, 1).is_none());
        }
    }

    #[test]
    fn threads_agree() {
        let crowd = Crowd::new();
        let entered = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        let seat = crowd.tally(&caller("alice")).enter(Kind::Call, 1, 2);
                        if seat.is_some() {
                            assert!(entered.fetch_add(1, Ordering::SeqCst) < 2);
                            entered.fetch_sub(1, Ordering::SeqCst);
                        }
                    }
                });
            }
        });
        assert_eq!(size(&crowd), 0);
    }
}
