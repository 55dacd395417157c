//! Verified tokens, so that the next request with one costs no signature.

use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use portcullis_core::Principal;
use portcullis_crypto::Tagger;
use quick_cache::UnitWeighter;
use quick_cache::sync::{Cache, DefaultLifecycle};

use crate::ConfigError;
use crate::revocation::Revocations;
use crate::status::TokenCacheStatus;

/// How many tokens are kept unless told otherwise.
pub(crate) const CAPACITY: usize = 10_000;

const MAX_CAPACITY: usize = 10_000_000;

/// Principals by the tag of their token. The tokens themselves are not kept.
pub(crate) struct TokenCache {
    tagger: Tagger,
    verified: Cache<Tag, Arc<Entry>, UnitWeighter, BuildHasherDefault<TagHasher>>,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// A MAC of a whole token under a key that this cache alone has, and that never leaves it: to
/// find, or to make, another token with the same tag is to forge that MAC.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct Tag(u64, u64);

/// A verdict, and what it holds for.
pub(crate) struct Verdict {
    pub(crate) principal: Arc<Principal>,
    /// When it was reached, and until when it stands, as time since the Unix epoch.
    pub(crate) from: Duration,
    pub(crate) until: Duration,
    pub(crate) issuers: u64,
    pub(crate) keys: KeyGeneration,
    pub(crate) revision: u64,
}

struct Entry {
    verdict: Verdict,
    /// Under which state of the revocations the token was last found not to be revoked.
    revision: AtomicU64,
}

/// A counter that grows when the keys of an issuer change, and what it said before the signature
/// was verified.
#[derive(Clone)]
pub(crate) struct KeyGeneration {
    counter: Option<Arc<AtomicU64>>,
    seen: u64,
}

impl KeyGeneration {
    /// Of keys that never change.
    pub(crate) const FIXED: Self = Self { counter: None, seen: 0 };

    #[cfg_attr(not(feature = "jwks-client"), expect(dead_code, reason = "fixed keys never change"))]
    pub(crate) fn of(counter: &Arc<AtomicU64>) -> Self {
        let seen = counter.load(Ordering::Acquire);
        Self { counter: Some(Arc::clone(counter)), seen }
    }

    fn is_current(&self) -> bool {
        self.counter.as_ref().is_none_or(|now| now.load(Ordering::Acquire) == self.seen)
    }
}

impl TokenCache {
    pub(crate) fn new(capacity: usize) -> Result<Self, ConfigError> {
        if capacity > MAX_CAPACITY {
            return Err(ConfigError::new("the token cache is for more than 10 million tokens"));
        }
        Ok(Self {
            tagger: Tagger::random()?,
            verified: Cache::with(
                capacity,
                u64::try_from(capacity).unwrap_or(u64::MAX),
                UnitWeighter,
                BuildHasherDefault::default(),
                DefaultLifecycle::default(),
            ),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        })
    }

    /// The tag of `token`. No tag is ever shown.
    pub(crate) fn tag(&self, token: &[u8]) -> Option<Tag> {
        let tag = self.tagger.tag(token)?;
        let (high, low) = tag.split_first_chunk::<8>()?;
        Some(Tag(u64::from_ne_bytes(*high), u64::from_ne_bytes(*low.first_chunk()?)))
    }

    /// Whom the token speaks for, if that was found before and nothing has changed since. Anything
    /// else is a miss, if it is a token at all: it is then verified from the start.
    pub(crate) fn get(
        &self,
        tag: Tag,
        now: Duration,
        issuers: u64,
        revocations: &Revocations,
    ) -> Option<Arc<Principal>> {
        let found = self.find(tag, now, issuers, revocations);
        if found.is_some() {
            self.hits.fetch_add(1, Ordering::Relaxed);
        }
        found
    }

    /// Counts a token that was not found.
    pub(crate) fn missed(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn status(&self) -> TokenCacheStatus {
        TokenCacheStatus {
            entries: u64::try_from(self.verified.len()).unwrap_or(u64::MAX),
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
        }
    }

    fn find(
        &self,
        tag: Tag,
        now: Duration,
        issuers: u64,
        revocations: &Revocations,
    ) -> Option<Arc<Principal>> {
        let entry = self.verified.get(&tag)?;
        let Entry { verdict, revision } = &*entry;
        // A clock that was set back makes a miss, so that `nbf` and `iat` are looked at again.
        let stands = (verdict.from..verdict.until).contains(&now)
            && verdict.issuers == issuers
            && verdict.keys.is_current();
        if !stands {
            return None;
        }
        let current = revocations.revision();
        if revision.load(Ordering::Relaxed) != current {
            if revocations.has(&verdict.principal) {
                return None;
            }
            revision.store(current, Ordering::Relaxed);
        }
        Some(Arc::clone(&verdict.principal))
    }

    // INVARIANT: only verdicts on tokens whose signature was verified get here, and `issuers`,
    // `keys` and `revision` were read before it was.
    pub(crate) fn insert(&self, tag: Tag, verdict: Verdict) {
        if verdict.from < verdict.until {
            let revision = AtomicU64::new(verdict.revision);
            self.verified.insert(tag, Arc::new(Entry { verdict, revision }));
        }
    }

    /// Gives the memory of void verdicts back.
    pub(crate) fn clear(&self) {
        self.verified.clear();
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.verified.len()
    }
}

impl Hash for Tag {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0);
    }
}

/// A tag is random already.
#[derive(Clone, Default)]
pub(crate) struct TagHasher(u64);

impl Hasher for TagHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, half: u64) {
        self.0 = half;
    }
}

#[cfg(test)]
mod tests;
