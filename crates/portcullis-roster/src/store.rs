//! Where a roster is kept.

use std::io;
use std::time::Duration;

use crate::{Block, Person, PersonId};

/// Where a roster is kept. A roster gives its store a thread of its own, so a store may block; it sets its
/// own time limits.
///
/// Stores that replicas share, or other programs open at the same time, must keep each call whole. Every
/// call may fail and be made again.
pub trait RosterStore: Send + 'static {
    /// Adds these sightings, each as [`Person::merge`] says, all or none. No two are of the same person.
    ///
    /// # Errors
    /// They are kept by the caller and tried again. If they were stored all the same, requests count double.
    fn record(&mut self, seen: &[Person]) -> io::Result<()>;

    /// What is known of `id`.
    ///
    /// # Errors
    /// The store cannot be read.
    fn person(&mut self, id: &PersonId) -> io::Result<Option<Person>>;

    /// The `limit` people that follow `after`, ordered by issuer and subject, byte by byte.
    ///
    /// # Errors
    /// The store cannot be read.
    fn people(&mut self, after: Option<&PersonId>, limit: usize) -> io::Result<Vec<Person>>;

    /// Removes all that is known of `id`, except a block. Whether there was anything.
    ///
    /// # Errors
    /// The store cannot be written.
    fn forget(&mut self, id: &PersonId) -> io::Result<bool>;

    /// Removes all that is known of people whose last request came before `before`, except blocks. How many
    /// they were.
    ///
    /// # Errors
    /// The store cannot be written.
    fn prune(&mut self, before: Duration) -> io::Result<u64>;

    /// Blocks a person, known or not; replaces what an earlier block said.
    ///
    /// # Errors
    /// The store cannot be written.
    fn block(&mut self, block: &Block) -> io::Result<()>;

    /// Lifts a block. Whether there was one.
    ///
    /// # Errors
    /// The store cannot be written.
    fn unblock(&mut self, id: &PersonId) -> io::Result<bool>;

    /// Every block, ordered as [`people`](Self::people) are. Every replica asks every few seconds.
    ///
    /// # Errors
    /// The store cannot be read.
    fn blocks(&mut self) -> io::Result<Vec<Block>>;
}
