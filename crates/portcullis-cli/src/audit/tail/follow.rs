//! Files that are read as they grow, under whatever name.

use std::fs::{File, Metadata};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use super::{Shower, Shown};
use crate::audit::read::{self, Lines};
use crate::input;

/// How many looks a file gets that no name leads to any more: its writer may still be at its last records.
const LAST_LOOKS: u32 = 50;

/// A file that is read as it grows.
pub(super) struct Open {
    pub(super) lines: Lines<BufReader<File>>,
    identity: Identity,
    /// How often it was looked at since no name leads to it.
    nameless: u32,
}

impl Open {
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let identity = Identity::of(&file.metadata()?);
        Ok(Self { lines: Lines::new(BufReader::new(file)), identity, nameless: 0 })
    }
}

/// What tells a file from another that has taken its name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Identity(u64, u64);

impl Identity {
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self(metadata.dev(), metadata.ino())
    }

    #[cfg(not(unix))]
    fn of(metadata: &Metadata) -> Self {
        let created = metadata.created().ok();
        let since =
            created.and_then(|at| at.duration_since(std::time::SystemTime::UNIX_EPOCH).ok());
        Self(0, since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// The files that are followed.
pub(super) struct Followed<'a> {
    pub(super) paths: &'a [PathBuf],
    pub(super) files: Vec<Open>,
}

impl Followed<'_> {
    /// Shows what was written since the last look, in files that have changed their names or are
    /// new as well.
    pub(super) fn look(
        &mut self,
        shower: &mut Shower<'_>,
        write: &mut impl FnMut(&str) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut written = Ok(());
        for open in &mut self.files {
            let mut show = |shown: Shown| {
                if written.is_ok() {
                    written = write(&shown.text());
                }
            };
            // What cannot be read now may be readable at the next look.
            let _ = open.lines.rewind_if_cut();
            let _ = shower.through(&mut open.lines, &mut show);
        }
        written?;
        let mut named = Vec::new();
        for path in self.current() {
            let Ok(metadata) = std::fs::metadata(&path) else { continue };
            let identity = Identity::of(&metadata);
            named.push(identity);
            if !self.files.iter().any(|open| open.identity == identity) {
                self.files.extend(Open::new(&path).ok());
            }
        }
        self.files.retain_mut(|open| {
            open.nameless = if named.contains(&open.identity) { 0 } else { open.nameless + 1 };
            open.nameless < LAST_LOOKS
        });
        Ok(())
    }

    fn current(&self) -> Vec<PathBuf> {
        let files = self.paths.iter().flat_map(|path| {
            if path.is_dir() {
                read::in_folder(path).unwrap_or_default()
            } else {
                vec![path.clone()]
            }
        });
        files.filter(|path| !input::is_stdin(path)).collect()
    }
}
