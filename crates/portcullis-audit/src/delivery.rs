//! What a sink's slowness or failure means for requests.

use crate::Format;

/// What happens to requests when a sink has no room for their records, or fails.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Delivery {
    /// A request whose decision must be on record (`tools/call` by default; see
    /// [`fail_closed_for`](crate::AuditLayerBuilder::fail_closed_for)) waits until this sink wrote and
    /// flushed it, and is refused with 503 if it cannot. Other records are dropped when there is no
    /// room, counted, and reported by a `gap` record.
    #[default]
    FailClosed,
    /// A request waits, before it runs, until there is room for its decision; it does not wait for
    /// the sink to write it. Records that no request waits for (refusals, outcomes) have as much
    /// room again as the queue, and are dropped and counted beyond that. A sink that stands still
    /// makes requests stand still; one that fails loses records, which are counted and reported.
    /// At most 16 384 requests wait (or as many as the queue has room for, if that is more); further
    /// ones are refused with 503. The decision of a request whose client went away while it waited
    /// counts as lost when others need the room: what it allowed never ran.
    Block,
    /// Nobody waits. Records are dropped when there is no room or the sink fails, counted, and
    /// reported by a `gap` record.
    DropAndCount,
}

/// How one sink is served; see [`AuditLayerBuilder::sink_with`](crate::AuditLayerBuilder::sink_with).
#[derive(Clone, Debug, Default)]
#[must_use = "options do nothing until a sink has them"]
pub struct SinkOptions {
    pub(crate) delivery: Delivery,
    pub(crate) capacity: Option<usize>,
    pub(crate) format: Format,
}

impl SinkOptions {
    /// What [`AuditLayerBuilder::sink`](crate::AuditLayerBuilder::sink) uses: it fails closed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what its slowness or failure means for requests.
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// Sets the form of the lines that this sink gets; [`Format::Json`] by default.
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Sets how many records this sink may be behind; the layer's
    /// [`capacity`](crate::AuditLayerBuilder::capacity) by default.
    pub fn capacity(mut self, records: usize) -> Self {
        self.capacity = Some(records);
        self
    }
}
