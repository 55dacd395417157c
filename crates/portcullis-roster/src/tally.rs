//! Who was seen since the store was last told.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::fast::RandomState;
use portcullis_core::Principal;

use crate::person::{Kept, clip};
use crate::{Person, PersonId};

/// Requests counted by person; what a request costs.
#[derive(Debug)]
pub(crate) struct Tally {
    /// By issuer, then by subject: looked up without copying either.
    seen: Mutex<Seen>,
    capacity: usize,
    /// Requests of people there was no room for.
    missed: AtomicU64,
}

#[derive(Debug, Default)]
struct Seen {
    issuers: HashMap<Box<str>, HashMap<Box<str>, Entry, RandomState>, RandomState>,
    people: usize,
}

#[derive(Debug)]
struct Entry {
    latest: Arc<Principal>,
    requests: u64,
    first: Duration,
    last: Duration,
    clients: Vec<String>,
    servers: Vec<Arc<str>>,
}

impl Tally {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { seen: Mutex::default(), capacity, missed: AtomicU64::new(0) }
    }

    /// Counts a request. `true` when this is the person that filled the last place.
    pub(crate) fn count(
        &self,
        principal: &Arc<Principal>,
        server: Option<&Arc<str>>,
        now: Duration,
    ) -> bool {
        let mut seen = self.seen();
        let known = seen
            .issuers
            .get_mut(principal.issuer())
            .and_then(|subjects| subjects.get_mut(principal.subject()));
        if let Some(entry) = known {
            entry.again(principal, server, now);
            return false;
        }
        if seen.people >= self.capacity {
            self.missed.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        seen.people += 1;
        let full = seen.people == self.capacity;
        seen.issuers
            .entry(principal.issuer().into())
            .or_default()
            .insert(principal.subject().into(), Entry::new(principal, server, now));
        full
    }

    /// What was counted since this was last asked.
    pub(crate) fn take(&self, kept: &Kept) -> Vec<Person> {
        let seen = std::mem::take(&mut *self.seen());
        let entries = seen.issuers.into_values().flat_map(HashMap::into_values);
        entries.map(|entry| entry.person(kept)).collect()
    }

    /// Requests of people there was no room for.
    pub(crate) fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn new(principal: &Arc<Principal>, server: Option<&Arc<str>>, now: Duration) -> Self {
        Self {
            latest: Arc::clone(principal),
            requests: 1,
            first: now,
            last: now,
            clients: principal.client_id().map(str::to_owned).into_iter().collect(),
            servers: server.cloned().into_iter().collect(),
        }
    }

    fn again(&mut self, principal: &Arc<Principal>, server: Option<&Arc<str>>, now: Duration) {
        self.requests = self.requests.saturating_add(1);
        self.first = self.first.min(now);
        self.last = self.last.max(now);
        if !Arc::ptr_eq(&self.latest, principal) {
            if let Some(client) = principal.client_id()
                && self.clients.len() < 128
                && !self.clients.iter().any(|known| known == client)
            {
                self.clients.push(client.to_owned());
            }
            self.latest = Arc::clone(principal);
        }
        if let Some(server) = server
            && self.servers.len() < 128
            && !self.servers.iter().any(|known| known == server)
        {
            self.servers.push(Arc::clone(server));
        }
    }

    fn person(self, kept: &Kept) -> Person {
        let id = PersonId::new(clip(self.latest.issuer()), clip(self.latest.subject()));
        let mut person = Person::seen(id, self.first);
        let mut last = Person::seen(person.id.clone(), self.last);
        last.requests = self.requests.saturating_sub(1);
        last.clients = self.clients.iter().map(|name| clip(name)).collect();
        last.servers = self.servers.iter().map(|name| clip(name)).collect();
        kept.describe(&mut last, &self.latest);
        person.merge(&last);
        person
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(subject: &str, client: &str) -> Arc<Principal> {
        Arc::new(Principal::builder("i", subject).client_id(client).group("g").build())
    }

    #[test]
    fn many_requests_are_one_person() {
        let tally = Tally::new(10);
        let (server, other): (Arc<str>, Arc<str>) = ("notes".into(), "files".into());
        let alice = principal("alice", "ide");
        let second = Duration::from_secs;
        tally.count(&alice, Some(&server), second(3));
        tally.count(&alice, Some(&other), second(5));
        tally.count(&principal("alice", "cli"), Some(&server), second(4));
        tally.count(&principal("bob", "ide"), None, second(4));
        let mut people = tally.take(&Kept::default());
        people.sort_by(|one, two| one.id.cmp(&two.id));
        assert_eq!(people.len(), 2);
        assert_eq!((people[0].requests, people[1].requests), (3, 1));
        assert_eq!((people[0].first_seen, people[0].last_seen), (second(3), second(5)));
        assert_eq!(people[0].clients, ["cli", "ide"]);
        assert_eq!(people[0].servers, ["files", "notes"]);
        assert_eq!(people[0].groups, ["g"]);
        assert!(tally.take(&Kept::default()).is_empty());
    }

    #[test]
    fn the_number_of_people_is_bounded() {
        let tally = Tally::new(2);
        let now = Duration::ZERO;
        assert!(!tally.count(&principal("a", "c"), None, now));
        assert!(tally.count(&principal("b", "c"), None, now), "the last place");
        assert!(!tally.count(&principal("c", "c"), None, now));
        assert!(!tally.count(&principal("a", "c"), None, now), "known people always count");
        assert_eq!(tally.missed(), 1);
        assert_eq!(tally.take(&Kept::default()).iter().map(|p| p.requests).sum::<u64>(), 3);
        assert!(!tally.count(&principal("c", "c"), None, now), "there is room again");
        assert_eq!(tally.missed(), 1);
    }
}
