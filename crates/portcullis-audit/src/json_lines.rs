//! Records as JSON lines.

use std::fmt;
use std::io::{self, Write};

use crate::{Record, Sink};

/// How much is kept back at most, in bytes.
const BUFFER: usize = 256 * 1024;

/// Writes each record as one line of JSON.
///
/// A record counts as written when the operating system has it; see [`synced`](Self::synced) for
/// what survives a loss of power. After a failed write the next record starts on a new line, so that
/// one torn line never hides a second record.
pub struct JsonLines<W> {
    writer: W,
    buffer: Vec<u8>,
    torn: bool,
    /// A record that was taken since the last flush is lost.
    broken: bool,
    sync: fn(&mut W) -> io::Result<()>,
}

impl<W: Write + Send + 'static> JsonLines<W> {
    /// Writes to `writer`, for example standard error. It is flushed after every group of records.
    #[must_use]
    pub fn new(writer: W) -> Self {
        Self { writer, buffer: Vec::new(), torn: false, broken: false, sync: |_| Ok(()) }
    }

    fn drain(&mut self) -> io::Result<()> {
        let written = self.try_drain();
        self.buffer.clear();
        self.torn = written.is_err();
        written
    }

    fn try_drain(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        if self.torn {
            self.writer.write_all(b"\n")?;
        }
        self.writer.write_all(&self.buffer)
    }
}

#[cfg(feature = "file")]
impl JsonLines<std::fs::File> {
    /// Appends to the file at `path`, which is created if it does not exist; on Unix only its owner
    /// may read and write it. Its folder must exist.
    ///
    /// # Errors
    /// The file cannot be opened; the message names the path.
    pub fn open(path: impl AsRef<std::path::Path>) -> Result<Self, crate::ConfigError> {
        let path = path.as_ref();
        let mut options = std::fs::OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|cause| {
            let message = format!("cannot open the audit file {path:?}");
            crate::ConfigError::from_io(crate::ConfigErrorKind::File, message, cause)
        })?;
        Ok(Self::new(file))
    }

    /// Also waits until the disk has the records (`fdatasync`), once per group of records, before
    /// anyone is told that a decision is on record. Off by default: it adds the disk's own delay to
    /// every `tools/call`.
    #[must_use]
    pub fn synced(mut self) -> Self {
        self.sync = |file| file.sync_data();
        self
    }
}

impl<W: Write + Send + 'static> Sink for JsonLines<W> {
    fn write(&mut self, _: &Record, line: &[u8]) -> io::Result<()> {
        if self.buffer.len().saturating_add(line.len()) > BUFFER {
            self.drain().inspect_err(|_| self.broken = true)?;
        }
        self.buffer.extend_from_slice(line);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let broken = std::mem::take(&mut self.broken);
        self.drain()?;
        self.writer.flush()?;
        (self.sync)(&mut self.writer)?;
        if broken { Err(io::Error::other("an earlier write failed")) } else { Ok(()) }
    }
}

impl<W> fmt::Debug for JsonLines<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLines").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::record::Gap;

    /// Takes `room` bytes, then fails once.
    #[derive(Clone)]
    struct Full(Arc<Mutex<(Vec<u8>, usize)>>);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut inner = self.0.lock().unwrap();
            if inner.1 == 0 {
                inner.1 = usize::MAX;
                return Err(io::ErrorKind::StorageFull.into());
            }
            let taken = bytes.len().min(inner.1);
            inner.0.extend_from_slice(&bytes[..taken]);
            inner.1 -= taken;
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn record() -> Record {
        let id = crate::id::Ids::new().unwrap().next(&portcullis_core::Clock::manual(0).0);
        Record::Gap(Gap { at: std::time::Duration::ZERO, event_id: id, since: None, dropped: 1 })
    }

    #[test]
    fn a_torn_line_never_hides_the_next_record() {
        let disk = Full(Arc::new(Mutex::new((Vec::new(), 4))));
        let mut sink = JsonLines::new(disk.clone());
        sink.write(&record(), b"{\"first\":1}\n").unwrap();
        sink.flush().unwrap_err();
        sink.write(&record(), b"{\"second\":2}\n").unwrap();
        sink.flush().unwrap();
        sink.write(&record(), b"{\"third\":3}\n").unwrap();
        sink.flush().unwrap();
        let text = String::from_utf8(disk.0.lock().unwrap().0.clone()).unwrap();
        assert_eq!(text, "{\"fi\n{\"second\":2}\n{\"third\":3}\n");
    }

    #[test]
    fn a_flush_admits_what_an_earlier_write_lost() {
        let disk = Full(Arc::new(Mutex::new((Vec::new(), 10))));
        let mut sink = JsonLines::new(disk);
        sink.write(&record(), &vec![b'x'; BUFFER]).unwrap();
        sink.write(&record(), b"y\n").unwrap_err();
        sink.write(&record(), b"z\n").unwrap();
        sink.flush().unwrap_err();
        sink.flush().unwrap();
    }

    #[test]
    fn the_buffer_is_bounded() {
        let disk = Full(Arc::new(Mutex::new((Vec::new(), usize::MAX))));
        let mut sink = JsonLines::new(disk.clone());
        let line = vec![b'x'; 1000];
        for _ in 0..1000 {
            sink.write(&record(), &line).unwrap();
            assert!(sink.buffer.len() <= BUFFER);
        }
        sink.flush().unwrap();
        assert_eq!(disk.0.lock().unwrap().0.len(), 1_000_000);
    }

    #[cfg(all(unix, feature = "file"))]
    #[test]
    fn a_file_is_private_and_appended_to() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        for line in [b"{\"n\":1}\n", b"{\"n\":2}\n"] {
            let mut sink = JsonLines::open(&path).unwrap().synced();
            sink.write(&record(), line).unwrap();
            sink.flush().unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"n\":1}\n{\"n\":2}\n");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[cfg(feature = "file")]
    #[test]
    fn an_error_names_the_path_on_one_line() {
        let error = JsonLines::open("no-such\nfolder/audit.jsonl").unwrap_err();
        let text = error.to_string();
        assert_eq!(text, "cannot open the audit file \"no-such\\nfolder/audit.jsonl\"");
        assert!(std::error::Error::source(&error).is_some());
        assert_eq!(error.kind(), crate::ConfigErrorKind::File);
    }
}
