//! What requests and the writer share besides the queue itself.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use portcullis_core::{Clock, ReceiptSender};

use super::{Item, Ticket};
use crate::id::Ids;

/// The writer is at work, or will look at the queue before it sleeps.
const AWAKE: u8 = 0;
/// The writer looks at the queue again within a millisecond: worth a wake-up only to those who wait.
const NAPPING: u8 = 1;
/// There was nothing to do for a while, and the writer sleeps.
const ASLEEP: u8 = 2;

/// What there was no room for, of a sink whose requests wait for room.
#[derive(Debug, Default)]
pub(super) struct Overflow {
    /// Whether there is any: the next record must not overtake it.
    pub(super) any: AtomicBool,
    pub(super) waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) items: VecDeque<Item>,
    /// How many came since those were taken out whose request has gone away.
    came: usize,
}

impl Waiting {
    /// Takes out the records of requests that went away while they waited: what they were allowed to
    /// do never ran. How many there were.
    pub(super) fn forget_the_gone(&mut self, capacity: usize) -> usize {
        self.came = self.came.saturating_add(1);
        // Not each time, so that a long line costs each newcomer no more than a short one.
        if self.came < capacity.max(self.items.len() / 2) {
            return 0;
        }
        self.came = 0;
        let before = self.items.len();
        self.items.retain(|item| item.ticket.as_ref().is_none_or(Ticket::is_awaited));
        before - self.items.len()
    }
}

/// What requests and the writer share besides the queue itself.
#[derive(Debug)]
pub(crate) struct Shared {
    state: AtomicU8,
    /// Records that the sink does not have and that no gap record reports yet.
    pub(crate) dropped: AtomicU64,
    /// Unauthenticated failures that no record reports yet.
    pub(crate) suppressed: AtomicU64,
    /// When the first of those was lost, in milliseconds since the epoch.
    dropped_since: AtomicU64,
    /// All records this sink never got.
    pub(crate) lost: AtomicU64,
    pub(super) overflow: Overflow,
    /// Records in the queue.
    pub(super) queued: AtomicU64,
    /// Whether the last record that was tried could not be written.
    pub(crate) failing: AtomicBool,
    control: Mutex<Control>,
    pub(super) ended: Condvar,
    pub(crate) clock: Clock,
    pub(crate) ids: Arc<Ids>,
}

#[derive(Debug, Default)]
pub(super) struct Control {
    pub(super) flushes: Vec<ReceiptSender>,
    pub(super) ended: bool,
}

impl Shared {
    pub(super) fn new(clock: Clock, ids: Arc<Ids>) -> Self {
        Self {
            state: AtomicU8::new(AWAKE),
            dropped: AtomicU64::new(0),
            suppressed: AtomicU64::new(0),
            dropped_since: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            overflow: Overflow::default(),
            queued: AtomicU64::new(0),
            failing: AtomicBool::new(false),
            control: Mutex::default(),
            ended: Condvar::new(),
            clock,
            ids,
        }
    }

    pub(super) fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts records that the sink will never have.
    pub(crate) fn lose(&self, records: u64) {
        if self.dropped.fetch_add(records, Ordering::Relaxed) == 0 {
            let millis = u64::try_from(self.clock.unix().as_millis()).unwrap_or(u64::MAX);
            self.dropped_since.store(millis, Ordering::Relaxed);
        }
        self.lost.fetch_add(records, Ordering::Relaxed);
    }

    /// Says that a record has left the queue.
    pub(crate) fn taken(&self) {
        self.queued.fetch_sub(1, Ordering::Relaxed);
    }

    /// When the first of the dropped records was lost.
    pub(crate) fn dropped_since(&self) -> Duration {
        Duration::from_millis(self.dropped_since.load(Ordering::Relaxed))
    }

    /// Takes what there was no room for. Whoever waits for room may go on.
    pub(crate) fn take_overflow(&self) -> VecDeque<Item> {
        if !self.overflow.any.load(Ordering::Acquire) {
            return VecDeque::new();
        }
        let mut items = {
            let mut waiting = self.overflow.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            self.overflow.any.store(false, Ordering::Release);
            std::mem::take(&mut waiting.items)
        };
        for item in &mut items {
            if let Some(ticket) = item.ticket.take() {
                ticket.settle(true);
            }
        }
        items
    }

    /// Who waits for a flush.
    pub(crate) fn take_flushes(&self) -> Vec<ReceiptSender> {
        std::mem::take(&mut self.control().flushes)
    }

    /// Says that no more records will be written, and lets everybody go who waits for one.
    pub(crate) fn end(&self) {
        let flushes = {
            let mut control = self.control();
            control.ended = true;
            std::mem::take(&mut control.flushes)
        };
        // After `ended`, which whoever adds to the overflow looks at.
        let left = {
            let mut waiting = self.overflow.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut waiting.items)
        };
        self.lose(left.len() as u64);
        for ticket in left.into_iter().filter_map(|item| item.ticket) {
            ticket.settle(true); // The sink is gone, not full: nothing to wait for.
        }
        self.ended.notify_all();
        drop(flushes);
    }

    /// Called by the writer before it sleeps for `how_long`; `check` looks for work once more.
    pub(crate) fn sleep(&self, long: bool, how_long: Duration, check: impl FnOnce() -> bool) {
        self.state.store(if long { ASLEEP } else { NAPPING }, Ordering::Relaxed);
        // Pairs with the fence in `wake`: either the requester sees that we sleep, or we see its work.
        fence(Ordering::SeqCst);
        let waiting = self.overflow.any.load(Ordering::Acquire);
        if !check() && !waiting && self.control().flushes.is_empty() {
            thread::park_timeout(how_long);
        }
        self.state.store(AWAKE, Ordering::Relaxed);
    }

    pub(super) fn wake(&self, writer: &Thread, urgent: bool) {
        fence(Ordering::SeqCst);
        let state = self.state.load(Ordering::Relaxed);
        let needed = state == ASLEEP || (urgent && state == NAPPING);
        if needed && self.state.swap(AWAKE, Ordering::Relaxed) != AWAKE {
            writer.unpark();
        }
    }
}
