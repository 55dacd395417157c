//! The way from requests to a sink's thread.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence};

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use portcullis_core::{Clock, Receipt, ReceiptSender};

use crate::error::{ConfigError, ConfigErrorKind};
use crate::id::Ids;
use crate::writer::Writer;
use crate::{Delivery, Record, Sink, SinkOptions, SinkStatus};

/// A record on its way, and who waits for it.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) record: Arc<Record>,
    pub(crate) ticket: Option<Ticket>,
}

/// One sink's part in the receipt for a record; dropped without a word, it says "not recorded".
#[derive(Debug)]
pub(crate) struct Ticket(Arc<Pledge>);

#[derive(Debug)]
struct Pledge {
    missing: AtomicUsize,
    failed: AtomicBool,
    sender: Mutex<Option<ReceiptSender>>,
}

impl Ticket {
    /// As many tickets as there are sinks, and the receipt that says whether all of them wrote.
    pub(crate) fn pool(sinks: usize) -> (impl FnMut() -> Self, Receipt) {
        let (sender, receipt) = Receipt::pair();
        let pledge = Arc::new(Pledge {
            missing: AtomicUsize::new(sinks),
            failed: AtomicBool::new(false),
            sender: Mutex::new(Some(sender)),
        });
        (move || Self(Arc::clone(&pledge)), receipt)
    }

    /// Whether anybody still waits.
    fn is_awaited(&self) -> bool {
        let sender = self.0.sender.lock().unwrap_or_else(PoisonError::into_inner);
        sender.as_ref().is_some_and(ReceiptSender::is_awaited)
    }

    /// Says whether this sink wrote the record.
    pub(crate) fn settle(self, written: bool) {
        if !written {
            self.0.failed.store(true, Ordering::Relaxed);
        }
        // AcqRel: the last one to settle sees what the others stored.
        if self.0.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
            let sender = self.0.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(sender) = sender {
                sender.send(!self.0.failed.load(Ordering::Relaxed));
            }
        }
    }
}

/// How many requests wait for room at most, where the queue itself is not larger.
const WAITING_MAX: usize = 16_384;

/// The writer is at work, or will look at the queue before it sleeps.
const AWAKE: u8 = 0;
/// The writer looks at the queue again within a millisecond: worth a wake-up only to those who wait.
const NAPPING: u8 = 1;
/// There was nothing to do for a while, and the writer sleeps.
const ASLEEP: u8 = 2;

/// What there was no room for, of a sink whose requests wait for room.
#[derive(Debug, Default)]
struct Overflow {
    /// Whether there is any: the next record must not overtake it.
    any: AtomicBool,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    items: VecDeque<Item>,
    /// How many came since those were taken out whose request has gone away.
    came: usize,
}

impl Waiting {
    /// Takes out the records of requests that went away while they waited: what they were allowed to
    /// do never ran. How many there were.
    fn forget_the_gone(&mut self, capacity: usize) -> usize {
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

/// Where a record ended up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pushed {
    Queued,
    Dropped,
    /// Its ticket is settled once there is room.
    Waiting,
    /// Too many wait already.
    Refused,
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
    overflow: Overflow,
    /// Records in the queue.
    queued: AtomicU64,
    /// Whether the last record that was tried could not be written.
    pub(crate) failing: AtomicBool,
    control: Mutex<Control>,
    ended: Condvar,
    pub(crate) clock: Clock,
    pub(crate) ids: Arc<Ids>,
}

#[derive(Debug, Default)]
struct Control {
    flushes: Vec<ReceiptSender>,
    ended: bool,
}

impl Shared {
    fn control(&self) -> MutexGuard<'_, Control> {
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

    fn wake(&self, writer: &Thread, urgent: bool) {
        fence(Ordering::SeqCst);
        let state = self.state.load(Ordering::Relaxed);
        let needed = state == ASLEEP || (urgent && state == NAPPING);
        if needed && self.state.swap(AWAKE, Ordering::Relaxed) != AWAKE {
            writer.unpark();
        }
    }
}

/// A sink, its thread, and the bounded queue to it.
#[derive(Debug)]
pub(crate) struct Queue {
    sender: Option<SyncSender<Item>>,
    thread: JoinHandle<()>,
    shared: Arc<Shared>,
    delivery: Delivery,
    capacity: usize,
}

impl Queue {
    pub(crate) fn start(
        name: usize,
        sink: Box<dyn Sink>,
        options: &SinkOptions,
        capacity: usize,
        clock: Clock,
        ids: Arc<Ids>,
    ) -> Result<Self, ConfigError> {
        let (sender, receiver): (_, Receiver<Item>) = sync_channel(capacity);
        let shared = Arc::new(Shared {
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
        });
        let writer = Writer::new(sink, receiver, Arc::clone(&shared), capacity, options.format);
        let thread = thread::Builder::new()
            .name(format!("portcullis-audit-{name}"))
            .spawn(move || writer.run())
            .map_err(|cause| {
                let message = "cannot start the audit writer";
                ConfigError::from_io(ConfigErrorKind::Thread, message, cause)
            })?;
        let delivery = options.delivery;
        Ok(Self { sender: Some(sender), thread, shared, delivery, capacity })
    }

    pub(crate) fn delivery(&self) -> Delivery {
        self.delivery
    }

    /// Queues a record without waiting.
    pub(crate) fn push(&self, item: Item) -> Pushed {
        let urgent = item.ticket.is_some();
        match self.try_push(item, urgent) {
            Ok(()) => Pushed::Queued,
            Err(Some(item)) if self.delivery == Delivery::Block => self.overflow(item),
            Err(_) => {
                self.shared.lose(1);
                Pushed::Dropped
            }
        }
    }

    /// Queues a record whose request waits if there is no room.
    pub(crate) fn push_or_wait(&self, record: Arc<Record>, ticket: Ticket) -> Pushed {
        match self.try_push(Item { record, ticket: None }, false) {
            Ok(()) => {
                ticket.settle(true);
                Pushed::Queued
            }
            Err(Some(item)) => self.overflow(Item { record: item.record, ticket: Some(ticket) }),
            Err(None) => {
                self.shared.lose(1);
                ticket.settle(true);
                Pushed::Dropped
            }
        }
    }

    /// Queues a record if there is room and nothing waits for some. The error holds it unless there
    /// is no writer any more.
    fn try_push(&self, item: Item, urgent: bool) -> Result<(), Option<Item>> {
        let overflow = &self.shared.overflow;
        if self.delivery == Delivery::Block && overflow.any.load(Ordering::Acquire) {
            return Err(Some(item));
        }
        let sender = self.sender.as_ref().ok_or(None)?;
        // Before the record is there to be taken, so that the count is never below zero.
        self.shared.queued.fetch_add(1, Ordering::Relaxed);
        let error = match sender.try_send(item) {
            Ok(()) => {
                self.shared.wake(self.thread.thread(), urgent);
                return Ok(());
            }
            Err(TrySendError::Full(item)) => Some(item),
            Err(TrySendError::Disconnected(_)) => None,
        };
        self.shared.taken();
        Err(error)
    }

    /// Keeps a record until there is room. Those that a request waits for are as many as there are
    /// requests, up to a limit; the others have as much room as the queue.
    fn overflow(&self, item: Item) -> Pushed {
        let waits = item.ticket.is_some();
        {
            let overflow = &self.shared.overflow;
            let mut waiting = overflow.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let gone = waiting.forget_the_gone(self.capacity);
            if gone > 0 {
                self.shared.lose(gone as u64);
                self.shared.queued.fetch_sub(gone as u64, Ordering::Relaxed);
            }
            let room = if waits { self.capacity.max(WAITING_MAX) } else { self.capacity };
            let ended = self.shared.control().ended;
            if ended || waiting.items.len() >= room {
                drop(waiting);
                self.shared.lose(1);
                if waits && !ended {
                    return Pushed::Refused;
                }
                item.ticket.into_iter().for_each(|ticket| ticket.settle(true));
                return Pushed::Dropped;
            }
            self.shared.queued.fetch_add(1, Ordering::Relaxed);
            waiting.items.push_back(item);
            overflow.any.store(true, Ordering::Release);
        }
        self.shared.wake(self.thread.thread(), true);
        if waits { Pushed::Waiting } else { Pushed::Queued }
    }

    /// Counts an unauthenticated failure that is not recorded.
    pub(crate) fn suppress(&self) {
        self.shared.suppressed.fetch_add(1, Ordering::Relaxed);
    }

    /// Asks for a flush of everything queued so far.
    pub(crate) fn flush(&self) -> Receipt {
        let (sender, receipt) = Receipt::pair();
        {
            let mut control = self.shared.control();
            if !control.ended {
                control.flushes.push(sender);
            }
        }
        self.shared.wake(self.thread.thread(), true);
        receipt
    }

    pub(crate) fn status(&self) -> SinkStatus {
        SinkStatus {
            delivery: self.delivery,
            queued: self.shared.queued.load(Ordering::Relaxed),
            capacity: u64::try_from(self.capacity).unwrap_or(u64::MAX),
            lost: self.lost(),
            failing: self.shared.failing.load(Ordering::Relaxed),
            ended: self.shared.control().ended,
        }
    }

    pub(crate) fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// Tells the writer to finish what is queued and to end.
    pub(crate) fn close(&mut self) {
        self.sender = None;
        self.thread.thread().unpark();
    }

    /// Waits until the writer has ended, but not past `deadline`. Whether it has.
    pub(crate) fn wait(&self, clock: &Clock, deadline: Instant) -> bool {
        if thread::current().id() == self.thread.thread().id() {
            return true; // The sink itself held the last handle: nobody else can do its work.
        }
        let mut control = self.shared.control();
        while !control.ended {
            let left = deadline.saturating_duration_since(clock.instant());
            if left.is_zero() {
                return false;
            }
            control = self
                .shared
                .ended
                .wait_timeout(control, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }
}
