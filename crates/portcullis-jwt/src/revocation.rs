//! Tokens that are refused although they would verify.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

use portcullis_core::{Clock, Principal};

use crate::claim;

/// How many token ids and subjects are remembered.
const CAPACITY: usize = 100_000;

/// What is refused from now on. See [`Revocations`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Revocation {
    issuer: String,
    what: What,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum What {
    TokenId(String),
    Subject(String),
    IssuedBefore(Duration),
}

impl Revocation {
    /// The token of `issuer` with this id (`jti`), for good.
    pub fn token_id(issuer: impl Into<String>, token_id: impl Into<String>) -> Self {
        Self { issuer: issuer.into(), what: What::TokenId(token_id.into()) }
    }

    /// Every token that `issuer` has issued to `subject` until now, by `iat`: the subject can sign
    /// in again. `subject` is what [`Principal::subject`] says. Because clocks differ, tokens
    /// issued within the leeway after now are refused too.
    pub fn subject(issuer: impl Into<String>, subject: impl Into<String>) -> Self {
        Self { issuer: issuer.into(), what: What::Subject(subject.into()) }
    }

    /// Every token of `issuer` whose `iat` is before `unix`, as time since the Unix epoch.
    pub fn issued_before(issuer: impl Into<String>, unix: Duration) -> Self {
        Self { issuer: issuer.into(), what: What::IssuedBefore(unix) }
    }
}

/// A list of revoked tokens, in memory; clones share it (R-134).
///
/// A revocation takes effect at once, for tokens in the cache as well. It is remembered for longer
/// than any token lives that it could refuse. A token without `iat` counts as issued before
/// everything.
///
/// The list is of bounded size: 100 000 token ids and subjects. When it is full, all that the
/// issuer has issued until now is revoked instead: too many people sign in again, and nobody who
/// should not gets in. Nothing is written to disk, and nothing is told to other processes.
///
/// ```
/// use portcullis_core::Clock;
/// use portcullis_jwt::{Revocation, Revocations};
///
/// // Give a clone to `VerifierBuilder::revocations`, and keep one.
/// let revocations = Revocations::new(Clock::system());
/// revocations.revoke(Revocation::token_id("https://id.example.com", "6c1f0a"));
/// ```
#[derive(Clone)]
pub struct Revocations(Arc<List>);

struct List {
    clock: Clock,
    capacity: usize,
    issuers: RwLock<Issuers>,
    /// Grows with each revocation, after it can be seen.
    revision: AtomicU64,
}

#[derive(Default)]
struct Issuers {
    by_name: HashMap<String, Revoked>,
    /// How many token ids and subjects there are.
    len: usize,
    /// The longest that a token can be accepted after it was issued, and the largest leeway.
    lifetime: Duration,
    leeway: Duration,
}

#[derive(Default)]
struct Revoked {
    /// With the time of revocation.
    token_ids: HashMap<String, Duration>,
    /// Up to which `iat`; later ones are good.
    subjects: HashMap<String, Duration>,
    issued_before: Duration,
}

impl Revocations {
    /// An empty list.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self::with_capacity(clock, CAPACITY)
    }

    fn with_capacity(clock: Clock, capacity: usize) -> Self {
        let issuers = RwLock::default();
        Self(Arc::new(List { clock, capacity, issuers, revision: AtomicU64::default() }))
    }

    /// Revokes, from the next request on.
    pub fn revoke(&self, revocation: Revocation) {
        let now = self.0.clock.unix();
        let mut issuers = self.write();
        if issuers.len >= self.0.capacity {
            issuers.forget(now);
        }
        let full = issuers.len >= self.0.capacity;
        let up_to = now.saturating_add(issuers.leeway);
        let revoked = issuers.by_name.entry(revocation.issuer).or_default();
        let added = match revocation.what {
            What::IssuedBefore(unix) => revoked.before(unix),
            What::TokenId(_) | What::Subject(_) if full => {
                tracing::warn!("the list of revoked tokens is full: revoked all of an issuer");
                revoked.before(up_to.saturating_add(Duration::from_secs(1)))
            }
            What::TokenId(id) => usize::from(revoked.token_ids.insert(id, now).is_none()),
            What::Subject(subject) => {
                usize::from(revoked.subjects.insert(subject, up_to).is_none())
            }
        };
        issuers.len += added;
        drop(issuers);
        // After the list: who reads the new number sees the revocation.
        self.0.revision.fetch_add(1, Ordering::AcqRel);
    }

    /// Which state of the list a verdict was reached under. Read it before asking.
    pub(crate) fn revision(&self) -> u64 {
        self.0.revision.load(Ordering::Acquire)
    }

    /// Makes sure that revocations are remembered for as long as tokens of such an issuer live.
    pub(crate) fn cover(&self, max_lifetime: Duration, leeway: Duration) {
        let mut issuers = self.write();
        let lifetime = max_lifetime.saturating_add(leeway.saturating_mul(2));
        issuers.lifetime = issuers.lifetime.max(lifetime);
        issuers.leeway = issuers.leeway.max(leeway);
    }

    /// Whether the token that `principal` came with is revoked.
    pub(crate) fn has(&self, principal: &Principal) -> bool {
        if self.revision() == 0 {
            return false;
        }
        let issuers = self.0.issuers.read().unwrap_or_else(PoisonError::into_inner);
        let Some(revoked) = issuers.by_name.get(principal.issuer()) else {
            return false;
        };
        let issued = claim::date_of(principal, "iat").ok().flatten();
        let issued = issued.map(Duration::from_secs).unwrap_or_default();
        issued < revoked.issued_before
            || revoked.subjects.get(principal.subject()).is_some_and(|up_to| issued <= *up_to)
            || principal.token().id.as_ref().is_some_and(|id| revoked.token_ids.contains_key(id))
    }

    fn write(&self) -> RwLockWriteGuard<'_, Issuers> {
        // No code panics while it holds the lock, and any state is a safe one.
        self.0.issuers.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Issuers {
    /// Drops what no living token can match.
    fn forget(&mut self, now: Duration) {
        let lifetime = self.lifetime;
        let lives = |at: &Duration| at.saturating_add(lifetime) >= now;
        self.len = 0;
        for revoked in self.by_name.values_mut() {
            revoked.token_ids.retain(|_, at| lives(at));
            revoked.subjects.retain(|_, up_to| lives(up_to));
            self.len += revoked.token_ids.len() + revoked.subjects.len();
        }
    }
}

impl Revoked {
    /// Adds nothing to the length of the list.
    fn before(&mut self, unix: Duration) -> usize {
        self.issued_before = self.issued_before.max(unix);
        0
    }
}

impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocations").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::TokenInfo;
    use serde_json::json;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn alice(id: &str, issued: Option<u64>) -> Principal {
        let claims = issued.map_or(json!({}), |issued| json!({ "iat": issued }));
        Principal::builder("i", "alice")
            .token(TokenInfo { id: Some(id.into()), ..TokenInfo::default() })
            .claims(claims.as_object().unwrap().clone())
            .build()
    }

    #[test]
    fn each_kind_refuses_its_own() {
        let now = 1_000_000;
        let at = Duration::from_secs;
        type Row = (&'static str, Revocation, Principal, bool);
        let rows: [Row; 13] = [
            ("the id", Revocation::token_id("i", "1"), alice("1", Some(now)), true),
            ("another id", Revocation::token_id("i", "2"), alice("1", Some(now)), false),
            ("another's id", Revocation::token_id("j", "1"), alice("1", Some(now)), false),
            ("the subject", Revocation::subject("i", "alice"), alice("1", Some(now)), true),
            ("within leeway", Revocation::subject("i", "alice"), alice("1", Some(now + 30)), true),
            ("anew", Revocation::subject("i", "alice"), alice("1", Some(now + 31)), false),
            ("no iat", Revocation::subject("i", "alice"), alice("1", None), true),
            ("someone else", Revocation::subject("i", "bob"), alice("1", Some(now)), false),
            ("another's", Revocation::subject("j", "alice"), alice("1", Some(now)), false),
            ("before", Revocation::issued_before("i", at(now)), alice("1", Some(now - 1)), true),
            ("at", Revocation::issued_before("i", at(now)), alice("1", Some(now)), false),
            ("no date", Revocation::issued_before("i", at(now)), alice("1", None), true),
            ("elsewhere", Revocation::issued_before("j", at(now)), alice("1", Some(1)), false),
        ];
        for (name, revocation, principal, expected) in rows {
            let list = Revocations::new(Clock::manual(now).0);
            list.cover(HOUR, Duration::from_secs(30));
            assert!(!list.has(&principal), "{name}: empty");
            list.revoke(revocation);
            assert_eq!(list.has(&principal), expected, "{name}");
        }
    }

    #[test]
    fn a_full_list_forgets_the_dead_and_then_errs_on_the_safe_side() {
        let (clock, hand) = Clock::manual(1_000_000);
        let list = Revocations::with_capacity(clock, 2);
        list.cover(HOUR, Duration::ZERO);
        list.revoke(Revocation::token_id("i", "1"));
        hand.advance(HOUR + Duration::from_secs(1));
        list.revoke(Revocation::token_id("i", "2"));
        let later = 1_000_000 + 3601;
        assert!(list.has(&alice("1", Some(later))), "kept while there is room");
        list.revoke(Revocation::token_id("i", "3"));
        assert!(!list.has(&alice("1", Some(later))), "no such token lives");
        assert!(list.has(&alice("2", Some(later))) && list.has(&alice("3", Some(later))));

        list.revoke(Revocation::token_id("i", "4"));
        assert!(list.has(&alice("4", Some(later))) && list.has(&alice("5", Some(later))));
        assert!(!list.has(&alice("5", Some(later + 1))), "issued afterwards");
        assert_eq!(list.write().len, 2);
    }
}
