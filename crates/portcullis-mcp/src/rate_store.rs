//! Where calls are counted.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use portcullis_core::Caller;
use portcullis_crypto::sha256;
use tokio::sync::oneshot;

use crate::Rate;

/// Counts calls against rates.
///
/// [`MemoryRates`] does so in one process. Replicas that share the load must share a store, else
/// each of them grants the whole rate. The generic cell rate algorithm needs one number per key: in
/// Redis, `CL.THROTTLE` or a script of five lines does all of it.
pub trait RateStore: Send + Sync + 'static {
    /// Takes `count` calls out of the bucket `key`, which fills at `rate`, in one atomic step; and
    /// nothing when they are refused. `now` is since the Unix epoch.
    ///
    /// A `count` beyond the burst is to be granted when the bucket is full, and waited for
    /// afterwards: a batch is one request.
    ///
    /// Called on the request path, so it must not block, and must answer in good time: a store
    /// across a network answers with [`Taking::pair`].
    fn take(&self, key: &RateKey, count: u32, rate: Rate, now: Duration) -> Taking;
}

/// Whose bucket it is: a hash of the resource, the caller and, where it is of one, the tool.
///
/// The same in every replica, and no secret: it can be computed from who somebody is.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct RateKey([u8; 32]);

impl RateKey {
    /// The hash.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn of(resource: &str, caller: &Caller) -> Self {
        match caller.principal() {
            None => Self::digest("anonymous", [resource.as_bytes()]),
            Some(who) => {
                let client = who.client_id();
                let kind = if client.is_some() { "client" } else { "principal" };
                let client = client.unwrap_or_default();
                let parts = [resource, who.issuer(), who.subject(), client];
                Self::digest(kind, parts.map(str::as_bytes))
            }
        }
    }

    pub(crate) fn tool(&self, name: &str) -> Self {
        Self::digest("tool", [self.0.as_slice(), name.as_bytes()])
    }

    fn digest<'a>(kind: &'a str, parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut message = b"portcullis rate v1 ".to_vec();
        for part in std::iter::once(kind.as_bytes()).chain(parts) {
            // With its length, so that no two lists of parts read the same.
            message.extend_from_slice(&(part.len() as u64).to_be_bytes());
            message.extend_from_slice(part);
        }
        Self(sha256(&message))
    }
}

// By hand: it stands for a person, whom no log line should show by accident.
impl fmt::Debug for RateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateKey").finish_non_exhaustive()
    }
}

/// What a [`RateStore`] says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Taken {
    /// The calls may go on.
    Granted,
    /// They may not: answered 429.
    Refused {
        /// When they could; rounded up to whole seconds in the answer.
        retry_after: Duration,
    },
    /// The store cannot say: answered 503.
    Unknown,
}

/// Resolves to what a [`RateStore`] says.
#[derive(Debug)]
#[must_use = "a call may go on only when it is granted"]
pub struct Taking(Answer);

#[derive(Debug)]
enum Answer {
    Known(Taken),
    Asked(oneshot::Receiver<Taken>),
}

impl Taking {
    /// An answer that is there already.
    pub fn known(answer: Taken) -> Self {
        Self(Answer::Known(answer))
    }

    /// An answer to come, and the handle that gives it, from any thread. A handle that is dropped
    /// says [`Taken::Unknown`].
    pub fn pair() -> (TakingSender, Self) {
        let (sender, receiver) = oneshot::channel();
        (TakingSender(sender), Self(Answer::Asked(receiver)))
    }

    /// The answer, when it is there already.
    pub(crate) fn settled(self) -> Result<Taken, Self> {
        match self.0 {
            Answer::Known(answer) => Ok(answer),
            asked @ Answer::Asked(_) => Err(Self(asked)),
        }
    }
}

impl Future for Taking {
    type Output = Taken;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Taken> {
        match &mut self.get_mut().0 {
            Answer::Known(answer) => Poll::Ready(*answer),
            Answer::Asked(receiver) => {
                Pin::new(receiver).poll(cx).map(|answer| answer.unwrap_or(Taken::Unknown))
            }
        }
    }
}

/// Gives the answer that a [`Taking`] waits for.
#[derive(Debug)]
pub struct TakingSender(oneshot::Sender<Taken>);

impl TakingSender {
    /// Gives the answer.
    pub fn send(self, answer: Taken) {
        // Nobody waits any more: the client has gone.
        let _ = self.0.send(answer);
    }
}

/// Counts calls in memory, of one process.
///
/// A bucket that is full is like one that was never used, so only callers of late take up room.
/// When there is none left, it says [`Taken::Unknown`]: to forget a bucket would fill it.
pub struct MemoryRates {
    capacity: usize,
    buckets: Mutex<Buckets>,
}

#[derive(Default)]
struct Buckets {
    full_at: HashMap<RateKey, Duration>,
    /// When those that are full were last looked for in vain.
    searched_at: Duration,
}

/// How often to look for room when there is none.
const SEARCH_EVERY: Duration = Duration::from_secs(1);

impl MemoryRates {
    /// Counts for up to `capacity` callers and tools at a time, of about 60 bytes each.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { capacity, buckets: Mutex::default() }
    }
}

impl RateStore for MemoryRates {
    fn take(&self, key: &RateKey, count: u32, rate: Rate, now: Duration) -> Taking {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.full_at.len() >= self.capacity && !buckets.full_at.contains_key(key) {
            if now.abs_diff(buckets.searched_at) >= SEARCH_EVERY {
                buckets.searched_at = now;
                buckets.full_at.retain(|_, full_at| *full_at > now);
            }
            if buckets.full_at.len() >= self.capacity {
                return Taking::known(Taken::Unknown);
            }
        }
        let full_at = buckets.full_at.get(key).copied().unwrap_or_default();
        let taken = rate.take(full_at, count, now);
        if let Ok(full_at) = taken {
            buckets.full_at.insert(*key, full_at);
        }
        Taking::known(Taken::from_bucket(taken))
    }
}

impl fmt::Debug for MemoryRates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRates").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::Principal;

    use super::*;

    fn caller(issuer: &str, subject: &str, client: Option<&str>) -> Caller {
        let principal = Principal::builder(issuer, subject);
        let principal = match client {
            Some(client) => principal.client_id(client),
            None => principal,
        };
        Caller::Verified(principal.build().into())
    }

    #[test]
    fn keys_tell_callers_apart() {
        let keys = [
            RateKey::of("r", &crate::fakes::anonymous()),
            RateKey::of("s", &crate::fakes::anonymous()),
            RateKey::of("r", &caller("i", "s", None)),
            RateKey::of("r", &caller("i", "s", Some(""))),
            RateKey::of("r", &caller("i", "s", Some("c"))),
            RateKey::of("r", &caller("i", "sc", Some(""))),
            RateKey::of("r", &caller("is", "", Some("c"))),
            RateKey::of("ri", &caller("", "s", Some("c"))),
            RateKey::of("r", &caller("i", "s", None)).tool("t"),
            RateKey::of("r", &caller("i", "s", None)).tool("u"),
            RateKey::of("r", &caller("i", "s", Some("c"))).tool("t"),
        ];
        let distinct: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
        assert_eq!(RateKey::of("r", &caller("i", "s", Some("c"))), keys[4], "in every replica");
    }

    #[test]
    fn memory_is_bounded_and_forgets_only_what_is_full() {
        let store = MemoryRates::new(2);
        let rate = Rate::per_minute(1).unwrap();
        let at = |seconds: u64| Duration::from_secs(1_000 + seconds);
        let take = |subject: &str, seconds| {
            let key = RateKey::of("r", &caller("i", subject, None));
            store.take(&key, 1, rate, at(seconds)).settled().unwrap()
        };
        assert_eq!(take("a", 0), Taken::Granted);
        assert_eq!(take("b", 30), Taken::Granted);
        let half = Taken::Refused { retry_after: Duration::from_secs(30) };
        assert_eq!(take("a", 30), half);
        assert_eq!(take("c", 30), Taken::Unknown, "full");
        assert_eq!(take("a", 31), Taken::Refused { retry_after: Duration::from_secs(29) });
        assert_eq!(take("c", 60), Taken::Granted, "a's bucket is full");
        assert_eq!(take("b", 60), half);
        assert_eq!(take("a", 60), Taken::Unknown, "there is no room, not even for who had some");
        assert_eq!(take("a", 90), Taken::Granted);
    }

    #[tokio::test]
    async fn a_dropped_sender_means_unknown() {
        let (sender, taking) = Taking::pair();
        drop(sender);
        assert_eq!(taking.await, Taken::Unknown);
        let (sender, taking) = Taking::pair();
        sender.send(Taken::Granted);
        assert_eq!(taking.await, Taken::Granted);
    }
}
