//! A hit is seen by its principal being the very same.

use std::sync::atomic::Ordering;

use portcullis_core::{Clock, ManualClock, Reason};
use portcullis_test::Mint;

use super::*;
use crate::keys::Obstacle;
use crate::{Issuer, JwkSet, Revocation, Verifier};

const ISSUER: &str = "https://id.example.com";
const RESOURCE: &str = "https://mcp.example.com/mcp";
const NOW: u64 = 1_700_000_000;

struct World {
    mint: Mint,
    verifier: Verifier,
    hand: ManualClock,
}

fn issuer(mint: &Mint) -> Issuer {
    Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap())
}

impl World {
    fn new(change: impl FnOnce(Issuer) -> Issuer) -> Self {
        Self::with_capacity(CAPACITY, change)
    }

    fn with_capacity(capacity: usize, change: impl FnOnce(Issuer) -> Issuer) -> Self {
        let (clock, hand) = Clock::manual(NOW);
        let mint = Mint::es256(ISSUER);
        let verifier = Verifier::builder(RESOURCE)
            .issuer(change(issuer(&mint)))
            .clock(clock)
            .token_cache(capacity)
            .build()
            .unwrap();
        Self { mint, verifier, hand }
    }

    fn token(&self, subject: &str, id: &str) -> String {
        self.mint.token().at(NOW).expires_in(600).subject(subject).claim("jti", id).sign()
    }

    fn ask(&self, token: &str) -> Result<Arc<Principal>, Reason> {
        self.verifier.verify(token).map_err(|obstacle| match obstacle {
            Obstacle::Refused(error) => error.reason(),
            Obstacle::Wait(_) => panic!("fixed keys never wait"),
        })
    }

    fn is_hit(&self, token: &str, before: &Arc<Principal>) -> bool {
        Arc::ptr_eq(&self.ask(token).unwrap(), before)
    }

    fn pass(&self, seconds: u64) {
        self.hand.advance(Duration::from_secs(seconds));
    }
}

#[test]
fn a_token_is_verified_once() {
    let world = World::new(|issuer| issuer);
    let token = world.token("alice", "1");
    let first = world.ask(&token).unwrap();
    assert!(world.is_hit(&token, &first));

    let off = World::with_capacity(0, |issuer| issuer);
    let token = off.token("alice", "1");
    let first = off.ask(&token).unwrap();
    assert!(!off.is_hit(&token, &first), "0 turns it off");
}

#[test]
fn no_other_token_hits() {
    let world = World::new(|issuer| issuer);
    let token = world.token("alice", "1");
    let alice = world.ask(&token).unwrap();
    let bob = world.ask(&world.token("bob", "1")).unwrap();
    assert_eq!((alice.subject(), bob.subject()), ("alice", "bob"));

    let cache = TokenCache::new(8).unwrap();
    let tag = cache.tag(token.as_bytes()).unwrap();
    assert!(cache.tag(token.as_bytes()) == Some(tag));
    assert!(
        TokenCache::new(8).unwrap().tag(token.as_bytes()) != Some(tag),
        "each cache has its own key"
    );
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] ^= 1;
        let flipped = String::from_utf8(bytes).unwrap();
        assert!(cache.tag(flipped.as_bytes()) != Some(tag), "byte {at}");
        assert!(world.ask(&flipped).is_err(), "byte {at}");
    }
    let shorter = token.get(..token.len() - 1).unwrap().to_owned();
    for other in [shorter, format!("{token}A"), format!("A{token}"), String::new()] {
        assert!(cache.tag(other.as_bytes()) != Some(tag), "{other}");
        assert!(world.ask(&other).is_err(), "{other}");
    }
}

#[test]
fn both_halves_of_a_tag_count() {
    let world = World::new(|issuer| issuer);
    let verdict = |principal| Verdict {
        principal,
        from: Duration::ZERO,
        until: Duration::MAX,
        issuers: 0,
        keys: KeyGeneration::FIXED,
        revision: 0,
    };
    let principal = world.ask(&world.token("alice", "1")).unwrap();
    let none = Revocations::new(Clock::manual(NOW).0);
    let cache = TokenCache::new(8).unwrap();
    cache.insert(Tag(1, 2), verdict(principal));
    let get = |tag| cache.get(tag, Duration::from_secs(1), 0, &none).is_some();
    assert!(get(Tag(1, 2)));
    assert!(!get(Tag(1, 3)) && !get(Tag(2, 2)));
}

#[test]
fn a_hit_ends_when_the_token_does() {
    // Leeway included: 600 + 30 seconds after now.
    let world = World::new(|issuer| issuer);
    let token = world.token("alice", "1");
    let first = world.ask(&token).unwrap();
    world.pass(629);
    assert!(world.is_hit(&token, &first));
    world.pass(1);
    assert_eq!(world.ask(&token).err(), Some(Reason::Expired));

    let world = World::new(|issuer| issuer.max_age(Duration::from_secs(60)));
    let token = world.token("alice", "1");
    let first = world.ask(&token).unwrap();
    world.pass(89);
    assert!(world.is_hit(&token, &first));
    world.pass(2);
    assert_eq!(world.ask(&token).err(), Some(Reason::Expired), "by max_age");
}

#[test]
fn a_verdict_stands_only_within_its_window() {
    let world = World::new(|issuer| issuer);
    let principal = world.ask(&world.token("alice", "1")).unwrap();
    let none = Revocations::new(Clock::manual(NOW).0);
    let cache = TokenCache::new(8).unwrap();
    let counter = Arc::new(AtomicU64::new(5));
    let at = Duration::from_secs;
    cache.insert(
        Tag(1, 1),
        Verdict {
            principal,
            from: at(100),
            until: at(200),
            issuers: 7,
            keys: KeyGeneration::of(&counter),
            revision: 0,
        },
    );
    let hit = |now, issuers| cache.get(Tag(1, 1), at(now), issuers, &none).is_some();
    assert!(hit(100, 7) && hit(199, 7));
    assert!(!hit(99, 7), "a clock set back");
    assert!(!hit(200, 7), "the end");
    assert!(!hit(150, 8), "issuers changed");
    counter.fetch_add(1, Ordering::AcqRel);
    assert!(!hit(150, 7), "keys changed");
}

#[test]
fn a_removed_issuer_takes_its_verdicts_along() {
    let world = World::new(|issuer| issuer);
    let token = world.token("alice", "1");
    world.ask(&token).unwrap();
    assert!(world.verifier.remove_issuer(ISSUER));
    assert_eq!(world.ask(&token).err(), Some(Reason::BadIss));

    // With other keys under the same name, the old token is still no good.
    world.verifier.add_issuer(issuer(&Mint::es256(ISSUER))).unwrap();
    assert_eq!(world.ask(&token).err(), Some(Reason::UnknownKid));
}

#[test]
fn a_revocation_reaches_verdicts_at_once() {
    let rows = [
        ("by id", Revocation::token_id(ISSUER, "1")),
        ("by subject", Revocation::subject(ISSUER, "alice")),
        ("by date", Revocation::issued_before(ISSUER, Duration::from_secs(NOW + 1))),
    ];
    for (name, revocation) in rows {
        let world = World::new(|issuer| issuer);
        let token = world.token("alice", "1");
        world.ask(&token).unwrap();
        world.verifier.clone().revoke(revocation);
        assert_eq!(world.ask(&token).err(), Some(Reason::Revoked), "{name}");
        assert_eq!(world.ask(&token).err(), Some(Reason::Revoked), "{name}, again");
    }
}

#[test]
fn a_revocation_spares_the_verdicts_on_others() {
    let world = World::new(|issuer| issuer);
    let token = world.token("alice", "1");
    let first = world.ask(&token).unwrap();
    world.verifier.revoke(Revocation::token_id(ISSUER, "2"));
    assert!(world.is_hit(&token, &first));
    assert!(world.is_hit(&token, &first));
    assert_eq!(world.ask(&world.token("bob", "2")).err(), Some(Reason::Revoked), "cold");
}

#[test]
fn memory_is_bounded() {
    let capacity = 64;
    let world = World::with_capacity(capacity, |issuer| issuer);
    let alice = world.ask(&world.token("alice", "1")).unwrap();
    let cache = TokenCache::new(capacity).unwrap();
    for number in 0..10_000 {
        cache.insert(
            Tag(u64::wrapping_mul(number, 0x9E37_79B9_7F4A_7C15), number),
            Verdict {
                principal: Arc::clone(&alice),
                from: Duration::ZERO,
                until: Duration::MAX,
                issuers: 0,
                keys: KeyGeneration::FIXED,
                revision: 0,
            },
        );
        assert!(cache.len() <= capacity, "{}", cache.len());
    }
    assert!(cache.len() > capacity / 2);
    cache.clear();
    assert_eq!(cache.len(), 0);
}

#[test]
fn refused_tokens_are_not_kept() {
    let world = World::new(|issuer| issuer);
    let bad = world.mint.token().at(NOW).audience("https://other.example").sign();
    assert_eq!(world.ask(&bad).err(), Some(Reason::BadAud));
    assert_eq!(world.ask(&bad).err(), Some(Reason::BadAud));
    let mallory = Mint::es256(ISSUER).with_kid(world.mint.kid());
    let forged = mallory.token().at(NOW).sign();
    assert_eq!(world.ask(&forged).err(), Some(Reason::BadSig));
    assert_eq!(world.ask(&forged).err(), Some(Reason::BadSig));
}

#[test]
fn hits_and_misses_are_counted() {
    let world = World::new(|issuer| issuer);
    let status = || world.verifier.token_cache_status().unwrap();
    let token = world.token("alice", "1");
    world.ask(&token).unwrap();
    world.ask(&token).unwrap();
    world.ask(&token).unwrap();
    world.ask("nonsense").unwrap_err();
    assert_eq!((status().hits, status().misses, status().entries), (2, 2, 1));
    let none = World::with_capacity(0, |issuer| issuer);
    assert!(none.verifier.token_cache_status().is_none());
}
