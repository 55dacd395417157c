//! The way from requests to a sink's thread.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use portcullis_core::{Clock, Receipt};

use crate::error::{ConfigError, ConfigErrorKind};
use crate::id::Ids;
use crate::writer::Writer;
use crate::{Delivery, Record, Sink, SinkOptions, SinkStatus};

mod shared;
mod ticket;

pub(crate) use shared::Shared;
pub(crate) use ticket::Ticket;

/// A record on its way, and who waits for it.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) record: Arc<Record>,
    pub(crate) ticket: Option<Ticket>,
}

/// How many requests wait for room at most, where the queue itself is not larger.
const WAITING_MAX: usize = 16_384;

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
        let shared = Arc::new(Shared::new(clock, ids));
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
