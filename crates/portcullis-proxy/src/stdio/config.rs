//! What was settled when the upstream was built.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

pub(super) struct Config {
    /// In logs.
    pub(super) name: String,
    pub(super) program: PathBuf,
    pub(super) args: Vec<OsString>,
    pub(super) env: Vec<(OsString, Variable)>,
    pub(super) directory: Directory,
    /// What sets limits of the operating system, and how.
    pub(super) limits: Option<(PathBuf, Vec<String>)>,
    pub(super) anonymous: bool,
    pub(super) sessions_only: bool,
    pub(super) log_stderr: bool,
    pub(super) start: Duration,
    pub(super) answer: Duration,
    pub(super) idle: Duration,
    pub(super) lifetime: Duration,
    pub(super) grace: Duration,
    pub(super) per_person: usize,
    pub(super) in_total: usize,
    pub(super) max_message: usize,
}

/// The value of a variable.
#[derive(Clone)]
pub(super) enum Variable {
    Fixed(OsString),
    /// What the file holds when the command is started.
    File(PathBuf),
}

/// Where commands run.
#[derive(Clone, Debug)]
pub(super) enum Directory {
    Shared(PathBuf),
    /// Each person's own, in this one.
    PerPerson(PathBuf),
}
