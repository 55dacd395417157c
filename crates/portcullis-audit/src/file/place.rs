//! Where files lie and what they are called.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::file::tail::{self, Tail};

/// A file that is written, and its names when it is set aside.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
    folder: PathBuf,
    stem: String,
    /// With its dot, or empty.
    extension: String,
    mode: u32,
}

impl Place {
    pub(crate) fn new(path: &Path, mode: u32) -> io::Result<Self> {
        let text = |part: &OsStr| part.to_str().map(str::to_owned);
        let unusable = || io::Error::new(io::ErrorKind::InvalidFilename, "not a file name");
        let stem = path.file_stem().and_then(text).ok_or_else(unusable)?;
        let extension = match path.extension() {
            Some(extension) => format!(".{}", text(extension).ok_or_else(unusable)?),
            None => String::new(),
        };
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        Ok(Self { path: path.to_owned(), folder, stem, extension, mode })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the lock that keeps other writers away as long as the result lives.
    pub(crate) fn lock(&self) -> io::Result<File> {
        let mut path = OsString::from(&self.path);
        path.push(".lock");
        let lock = self.options().create(true).write(true).open(path)?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(cause)) => Err(cause),
        }
    }

    /// How the last file ends: the one at the path, or, if that holds nothing, the newest one that
    /// was set aside. A file without a chain is set aside first.
    pub(crate) fn tail(&self) -> io::Result<Tail> {
        let tail = match fs::symlink_metadata(&self.path) {
            Ok(metadata) if metadata.is_file() => tail::read(&self.path)?,
            Ok(_) => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
            }
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Tail::default(),
            Err(cause) => return Err(cause),
        };
        if tail.left.is_some() {
            return Ok(tail);
        }
        let kept = if tail.foreign {
            self.set_aside()?;
            Tail::default()
        } else {
            tail
        };
        // A crash between the renaming of one file and the first record of the next.
        let newest = self.set_aside_so_far()?.into_iter().max();
        let left = match newest {
            Some(index) => tail::read(&self.name(index))?.left,
            None => None,
        };
        Ok(Tail { left, ..kept })
    }

    pub(crate) fn open(&self, tail: &Tail) -> io::Result<File> {
        let mut options = self.options();
        // Only what was looked at is appended to.
        let file = options.append(true).create(tail.length == 0).open(&self.path)?;
        if file.metadata()?.len() == tail.length {
            return Ok(file);
        }
        Err(io::Error::other("the file changes while it is opened"))
    }

    pub(crate) fn create(&self) -> io::Result<File> {
        self.options().append(true).create_new(true).open(&self.path)
    }

    /// Renames the file to the next name that is free.
    pub(crate) fn set_aside(&self) -> io::Result<()> {
        let last = self.set_aside_so_far()?.into_iter().max().unwrap_or(0);
        let next = self.name(last.saturating_add(1));
        if fs::symlink_metadata(&next).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        fs::rename(&self.path, next)
    }

    /// Makes the disk know the names of files.
    pub(crate) fn sync_folder(&self) -> io::Result<()> {
        // Windows has no such thing, and does not open folders.
        if cfg!(unix) { File::open(&self.folder)?.sync_all() } else { Ok(()) }
    }

    fn name(&self, index: u64) -> PathBuf {
        self.folder.join(format!("{}.{index:06}{}", self.stem, self.extension))
    }

    fn set_aside_so_far(&self) -> io::Result<Vec<u64>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let index = name.to_str().and_then(|name| {
                let rest = name.strip_prefix(&self.stem)?.strip_prefix('.')?;
                rest.strip_suffix(&self.extension)
            });
            found.extend(
                index.filter(|digits| is_index(digits)).and_then(|it| it.parse::<u64>().ok()),
            );
        }
        Ok(found)
    }

    fn options(&self) -> OpenOptions {
        let mut options = OpenOptions::new();
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, self.mode);
        #[cfg(not(unix))]
        let _ = self.mode;
        options.clone()
    }
}

fn is_index(digits: &str) -> bool {
    digits.len() >= 6 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether both are the same file.
#[cfg(unix)]
pub(crate) fn same_file(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Whether both are the same file: elsewhere an open file cannot be moved away unseen.
#[cfg(not(unix))]
pub(crate) fn same_file(_: &Metadata, _: &Metadata) -> bool {
    true
}
