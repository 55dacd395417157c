//! The roster, as an application holds it.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use portcullis_core::{Caller, Denial, Principal, Reason};
use tokio::sync::oneshot;

use crate::blocks::Blocks;
use crate::worker::{Asked, Order, Shared, Worker};
use crate::{
    Block, Person, PersonId, RosterBuilder, RosterEvent, RosterLayer, RosterStore, UserList, Watch,
};

/// How long the drop of the last handle waits for the store.
const END: Duration = Duration::from_secs(6);
/// How many people are read at once.
const PAGE: usize = 1000;
/// What a caller is told to wait for when the list of blocks is too old.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// A roster: who was seen, and who is blocked. Cheap to clone; all clones are one roster.
///
/// Its store has a thread of its own. Dropping the last clone, and every layer and service, stores what was
/// seen; that may take some seconds.
#[derive(Clone)]
pub struct Roster(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) shared: Arc<Shared>,
    pub(crate) orders: Sender<Order>,
    /// Tells when the thread has ended.
    pub(crate) ended: std::sync::Mutex<Receiver<()>>,
    pub(crate) max_age: Option<Duration>,
    /// From what age on the list of blocks is overdue.
    pub(crate) overdue: Duration,
}

/// How a roster is doing, for health checks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RosterStatus {
    /// Whether the store fails: it does not say who is blocked, takes no sightings, or has refused the last call
    /// of another kind. Also when it does not answer at all: the list of blocks is older than five times
    /// [`poll_every`](RosterBuilder::poll_every).
    pub failing: bool,
    /// Whether everybody who has signed in is refused, because the list of blocks is older than
    /// [`refuse_when_older_than`](RosterBuilder::refuse_when_older_than) allows.
    pub refusing: bool,
    /// How old the list of blocks is.
    pub blocks_age: Duration,
    /// How many people are blocked.
    pub blocked: usize,
    /// How many requests will never be on the roster: there was no room for their callers.
    pub lost: u64,
}

impl Roster {
    /// A roster that `store` keeps.
    pub fn builder(store: impl RosterStore) -> RosterBuilder {
        RosterBuilder::new(Box::new(store))
    }

    /// The layer that counts callers and refuses those who are blocked.
    pub fn layer(&self) -> RosterLayer {
        RosterLayer::new(self.clone())
    }

    /// Counts a request of `caller` to `server`, unless the caller may not come in. Callers who have not
    /// signed in are neither counted nor refused.
    ///
    /// # Errors
    /// The caller is blocked, or nobody knows: the list of blocks is older than
    /// [`refuse_when_older_than`](RosterBuilder::refuse_when_older_than) allows.
    pub fn admit(&self, caller: &Caller, server: Option<&Arc<str>>) -> Result<(), Denial> {
        let Caller::Verified(principal) = caller else { return Ok(()) };
        let shared = &self.0.shared;
        let blocks = shared.blocks.load();
        if blocks.has(principal) {
            return Err(Denial::blocked());
        }
        // The clock is read only where somebody wants to know.
        if self.0.max_age.is_some() && self.0.refuses(self.0.age(&blocks)) {
            return Err(Denial::overloaded(None, RETRY_AFTER).because(Reason::RosterUnavailable));
        }
        if shared.tally.count(principal, server, shared.clock.unix()) {
            let _ = self.0.orders.send(Order::Full);
        }
        Ok(())
    }

    /// Notices when `caller` is blocked, for answers that take long.
    #[must_use]
    pub fn watch(&self, caller: &Caller) -> Option<Watch> {
        let Caller::Verified(principal) = caller else { return None };
        Some(Watch::new(Arc::clone(&self.0.shared), Arc::clone(principal)))
    }

    /// Whether `principal` is blocked, as far as is known here.
    #[must_use]
    pub fn is_blocked(&self, principal: &Principal) -> bool {
        self.0.shared.blocks.load().has(principal)
    }

    /// Blocks a person, known or not. When this returns, it is in force here and in the store; other replicas
    /// notice when they next look there.
    ///
    /// # Errors
    /// The store refuses, or does not answer. What it has changed all the same takes force when it is next read.
    pub async fn block(&self, block: Block) -> io::Result<()> {
        self.change(move |store| store.block(&block)).await
    }

    /// Lifts a block. Whether there was one.
    ///
    /// # Errors
    /// The store refuses, or does not answer. What it has changed all the same takes force when it is next read.
    pub async fn unblock(&self, id: PersonId) -> io::Result<bool> {
        self.change(move |store| store.unblock(&id)).await
    }

    /// Who is blocked, as the store says now.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn blocks(&self) -> io::Result<Vec<Block>> {
        self.call(|worker| worker.ask(Asked::Other, |store| store.blocks())).await
    }

    /// What is known of a person, with what was seen until now.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn person(&self, id: PersonId) -> io::Result<Option<Person>> {
        self.after_flush(move |store| store.person(&id)).await
    }

    /// The `limit` people that follow `after`, with what was seen until now.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn people(&self, after: Option<PersonId>, limit: usize) -> io::Result<Vec<Person>> {
        self.after_flush(move |store| store.people(after.as_ref(), limit)).await
    }

    /// Who was seen since `since` and is not on the list of an identity provider: see [`stale`](crate::stale).
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn stale(&self, list: UserList, since: Duration) -> io::Result<Vec<Person>> {
        self.after_flush(move |store| crate::stale(store, &list, since)).await
    }

    /// Removes all that is known of a person, except a block. Whether there was anything.
    ///
    /// # Errors
    /// The store refuses.
    pub async fn forget(&self, id: PersonId) -> io::Result<bool> {
        self.after_flush(move |store| store.forget(&id)).await
    }

    /// Removes all that is known of people who were last seen before `before`, except blocks. How many they
    /// were.
    ///
    /// # Errors
    /// The store refuses.
    pub async fn prune(&self, before: Duration) -> io::Result<u64> {
        self.after_flush(move |store| store.prune(before)).await
    }

    /// Stores what was seen until now.
    ///
    /// # Errors
    /// The store refuses; the sightings wait and are tried again.
    pub async fn flush(&self) -> io::Result<()> {
        self.call(Worker::flush).await
    }

    /// Calls `hook` as [`RosterBuilder::on_event`] does, from now on.
    pub fn listen(&self, hook: impl Fn(&RosterEvent) + Send + Sync + 'static) {
        let order = Order::Call(Box::new(move |worker| worker.hooks.add(hook)));
        // A thread that has ended has no more events.
        let _ = self.0.orders.send(order);
    }

    /// How the roster is doing.
    #[must_use]
    pub fn status(&self) -> RosterStatus {
        let shared = &self.0.shared;
        let blocks = shared.blocks.load();
        let age = self.0.age(&blocks);
        RosterStatus {
            failing: shared.failing.load(Ordering::Relaxed) || age > self.0.overdue,
            refusing: self.0.refuses(age),
            blocks_age: age,
            blocked: blocks.list.len(),
            lost: shared.lost.load(Ordering::Relaxed) + shared.tally.missed(),
        }
    }

    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut dyn RosterStore) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        self.call(move |worker| {
            let changed = worker.ask(Asked::Other, change)?;
            worker.poll()?;
            Ok(changed)
        })
        .await
    }

    async fn after_flush<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut dyn RosterStore) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        self.call(move |worker| {
            worker.flush()?;
            worker.ask(Asked::Other, call)
        })
        .await
    }

    async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Worker) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let gone = || io::Error::other("the roster's thread has ended");
        let (answer, answered) = oneshot::channel();
        let order = Order::Call(Box::new(move |worker| drop(answer.send(call(worker)))));
        self.0.orders.send(order).map_err(|_| gone())?;
        answered.await.unwrap_or_else(|_| Err(gone()))
    }
}

impl Inner {
    /// How long ago the store said this.
    fn age(&self, blocks: &Blocks) -> Duration {
        self.shared.timer.instant().saturating_duration_since(blocks.read)
    }

    /// Whether a list of blocks of this age lets nobody in.
    fn refuses(&self, age: Duration) -> bool {
        self.max_age.is_some_and(|max_age| age > max_age)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let _ = self.orders.send(Order::End);
        let ended = self.ended.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ = ended.recv_timeout(END);
    }
}

impl fmt::Debug for Roster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Roster").field(&self.status()).finish()
    }
}

/// Everyone that `store` knows, a page at a time.
pub(crate) fn everyone(
    store: &mut dyn RosterStore,
    mut each: impl FnMut(Person),
) -> io::Result<()> {
    let mut after: Option<PersonId> = None;
    loop {
        let page = store.people(after.as_ref(), PAGE)?;
        let full = page.len() == PAGE;
        after = page.last().map(|person| person.id.clone());
        page.into_iter().for_each(&mut each);
        if !full {
            return Ok(());
        }
    }
}
