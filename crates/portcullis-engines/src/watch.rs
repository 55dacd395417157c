//! The policies of a file that may change while they are in force.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{Clock, TargetKind, Text};
use portcullis_rbac::{
    Answer, Authorizer, Kept, KeptEvent, KeptFile, KeptStatus, Query, Standing, Together,
};

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
pub struct WatchedFile<A>(KeptFile<A, ConfigError>);

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
        Self(KeptFile::new(path, read, build))
    }

    /// Reads the file this often; every 2 seconds by default. Another text counts when it has been the
    /// same for two looks, so that a file in the midst of being written is not used.
    pub fn every(self, every: Duration) -> Self {
        Self(self.0.every(every))
    }

    /// Calls `tell` after each change and each failure, on the thread that read the file. It may ask
    /// for the [`status`](Watched::status), and must not call [`reload`](Watched::reload).
    pub fn on_event(self, tell: impl Fn(&WatchedEvent<'_>) + Send + Sync + 'static) -> Self {
        Self(self.0.on_event(move |event| match event {
            KeptEvent::Changed { from, to } => {
                tell(&WatchedEvent::Changed { from: &from.version(), to: &to.version() });
            }
            KeptEvent::Failed { error, in_force } => {
                tell(&WatchedEvent::Failed { error, in_force: &in_force.version() });
            }
            _ => {}
        }))
    }

    /// Takes the time from `clock`, for [`WatchedStatus`].
    pub fn clock(self, clock: Clock) -> Self {
        Self(self.0.clock(clock))
    }

    /// Reads the file for the first time.
    ///
    /// # Errors
    /// When it cannot be read, is not UTF-8 or too large, and as `build` says: a gate whose policies
    /// cannot be used does not start.
    pub fn load(self) -> Result<Watched<A>, ConfigError> {
        self.0.load().map(Watched)
    }
}

impl<A> fmt::Debug for WatchedFile<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WatchedFile").field(&self.0).finish()
    }
}

/// The policies of a file, as they were when the file could last be used; made by
/// [`WatchedFile::load`].
///
/// Clones share it. New policies are read and checked aside, and then put in force for all requests at
/// once: none is decided by two (R-220).
pub struct Watched<A>(Kept<A, ConfigError>);

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
        self.0.current()
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> WatchedStatus {
        let KeptStatus { loaded_at, loads, failing, .. } = self.0.status();
        WatchedStatus { version: self.version(), loaded_at, loads, failing }
    }

    /// Reads the file now, and says whether other policies are in force. It blocks while it reads; for
    /// a signal handler or an administrator's request.
    ///
    /// # Errors
    /// As [`WatchedFile::load`]; what was in force stays so.
    pub fn reload(&self) -> Result<bool, ConfigError> {
        self.0.reload()
    }

    /// Watches the file until every other clone of this is gone. Spawn it on a `tokio` runtime with
    /// time.
    ///
    /// The file is read again and again, not waited for: that finds renamed files, the symbolic links
    /// that Kubernetes swaps, and files on a network alike.
    pub fn watch(&self) -> impl Future<Output = ()> + Send + 'static + use<A> {
        self.0.watch()
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let unread =
        |error: io::Error| ConfigError::new(format!("{} cannot be read: {error}", path.display()));
    let mut text = String::new();
    let file = File::open(path).map_err(unread)?;
    file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(unread)?;
    if text.len() as u64 > MAX_FILE {
        return Err(unread(io::Error::other("it is larger than 16 MiB")));
    }
    Ok(text)
}

impl<A: Authorizer> Authorizer for Watched<A> {
    type Later = A::Later;

    fn authorize(&self, query: &Query<'_>) -> Answer<A::Later> {
        self.0.authorize(query)
    }

    fn authorize_list(&self, queries: &[Query<'_>]) -> Together {
        self.0.authorize_list(queries)
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

// By hand: clones share it, whatever the authorizer is.
impl<A> Clone for Watched<A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<A: Authorizer> fmt::Debug for Watched<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched")
            .field("path", &self.0.path())
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
