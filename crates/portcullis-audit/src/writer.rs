//! The thread that feeds one sink.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use portcullis_core::Clock;

use crate::queue::{Item, Shared, Ticket};
use crate::record::{Gap, Suppressed};
use crate::time::Rfc3339;
use crate::watch::Watch;
use crate::{Event, EventKind, Format, Record, Sink};

/// How many records share one flush at most.
const GROUP: usize = 256;
/// How often the writer looks at the queue while there is traffic. Polling spares requests the cost
/// of waking a thread, which is a hundred times that of queueing a record.
const NAP: Duration = Duration::from_millis(1);
/// How many naps in vain make the writer fall asleep.
const NAPS: u32 = 50;
/// How long it sleeps at most: counters are reported even when no record comes to wake it.
const SLEEP: Duration = Duration::from_millis(250);
/// How far apart the times are at which a sink may do what is due by time alone.
const TICK: Duration = Duration::from_millis(250);
/// How far apart summaries are, and attempts to write one.
const SUMMARY: Duration = Duration::from_secs(1);
/// How far apart error messages about a failing sink are.
const ALARM: Duration = Duration::from_secs(10);

pub(crate) struct Writer {
    sink: Box<dyn Sink>,
    receiver: Receiver<Item>,
    shared: Arc<Shared>,
    capacity: usize,
    format: Format,
    /// For waits, which pass in real time whatever clock the records have.
    timer: Clock,
    line: Vec<u8>,
    /// Handed to the sink since the last flush.
    unflushed: u64,
    tickets: Vec<Ticket>,
    /// Whether anything failed since somebody asked.
    failed: bool,
    summarized: Option<Instant>,
    alarmed: Option<Instant>,
    ticked: Option<Instant>,
    watch: Watch,
}

/// What a look at the queue found.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Found {
    Nothing,
    Work,
    End,
}

impl Writer {
    pub(crate) fn new(
        sink: Box<dyn Sink>,
        receiver: Receiver<Item>,
        shared: Arc<Shared>,
        capacity: usize,
        format: Format,
    ) -> Self {
        Self {
            sink,
            receiver,
            shared,
            capacity,
            format,
            timer: Clock::system(),
            line: Vec::with_capacity(1024),
            unflushed: 0,
            tickets: Vec::with_capacity(GROUP),
            failed: false,
            summarized: None,
            alarmed: None,
            ticked: None,
            watch: Watch::default(),
        }
    }

    /// Writes until every sender is gone and the queue is empty.
    pub(crate) fn run(self) {
        // Also when the sink panics: nobody may wait for a writer that is gone.
        let _end = End(Arc::clone(&self.shared));
        let mut writer = self; // Dropped before `_end` speaks, and the sink with it.
        let shared = Arc::clone(&writer.shared);
        let mut in_vain = 0;
        loop {
            // Before the queue, so that a flush covers everything queued before it was asked for.
            let flushes = shared.take_flushes();
            writer.failed = false;
            let found = writer.drain();
            writer.summarize(!flushes.is_empty() || found == Found::End);
            for flush in flushes {
                flush.send(!writer.failed);
            }
            match found {
                Found::End => return writer.close(),
                Found::Work => in_vain = 0,
                Found::Nothing => in_vain = (in_vain + 1).min(NAPS),
            }
            writer.tick();
            let asleep = in_vain == NAPS;
            shared.sleep(asleep, if asleep { SLEEP } else { NAP }, || writer.peek());
        }
    }

    /// Lets the sink do what is due by time alone.
    fn tick(&mut self) {
        let now = self.timer.instant();
        if self.ticked.is_some_and(|at| now.saturating_duration_since(at) < TICK) {
            return;
        }
        self.ticked = Some(now);
        self.watch_clock();
        if let Err(cause) = self.sink.tick() {
            self.alarm(&cause);
        }
    }

    /// Reports that the wall clock moved against the monotonic one.
    fn watch_clock(&mut self) {
        let clock = &self.shared.clock;
        let Some(jump) = self.watch.look(clock.unix(), clock.instant()) else { return };
        let millis = u64::try_from(jump.moved().as_millis()).unwrap_or(u64::MAX);
        let mut event = Event::new(EventKind::ClockJumped)
            .from(Rfc3339(jump.expected).to_string())
            .to(Rfc3339(jump.found).to_string())
            .count(millis);
        event.at = jump.found;
        event.event_id = self.shared.ids.at(jump.found);
        tracing::warn!(target: "portcullis", millis, "the clock jumped");
        self.write_now(&Record::Event(event));
    }

    fn close(&mut self) {
        if let Err(cause) = self.sink.close() {
            self.alarm(&cause);
        }
    }

    /// Takes what is there, if anything; it is written at once and flushed in the next round.
    fn peek(&mut self) -> bool {
        let item = self.receiver.try_recv();
        match item {
            Ok(item) => self.write(item),
            Err(TryRecvError::Empty) => return false,
            Err(TryRecvError::Disconnected) => {}
        }
        true
    }

    fn drain(&mut self) -> Found {
        let mut found = if self.unflushed > 0 { Found::Work } else { Found::Nothing };
        // Not more than the queue holds: those who wait for a flush must not wait for newcomers.
        for _ in 0..=self.capacity {
            match self.receiver.try_recv() {
                Ok(item) => self.write(item),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.drain_overflow();
                    self.commit();
                    return Found::End;
                }
            }
            found = Found::Work;
            if self.unflushed >= GROUP as u64 {
                self.commit();
            }
        }
        if self.drain_overflow() {
            found = Found::Work;
        }
        self.commit();
        found
    }

    /// Writes what there was no room for in the queue. Whether there was any.
    fn drain_overflow(&mut self) -> bool {
        let items = self.shared.take_overflow();
        let any = !items.is_empty();
        for item in items {
            self.write(item);
            if self.unflushed >= GROUP as u64 {
                self.commit();
            }
        }
        any
    }

    fn write(&mut self, item: Item) {
        self.shared.taken();
        match self.hand_over(&item.record) {
            Ok(()) => {
                self.unflushed += 1;
                self.tickets.extend(item.ticket);
            }
            Err(cause) => {
                self.fail(1, &cause);
                item.ticket.into_iter().for_each(|ticket| ticket.settle(false));
            }
        }
    }

    fn hand_over(&mut self, record: &Record) -> io::Result<()> {
        self.line.clear();
        self.format.encode(record, &mut self.line)?;
        self.sink.write(record, &self.line)
    }

    /// Flushes, then tells those who wait.
    fn commit(&mut self) {
        if self.unflushed == 0 {
            return;
        }
        let flushed = self.sink.flush();
        if let Err(cause) = &flushed {
            self.fail(self.unflushed, cause);
        }
        self.shared.failing.store(flushed.is_err(), Ordering::Relaxed);
        self.unflushed = 0;
        for ticket in self.tickets.drain(..) {
            ticket.settle(flushed.is_ok());
        }
    }

    fn fail(&mut self, records: u64, cause: &io::Error) {
        self.shared.failing.store(true, Ordering::Relaxed);
        self.shared.lose(records);
        self.alarm(cause);
    }

    /// Says, not too often, that the sink fails: the kind of the error, never its text.
    fn alarm(&mut self, cause: &io::Error) {
        self.failed = true;
        let now = self.timer.instant();
        if self.alarmed.is_some_and(|at| now.saturating_duration_since(at) < ALARM) {
            return;
        }
        self.alarmed = Some(now);
        let lost = self.shared.lost.load(Ordering::Relaxed);
        tracing::error!(target: "portcullis", error = ?cause.kind(), lost, "audit sink failed");
    }

    /// Reports what was counted instead of recorded.
    fn summarize(&mut self, at_once: bool) {
        let nothing = self.shared.dropped.load(Ordering::Relaxed) == 0
            && self.shared.suppressed.load(Ordering::Relaxed) == 0;
        if nothing {
            return;
        }
        let now = self.timer.instant();
        let due = self.summarized.is_none_or(|at| now.saturating_duration_since(at) >= SUMMARY);
        if !due && !at_once {
            return;
        }
        self.summarized = Some(now);
        let shared = Arc::clone(&self.shared);
        let since = shared.dropped_since();
        let dropped = shared.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            tracing::error!(target: "portcullis", dropped, "audit records are missing");
            let (at, event_id) = (shared.clock.unix(), shared.ids.next(&shared.clock));
            let since = Some(since);
            if !self.write_now(&Record::Gap(Gap { at, event_id, since, dropped })) {
                shared.dropped.fetch_add(dropped, Ordering::Relaxed);
            }
        }
        let count = shared.suppressed.swap(0, Ordering::Relaxed);
        if count > 0 {
            let (at, event_id) = (shared.clock.unix(), shared.ids.next(&shared.clock));
            if !self.write_now(&Record::Suppressed(Suppressed { at, event_id, count })) {
                shared.suppressed.fetch_add(count, Ordering::Relaxed);
            }
        }
    }

    /// Writes a summary. A failure loses nothing: the count stays for the next attempt.
    fn write_now(&mut self, record: &Record) -> bool {
        let written = self.hand_over(record).and_then(|()| self.sink.flush());
        self.shared.failing.store(written.is_err(), Ordering::Relaxed);
        if let Err(cause) = &written {
            self.alarm(cause);
        }
        written.is_ok()
    }
}

struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.end();
    }
}
