//! What a file says, in force until it says something else that can be used.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use portcullis_core::{Clock, TargetKind, Text};

use crate::{Answer, Authorizer, Query, Standing, Together};

mod look;

use look::watch;

/// A file to keep in force: how to read and watch it, and whom to tell.
///
/// [`PolicyFile`](crate::PolicyFile) and the `WatchedFile` of `portcullis-engines` are made of this. It is for
/// whoever writes an authorizer whose policies are in a file.
#[must_use = "nothing is read until `load`"]
pub struct KeptFile<A, E> {
    path: PathBuf,
    every: Duration,
    clock: Clock,
    read: Box<Read<E>>,
    build: Box<Build<A, E>>,
    tell: Option<Box<Tell<A, E>>>,
}

type Read<E> = dyn Fn(&Path) -> Result<String, E> + Send + Sync;
type Build<A, E> = dyn Fn(&str) -> Result<A, E> + Send + Sync;
type Tell<A, E> = dyn Fn(&KeptEvent<'_, A, E>) + Send + Sync;

/// What happens to what is in force.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeptEvent<'a, A, E> {
    /// Something else is in force.
    Changed {
        /// What was in force before.
        from: &'a A,
        /// What is now.
        to: &'a A,
    },
    /// The file cannot be used. What was in force stays so. Told once for each error.
    Failed {
        /// What is wrong with the file.
        error: &'a E,
        /// What stays in force.
        in_force: &'a A,
    },
}

impl<A: Authorizer, E: fmt::Display + 'static> KeptFile<A, E> {
    /// The file at `path`, whose text `read` gets, and of whose text `build` makes an authorizer.
    pub fn new(
        path: impl Into<PathBuf>,
        read: impl Fn(&Path) -> Result<String, E> + Send + Sync + 'static,
        build: impl Fn(&str) -> Result<A, E> + Send + Sync + 'static,
    ) -> Self {
        Self {
            path: path.into(),
            every: Duration::from_secs(2),
            clock: Clock::system(),
            read: Box::new(read),
            build: Box::new(build),
            tell: None,
        }
    }

    /// Reads the file this often, at most a thousand times a second; every 2 seconds by default. Another text
    /// counts when it has been the same for two looks, so that a file in the midst of being written is not
    /// used.
    pub fn every(mut self, every: Duration) -> Self {
        self.every = every.max(Duration::from_millis(1));
        self
    }

    /// Calls `tell` after each change and each failure, on the thread that read the file. It may ask for the
    /// [`status`](Kept::status), and must not call [`reload`](Kept::reload).
    pub fn on_event(mut self, tell: impl Fn(&KeptEvent<'_, A, E>) + Send + Sync + 'static) -> Self {
        self.tell = Some(Box::new(tell));
        self
    }

    /// Takes the time from `clock`, for [`KeptStatus`].
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Reads the file for the first time.
    ///
    /// # Errors
    /// As `read` and `build` say: a gate whose policies cannot be used does not start.
    pub fn load(self) -> Result<Kept<A, E>, E> {
        let text = (self.read)(&self.path)?;
        let current = (self.build)(&text)?;
        let state = State { loaded_at: self.clock.unix(), loads: 1, failures: 0, failing: None };
        Ok(Kept(Arc::new(Inner {
            current: ArcSwap::from_pointee(current),
            seen: Mutex::new(Seen { settled: text, pending: None, unread: false }),
            state: Mutex::new(state),
            file: self,
        })))
    }
}

impl<A, E> fmt::Debug for KeptFile<A, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// What a file said when it could last be used; made by [`KeptFile::load`].
///
/// Clones share it. What the file says anew is read and checked aside, and then put in force for all
/// requests at once: none is decided by two.
pub struct Kept<A, E>(Arc<Inner<A, E>>);

struct Inner<A, E> {
    current: ArcSwap<A>,
    /// Held while the file is read, so that versions come into force in the order of the file's.
    seen: Mutex<Seen>,
    /// Held for a moment only: a listener may ask for the status.
    state: Mutex<State>,
    file: KeptFile<A, E>,
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

/// How it stands with a file.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct KeptStatus {
    /// When what is in force came into force, as time since the Unix epoch.
    pub loaded_at: Duration,
    /// How many versions have been in force, this one included.
    pub loads: u64,
    /// How often the file could not be used: once for each error, as listeners are told.
    pub failures: u64,
    /// Since when the file cannot be used, as time since the Unix epoch, and why.
    pub failing: Option<(Duration, String)>,
}

impl<A: Authorizer, E: fmt::Display + 'static> Kept<A, E> {
    /// What is in force.
    #[must_use]
    pub fn current(&self) -> Arc<A> {
        self.0.current.load_full()
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> KeptStatus {
        let State { loaded_at, loads, failures, ref failing } = *locked(&self.0.state);
        KeptStatus { loaded_at, loads, failures, failing: failing.clone() }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.file.path
    }

    /// How often it is looked at.
    #[must_use]
    pub fn every(&self) -> Duration {
        self.0.file.every
    }

    /// Reads the file now, and says whether something else is in force. It blocks while it reads; for a
    /// signal handler or an administrator's request.
    ///
    /// # Errors
    /// As [`KeptFile::load`]; what was in force stays so.
    pub fn reload(&self) -> Result<bool, E> {
        let mut seen = locked(&self.0.seen);
        match (self.0.file.read)(self.path()) {
            Ok(text) => self.0.settle(&mut seen, text),
            Err(error) => {
                seen.unread = true;
                Err(self.0.failed(error))
            }
        }
    }

    /// Looks at the file once, as [`watch`](Self::watch) does again and again, and uses its text if that is
    /// another one and stands still. It blocks while it reads.
    pub fn look(&self) {
        self.0.look();
    }

    /// Watches the file until every other clone of this is gone. Spawn it on a `tokio` runtime with time.
    ///
    /// The file is read again and again, not waited for: that finds renamed files, the symbolic links that
    /// Kubernetes swaps, and files on a network alike.
    pub fn watch(&self) -> impl Future<Output = ()> + Send + 'static + use<A, E> {
        watch(Arc::downgrade(&self.0), self.0.file.every)
    }
}

/// What a listener's panic leaves behind is consistent.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<A: Authorizer, E: fmt::Display + 'static> Authorizer for Kept<A, E> {
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
        let KeptStatus { loaded_at, loads, failures, failing } = self.status();
        let mut standing = self.0.current.load().standing();
        standing.loaded_at = Some(loaded_at);
        standing.loads = loads;
        standing.failures = failures;
        standing.failing = failing.map(|(since, _)| since);
        standing
    }
}

// By hand: clones share it, whatever the authorizer is.
impl<A, E> Clone for Kept<A, E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<A: Authorizer, E> fmt::Debug for Kept<A, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("path", &self.0.file.path)
            .field("version", &self.0.current.load().version())
            .finish_non_exhaustive()
    }
}
