//! A file that is rotated, chained and survives its writer.

use std::fs::File;
use std::io;
use std::time::{Duration, Instant};
use std::{fmt, mem};

use portcullis_core::Clock;

use crate::chain::record::Occasion;
use crate::chain::{Chain, Head};
use crate::error::{ConfigError, ConfigErrorKind};
use crate::{Record, Sink};

mod disk;
pub(crate) mod place;
mod rotate;
pub(crate) mod settings;
pub(crate) mod tail;

use disk::Disk;
use place::Place;
use settings::{FileSinkBuilder, Settings, SyncPolicy};
use tail::Tail;

/// How much is kept back at most, in bytes.
const BUFFER: usize = 256 * 1024;

/// How long to wait after a file could not be set aside.
const RETRY: Duration = Duration::from_secs(5);

/// Writes records as chained JSON lines to a file that it rotates.
///
/// ```
/// use portcullis_audit::{Chaining, FileSink, SigningKey};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("audit.jsonl");
/// # let key_file = folder.path().join("audit-key.json");
/// # std::fs::write(&key_file, r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#)?;
/// let sink = FileSink::builder(path)
///     .chaining(Chaining::signed(SigningKey::open(key_file)?))
///     .rotate_at(64 << 20) // bytes
///     .open()?;
/// # Ok(())
/// # }
/// ```
///
/// # Files
/// The file keeps its name while it is written. A full one is renamed: `audit.jsonl` becomes
/// `audit.000001.jsonl`, and so on; nothing is ever deleted. A file `audit.jsonl.lock` beside it
/// keeps a second process from writing to it: give each process a file of its own, and any number of
/// them may share a folder. On Unix new files are readable and writable by their owner alone. Let no
/// other program rotate or truncate the file. If one moves it away all the same, the chain goes on in
/// a new file.
///
/// # Crashes
/// A record counts as written when the operating system has it, and as safe from a loss of power when
/// [`SyncPolicy`] says so. When the process is killed, at worst the last line is not finished. The next
/// start leaves it, ends it with a newline, and begins a new chain: its first record says which chain
/// it continues, where, whether that ended in order, and how many bytes before it are no record.
///
/// When the disk is full, the part of a group that was written is cut off again and all of it counts
/// as lost: calls that wait for it are refused, and a `gap` record follows once there is room. After
/// any other failure the file is opened anew and read to its end, as after a crash.
pub struct FileSink {
    settings: Settings,
    place: Place,
    clock: Clock,
    chain: Chain,
    file: Box<dyn Disk>,
    // Held, not read: the lock ends with it.
    _lock: File,
    buffer: Vec<u8>,
    /// How long the file is, without anything that failed, and where the chain was then.
    length: u64,
    head: Head,
    /// When its oldest record was written.
    began: Duration,
    unsynced: bool,
    synced: Instant,
    /// A record that was taken since the last flush is lost.
    broken: bool,
    /// Nobody knows what the file holds.
    lost_track: bool,
    /// Until when a file that could not be set aside is not tried again.
    rotate_again: Option<Instant>,
    /// Told at the next tick: it cost no record.
    trouble: Option<io::Error>,
}

impl FileSink {
    /// Starts the settings of a sink that writes to `path`, whose folder must exist.
    pub fn builder(path: impl Into<std::path::PathBuf>) -> FileSinkBuilder {
        FileSinkBuilder::new(path.into())
    }

    pub(crate) fn open(settings: Settings, clock: Clock) -> Result<Self, ConfigError> {
        let failed = |cause: io::Error| {
            let message = match cause.kind() {
                io::ErrorKind::WouldBlock => "another writer has the audit file",
                _ => "cannot open the audit file",
            };
            let message = format!("{message} {:?}", settings.path);
            ConfigError::from_io(ConfigErrorKind::File, message, cause)
        };
        let place = Place::new(&settings.path, settings.mode).map_err(failed)?;
        let lock = place.lock().map_err(failed)?;
        let chain = Chain::new(settings.chaining.take(), clock.clone())?;
        let tail = place.tail().map_err(failed)?;
        let file = place.open(&tail).map_err(failed)?;
        let now = clock.unix();
        let mut sink = Self {
            place,
            head: chain.head(),
            chain,
            file: Box::new(file),
            _lock: lock,
            buffer: Vec::new(),
            length: tail.length,
            began: tail.began.unwrap_or(now),
            unsynced: false,
            synced: clock.instant(),
            broken: false,
            lost_track: false,
            rotate_again: None,
            trouble: None,
            settings: Settings { path: settings.path.clone(), ..settings },
            clock,
        };
        sink.begin(&tail).map_err(|cause| {
            let message = format!("cannot write to the audit file {:?}", sink.settings.path);
            ConfigError::from_io(ConfigErrorKind::File, message, cause)
        })?;
        Ok(sink)
    }

    /// Begins a chain behind what is there.
    fn begin(&mut self, tail: &Tail) -> io::Result<()> {
        self.buffer.clear();
        if tail.open {
            self.buffer.push(b'\n');
        }
        let newline = u64::from(tail.open && tail.behind > 0);
        let torn = tail.behind.saturating_add(newline);
        self.chain.start(tail.left.as_ref(), torn, &mut self.buffer)?;
        self.checkpoint(Occasion::Start)?;
        self.drain()?;
        if self.settings.sync != SyncPolicy::Never {
            self.sync()?;
            // A disk that has a file's data need not have its name.
            if tail.length == 0 {
                self.place.sync_folder()?;
            }
        }
        self.chain.tell();
        Ok(())
    }

    fn checkpoint(&mut self, occasion: Occasion) -> io::Result<()> {
        self.chain.checkpoint(occasion, &mut self.buffer).map(|_| ())
    }

    /// Finds out what the file holds, and goes on from there.
    fn recover(&mut self) -> io::Result<()> {
        let tail = self.place.tail()?;
        self.file = Box::new(self.place.open(&tail)?);
        self.length = tail.length;
        self.began = tail.began.unwrap_or(self.clock.unix());
        self.begin(&tail)?;
        self.lost_track = false;
        Ok(())
    }

    /// Writes what was kept back: all of it, or nothing.
    fn drain(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let written = self.file.append(&self.buffer);
        match written {
            Ok(()) => {
                self.length = self.length.saturating_add(self.buffer.len() as u64);
                self.head = self.chain.head();
                self.unsynced = true;
            }
            Err(_) => {
                self.chain.back_to(self.head);
                self.lost_track |= self.file.cut(self.length).is_err();
            }
        }
        self.buffer.clear();
        written
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.unsynced {
            // What a disk holds after a sync that failed, nobody knows.
            self.file.sync().inspect_err(|_| self.lost_track = true)?;
            self.unsynced = false;
        }
        self.synced = self.clock.instant();
        Ok(())
    }

    fn sync_if_due(&mut self) -> io::Result<()> {
        match self.settings.sync {
            SyncPolicy::Never => Ok(()),
            SyncPolicy::EachGroup => self.sync(),
            SyncPolicy::Interval(every) => {
                let waited = self.clock.instant().saturating_duration_since(self.synced);
                if waited >= every { self.sync() } else { Ok(()) }
            }
        }
    }
}

impl Sink for FileSink {
    fn write(&mut self, _: &Record, line: &[u8]) -> io::Result<()> {
        if self.lost_track {
            self.recover()?;
        }
        if self.buffer.len().saturating_add(line.len()) > BUFFER {
            self.drain().inspect_err(|_| self.broken = true)?;
        }
        self.chain.link(line, &mut self.buffer)?;
        match self.chain.due() {
            Some(occasion) => self.checkpoint(occasion),
            None => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let broken = mem::take(&mut self.broken);
        self.drain()?;
        self.sync_if_due()?;
        if broken {
            return Err(io::Error::other("an earlier write failed"));
        }
        self.chain.tell();
        if self.is_full() && !self.lost_track {
            // The records are safe where they are, so this costs none of them.
            if let Err(cause) = self.rotate() {
                self.trouble = Some(cause);
                self.rotate_again = self.clock.instant().checked_add(RETRY);
            }
        }
        Ok(())
    }

    fn tick(&mut self) -> io::Result<()> {
        if let Some(trouble) = self.trouble.take() {
            return Err(trouble);
        }
        if self.lost_track {
            return self.recover();
        }
        if self.was_moved()? {
            tracing::error!(target: "portcullis", "the audit file was moved away");
            self.sync_if_due()?;
            self.next_file()?;
        }
        if let Some(occasion) = self.chain.due() {
            self.checkpoint(occasion)?;
        }
        self.flush()
    }

    fn close(&mut self) -> io::Result<()> {
        if self.lost_track {
            self.recover()?;
        }
        if !self.chain.has_ended() {
            self.checkpoint(Occasion::Shutdown)?;
        }
        self.drain()?;
        if self.settings.sync != SyncPolicy::Never {
            self.sync()?;
        }
        self.chain.tell();
        Ok(())
    }

    fn chains(&self) -> bool {
        true
    }
}

impl fmt::Debug for FileSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSink").field("path", &self.settings.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
