//! The policies of a file that may change while they are in force.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use portcullis_core::{Clock, TargetKind, Text};
use portcullis_rbac::{Answer, Authorizer, Query, Standing, Together};
use tokio::time::{MissedTickBehavior, interval};

use crate::ConfigError;

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 16 << 20;

/// A file with the policies of an engine, to keep in force: how to watch it, and whom to tell.
///
#[cfg_attr(feature = "cedar", doc = "```no_run")]
#[cfg_attr(not(feature = "cedar"), doc = "```ignore")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), portcullis_engines::ConfigError> {
/// use portcullis_engines::{Cedar, WatchedFile};
///
/// let policies = WatchedFile::new("/etc/gate/gate.cedar", |text| Cedar::builder(text).build())
///     .load()?; // a bad file: no start
/// tokio::spawn(policies.watch());
/// // `policies` is an `Authorizer`: give it to `RbacLayer::new`, and keep a clone for `status`.
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is read until `load`"]
pub struct WatchedFile<A> {
    path: PathBuf,
    every: Duration,
    clock: Clock,
    build: Box<Build<A>>,
    tell: Option<Box<Tell>>,
}

type Build<A> = dyn Fn(&str) -> Result<A, ConfigError> + Send + Sync;
type Tell = dyn Fn(&WatchedEvent<'_>) + Send + Sync;

/// What happens to policies in force.
#[derive(Debug)]
#[non_exhaustive]
pub enum WatchedEvent<'a> {
    /// Other policies are in force.
    Changed {
        /// The version before.
        from: &'a Text,
        /// The version now.
        to: &'a Text,
    },
    /// The file cannot be used. What was in force stays so. Told once for each error.
    Failed {
        /// What is wrong with the file.
        error: &'a ConfigError,
        /// The version that stays in force.
        in_force: &'a Text,
    },
}

impl<A: Authorizer> WatchedFile<A> {
    /// The file at `path`, of at most 16 MiB, from whose text `build` makes an authorizer.
    pub fn new(
        path: impl Into<PathBuf>,
        build: impl Fn(&str) -> Result<A, ConfigError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            path: path.into(),
            every: Duration::from_secs(2),
            clock: Clock::system(),
            build: Box::new(build),
            tell: None,
        }
    }

    /// Reads the file this often; every 2 seconds by default. Another text counts when it has been the
    /// same for two looks, so that a file in the midst of being written is not used.
    pub fn every(mut self, every: Duration) -> Self {
        self.every = every.max(Duration::from_millis(1));
        self
    }

    /// Calls `tell` after each change and each failure, on the thread that read the file. It may ask
    /// for the [`status`](Watched::status), and must not call [`reload`](Watched::reload).
    pub fn on_event(mut self, tell: impl Fn(&WatchedEvent<'_>) + Send + Sync + 'static) -> Self {
        self.tell = Some(Box::new(tell));
        self
    }

    /// Takes the time from `clock`, for [`WatchedStatus`].
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Reads the file for the first time.
    ///
    /// # Errors
    /// When it cannot be read, is not UTF-8 or too large, and as `build` says: a gate whose policies
    /// cannot be used does not start.
    pub fn load(self) -> Result<Watched<A>, ConfigError> {
        let text = read(&self.path).map_err(|error| self.unread(&error))?;
        let current = (self.build)(&text)?;
        let state = State { loaded_at: self.clock.unix(), loads: 1, failures: 0, failing: None };
        Ok(Watched(Arc::new(Inner {
            current: ArcSwap::from_pointee(current),
            seen: Mutex::new(Seen { settled: text, pending: None, unread: false }),
            state: Mutex::new(state),
            file: self,
        })))
    }

    fn unread(&self, error: &io::Error) -> ConfigError {
        ConfigError::new(format!("{} cannot be read: {error}", self.path.display()))
    }
}

impl<A> fmt::Debug for WatchedFile<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchedFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The policies of a file, as they were when the file could last be used; made by
/// [`WatchedFile::load`].
///
/// Clones share it. New policies are read and checked aside, and then put in force for all requests at
/// once: none is decided by two (R-220).
pub struct Watched<A>(Arc<Inner<A>>);

struct Inner<A> {
    current: ArcSwap<A>,
    /// Held while the file is read, so that versions come into force in the order of the file's.
    seen: Mutex<Seen>,
    /// Held for a moment only: a listener may ask for the status.
    state: Mutex<State>,
    file: WatchedFile<A>,
}

struct Seen {
    /// The text that was last used, or found to be of no use.
    settled: String,
    /// The text at the last look, where that was another one.
    pending: Option<String>,
    /// Whether the last look found nothing to read.
    unread: bool,
}

struct State {
    loaded_at: Duration,
    loads: u64,
    failures: u64,
    failing: Option<(Duration, String)>,
}

/// How it stands with a file of policies.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct WatchedStatus {
    /// The version in force.
    pub version: Text,
    /// When it came into force, as time since the Unix epoch.
    pub loaded_at: Duration,
    /// How many versions have been in force, this one included.
    pub loads: u64,
    /// Since when the file cannot be used, as time since the Unix epoch, and why. A gate that is
    /// so decides by an older file than the one that is there: health checks should say so.
    pub failing: Option<(Duration, String)>,
}

impl<A: Authorizer> Watched<A> {
    /// What is in force.
    #[must_use]
    pub fn current(&self) -> Arc<A> {
        self.0.current.load_full()
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> WatchedStatus {
        let state = locked(&self.0.state);
        WatchedStatus {
            version: self.version(),
            loaded_at: state.loaded_at,
            loads: state.loads,
            failing: state.failing.clone(),
        }
    }

    /// Reads the file now, and says whether other policies are in force. It blocks while it reads; for
    /// a signal handler or an administrator's request.
    ///
    /// # Errors
    /// As [`WatchedFile::load`]; what was in force stays so.
    pub fn reload(&self) -> Result<bool, ConfigError> {
        let mut seen = locked(&self.0.seen);
        match read(&self.0.file.path) {
            Ok(text) => self.0.settle(&mut seen, text),
            Err(error) => {
                seen.unread = true;
                Err(self.0.failed(self.0.file.unread(&error)))
            }
        }
    }

    /// Watches the file until every other clone of this is gone. Spawn it on a `tokio` runtime with
    /// time.
    ///
    /// The file is read again and again, not waited for: that finds renamed files, the symbolic links
    /// that Kubernetes swaps, and files on a network alike.
    pub fn watch(&self) -> impl Future<Output = ()> + Send + 'static + use<A> {
        watch(Arc::downgrade(&self.0), self.0.file.every)
    }
}

async fn watch<A: Authorizer>(file: Weak<Inner<A>>, every: Duration) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(file) = file.upgrade() else { return };
        // A panic would be a listener's; the file stays watched.
        let _ = tokio::task::spawn_blocking(move || file.look()).await;
    }
}

impl<A: Authorizer> Inner<A> {
    /// Uses the text of the file if it is another one and stands still.
    fn look(&self) {
        let mut seen = locked(&self.seen);
        match read(&self.file.path) {
            Err(error) => {
                seen.pending = None;
                seen.unread = true;
                let _told = self.failed(self.file.unread(&error));
            }
            Ok(text) if text == seen.settled => {
                seen.pending = None;
                if seen.unread {
                    // It is back, or it is as bad as it was.
                    let _told = self.settle(&mut seen, text);
                }
            }
            Ok(text) if seen.pending.as_ref() == Some(&text) => {
                let _told = self.settle(&mut seen, text);
            }
            Ok(text) => seen.pending = Some(text),
        }
    }

    /// Puts in force what `text` says, if it can be used and is something else.
    fn settle(&self, seen: &mut Seen, text: String) -> Result<bool, ConfigError> {
        let built = (self.file.build)(&text);
        *seen = Seen { settled: text, pending: None, unread: false };
        let next = built.map_err(|error| self.failed(error))?;
        if locked(&self.state).failing.take().is_some() {
            tracing::info!(file = %self.file.path.display(), "the policy file can be used again");
        }
        let (from, to) = (self.current.load().version(), next.version());
        if from == to {
            return Ok(false);
        }
        self.current.store(Arc::new(next));
        {
            let mut state = locked(&self.state);
            state.loaded_at = self.file.clock.unix();
            state.loads += 1;
        }
        let path = self.file.path.display();
        tracing::info!(file = %path, %from, %to, "other policies are in force");
        if let Some(tell) = &self.file.tell {
            tell(&WatchedEvent::Changed { from: &from, to: &to });
        }
        Ok(true)
    }

    /// Tells about an error once, and hands it back.
    fn failed(&self, error: ConfigError) -> ConfigError {
        let message = error.to_string();
        {
            let mut state = locked(&self.state);
            let since = match &state.failing {
                Some((_, known)) if *known == message => return error,
                Some((since, _)) => *since,
                None => self.file.clock.unix(),
            };
            state.failing = Some((since, message));
            state.failures += 1;
        }
        let in_force = self.current.load().version();
        let path = self.file.path.display();
        tracing::error!(file = %path, %error, %in_force, "the policy file cannot be used; what was in force stays so");
        if let Some(tell) = &self.file.tell {
            tell(&WatchedEvent::Failed { error: &error, in_force: &in_force });
        }
        error
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE {
        return Err(io::Error::other("it is larger than 16 MiB"));
    }
    Ok(text)
}

/// What a listener's panic leaves behind is consistent.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<A: Authorizer> Authorizer for Watched<A> {
    type Later = A::Later;

    fn authorize(&self, query: &Query<'_>) -> Answer<A::Later> {
        self.0.current.load().authorize(query)
    }

    fn authorize_list(&self, queries: &[Query<'_>]) -> Together {
        self.0.current.load().authorize_list(queries)
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
        let mut standing = self.0.current.load().standing();
        let state = locked(&self.0.state);
        standing.loaded_at = Some(state.loaded_at);
        standing.loads = state.loads;
        standing.failures = state.failures;
        standing.failing = state.failing.as_ref().map(|(since, _)| *since);
        standing
    }
}

// By hand: clones share it, whatever the authorizer is.
impl<A> Clone for Watched<A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<A: Authorizer> fmt::Debug for Watched<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched")
            .field("path", &self.0.file.path)
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
