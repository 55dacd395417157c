//! A chain in front of any sink.

use std::{fmt, io};

use portcullis_core::Clock;

use crate::chain::Chain;
use crate::chain::record::Occasion;
use crate::chain::settings::Chaining;
use crate::{ConfigError, Record, Sink};

/// Chains the lines that go to another sink, for places that are not files: a stream, a collector.
///
/// Every start of the process is a chain of its own. What the inner sink loses is missing from the
/// chain, and found: when a write or a flush fails, a new chain begins, so that one loss does not
/// spoil what follows. [`FileSink`](crate::FileSink) does better: it knows what it wrote.
pub struct ChainedSink<S> {
    inner: S,
    chain: Chain,
    line: Vec<u8>,
    started: bool,
}

impl<S: Sink> ChainedSink<S> {
    /// Chains what goes to `inner`.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn new(inner: S, chaining: Chaining) -> Result<Self, ConfigError> {
        let chain = Chain::new(chaining, Clock::system())?;
        Ok(Self { inner, chain, line: Vec::new(), started: false })
    }

    /// Hands on the line at hand. After a failure nobody knows what the inner sink has.
    fn hand_on(&mut self, record: &Record) -> io::Result<()> {
        let written = self.inner.write(record, &self.line);
        self.line.clear();
        self.started &= written.is_ok();
        written
    }

    fn checkpoint(&mut self, occasion: Occasion) -> io::Result<()> {
        self.line.clear();
        match self.chain.checkpoint(occasion, &mut self.line)? {
            Some(record) => self.hand_on(&record),
            None => Ok(()),
        }
    }

    fn start(&mut self) -> io::Result<()> {
        self.line.clear();
        let record = self.chain.start(None, 0, &mut self.line)?;
        self.started = true;
        self.hand_on(&record)?;
        self.checkpoint(Occasion::Start)
    }
}

impl<S: Sink> Sink for ChainedSink<S> {
    fn write(&mut self, record: &Record, line: &[u8]) -> io::Result<()> {
        if !self.started {
            self.start()?;
        }
        self.line.clear();
        self.chain.link(line, &mut self.line)?;
        self.hand_on(record)?;
        match self.chain.due() {
            Some(occasion) => self.checkpoint(occasion),
            None => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.inner.flush();
        match &flushed {
            Ok(()) => self.chain.tell(),
            Err(_) => self.started = false,
        }
        flushed
    }

    fn tick(&mut self) -> io::Result<()> {
        if let Some(occasion) = self.chain.due().filter(|_| self.started) {
            self.checkpoint(occasion)?;
            self.flush()?;
        }
        self.inner.tick()
    }

    fn close(&mut self) -> io::Result<()> {
        if self.started && !self.chain.has_ended() {
            self.checkpoint(Occasion::Shutdown)?;
            self.flush()?;
        }
        self.inner.close()
    }

    fn chains(&self) -> bool {
        true
    }
}

impl<S: fmt::Debug> fmt::Debug for ChainedSink<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainedSink").field("inner", &self.inner).finish_non_exhaustive()
    }
}
