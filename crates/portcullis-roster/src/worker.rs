//! The thread that a store belongs to.

use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use portcullis_core::Clock;

use crate::blocks::Blocks;
use crate::event::Hooks;
use crate::person::Kept;
use crate::tally::Tally;
use crate::{Block, Person, PersonId, RosterEvent, RosterStore};

/// How long the end may take: what is not stored by then is lost.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What requests and the thread share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) tally: Tally,
    pub(crate) blocks: ArcSwap<Blocks>,
    /// The version of `blocks`, for those who look often.
    pub(crate) version: AtomicU64,
    /// Whether the store fails at anything.
    pub(crate) failing: AtomicBool,
    /// Requests whose sighting was given up.
    pub(crate) lost: AtomicU64,
    /// Of the records.
    pub(crate) clock: Clock,
    /// For waits and ages, which pass in real time.
    pub(crate) timer: Clock,
}

/// Something to do with the store.
pub(crate) enum Order {
    /// A call, and its answer.
    Call(Box<dyn FnOnce(&mut Worker) + Send>),
    /// The people are many: tell the store now.
    Full,
    /// The roster is dropped.
    End,
}

/// What the store was asked for.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Asked {
    /// Who is blocked, when it is time to.
    Blocks,
    /// To take sightings.
    Record,
    /// What somebody called for.
    Other,
}

/// What the store last failed at.
#[derive(Default, Eq, PartialEq)]
pub(crate) struct Failing {
    blocks: bool,
    record: bool,
    other: bool,
}

pub(crate) struct Worker {
    pub(crate) store: Box<dyn RosterStore>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) kept: Kept,
    pub(crate) hooks: Hooks,
    pub(crate) capacity: usize,
    pub(crate) poll_every: Duration,
    pub(crate) flush_every: Duration,
    /// Seen, and not stored yet.
    pub(crate) waiting: HashMap<PersonId, Person>,
    pub(crate) next_poll: Instant,
    pub(crate) next_flush: Instant,
    pub(crate) failing: Failing,
}

impl Drop for Worker {
    fn drop(&mut self) {
        // However the thread ended: nobody reads the list any more.
        self.shared.failing.store(true, Ordering::Relaxed);
    }
}

impl Worker {
    pub(crate) fn run(mut self, orders: &Receiver<Order>) {
        loop {
            let now = self.shared.timer.instant();
            let wait = self.next_poll.min(self.next_flush).saturating_duration_since(now);
            match orders.recv_timeout(wait) {
                Ok(Order::Call(call)) => call(&mut self),
                Ok(Order::Full) => drop(self.flush()),
                Ok(Order::End) | Err(RecvTimeoutError::Disconnected) => {
                    return self.end();
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            // First, for a store that takes no sightings may take long to say so.
            if self.shared.timer.instant() >= self.next_poll {
                let _ = self.poll();
            }
            if self.shared.timer.instant() >= self.next_flush {
                let _ = self.flush();
            }
        }
    }

    fn end(mut self) {
        let deadline = self.shared.timer.instant() + LAST_WORDS;
        while self.flush().is_err() && self.shared.timer.instant() < deadline {
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Reads who is blocked.
    pub(crate) fn poll(&mut self) -> io::Result<()> {
        let list = self.ask(Asked::Blocks, |store| store.blocks());
        let read = self.shared.timer.instant();
        self.next_poll = read + self.poll_every;
        let list = list?;
        let before = self.shared.blocks.load_full();
        let changed = before.list != list;
        let version = before.version + u64::from(changed);
        self.shared.blocks.store(Arc::new(Blocks::new(list, read, version)));
        self.shared.version.store(version, Ordering::Release);
        if changed {
            self.tell_difference(&before.list);
        }
        Ok(())
    }

    fn tell_difference(&self, before: &[Block]) {
        let now = self.shared.blocks.load();
        for block in &now.list {
            if !before.contains(block) {
                self.hooks.tell(&RosterEvent::Blocked(block.clone()));
            }
        }
        for block in before {
            if !now.list.iter().any(|other| other.id == block.id) {
                self.hooks.tell(&RosterEvent::Unblocked(block.id.clone()));
            }
        }
    }

    /// Tells the store who was seen. What it does not take waits, up to the capacity.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.next_flush = self.shared.timer.instant() + self.flush_every;
        for seen in self.shared.tally.take(&self.kept) {
            if let Some(person) = self.waiting.get_mut(&seen.id) {
                person.merge(&seen);
            } else if self.waiting.len() < self.capacity {
                self.waiting.insert(seen.id.clone(), seen);
            } else {
                self.shared.lost.fetch_add(seen.requests, Ordering::Relaxed);
            }
        }
        if self.waiting.is_empty() {
            return Ok(());
        }
        let seen: Vec<Person> = self.waiting.values().cloned().collect();
        let stored = self.ask(Asked::Record, |store| store.record(&seen));
        self.next_flush = self.shared.timer.instant() + self.flush_every;
        stored?;
        self.waiting.clear();
        Ok(())
    }

    /// Asks the store. One that panics has failed, and is asked again as any other.
    pub(crate) fn ask<T>(
        &mut self,
        asked: Asked,
        question: impl FnOnce(&mut dyn RosterStore) -> io::Result<T>,
    ) -> io::Result<T> {
        let store = self.store.as_mut();
        let answer = catch_unwind(AssertUnwindSafe(|| question(store)))
            .unwrap_or_else(|_| Err(io::Error::other("the roster's store panicked")));
        self.heard(asked, answer)
    }

    /// Notes whether the store works. What fails goes on failing until the same works again: a list that can
    /// be read says nothing of sightings that cannot be stored.
    fn heard<T>(&mut self, asked: Asked, answer: io::Result<T>) -> io::Result<T> {
        match asked {
            Asked::Blocks => self.failing.blocks = answer.is_err(),
            Asked::Record => self.failing.record = answer.is_err(),
            Asked::Other => {}
        }
        // Nobody may ask for the rest again, so that any answer will do.
        self.failing.other = asked == Asked::Other && answer.is_err();
        let failing = self.failing != Failing::default();
        let failed = self.shared.failing.swap(failing, Ordering::Relaxed);
        match &answer {
            Err(error) if !failed => {
                tracing::error!(target: "portcullis", error = ?error.kind(), "roster store failed");
                self.hooks.tell(&RosterEvent::StoreFailed(error.kind()));
            }
            Ok(_) if failed && !failing => {
                tracing::info!(target: "portcullis", "roster store works again");
                self.hooks.tell(&RosterEvent::StoreRecovered);
            }
            _ => {}
        }
        answer
    }
}
