//! A policy file that may change while it is in force.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{Clock, TargetKind, Text};

use crate::file::{self, Format};
use crate::kept::{Kept, KeptEvent, KeptFile, KeptStatus};
use crate::{Answer, Authorizer, Changes, ConfigError, Never, Policy, Query, Standing};

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

    /// Reads the file this often; every 2 seconds by default. Another text counts when it has been the
    /// same for two looks, so that a file in the midst of being written is not used.
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
        let Self { path, every, clock, tell } = self;
        let build = {
            let (path, clock) = (path.clone(), clock.clone());
            move |text: &str| Ok(file::load(&path, text, format)?.with_clock(clock.clone()))
        };
        let file = KeptFile::new(path, file::text_of, build).every(every).clock(clock);
        let file = file.on_event(move |event| match (event, &tell) {
            (KeptEvent::Changed { from, to }, tell) => {
                warn(to);
                if let Some(tell) = tell {
                    let changes = from.changes_to(to);
                    tell(&PolicyEvent::Changed { from, to, changes: &changes });
                }
            }
            (KeptEvent::Failed { error, in_force }, Some(tell)) => {
                tell(&PolicyEvent::Failed { error, in_force });
            }
            (KeptEvent::Failed { .. }, None) => {}
        });
        let kept = file.load()?;
        warn(&kept.current());
        Ok(Reloading(kept))
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
pub struct Reloading(Kept<Policy, ConfigError>);

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
        self.0.current()
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> PolicyStatus {
        let KeptStatus { loaded_at, loads, failures, failing } = self.0.status();
        let policy = self.current();
        let (version, digest) = (policy.version(), policy.digest().to_owned());
        PolicyStatus { version, digest, loaded_at, loads, failures, failing }
    }

    /// Reads the file now, and says whether another policy is in force. It blocks while it reads;
    /// for a signal handler or an administrator's request.
    ///
    /// # Errors
    /// As [`Policy::from_file`]; what was in force stays so.
    pub fn reload(&self) -> Result<bool, ConfigError> {
        self.0.reload()
    }

    /// Watches the file until every other clone of this is gone. Spawn it on a `tokio` runtime with
    /// time.
    ///
    /// The file is read again and again, not waited for: that finds renamed files, the symbolic links that
    /// Kubernetes swaps, and files on a network alike.
    pub fn watch(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        self.0.watch()
    }
}

fn warn(policy: &Policy) {
    for warning in policy.warnings() {
        tracing::warn!(policy = %policy.version(), "{warning}");
    }
}

impl Authorizer for Reloading {
    type Later = Never;

    fn authorize(&self, query: &Query<'_>) -> Answer<Never> {
        self.0.authorize(query)
    }

    fn version(&self) -> Text {
        self.0.version()
    }

    fn wants_hints(&self) -> bool {
        self.0.wants_hints()
    }

    fn offers(&self, query: &Query<'_>, kind: TargetKind) -> bool {
        self.0.offers(query, kind)
    }

    fn decides_tasks(&self) -> bool {
        self.0.decides_tasks()
    }

    fn standing(&self) -> Standing {
        self.0.standing()
    }
}

impl fmt::Debug for Reloading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloading")
            .field("path", &self.0.path())
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(feature = "yaml")]
mod tests;
