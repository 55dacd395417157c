//! Who is blocked, as requests see it.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use foldhash::fast::RandomState;
use portcullis_core::Principal;

use crate::Block;
use crate::person::clip;

/// Who is blocked, as the store last said.
#[derive(Debug)]
pub(crate) struct Blocks {
    /// By issuer, then by subject: looked up without copying either.
    issuers: HashMap<Box<str>, HashSet<Box<str>, RandomState>, RandomState>,
    pub(crate) list: Vec<Block>,
    /// When the store said so.
    pub(crate) read: Instant,
    /// Grows when the list changes.
    pub(crate) version: u64,
}

impl Blocks {
    pub(crate) fn new(list: Vec<Block>, read: Instant, version: u64) -> Self {
        let mut issuers: HashMap<Box<str>, HashSet<Box<str>, RandomState>, RandomState> =
            HashMap::default();
        for block in &list {
            issuers.entry(block.id.issuer().into()).or_default().insert(block.id.subject().into());
        }
        Self { issuers, list, read, version }
    }

    pub(crate) fn has(&self, principal: &Principal) -> bool {
        if self.issuers.is_empty() {
            return false;
        }
        let has = |issuer: &str, subject: &str| {
            self.issuers.get(issuer).is_some_and(|subjects| subjects.contains(subject))
        };
        // The roster shows names as it keeps them, and an administrator blocks what it shows.
        let is_blocked = |issuer: &str, subject: &str| {
            has(issuer, subject) || has(&clip(issuer), &clip(subject))
        };
        // The first actor is the one who calls now; those after it have only been there before (RFC 8693
        // section 4.1).
        let actor = principal.actors().first();
        is_blocked(principal.issuer(), principal.subject())
            || actor.is_some_and(|actor| {
                is_blocked(actor.issuer().unwrap_or(principal.issuer()), actor.subject())
            })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use portcullis_core::{Actor, Clock};

    use super::*;
    use crate::PersonId;

    #[test]
    fn a_block_is_of_one_subject_at_one_issuer() {
        let block = |issuer, subject| Block::new(PersonId::new(issuer, subject), Duration::ZERO);
        let list = vec![block("i", "alice"), block("i", "b\u{fffd}b")];
        let blocks = Blocks::new(list, Clock::system().instant(), 1);
        let rows = [
            ("i", "alice", true),
            ("j", "alice", false),
            ("i", "bob", false),
            ("i", "Alice", false),
            ("i", "b\0b", true),
        ];
        for (issuer, subject, expected) in rows {
            let principal = Principal::builder(issuer, subject).client_id("any").build();
            assert_eq!(blocks.has(&principal), expected, "{issuer} {subject:?}");
        }
    }

    #[test]
    fn a_block_is_also_of_who_acts_now() {
        let blocks = vec![Block::new(PersonId::new("i", "bot"), Duration::ZERO)];
        let blocks = Blocks::new(blocks, Clock::system().instant(), 1);
        let own = |subject| Actor::new(None, subject);
        let of = |issuer: &str, subject| Actor::new(Some(issuer.to_owned()), subject);
        let rows = [
            ("nobody", vec![], false),
            ("of the token's issuer", vec![own("bot")], true),
            ("of that issuer by name", vec![of("i", "bot")], true),
            ("of another issuer", vec![of("j", "bot")], false),
            ("another actor", vec![own("helper")], false),
            ("one who acted before", vec![own("helper"), own("bot")], false),
        ];
        for (name, actors, expected) in rows {
            let principal = Principal::builder("i", "alice").actors(actors).build();
            assert_eq!(blocks.has(&principal), expected, "{name}");
        }
        let elsewhere = Principal::builder("j", "alice").actors(vec![of("i", "bot")]).build();
        assert!(blocks.has(&elsewhere));
    }
}
