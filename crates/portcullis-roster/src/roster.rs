//! The roster, as an application holds it.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use portcullis_core::{Caller, Clock, Denial, Principal, Reason};
use tokio::sync::oneshot;

use crate::blocks::Blocks;
use crate::event::Hooks;
use crate::person::Kept;
use crate::tally::Tally;
use crate::worker::{Asked, Failing, Order, Shared, Worker};
use crate::{
    Block, ConfigError, Person, PersonId, RosterEvent, RosterLayer, RosterStore, UserList, Watch,
};

/// How long the store may take to say who is blocked before anyone is let in.
const START: Duration = Duration::from_secs(30);
/// How long the drop of the last handle waits for the store.
const END: Duration = Duration::from_secs(6);
/// How many people are read at once.
const PAGE: usize = 1000;
/// After how many of the intervals at which it is read the list of blocks is overdue.
const OVERDUE: u32 = 5;
/// What a caller is told to wait for when the list of blocks is too old.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// A roster: who was seen, and who is blocked. Cheap to clone; all clones are one roster.
///
/// Its store has a thread of its own. Dropping the last clone, and every layer and service, stores what was
/// seen; that may take some seconds.
#[derive(Clone)]
pub struct Roster(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    orders: Sender<Order>,
    ended: std::sync::Mutex<Receiver<()>>,
    max_age: Option<Duration>,
    overdue: Duration,
}

/// Builds a [`Roster`]; made by [`Roster::builder`].
#[must_use = "a builder does nothing until `build`"]
pub struct RosterBuilder {
    store: Box<dyn RosterStore>,
    poll_every: Duration,
    flush_every: Duration,
    capacity: usize,
    kept: Kept,
    hooks: Hooks,
    max_age: Option<Duration>,
    clock: Clock,
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
        RosterBuilder {
            store: Box::new(store),
            poll_every: Duration::from_secs(2),
            flush_every: Duration::from_secs(10),
            capacity: 10_000,
            kept: Kept::default(),
            hooks: Hooks::default(),
            max_age: None,
            clock: Clock::system(),
        }
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

impl RosterBuilder {
    /// How often the store is asked who is blocked, and so how late a block that another replica was told of
    /// takes force here: every 2 seconds by default, between 100 milliseconds and 1 minute. A call to the store that
    /// is under way when the time comes is waited for.
    pub fn poll_every(mut self, time: Duration) -> Self {
        self.poll_every = time;
        self
    }

    /// How often the store is told who was seen: every 10 seconds by default, between 100 milliseconds and 1
    /// hour. A crash loses what was seen since.
    pub fn flush_every(mut self, time: Duration) -> Self {
        self.flush_every = time;
        self
    }

    /// How many people may be seen between two of those times, which bounds memory: 10 000 by default.
    pub fn capacity(mut self, people: usize) -> Self {
        self.capacity = people;
        self
    }

    /// Also keeps a display name: the text of this claim, such as `name`. Not by default.
    pub fn name_claim(mut self, claim: impl Into<String>) -> Self {
        self.kept.name = Some(claim.into());
        self
    }

    /// Also keeps an e-mail address: the text of this claim, such as `email`. Not by default.
    pub fn email_claim(mut self, claim: impl Into<String>) -> Self {
        self.kept.email = Some(claim.into());
        self
    }

    /// Keeps neither groups nor roles.
    pub fn without_groups(mut self) -> Self {
        self.kept.no_groups = true;
        self
    }

    /// Refuses everybody who has signed in with 503 while the list of blocks is older than `age`: the store has
    /// not answered for that long. By default the last list stays in force, however old: an outage of the store is
    /// then none of the server, and a block that is ordered meanwhile takes force when it ends.
    pub fn refuse_when_older_than(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Calls `hook` when someone is blocked or let in again, and when the store fails or works again. It runs on the
    /// roster's thread and must return soon. One that panics is logged, and called again the next time.
    pub fn on_event(mut self, hook: impl Fn(&RosterEvent) + Send + Sync + 'static) -> Self {
        self.hooks.add(hook);
        self
    }

    /// Takes the time of sightings from `clock`.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Starts the roster. Waits until the store has said who is blocked, 30 seconds at most: nobody is let in
    /// before that is known.
    ///
    /// # Errors
    /// The store does not say who is blocked, a setting cannot be honoured, or the system gives no thread.
    pub fn build(self) -> Result<Roster, ConfigError> {
        self.check()?;
        let timer = Clock::system();
        let now = timer.instant();
        let shared = Arc::new(Shared {
            tally: Tally::new(self.capacity),
            blocks: ArcSwap::from_pointee(Blocks::new(Vec::new(), now, 0)),
            version: AtomicU64::new(0),
            failing: AtomicBool::new(false),
            lost: AtomicU64::new(0),
            clock: self.clock,
            timer,
        });
        let mut worker = Worker {
            store: self.store,
            shared: Arc::clone(&shared),
            kept: self.kept,
            hooks: self.hooks,
            capacity: self.capacity,
            poll_every: self.poll_every,
            flush_every: self.flush_every,
            waiting: std::collections::HashMap::new(),
            next_poll: now,
            next_flush: now + self.flush_every,
            failing: Failing::default(),
        };
        let (orders, received) = channel();
        let (start, started) = channel();
        let (end, ended) = channel();
        thread::Builder::new()
            .name("portcullis-roster".into())
            .spawn(move || {
                let known = worker.poll();
                let go_on = known.is_ok();
                if start.send(known).is_ok() && go_on {
                    worker.run(&received);
                }
                drop(end);
            })
            .map_err(|cause| ConfigError::with("cannot start the roster's thread", cause))?;
        match started.recv_timeout(START) {
            Ok(Ok(())) => {}
            Ok(Err(cause)) => {
                return Err(ConfigError::with("the roster cannot be read", cause));
            }
            Err(_) => return Err(ConfigError::new("the roster's store does not answer")),
        }
        let ended = std::sync::Mutex::new(ended);
        let overdue = self.poll_every.saturating_mul(OVERDUE);
        Ok(Roster(Arc::new(Inner { shared, orders, ended, max_age: self.max_age, overdue })))
    }

    fn check(&self) -> Result<(), ConfigError> {
        let (soon, minute) = (Duration::from_millis(100), Duration::from_secs(60));
        let fault = if !(soon..=minute).contains(&self.poll_every) {
            "a roster asks who is blocked between every 100 milliseconds and every minute"
        } else if !(soon..=Duration::from_secs(3600)).contains(&self.flush_every) {
            "a roster stores who was seen between every 100 milliseconds and every hour"
        } else if !(1..=10_000_000).contains(&self.capacity) {
            "the capacity of a roster is between 1 and 10 000 000 people"
        } else if self.max_age.is_some_and(|age| age < self.poll_every.saturating_mul(2)) {
            "a list of blocks may become as old as two times the interval at which it is read"
        } else {
            return Ok(());
        };
        Err(ConfigError::new(fault))
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

impl fmt::Debug for RosterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RosterBuilder")
            .field("poll_every", &self.poll_every)
            .field("flush_every", &self.flush_every)
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}
