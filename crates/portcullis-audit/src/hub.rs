//! What all requests share: settings, and the way to every sink.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use portcullis_core::{Acknowledgement, Clock, McpMessage, Method, Receipt};

use crate::copied::Budget;
use crate::elevation::Elevations;
use crate::id::Ids;
use crate::queue::{Item, Pushed, Queue, Ticket};
use crate::record::Private;
use crate::sample::Bucket;
use crate::site::Site;
use crate::{Delivery, Event, EventKind, Record, SinkStatus};

/// Finds the caller's address.
pub(crate) type Peer = Arc<dyn Fn(&Parts) -> Option<IpAddr> + Send + Sync>;

/// Which decisions must be on record before anything runs.
#[derive(Clone, Debug)]
pub(crate) enum Required {
    Nothing,
    Methods(Vec<Method>),
    Everything,
}

impl Required {
    pub(crate) fn covers(&self, message: &McpMessage) -> bool {
        match (self, message) {
            (Self::Nothing, _) => false,
            (Self::Everything, _) => true,
            (Self::Methods(methods), McpMessage::Request(request)) => {
                methods.contains(&request.method())
            }
            (Self::Methods(methods), McpMessage::Batch(elements)) => {
                !methods.is_empty() && elements.iter().any(|element| self.covers(element))
            }
            (Self::Methods(_), _) => false,
        }
    }
}

pub(crate) struct Hub {
    pub(crate) clock: Clock,
    pub(crate) ids: Arc<Ids>,
    pub(crate) site: Arc<Site>,
    pub(crate) peer: Option<Peer>,
    pub(crate) filtered_names: bool,
    pub(crate) required: Required,
    pub(crate) transport: &'static str,
    pub(crate) private: Arc<Private>,
    pub(crate) budget: Budget,
    pub(crate) elevations: Elevations,
    pub(crate) lifecycle: bool,
    pub(crate) bucket: Bucket,
    pub(crate) patience: Duration,
    pub(crate) queues: Vec<Queue>,
}

impl Hub {
    /// Queues a record; without room it is dropped and counted.
    pub(crate) fn offer(&self, record: Record) {
        let record = Arc::new(record);
        for queue in &self.queues {
            queue.push(Item { record: Arc::clone(&record), ticket: None });
        }
    }

    /// Queues an event.
    pub(crate) fn event(&self, mut event: Event) {
        event.at = self.clock.unix();
        event.event_id = self.ids.at(event.at);
        event.site.get_or_insert_with(|| Arc::clone(&self.site));
        self.offer(Record::Event(event));
    }

    /// Queues the record of a decision, before what it allows runs. Where it must be written first,
    /// sinks that fail closed hold it up; those that block always do, until there is room.
    pub(crate) fn submit(&self, record: Record, must: bool) -> Acknowledgement {
        let waits = |queue: &&Queue| match queue.delivery() {
            Delivery::FailClosed => must,
            Delivery::Block => true,
            Delivery::DropAndCount => false,
        };
        let tickets = self.queues.iter().filter(waits).count();
        if tickets == 0 {
            self.offer(record);
            return Acknowledgement::Recorded;
        }
        let record = Arc::new(record);
        let (mut ticket, receipt) = Ticket::pool(tickets);
        let (mut refused, mut pending) = (false, false);
        for queue in &self.queues {
            let record = Arc::clone(&record);
            if !waits(&queue) {
                queue.push(Item { record, ticket: None });
                continue;
            }
            let ticket = ticket();
            if queue.delivery() == Delivery::FailClosed {
                pending = true;
                refused |= queue.push(Item { record, ticket: Some(ticket) }) == Pushed::Dropped;
            } else {
                match queue.push_or_wait(record, ticket) {
                    Pushed::Waiting => pending = true,
                    Pushed::Refused => refused = true,
                    Pushed::Queued | Pushed::Dropped => {}
                }
            }
        }
        match (refused, pending) {
            (true, _) => Acknowledgement::Refused,
            (false, true) => Acknowledgement::Pending(receipt),
            (false, false) => Acknowledgement::Recorded,
        }
    }

    /// Whether to record one more unauthenticated failure. If not, it is counted.
    pub(crate) fn sample(&self) -> bool {
        let recorded = self.bucket.take(self.clock.instant());
        if !recorded {
            self.queues.iter().for_each(Queue::suppress);
        }
        recorded
    }

    pub(crate) fn flush(&self) -> Vec<Receipt> {
        self.queues.iter().map(Queue::flush).collect()
    }

    pub(crate) fn status(&self) -> Vec<SinkStatus> {
        self.queues.iter().map(Queue::status).collect()
    }

    pub(crate) fn lost(&self) -> u64 {
        self.queues.iter().map(Queue::lost).sum()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if self.lifecycle {
            self.event(Event::new(EventKind::Stopped));
        }
        self.queues.iter_mut().for_each(Queue::close);
        let clock = Clock::system();
        let deadline = clock.instant() + self.patience;
        let ended = self.queues.iter().filter(|queue| queue.wait(&clock, deadline)).count();
        if ended < self.queues.len() {
            tracing::error!(target: "portcullis", "an audit sink did not finish in time");
        }
    }
}

// By hand: the peer source is a closure.
impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("site", &self.site)
            .field("required", &self.required)
            .field("sinks", &self.queues.len())
            .finish_non_exhaustive()
    }
}
