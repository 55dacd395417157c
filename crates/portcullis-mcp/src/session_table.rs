//! Which sessions are in use, as far as this process sees them.
//!
//! Ids of sessions prove themselves, so that every replica can check them without a store. What they
//! cannot say is when a session was used last and how many there are. That is counted here, by each
//! replica for itself: one that it has not seen before counts as used now.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use portcullis_core::{Caller, Clock, Version};

use crate::config::InspectConfig;
use crate::courier::Address;
use crate::session::Session;

mod end;

use end::{End, Watch};

const SHARDS: usize = 16;
/// How many owners a shard remembers.
const OWNERS: usize = 4096;
/// How many callers without credentials count for one that has some.
const ANONYMOUS: usize = 50;
/// How many ended sessions of one owner are remembered.
const ENDED: usize = 64;

type Owner = [u8; 16];

/// Shared by all clones of a layer.
#[derive(Clone, Default)]
pub(crate) struct SessionTable(Arc<Table>);

#[derive(Default)]
struct Table {
    shards: [Mutex<Shard>; SHARDS],
    /// Sessions that ended here, and of which the service behind has yet to learn.
    owed: Mutex<Vec<Address>>,
    owes: AtomicBool,
}

type Shard = HashMap<Owner, Vec<Entry>>;

#[derive(Debug)]
struct Entry {
    session: Box<str>,
    version: Version,
    issued: Duration,
    used: Duration,
    /// How many exchanges happen in it now.
    open: u32,
    end: Arc<End>,
}

/// An exchange that happens in a session, which is not idle meanwhile.
pub(crate) struct Visit {
    table: SessionTable,
    owner: Owner,
    session: Box<str>,
    clock: Clock,
    watch: Watch,
}

impl SessionTable {
    /// Whether the session goes on. Ends it when it was idle for too long.
    pub(crate) fn goes_on(
        &self,
        config: &InspectConfig,
        caller: &Caller,
        session: &Session,
    ) -> bool {
        let Session { upstream_id, version, .. } = session;
        let (owner, now) = (owner(config, caller), config.clock.unix());
        let mut shard = self.shard(&owner);
        let Some(entry) = find(&mut shard, &owner, upstream_id) else { return true };
        if !entry.ended() && entry.is_idle(now, config.limits.session_idle) {
            entry.end.come();
            let (caller, session) = (caller.clone(), upstream_id.clone());
            self.owe(Address { caller, version: *version, session });
        }
        !entry.ended()
    }

    /// Says that something happens in the session. Ends the one used least recently when there are
    /// too many.
    pub(crate) fn visit(
        &self,
        config: &InspectConfig,
        address: &Address,
        issued: Duration,
    ) -> Visit {
        let (owner, now) = (owner(config, &address.caller), config.clock.unix());
        let mut shard = self.shard(&owner);
        let watch = match find(&mut shard, &owner, &address.session) {
            Some(entry) => {
                entry.open += 1;
                entry.used = now;
                Watch::new(&entry.end)
            }
            None => {
                let each = if address.caller.principal().is_some() { 1 } else { ANONYMOUS };
                let count = config.limits.sessions.saturating_mul(each);
                for (session, version) in make_room(&mut shard, &owner, count, now) {
                    self.owe(Address { session, version, ..address.clone() });
                }
                make_place(&mut shard, &owner, config.limits.session_idle, now);
                let end = Arc::default();
                let watch = Watch::new(&end);
                shard.entry(owner).or_default().push(Entry {
                    session: address.session.as_str().into(),
                    version: address.version,
                    issued,
                    used: now,
                    open: 1,
                    end,
                });
                watch
            }
        };
        drop(shard);
        Visit {
            table: self.clone(),
            owner,
            session: address.session.as_str().into(),
            clock: config.clock.clone(),
            watch,
        }
    }

    /// Says that the session has ended, also to whatever happens in it.
    pub(crate) fn end(&self, config: &InspectConfig, address: &Address) {
        let owner = owner(config, &address.caller);
        if let Some(entry) = find(&mut self.shard(&owner), &owner, &address.session) {
            entry.end.come();
        }
    }

    /// The sessions of which the service behind has yet to learn that they have ended.
    pub(crate) fn take_owed(&self) -> Vec<Address> {
        if !self.0.owes.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        std::mem::take(&mut *self.0.owed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn owe(&self, address: Address) {
        self.0.owed.lock().unwrap_or_else(PoisonError::into_inner).push(address);
        self.0.owes.store(true, Ordering::Release);
    }

    fn shard(&self, owner: &Owner) -> MutexGuard<'_, Shard> {
        let [first, shards @ ..] = &self.0.shards;
        let at = usize::from(owner.first().copied().unwrap_or_default()) % SHARDS;
        let shard = at.checked_sub(1).and_then(|at| shards.get(at)).unwrap_or(first);
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn ended(&self) -> bool {
        self.end.has_come()
    }

    fn is_idle(&self, now: Duration, idle: Duration) -> bool {
        self.open == 0 && now.saturating_sub(self.used) >= idle
    }
}

impl Visit {
    /// Ready once the session has ended, as far as this process knows.
    pub(crate) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.watch.poll(cx)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let now = self.clock.unix();
        if let Some(entry) = find(&mut self.table.shard(&self.owner), &self.owner, &self.session) {
            entry.open = entry.open.saturating_sub(1);
            entry.used = entry.used.max(now);
        }
    }
}

fn owner(config: &InspectConfig, caller: &Caller) -> Owner {
    config.sessions.owner(caller, &config.resource)
}

fn find<'s>(shard: &'s mut Shard, owner: &Owner, session: &str) -> Option<&'s mut Entry> {
    shard.get_mut(owner)?.iter_mut().find(|entry| *entry.session == *session)
}

/// Ends sessions of the owner until another one fits, those used least recently first.
fn make_room(
    shard: &mut Shard,
    owner: &Owner,
    count: usize,
    now: Duration,
) -> Vec<(String, Version)> {
    let mut ended = Vec::new();
    let Some(entries) = shard.get_mut(owner) else { return ended };
    // Past its end an id opens no more, and nothing need be known of it.
    let lifetime = crate::limits::MAX_SESSION;
    entries.retain(|entry| entry.open > 0 || now.saturating_sub(entry.issued) < lifetime);
    while entries.iter().filter(|entry| !entry.ended()).count() >= count.max(1) {
        let oldest = entries
            .iter_mut()
            .filter(|entry| !entry.ended())
            .min_by_key(|entry| (entry.open > 0, entry.used));
        let Some(oldest) = oldest else { break };
        oldest.end.come();
        ended.push((oldest.session.to_string(), oldest.version));
    }
    while entries.iter().filter(|entry| entry.ended()).count() > ENDED {
        let Some(at) = entries.iter().position(|entry| entry.ended()) else { break };
        entries.remove(at);
    }
    ended
}

/// Forgets owners of whom nothing is open, when there are too many.
fn make_place(shard: &mut Shard, owner: &Owner, idle: Duration, now: Duration) {
    if shard.len() < OWNERS || shard.contains_key(owner) {
        return;
    }
    shard.retain(|_, entries| {
        entries.iter().any(|entry| !entry.ended() && !entry.is_idle(now, idle))
    });
    if shard.len() >= OWNERS {
        let quiet = shard
            .iter()
            .min_by_key(|(_, entries)| entries.iter().map(|e| (e.open, e.used)).max())
            .map(|(owner, _)| *owner);
        if let Some(quiet) = quiet {
            shard.remove(&quiet);
        }
    }
}

// By hand: a table is of no use in a log.
impl fmt::Debug for SessionTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionTable").finish_non_exhaustive()
    }
}

impl fmt::Debug for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visit").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, used: u64, ended: bool) -> Entry {
        let (issued, used) = (Duration::ZERO, Duration::from_secs(used));
        let end = Arc::new(End::default());
        if ended {
            end.come();
        }
        Entry { session: name.into(), version: Version::V2025_06_18, issued, used, open: 0, end }
    }

    fn owner(number: usize) -> Owner {
        let mut owner = [0; 16];
        owner.iter_mut().zip(number.to_be_bytes()).for_each(|(to, from)| *to = from);
        owner
    }

    /// whoever begins session after session is not remembered with all of them.
    #[test]
    fn few_ended_sessions_are_remembered() {
        let mut shard = Shard::new();
        let ended = (0..200).map(|n| entry(&n.to_string(), n, true)).collect();
        shard.insert(owner(1), ended);
        assert!(make_room(&mut shard, &owner(1), 20, Duration::from_secs(200)).is_empty());
        let left: Vec<_> = shard[&owner(1)].iter().map(|entry| &*entry.session).collect();
        assert_eq!((left.len(), left[0]), (ENDED, "136"), "the newest");
    }

    /// of too many owners those are forgotten of whom nothing goes on, and then the one who was there
    /// least recently.
    #[test]
    fn as_many_owners_are_remembered_as_there_is_room_for() {
        let (idle, now) = (Duration::from_secs(100), Duration::from_secs(200));
        let mut shard: Shard =
            (0..OWNERS).map(|n| (owner(n), vec![entry("s", 150 + n as u64 % 50, false)])).collect();
        make_place(&mut shard, &owner(0), idle, now);
        assert_eq!(shard.len(), OWNERS, "one who is known needs no room");
        shard.insert(owner(7), vec![entry("s", 100, false)]);
        shard.insert(owner(8), vec![entry("s", 190, true)]);
        make_place(&mut shard, &owner(OWNERS), idle, now);
        assert_eq!(shard.len(), OWNERS - 2);
        assert!(!shard.contains_key(&owner(7)) && !shard.contains_key(&owner(8)));
        shard.insert(owner(7), vec![entry("s", 149, false)]);
        shard.insert(owner(8), vec![entry("s", 199, false)]);
        make_place(&mut shard, &owner(OWNERS), idle, now);
        assert_eq!(shard.len(), OWNERS - 1);
        assert!(!shard.contains_key(&owner(7)));
    }
}
