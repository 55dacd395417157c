//! When a file ends, and another goes on.

use std::io;

use super::FileSink;
use super::place::same_file;
use super::settings::SyncPolicy;
use crate::chain::record::Occasion;

impl FileSink {
    pub(super) fn is_full(&mut self) -> bool {
        let now = self.clock.unix();
        // The clock may have gone back since.
        self.began = self.began.min(now);
        let age = now.saturating_sub(self.began);
        if self.rotate_again.is_some_and(|again| self.clock.instant() < again) {
            return false;
        }
        self.settings.max_bytes.is_some_and(|max| self.length >= max)
            || self.settings.max_age.is_some_and(|max| age >= max)
    }

    /// Ends this file and goes on in another. The chain runs through both.
    pub(super) fn rotate(&mut self) -> io::Result<()> {
        self.checkpoint(Occasion::Rotation)?;
        self.drain()?;
        if self.settings.sync != SyncPolicy::Never {
            self.sync()?;
        }
        self.chain.tell();
        self.place.set_aside().and_then(|()| self.next_file())
    }

    pub(super) fn next_file(&mut self) -> io::Result<()> {
        // Until there is a new file, nothing may go to the old one.
        self.lost_track = true;
        self.file = Box::new(self.place.create()?);
        self.lost_track = false;
        self.length = 0;
        self.began = self.clock.unix();
        let resumed = self.chain.resume(&mut self.buffer).and_then(|()| self.drain());
        // Without its first line, a file looks as if somebody had cut it.
        resumed.inspect_err(|_| self.lost_track = true)?;
        if self.settings.sync != SyncPolicy::Never {
            self.place.sync_folder()?;
        }
        Ok(())
    }

    /// Whether the file at the path is another than ours, or none.
    pub(super) fn was_moved(&self) -> io::Result<bool> {
        let ours = self.file.metadata()?;
        match std::fs::symlink_metadata(self.place.path()) {
            Ok(there) => Ok(!same_file(&ours, &there)),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(cause) => Err(cause),
        }
    }
}
