//! Each DPoP proof counts once (RFC 9449 §11.1).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;

/// Remembers which DPoP proofs were used.
///
/// [`MemoryReplay`] does so in one process. Replicas that share the load must share a store, else a
/// proof counts once at each of them: `SET key 1 NX EXAT until` of Redis does all of it.
pub trait ReplayStore: Send + Sync + 'static {
    /// Marks `proof` as used, in one atomic step, and says whether it had been used before. After
    /// `until` it may be forgotten: the proof is too old to be accepted then. Both times are since
    /// the Unix epoch.
    ///
    /// Called on the request path, so it must not block: a store across a network answers with
    /// [`FirstUse::pair`].
    fn first_use(&self, proof: ProofId, now: Duration, until: Duration) -> FirstUse;
}

/// What identifies a proof: the key that signed it, and its `jti`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ProofId {
    key: [u8; 32],
    id: [u8; 32],
}

impl ProofId {
    pub(crate) fn new(key: [u8; 32], id: [u8; 32]) -> Self {
        Self { key, id }
    }

    /// Stands for the key: a hash of its thumbprint.
    #[must_use]
    pub fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// Stands for the `jti`: a hash of it. Unique only together with [`key`](Self::key).
    #[must_use]
    pub fn id(&self) -> &[u8; 32] {
        &self.id
    }
}

/// What a [`ReplayStore`] says of a proof.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ProofUse {
    /// It had not been used; it is now.
    First,
    /// It had been used: the request is refused.
    Repeated,
    /// The store cannot say: the request is answered 503.
    Unknown,
}

/// Resolves to what a [`ReplayStore`] says of a proof.
#[derive(Debug)]
#[must_use = "a proof counts only after its first use is certain"]
pub struct FirstUse(Answer);

#[derive(Debug)]
enum Answer {
    Known(ProofUse),
    Asked(oneshot::Receiver<ProofUse>),
}

impl FirstUse {
    /// An answer that is there already.
    pub fn known(answer: ProofUse) -> Self {
        Self(Answer::Known(answer))
    }

    /// An answer to come, and the handle that gives it, from any thread. A handle that is dropped
    /// says [`ProofUse::Unknown`].
    pub fn pair() -> (FirstUseSender, Self) {
        let (sender, receiver) = oneshot::channel();
        (FirstUseSender(sender), Self(Answer::Asked(receiver)))
    }

    /// The answer, when it is there already.
    pub(crate) fn settled(self) -> Result<ProofUse, Self> {
        match self.0 {
            Answer::Known(answer) => Ok(answer),
            asked @ Answer::Asked(_) => Err(Self(asked)),
        }
    }
}

impl Future for FirstUse {
    type Output = ProofUse;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ProofUse> {
        match &mut self.get_mut().0 {
            Answer::Known(answer) => Poll::Ready(*answer),
            Answer::Asked(receiver) => {
                Pin::new(receiver).poll(cx).map(|answer| answer.unwrap_or(ProofUse::Unknown))
            }
        }
    }
}

/// Gives the answer that a [`FirstUse`] waits for.
#[derive(Debug)]
pub struct FirstUseSender(oneshot::Sender<ProofUse>);

impl FirstUseSender {
    /// Gives the answer.
    pub fn send(self, answer: ProofUse) {
        // Nobody waits any more: the client has gone.
        let _ = self.0.send(answer);
    }
}

/// Remembers proofs in memory, up to a limit.
///
/// When it is full, it says [`ProofUse::Unknown`]: to forget a proof early would let it be used
/// again. No key may take up more than an eighth, so that one client cannot fill it alone.
pub struct MemoryReplay {
    capacity: usize,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    proofs: HashSet<ProofId>,
    of_key: HashMap<[u8; 32], usize>,
    by_end: BTreeMap<u64, Vec<ProofId>>,
}

impl MemoryReplay {
    /// Remembers up to `capacity` proofs at a time, of about 200 bytes each. A proof is kept for up
    /// to twice the accepted age of proofs.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { capacity, seen: Mutex::default() }
    }
}

impl ReplayStore for MemoryReplay {
    fn first_use(&self, proof: ProofId, now: Duration, until: Duration) -> FirstUse {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.forget(now.as_secs());
        FirstUse::known(seen.add(proof, until.as_secs(), self.capacity))
    }
}

impl Seen {
    fn forget(&mut self, now: u64) {
        while let Some(end) = self.by_end.first_entry().filter(|end| *end.key() < now) {
            for proof in end.remove() {
                self.proofs.remove(&proof);
                if let Some(count) = self.of_key.get_mut(&proof.key) {
                    *count -= 1;
                    if *count == 0 {
                        self.of_key.remove(&proof.key);
                    }
                }
            }
        }
    }

    fn add(&mut self, proof: ProofId, until: u64, capacity: usize) -> ProofUse {
        if self.proofs.contains(&proof) {
            return ProofUse::Repeated;
        }
        let count = self.of_key.get(&proof.key).copied().unwrap_or_default();
        if self.proofs.len() >= capacity || count >= capacity.div_ceil(8) {
            return ProofUse::Unknown;
        }
        self.proofs.insert(proof);
        self.of_key.insert(proof.key, count + 1);
        self.by_end.entry(until).or_default().push(proof);
        ProofUse::First
    }
}

impl fmt::Debug for MemoryReplay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryReplay").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(store: &MemoryReplay, key: &str, jti: &str, now: u64, until: u64) -> ProofUse {
        let at = Duration::from_secs;
        let id = |text: &str| {
            let mut id = [0; 32];
            id[..text.len()].copy_from_slice(text.as_bytes());
            id
        };
        let proof = ProofId::new(id(key), id(jti));
        store.first_use(proof, at(now), at(until)).settled().unwrap()
    }

    #[test]
    fn a_proof_counts_once_per_key_until_it_is_too_old() {
        let store = MemoryReplay::new(100);
        assert_eq!(ask(&store, "k", "1", 0, 10), ProofUse::First);
        assert_eq!(ask(&store, "k", "1", 10, 10), ProofUse::Repeated);
        assert_eq!(ask(&store, "k", "2", 10, 20), ProofUse::First);
        assert_eq!(ask(&store, "other", "1", 10, 20), ProofUse::First, "ids are a key's own");
        assert_eq!(ask(&store, "k", "1", 11, 21), ProofUse::First, "forgotten");
        assert_eq!(ask(&store, "k", "2", 11, 21), ProofUse::Repeated, "ends later");
    }

    #[test]
    fn memory_is_bounded_and_shared_out() {
        let store = MemoryReplay::new(16);
        for n in 0..2 {
            assert_eq!(ask(&store, "greedy", &n.to_string(), 0, 10), ProofUse::First);
        }
        assert_eq!(ask(&store, "greedy", "2", 0, 10), ProofUse::Unknown, "an eighth each");
        assert_eq!(ask(&store, "greedy", "0", 0, 10), ProofUse::Repeated);
        for n in 0..14 {
            assert_eq!(ask(&store, &n.to_string(), "", 0, 10), ProofUse::First, "{n}");
        }
        assert_eq!(ask(&store, "late", "", 0, 10), ProofUse::Unknown, "full");
        assert_eq!(ask(&store, "late", "", 11, 20), ProofUse::First, "room again");
        assert_eq!(ask(&store, "greedy", "3", 11, 20), ProofUse::First);
        let seen = store.seen.lock().unwrap();
        assert_eq!((seen.proofs.len(), seen.of_key.len(), seen.by_end.len()), (2, 2, 1));
    }

    #[tokio::test]
    async fn a_dropped_sender_means_unknown() {
        let (sender, first_use) = FirstUse::pair();
        drop(sender);
        assert_eq!(first_use.await, ProofUse::Unknown);
        let (sender, first_use) = FirstUse::pair();
        sender.send(ProofUse::First);
        assert_eq!(first_use.await, ProofUse::First);
    }
}
