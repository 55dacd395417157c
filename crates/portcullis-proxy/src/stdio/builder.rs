//! From settings to an upstream.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::config::{Config, Directory, Variable};
use super::pool::Pool;
use crate::{ConfigError, StdioUpstream};

const START: Duration = Duration::from_secs(30);
const ANSWER: Duration = Duration::from_secs(5 * 60);
const IDLE: Duration = Duration::from_secs(30 * 60);
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
const GRACE: Duration = Duration::from_secs(2);
const PER_PERSON: usize = 8;
const IN_TOTAL: usize = 64;
const MAX_MESSAGE: usize = 4 * 1024 * 1024;
/// Where util-linux puts it.
const PRLIMIT: &[&str] = &["/usr/bin/prlimit", "/bin/prlimit"];

/// Settings of a [`StdioUpstream`]; made by [`StdioUpstream::builder`].
#[derive(Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct StdioUpstreamBuilder {
    name: Option<String>,
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, Variable)>,
    directory: Directory,
    limits: Vec<(&'static str, u64)>,
    anonymous: bool,
    sessions_only: bool,
    log_stderr: bool,
    start: Duration,
    answer: Duration,
    idle: Duration,
    lifetime: Duration,
    grace: Duration,
    per_person: usize,
    in_total: usize,
    max_message: usize,
}

impl StdioUpstreamBuilder {
    pub(super) fn new(program: PathBuf) -> Self {
        Self {
            name: None,
            program,
            args: Vec::new(),
            env: Vec::new(),
            directory: Directory::Shared("/".into()),
            limits: Vec::new(),
            anonymous: false,
            sessions_only: false,
            log_stderr: false,
            start: START,
            answer: ANSWER,
            idle: IDLE,
            lifetime: LIFETIME,
            grace: GRACE,
            per_person: PER_PERSON,
            in_total: IN_TOTAL,
            max_message: MAX_MESSAGE,
        }
    }

    /// Names the upstream in logs. By default it is known there by the name of its program.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Adds an argument. No shell reads it.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments. No shell reads them.
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Gives every child this environment variable. Children have only those that are given here, not
    /// even `PATH` or `HOME`: nothing of this process reaches them.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), Variable::Fixed(value.into())));
        self
    }

    /// Gives every child this environment variable with what the file holds when the child is started,
    /// without line breaks at the end. When the file cannot be read, nothing is started.
    pub fn env_file(mut self, name: impl Into<OsString>, file: impl Into<PathBuf>) -> Self {
        self.env.push((name.into(), Variable::File(file.into())));
        self
    }

    /// Where children run; `/` by default.
    pub fn working_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Directory::Shared(directory.into());
        self
    }

    /// Lets the children of each person run in a directory of that person's own in `base`. It is made
    /// when it is not there, with mode 0700, and is named by a hash of issuer, subject and client id.
    /// What is in it stays when children end. When it belongs to another user, or others may look into
    /// it, nothing is started.
    ///
    /// It keeps people's files apart, not people out of files: all children run as the same user.
    pub fn directory_per_person(mut self, base: impl Into<PathBuf>) -> Self {
        self.directory = Directory::PerPerson(base.into());
        self
    }

    /// The most address space of a process, in bytes (`RLIMIT_AS`). Programs in Go, Java and JavaScript
    /// reserve much more of it than they use.
    ///
    /// Limits of this kind need `prlimit` of util-linux in `/usr/bin` or `/bin`. A limit above the one that
    /// this process has itself cannot be set by most users: then no child starts.
    pub fn max_memory(self, bytes: u64) -> Self {
        self.limit("as", bytes)
    }

    /// The most processor time of a process, in whole seconds, rounded up (`RLIMIT_CPU`). See
    /// [`max_memory`](Self::max_memory).
    pub fn max_cpu_time(self, time: Duration) -> Self {
        let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
        self.limit("cpu", seconds)
    }

    /// The most files that a process has open (`RLIMIT_NOFILE`). See [`max_memory`](Self::max_memory).
    pub fn max_open_files(self, files: u64) -> Self {
        self.limit("nofile", files)
    }

    /// The most processes and threads of the user as whom all this runs, this process included
    /// (`RLIMIT_NPROC`). The user `root` has no such limit. See [`max_memory`](Self::max_memory).
    pub fn max_processes(self, processes: u64) -> Self {
        self.limit("nproc", processes)
    }

    fn limit(mut self, name: &'static str, value: u64) -> Self {
        self.limits.retain(|(known, _)| *known != name);
        self.limits.push((name, value));
        self
    }

    /// Says that the command knows no revision without sessions: 2026-07-28 is answered as by a server
    /// that does not know it, so that clients open a session instead.
    ///
    /// Without this, a command that ends at its first modern request is known as one of these for ten
    /// minutes; one that does not answer costs its client the time to start.
    pub fn sessions_only(mut self) -> Self {
        self.sessions_only = true;
        self
    }

    /// Lets callers without a principal in, who all share one child, and see what it remembers of one
    /// another. Without this they are refused.
    pub fn danger_serve_anonymous(mut self) -> Self {
        self.anonymous = true;
        self
    }

    /// Writes what children say on standard error to `tracing`, at level `DEBUG`: at most 50 lines a
    /// second, cut at 1 KiB. Lines in which the value of an [`env_file`](Self::env_file) is are left out,
    /// and so are, where there are such values, longer lines. What else a server may say of its users
    /// there, nobody can know. Without this it goes nowhere.
    pub fn log_stderr(mut self) -> Self {
        self.log_stderr = true;
        self
    }

    /// How long a child that has never answered may take to do so; 30 seconds by default. Then it is
    /// ended.
    pub fn start_timeout(mut self, limit: Duration) -> Self {
        self.start = limit;
        self
    }

    /// How long a request may wait for the first message of its answer; 5 minutes by default. Then it is
    /// cancelled.
    pub fn answer_timeout(mut self, limit: Duration) -> Self {
        self.answer = limit;
        self
    }

    /// How long a child is kept for which nobody has any use; 30 minutes by default. A session ends with
    /// its child.
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.idle = limit;
        self
    }

    /// How long a child lives at most; 24 hours by default. It gets no requests then, and ends with the
    /// last that it has.
    pub fn lifetime(mut self, limit: Duration) -> Self {
        self.lifetime = limit;
        self
    }

    /// How long a child that is to end may take, after its standard input is closed and again after
    /// `SIGTERM`; 2 seconds by default. Then it is killed, with all of its process group.
    pub fn grace(mut self, limit: Duration) -> Self {
        self.grace = limit;
        self
    }

    /// The most children of one person: sessions, and the child for requests without one; 8 by default.
    /// For one more, the person's child that has been unused for longest is ended; when all work, the
    /// answer is 503.
    pub fn max_children_per_person(mut self, limit: usize) -> Self {
        self.per_person = limit;
        self
    }

    /// The most children of everybody; 64 by default. For one more, the answer is 503: nobody can end what
    /// somebody else uses.
    pub fn max_children(mut self, limit: usize) -> Self {
        self.in_total = limit;
        self
    }

    /// The most bytes of a message, in both directions, and of what waits for a slow client; 4 MiB by
    /// default.
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.max_message = bytes;
        self
    }

    /// The upstream. Starts nothing yet.
    ///
    /// # Errors
    /// The program is not the absolute path of an executable file; a directory is not there, or not named
    /// by an absolute path; a variable has no proper name or value; a limit is zero; or limits of the
    /// operating system are asked for where there is no `prlimit`.
    pub fn build(self) -> Result<StdioUpstream, ConfigError> {
        let program = &self.program;
        if !program.is_absolute() || !is_executable(program) {
            return Err(ConfigError::new(
                "the program of a command is not the absolute path of an executable file",
            ));
        }
        if self.args.iter().any(|arg| arg.as_bytes().contains(&0)) {
            return Err(ConfigError::new("an argument of a command contains a zero byte"));
        }
        for (name, value) in &self.env {
            check_variable(name, value)?;
        }
        let (Directory::Shared(directory) | Directory::PerPerson(directory)) = &self.directory;
        if !directory.is_absolute() || !directory.is_dir() {
            return Err(ConfigError::new(
                "the directory of a command is not the absolute path of a directory",
            ));
        }
        let times = [self.start, self.answer, self.idle, self.lifetime, self.grace];
        let counts = [self.per_person, self.in_total, self.max_message];
        if times.iter().any(Duration::is_zero)
            || counts.contains(&0)
            || self.limits.iter().any(|(_, value)| *value == 0)
        {
            return Err(ConfigError::new("a limit of a command is zero"));
        }
        let limits = limits(&self.limits)?;
        let named = || program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let config = Config {
            name: self.name.unwrap_or_else(named),
            program: self.program,
            args: self.args,
            env: self.env,
            directory: self.directory,
            limits,
            anonymous: self.anonymous,
            sessions_only: self.sessions_only,
            log_stderr: self.log_stderr,
            start: self.start,
            answer: self.answer,
            idle: self.idle,
            lifetime: self.lifetime,
            grace: self.grace,
            per_person: self.per_person,
            in_total: self.in_total,
            max_message: self.max_message,
        };
        Ok(StdioUpstream::new(Pool::new(config)))
    }
}

fn check_variable(name: &OsStr, value: &Variable) -> Result<(), ConfigError> {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes.contains(&b'=') || bytes.contains(&0) {
        return Err(ConfigError::new("the name of an environment variable of a command is none"));
    }
    let name = name.to_string_lossy();
    match value {
        Variable::Fixed(value) if value.as_bytes().contains(&0) => {
            Err(ConfigError::new(format!("the variable {name} of a command contains a zero byte")))
        }
        Variable::File(file) if !file.is_absolute() || !file.is_file() => Err(ConfigError::new(
            format!("the file of the variable {name} is not the absolute path of a file"),
        )),
        _ => Ok(()),
    }
}

/// The program that sets limits, and its arguments. Never a core file: it would hold secrets.
fn limits(limits: &[(&str, u64)]) -> Result<Option<(PathBuf, Vec<String>)>, ConfigError> {
    if limits.is_empty() {
        return Ok(None);
    }
    let program = PRLIMIT.iter().map(PathBuf::from).find(|path| is_executable(path));
    let program = program.ok_or_else(|| {
        ConfigError::new("limits of a command need prlimit of util-linux, which is not here")
    })?;
    let mut args: Vec<_> =
        limits.iter().map(|(name, value)| format!("--{name}={value}:{value}")).collect();
    args.push("--core=0:0".to_owned());
    Ok(Some((program, args)))
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

// By hand: arguments and values of variables may be secret.
impl fmt::Debug for StdioUpstreamBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StdioUpstreamBuilder")
            .field("program", &self.program)
            .field("directory", &self.directory)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_honoured_is_an_error() {
        type Change = fn(StdioUpstreamBuilder) -> StdioUpstreamBuilder;
        let cases: [(&str, Change, Option<&str>); 14] = [
            ("as it is", |b| b, None),
            ("a variable", |b| b.env("A", "b").env("B", ""), None),
            ("no name", |b| b.env("", "b"), Some("name of an environment")),
            ("a name with a sign", |b| b.env("A=B", "b"), Some("name of an environment")),
            ("zero in a value", |b| b.env("A", "b\0"), Some("the variable A")),
            ("zero in an argument", |b| b.arg("b\0"), Some("an argument")),
            (
                "no such file",
                |b| b.env_file("A", "/no/such/file"),
                Some("the file of the variable A"),
            ),
            (
                "a file by a relative path",
                |b| b.env_file("A", "Cargo.toml"),
                Some("the variable A"),
            ),
            ("no such directory", |b| b.working_directory("/no/such"), Some("the directory")),
            ("a relative directory", |b| b.directory_per_person("src"), Some("the directory")),
            ("no time", |b| b.grace(Duration::ZERO), Some("zero")),
            ("no children", |b| b.max_children(0), Some("zero")),
            ("no files", |b| b.max_open_files(0), Some("zero")),
            ("no bytes", |b| b.max_message(0), Some("zero")),
        ];
        for (name, change, expected) in cases {
            let built = change(StdioUpstream::builder("/bin/sh")).build();
            match (built, expected) {
                (Ok(_), None) => {}
                (Err(error), Some(expected)) => {
                    assert!(error.to_string().contains(expected), "{name}: {error}");
                }
                (built, _) => panic!("{name}: {built:?}"),
            }
        }
        for program in ["sh", "./sh", "/no/such/program", "/", "/etc/passwd"] {
            assert!(StdioUpstream::builder(program).build().is_err(), "{program}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let builder = StdioUpstream::builder("/bin/sh").arg("hush").env("A", "hush");
        assert!(!format!("{builder:?}").contains("hush"));
        assert!(!format!("{:?}", builder.build().unwrap()).contains("hush"));
    }
}
