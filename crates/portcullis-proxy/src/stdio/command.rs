//! How a child is started.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::geteuid;
use tokio::process::{Child, Command};

use super::config::{Config, Directory, Variable};
use super::person::Person;

/// The most bytes of a variable that is read from a file.
const MAX_VARIABLE: u64 = 64 * 1024;

/// A process, and what must not be said of it.
pub(super) struct Started {
    pub(super) process: Child,
    pub(super) secrets: Vec<String>,
}

/// Starts a child for this person, in a process group of its own, with an environment in which there is
/// nothing of ours.
pub(super) fn start(config: &Config, person: &Person) -> io::Result<Started> {
    let mut command = match &config.limits {
        None => Command::new(&config.program),
        Some((program, limits)) => {
            let mut command = Command::new(program);
            command.args(limits).arg("--").arg(&config.program);
            command
        }
    };
    command.args(&config.args).env_clear();
    let mut secrets = Vec::new();
    for (name, value) in &config.env {
        let value = match value {
            Variable::Fixed(value) => value.clone(),
            Variable::File(file) => {
                let value = read(file)?;
                secrets.push(value.to_string_lossy().into_owned());
                value
            }
        };
        command.env(name, value);
    }
    command.current_dir(match &config.directory {
        Directory::Shared(directory) => directory.clone(),
        Directory::PerPerson(base) => private(base.join(person.directory()))?,
    });
    let stderr = if config.log_stderr { Stdio::piped() } else { Stdio::null() };
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
    command.process_group(0).kill_on_drop(true);
    Ok(Started { process: command.spawn()?, secrets })
}

/// The directory, which is ours alone.
fn private(directory: PathBuf) -> io::Result<PathBuf> {
    match DirBuilder::new().mode(0o700).create(&directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // Not `metadata`: a link leads to somebody else's.
    let found = fs::symlink_metadata(&directory)?;
    if found.is_dir() && found.uid() == geteuid().as_raw() && found.mode() & 0o077 == 0 {
        Ok(directory)
    } else {
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "the directory is not ours alone"))
    }
}

fn read(file: &Path) -> io::Result<OsString> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    if file.metadata()?.len() > MAX_VARIABLE {
        return Err(invalid("the file of a variable is too large"));
    }
    let mut bytes = fs::read(file)?;
    while matches!(bytes.last(), Some(b'\n' | b'\r')) {
        bytes.pop();
    }
    let value = OsString::from_vec(bytes);
    if value.as_bytes().contains(&0) {
        return Err(invalid("the file of a variable contains a zero byte"));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_directory_is_used_only_when_it_is_ours_alone() {
        let base = tempfile::tempdir().unwrap();
        let own = private(base.path().join("own")).unwrap();
        assert_eq!(own.metadata().unwrap().mode() & 0o777, 0o700);
        assert!(private(own.clone()).is_ok(), "again");

        symlink(&own, base.path().join("link")).unwrap();
        assert!(private(base.path().join("link")).is_err(), "a link");
        fs::write(base.path().join("file"), "").unwrap();
        assert!(private(base.path().join("file")).is_err(), "a file");
        fs::set_permissions(&own, fs::Permissions::from_mode(0o750)).unwrap();
        assert!(private(own).is_err(), "open to a group");
    }

    #[test]
    fn values_from_files() {
        let base = tempfile::tempdir().unwrap();
        let file = base.path().join("key");
        fs::write(&file, "a secret \n\r\n").unwrap();
        assert_eq!(read(&file).unwrap(), "a secret ");
        fs::write(&file, "a\0b").unwrap();
        assert!(read(&file).is_err());
        fs::write(&file, vec![b'x'; MAX_VARIABLE as usize + 1]).unwrap();
        assert!(read(&file).is_err());
    }
}
