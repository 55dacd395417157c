//! Where records go.

use std::io;

use crate::Record;

/// Where records go. Each sink runs on a thread of its own, so it may block.
///
/// A sink that blocks for long fills its queue: from then on, decisions that must be on record are
/// refused, and other records are dropped, counted, and reported by a [`Gap`](crate::Gap).
pub trait Sink: Send + 'static {
    /// Takes one record. `line` is its JSON form: one line, newline included. It may be kept back
    /// until [`flush`](Self::flush).
    ///
    /// # Errors
    /// The record counts as lost. The records after it are tried all the same.
    fn write(&mut self, record: &Record, line: &[u8]) -> io::Result<()>;

    /// Puts what was taken where it survives the end of this process. Called after every group of
    /// records, and before anyone is told that a decision is on record.
    ///
    /// # Errors
    /// Every record since the last successful flush counts as lost.
    fn flush(&mut self) -> io::Result<()>;
}
