//! Assertions that were signed a moment ago.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use portcullis_core::Principal;

use crate::claims::same;

/// How many assertions are kept. Signing once more is all that happens beyond it.
const CAPACITY: usize = 8192;

/// One assertion per caller. Two halves: when the newer one is full it becomes the older one, and
/// what was in that is forgotten, so memory is bounded without looking for what to forget.
pub(crate) struct Cache(Mutex<Halves>);

#[derive(Default)]
struct Halves {
    newer: HashMap<Arc<Principal>, Entry>,
    older: HashMap<Arc<Principal>, Entry>,
}

#[derive(Clone)]
struct Entry {
    header: HeaderValue,
    made_at: Duration,
    reuse_until: Duration,
}

impl Cache {
    pub(crate) fn new() -> Self {
        Self(Mutex::default())
    }

    /// The assertion about exactly this caller, if there is one that is still to be used `now`.
    pub(crate) fn get(&self, principal: &Principal, now: Duration) -> Option<HeaderValue> {
        let halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (kept, entry) = halves
            .newer
            .get_key_value(principal)
            .or_else(|| halves.older.get_key_value(principal))?;
        // A clock set back must not prolong anything.
        let usable = (entry.made_at..entry.reuse_until).contains(&now);
        (usable && same(kept, principal)).then(|| entry.header.clone())
    }

    pub(crate) fn put(
        &self,
        principal: Arc<Principal>,
        header: HeaderValue,
        made_at: Duration,
        reuse_until: Duration,
    ) {
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if halves.newer.len() >= CAPACITY / 2 {
            halves.older = std::mem::take(&mut halves.newer);
        }
        // The key in a map stays when its value is replaced; here the new one must stand.
        halves.newer.remove(&principal);
        halves.newer.insert(principal, Entry { header, made_at, reuse_until });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn alice() -> portcullis_core::PrincipalBuilder {
        Principal::builder("https://id.example", "alice").group("staff").scope("read")
    }

    #[test]
    fn only_the_very_same_caller_gets_it_back() {
        let cache = Cache::new();
        let header = HeaderValue::from_static("assertion");
        cache.put(Arc::new(alice().build()), header, at(10), at(40));
        let rows = [
            ("the same", alice(), true),
            ("another group", alice().group("admin"), false),
            ("no group", alice().groups(Vec::new()), false),
            ("groups not all known", alice().groups_unknown(), false),
            ("another scope", alice().scope("write"), false),
            ("a role", alice().role("admin"), false),
            ("a client", alice().client_id("c"), false),
            ("a tenant", alice().tenant("t"), false),
            ("a client only", alice().client_only(), false),
            ("another method", alice().method("api_key"), false),
            ("an end", alice().expires_at(at(99)), false),
            ("an actor", alice().actors(vec![portcullis_core::Actor::new(None, "agent")]), false),
            ("somebody else", Principal::builder("https://id.example", "bob"), false),
            ("another issuer", Principal::builder("https://other.example", "alice"), false),
        ];
        for (name, principal, hit) in rows {
            assert_eq!(cache.get(&principal.build(), at(20)).is_some(), hit, "{name}");
        }
    }

    #[test]
    fn it_is_used_from_when_it_was_made_to_half_its_life() {
        let cache = Cache::new();
        let header = HeaderValue::from_static("assertion");
        cache.put(Arc::new(alice().build()), header, at(10), at(40));
        for (now, hit) in [(9, false), (10, true), (39, true), (40, false), (9999, false)] {
            assert_eq!(cache.get(&alice().build(), at(now)).is_some(), hit, "{now}");
        }
    }

    #[test]
    fn a_newer_assertion_replaces_the_older() {
        let cache = Cache::new();
        for header in ["one", "two"] {
            let header = HeaderValue::from_static(header);
            cache.put(
                Arc::new(alice().scope(header.to_str().unwrap()).build()),
                header,
                at(10),
                at(40),
            );
        }
        assert!(cache.get(&alice().scope("one").build(), at(20)).is_none());
        assert_eq!(cache.get(&alice().scope("two").build(), at(20)).unwrap(), "two");
    }

    #[test]
    fn memory_is_bounded() {
        let cache = Cache::new();
        for number in 0..3 * CAPACITY {
            let principal = Principal::builder("https://id.example", number.to_string()).build();
            cache.put(Arc::new(principal), HeaderValue::from_static("a"), at(10), at(40));
        }
        let halves = cache.0.lock().unwrap();
        assert!(halves.newer.len() + halves.older.len() <= CAPACITY);
    }
}
