//! A roster in memory.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::{Block, Person, PersonId, RosterStore};

/// Keeps a roster in memory: for tests, and for a process that needs no list when it ends. Clones share what
/// they keep.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<Tables>>);

#[derive(Debug, Default)]
struct Tables {
    people: BTreeMap<PersonId, Person>,
    blocks: BTreeMap<PersonId, Block>,
    failing: bool,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on fails every call, as a database that is down would, or works again.
    pub fn fail(&self, failing: bool) {
        self.lock().failing = failing;
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tables(&self) -> io::Result<MutexGuard<'_, Tables>> {
        let tables = self.lock();
        if tables.failing { Err(io::Error::other("told to fail")) } else { Ok(tables) }
    }
}

impl RosterStore for MemoryStore {
    fn record(&mut self, seen: &[Person]) -> io::Result<()> {
        let mut tables = self.tables()?;
        for seen in seen {
            tables
                .people
                .entry(seen.id.clone())
                .and_modify(|person| person.merge(seen))
                .or_insert_with(|| seen.clone());
        }
        Ok(())
    }

    fn person(&mut self, id: &PersonId) -> io::Result<Option<Person>> {
        Ok(self.tables()?.people.get(id).cloned())
    }

    fn people(&mut self, after: Option<&PersonId>, limit: usize) -> io::Result<Vec<Person>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let tables = self.tables()?;
        let people = tables.people.range::<PersonId, _>((from, Bound::Unbounded));
        Ok(people.take(limit).map(|(_, person)| person.clone()).collect())
    }

    fn forget(&mut self, id: &PersonId) -> io::Result<bool> {
        Ok(self.tables()?.people.remove(id).is_some())
    }

    fn prune(&mut self, before: Duration) -> io::Result<u64> {
        let mut tables = self.tables()?;
        let had = tables.people.len();
        tables.people.retain(|_, person| person.last_seen >= before);
        Ok(had.saturating_sub(tables.people.len()) as u64)
    }

    fn block(&mut self, block: &Block) -> io::Result<()> {
        self.tables()?.blocks.insert(block.id.clone(), block.clone());
        Ok(())
    }

    fn unblock(&mut self, id: &PersonId) -> io::Result<bool> {
        Ok(self.tables()?.blocks.remove(id).is_some())
    }

    fn blocks(&mut self) -> io::Result<Vec<Block>> {
        Ok(self.tables()?.blocks.values().cloned().collect())
    }
}
