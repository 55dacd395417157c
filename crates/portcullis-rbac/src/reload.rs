//! A policy file that may change while it is in force.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use portcullis_core::{Clock, TargetKind, Text};
use tokio::time::{MissedTickBehavior, interval};

use crate::file::{self, Format};
use crate::{Answer, Authorizer, Changes, ConfigError, Never, Policy, Query, Standing};

mod stamp;

use stamp::Stamp;

/// A policy file to keep in force: how to watch it, and whom to tell.
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), portcullis_rbac::ConfigError> {
/// use portcullis_rbac::PolicyFile;
///
/// let policy = PolicyFile::new("/etc/gate/policy.yaml").load()?; // a bad file: no start
/// tokio::spawn(policy.watch());
/// // `policy` is an `Authorizer`: give it to `RbacLayer::new`, and keep a clone for `status`.
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "nothing is read until `load`"]
pub struct PolicyFile {
    path: PathBuf,
    every: Duration,
    clock: Clock,
    tell: Option<Tell>,
}

type Tell = Arc<dyn Fn(&PolicyEvent<'_>) + Send + Sync>;

/// What happens to a policy in force.
#[derive(Debug)]
#[non_exhaustive]
pub enum PolicyEvent<'a> {
    /// Another policy is in force.
    Changed {
        /// The policy before.
        from: &'a Policy,
        /// The policy now.
        to: &'a Policy,
        /// Who gains and loses what.
        changes: &'a Changes,
    },
    /// The file cannot be used. What was in force stays so. Told once for each error.
    Failed {
        /// What is wrong with the file.
        error: &'a ConfigError,
        /// The policy that stays in force.
        in_force: &'a Policy,
    },
}

impl PolicyFile {
    /// The file at `path`, in the language that its name says: see [`Policy::from_file`].
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            every: Duration::from_secs(2),
            clock: Clock::system(),
            tell: None,
        }
    }

    /// Looks at the file this often; every 2 seconds by default. What has changed is read when it
    /// has been the same for two looks, so that a file in the midst of being written is not used.
    pub fn every(mut self, every: Duration) -> Self {
        self.every = every.max(Duration::from_millis(1));
        self
    }

    /// Calls `tell` after each change and each failure, on the thread that read the file. An audit
    /// trail records the former as `policy.changed`. It may ask for the [`status`](Reloading::status),
    /// and must not call [`reload`](Reloading::reload).
    pub fn on_event(mut self, tell: impl Fn(&PolicyEvent<'_>) + Send + Sync + 'static) -> Self {
        self.tell = Some(Arc::new(tell));
        self
    }

    /// Takes the time from `clock`, for tests.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Reads the file for the first time.
    ///
    /// # Errors
    /// As [`Policy::from_file`]: a gate whose policy cannot be used does not start (R-220).
    pub fn load(self) -> Result<Reloading, ConfigError> {
        let format = Format::of(&self.path)?;
        let stamp = Stamp::of(&self.path);
        let policy = read(&self.path, format, &self.clock)?;
        warn(&policy);
        // A file that was written just now may be written still.
        let settled =
            stamp.filter(|stamp| stamp.is_older_than(Duration::from_secs(2), &self.clock));
        let state = State { loaded_at: self.clock.unix(), loads: 1, failures: 0, failing: None };
        Ok(Reloading(Arc::new(Inner {
            current: ArcSwap::from_pointee(policy),
            seen: Mutex::new(Seen { settled, pending: None }),
            state: Mutex::new(state),
            format,
            file: self,
        })))
    }
}

impl fmt::Debug for PolicyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The policy of a file, as it was when the file could last be used; made by [`PolicyFile::load`].
///
/// Clones share it. A new version is read and checked aside, and then put in force for all requests
/// at once: none is decided by two (R-220).
#[derive(Clone)]
pub struct Reloading(Arc<Inner>);

struct Inner {
    current: ArcSwap<Policy>,
    /// Held while the file is read, so that versions come into force in the order of the file's.
    seen: Mutex<Seen>,
    /// Held for a moment only: a listener may ask for the status.
    state: Mutex<State>,
    format: Format,
    file: PolicyFile,
}

struct Seen {
    /// The file whose content is known.
    settled: Option<Stamp>,
    /// The file at the last look, where that was another one.
    pending: Option<Option<Stamp>>,
}

struct State {
    loaded_at: Duration,
    loads: u64,
    failures: u64,
    failing: Option<(Duration, String)>,
}

/// How it stands with a policy file.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct PolicyStatus {
    /// The version in force.
    pub version: Text,
    /// The digest of the policy in force.
    pub digest: String,
    /// When it came into force, as time since the Unix epoch.
    pub loaded_at: Duration,
    /// How many versions have been in force, this one included.
    pub loads: u64,
    /// How often the file could not be used: once for each error, as listeners are told.
    pub failures: u64,
    /// Since when the file cannot be used, as time since the Unix epoch, and why. A gate that is
    /// so decides by an older file than the one that is there: health checks should say so.
    pub failing: Option<(Duration, String)>,
}

impl Reloading {
    /// The policy in force.
    #[must_use]
    pub fn current(&self) -> Arc<Policy> {
        self.0.current.load_full()
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> PolicyStatus {
        let state = locked(&self.0.state);
        let policy = self.0.current.load();
        PolicyStatus {
            version: policy.version(),
            digest: policy.digest().to_owned(),
            loaded_at: state.loaded_at,
            loads: state.loads,
            failures: state.failures,
            failing: state.failing.clone(),
        }
    }

    /// Reads the file now, and says whether another policy is in force. It blocks while it reads;
    /// for a signal handler or an administrator's request.
    ///
    /// # Errors
    /// As [`Policy::from_file`]; what was in force stays so.
    pub fn reload(&self) -> Result<bool, ConfigError> {
        self.0.reload(&mut locked(&self.0.seen))
    }

    /// Watches the file until every other clone of this is gone. Spawn it on a `tokio` runtime with
    /// time.
    ///
    /// The file is looked at, not waited for: that finds renamed files, the symbolic links that
    /// Kubernetes swaps, and files on a network alike.
    pub fn watch(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        watch(Arc::downgrade(&self.0), self.0.file.every)
    }
}

async fn watch(file: Weak<Inner>, every: Duration) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(file) = file.upgrade() else { return };
        // A panic would be a listener's; the file stays watched.
        let _ = tokio::task::spawn_blocking(move || file.look()).await;
    }
}

impl Inner {
    /// Reads the file if it has changed and stands still.
    fn look(&self) {
        let mut seen = locked(&self.seen);
        let stamp = Stamp::of(&self.file.path);
        if stamp.is_some() && stamp == seen.settled {
            seen.pending = None;
        } else if seen.pending.as_ref() != Some(&stamp) {
            seen.pending = Some(stamp);
        } else {
            let _told = self.reload(&mut seen);
        }
    }

    fn reload(&self, seen: &mut Seen) -> Result<bool, ConfigError> {
        let stamp = Stamp::of(&self.file.path);
        let before = self.current.load_full();
        let policy = match read(&self.file.path, self.format, &self.file.clock) {
            Ok(policy) => policy,
            Err(error) => {
                // What is wrong in the text is wrong until the text changes; what could not be read
                // is tried again.
                if std::error::Error::source(&error).is_none() {
                    *seen = Seen { settled: stamp, pending: None };
                }
                self.failed(&error, &before);
                return Err(error);
            }
        };
        *seen = Seen { settled: stamp, pending: None };
        if locked(&self.state).failing.take().is_some() {
            tracing::info!(file = %self.file.path.display(), "the policy file can be used again");
        }
        if policy.version() == before.version() {
            return Ok(false);
        }
        warn(&policy);
        let policy = Arc::new(policy);
        self.current.store(Arc::clone(&policy));
        {
            let mut state = locked(&self.state);
            state.loaded_at = self.file.clock.unix();
            state.loads += 1;
        }
        tracing::info!(
            file = %self.file.path.display(),
            from = %before.version(),
            to = %policy.version(),
            "another policy is in force"
        );
        if let Some(tell) = &self.file.tell {
            let changes = before.changes_to(&policy);
            tell(&PolicyEvent::Changed { from: &before, to: &policy, changes: &changes });
        }
        Ok(true)
    }

    fn failed(&self, error: &ConfigError, in_force: &Policy) {
        let message = error.to_string();
        {
            let mut state = locked(&self.state);
            let since = match &state.failing {
                Some((_, known)) if *known == message => return,
                Some((since, _)) => *since,
                None => self.file.clock.unix(),
            };
            state.failures += 1;
            state.failing = Some((since, message.clone()));
        }
        tracing::error!(
            error = %message,
            in_force = %in_force.version(),
            "the policy file cannot be used; the policy before it stays in force"
        );
        if let Some(tell) = &self.file.tell {
            tell(&PolicyEvent::Failed { error, in_force });
        }
    }
}

/// What a listener's panic leaves behind is consistent.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read(path: &Path, format: Format, clock: &Clock) -> Result<Policy, ConfigError> {
    file::load(path, &file::text_of(path)?, format).map(|policy| policy.with_clock(clock.clone()))
}

fn warn(policy: &Policy) {
    for warning in policy.warnings() {
        tracing::warn!(policy = %policy.version(), "{warning}");
    }
}

impl Authorizer for Reloading {
    type Later = Never;

    fn authorize(&self, query: &Query<'_>) -> Answer<Never> {
        Answer::Now(self.0.current.load().decide(query))
    }

    fn version(&self) -> Text {
        self.0.current.load().version()
    }

    fn wants_hints(&self) -> bool {
        self.0.current.load().wants_hints()
    }

    fn offers(&self, query: &Query<'_>, kind: TargetKind) -> bool {
        self.0.current.load().offers(query, kind)
    }

    fn decides_tasks(&self) -> bool {
        self.0.current.load().decides_tasks()
    }

    fn standing(&self) -> Standing {
        let PolicyStatus { loaded_at, loads, failures, failing, .. } = self.status();
        let failing = failing.map(|(since, _)| since);
        let loaded_at = Some(loaded_at);
        Standing { loaded_at, loads, failures, failing, ..self.0.current.load().standing() }
    }
}

impl fmt::Debug for Reloading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloading")
            .field("path", &self.0.file.path)
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(feature = "yaml")]
mod tests;
