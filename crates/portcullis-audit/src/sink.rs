//! Where records go.

use std::io;

use crate::Record;

/// Where records go. Each sink runs on a thread of its own, so it may block.
///
/// A sink that blocks for long fills its queue; what happens then is for its
/// [`Delivery`](crate::Delivery) to say.
pub trait Sink: Send + 'static {
    /// Takes one record. `line` is its encoded form: one line, newline included. It may be kept back
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

    /// Does what is due by time alone. Called about four times a second, between groups of records,
    /// so nothing is taken and not flushed.
    ///
    /// # Errors
    /// They are reported; no record counts as lost.
    fn tick(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Ends the sink: everything was written and flushed, and no record follows. Not called when
    /// the process is killed.
    ///
    /// # Errors
    /// They are reported; no record counts as lost.
    fn close(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Whether lines get members from this sink that chain them together. Only lines of JSON can.
    fn chains(&self) -> bool {
        false
    }
}

impl<S: Sink + ?Sized> Sink for Box<S> {
    fn write(&mut self, record: &Record, line: &[u8]) -> io::Result<()> {
        (**self).write(record, line)
    }

    fn flush(&mut self) -> io::Result<()> {
        (**self).flush()
    }

    fn tick(&mut self) -> io::Result<()> {
        (**self).tick()
    }

    fn close(&mut self) -> io::Result<()> {
        (**self).close()
    }

    fn chains(&self) -> bool {
        (**self).chains()
    }
}
