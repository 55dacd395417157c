//! Settings of a [`FileSink`].

use std::cell::RefCell;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use portcullis_core::Clock;

use crate::error::{ConfigError, ConfigErrorKind};
use crate::{Chaining, FileSink};

/// When the disk itself must have what was written. Whatever it says, records that are acknowledged
/// survive the end of the process: the operating system has them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SyncPolicy {
    /// When the operating system sees fit. A loss of power may cost the last half minute.
    Never,
    /// Once in this time. A loss of power may cost that much.
    Interval(Duration),
    /// After each group of records, and before anyone is told that a decision is on record. A loss of
    /// power costs no call that ran. Adds the disk's own delay to every `tools/call`.
    EachGroup,
}

/// Builds a [`FileSink`]; made by [`FileSink::builder`].
#[must_use = "a builder does nothing until `open`"]
pub struct FileSinkBuilder {
    settings: Settings,
    clock: Clock,
}

pub(crate) struct Settings {
    pub(crate) path: PathBuf,
    pub(crate) chaining: Taken,
    pub(crate) max_bytes: Option<u64>,
    pub(crate) max_age: Option<Duration>,
    pub(crate) sync: SyncPolicy,
    pub(crate) mode: u32,
}

/// Settings that move to where they are used.
pub(crate) struct Taken(RefCell<Option<Chaining>>);

impl Taken {
    pub(crate) fn take(&self) -> Chaining {
        self.0.take().unwrap_or_else(Chaining::unsigned)
    }
}

impl FileSinkBuilder {
    pub(crate) fn new(path: PathBuf) -> Self {
        let settings = Settings {
            path,
            chaining: Taken(RefCell::new(None)),
            max_bytes: Some(256 << 20),
            max_age: None,
            sync: SyncPolicy::Interval(Duration::from_secs(1)),
            mode: 0o600,
        };
        Self { settings, clock: Clock::system() }
    }

    /// Sets how lines are chained; [`Chaining::unsigned`] by default.
    pub fn chaining(mut self, chaining: Chaining) -> Self {
        self.settings.chaining = Taken(RefCell::new(Some(chaining)));
        self
    }

    /// Begins another file once this one has so many bytes; 256 MiB by default. A group of records is
    /// never split, so a file may be a little larger.
    pub fn rotate_at(mut self, bytes: u64) -> Self {
        self.settings.max_bytes = Some(bytes);
        self
    }

    /// Begins another file once the oldest record of this one is so old; by default only size counts.
    pub fn rotate_every(mut self, time: Duration) -> Self {
        self.settings.max_age = Some(time);
        self
    }

    /// Sets when the disk itself must have what was written; once a second by default.
    pub fn sync(mut self, policy: SyncPolicy) -> Self {
        self.settings.sync = policy;
        self
    }

    /// Lets the group read new files (mode 0640), for a program that ships them. Only on Unix; by
    /// default their owner alone may (0600).
    pub fn group_may_read(mut self) -> Self {
        self.settings.mode = 0o640;
        self
    }

    /// Sets the clock of the chain's own records; the system's by default.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Opens the file, which is created if it does not exist, and begins a chain in it.
    ///
    /// A file that holds lines without a chain is renamed first, as if it were full.
    ///
    /// # Errors
    /// The file cannot be opened or written, is no regular file, or another sink has it; the message
    /// names the path. A limit is zero.
    pub fn open(self) -> Result<FileSink, ConfigError> {
        let zero = self.settings.max_bytes == Some(0)
            || self.settings.max_age.is_some_and(|time| time.is_zero());
        if zero {
            let message = "the limit of an audit file must not be zero";
            return Err(ConfigError::new(ConfigErrorKind::Setting, message));
        }
        FileSink::open(self.settings, self.clock)
    }
}

// By hand: the chain's signer shows nothing of use.
impl fmt::Debug for FileSinkBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSinkBuilder")
            .field("path", &self.settings.path)
            .field("sync", &self.settings.sync)
            .finish_non_exhaustive()
    }
}
