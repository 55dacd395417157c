//! Whether a file is still the same.

use std::fs::Metadata;
use std::path::Path;
use std::time::Duration;

use portcullis_core::Clock;

/// What changes when a file's content does, links followed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Stamp {
    length: u64,
    /// Since the Unix epoch.
    modified: Duration,
    identity: Identity,
}

impl Stamp {
    /// `None` where there is no such file.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok()?;
        let modified = found.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(Self { length: found.len(), modified, identity: identity(&found) })
    }

    pub(super) fn is_older_than(&self, age: Duration, clock: &Clock) -> bool {
        clock.unix().saturating_sub(self.modified) > age
    }
}

/// Device, number, and time of the last change of either, which no program can set.
#[cfg(unix)]
type Identity = (u64, u64, i64, i64);

#[cfg(unix)]
fn identity(found: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt as _;
    (found.dev(), found.ino(), found.ctime(), found.ctime_nsec())
}

#[cfg(not(unix))]
type Identity = ();

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Identity {}
