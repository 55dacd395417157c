//! What is asked of an open file.

use std::fs::{File, Metadata};
use std::io::{self, Write as _};

/// What is asked of an open file; tests have disks that fail.
pub(crate) trait Disk: Send {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    fn cut(&mut self, length: u64) -> io::Result<()>;
    fn sync(&mut self) -> io::Result<()>;
    fn metadata(&self) -> io::Result<Metadata>;
}

impl Disk for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        // Somebody else may have cut it shorter: to lengthen it would fill it with zeros.
        if self.metadata()?.len() < length {
            return Err(io::Error::other("the file is shorter than what was written to it"));
        }
        self.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn metadata(&self) -> io::Result<Metadata> {
        File::metadata(self)
    }
}
