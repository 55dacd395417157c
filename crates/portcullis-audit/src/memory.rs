//! Records in memory, for tests.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::{fmt, io};

use crate::{Record, Sink};

/// Keeps every record in memory. For tests: it grows without limit.
///
/// Clones share what they keep: give one to the layer and ask the other.
#[derive(Clone, Default)]
pub struct MemorySink(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    records: Vec<Record>,
    lines: Vec<String>,
    taken: usize,
    failing: bool,
    wakers: Vec<Waker>,
}

impl MemorySink {
    /// An empty sink.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every record so far.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.kept().records.clone()
    }

    /// The JSON line of every record so far, without the newline.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.kept().lines.clone()
    }

    /// Waits for the first record that no call of this method, on any clone, has returned yet.
    pub async fn next(&self) -> Record {
        poll_fn(|cx| {
            let mut kept = self.kept();
            let Some(record) = kept.records.get(kept.taken).cloned() else {
                kept.wakers.push(cx.waker().clone());
                return Poll::Pending;
            };
            kept.taken += 1;
            Poll::Ready(record)
        })
        .await
    }

    /// From now on refuses records, as a full disk would, or takes them again.
    pub fn fail(&self, failing: bool) {
        self.kept().failing = failing;
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for MemorySink {
    fn write(&mut self, record: &Record, line: &[u8]) -> io::Result<()> {
        let wakers = {
            let mut kept = self.kept();
            if kept.failing {
                return Err(io::Error::other("told to fail"));
            }
            kept.records.push(record.clone());
            kept.lines.push(String::from_utf8_lossy(line).trim_end_matches('\n').to_owned());
            std::mem::take(&mut kept.wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for MemorySink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySink").field("records", &self.kept().records.len()).finish()
    }
}
