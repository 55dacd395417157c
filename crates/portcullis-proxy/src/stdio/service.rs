//! Request time.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::answer::answer;
use super::future::StdioFuture;
use super::pool::Pool;
use crate::outgoing::BoxError;
use crate::{ProxyBody, StdioUpstreamBuilder};

/// An MCP server that is a command and speaks over its standard input and output, served as Streamable
/// HTTP.
///
/// Each person (issuer, subject and client id of the [`Caller`](portcullis_core::Caller)) has children of
/// their own: one for each session of the revisions that have sessions, and one for all requests of
/// 2026-07-28. No child ever serves two people. A child is started when it is needed first, and ended
/// with its session, when it is idle, or when the last clone of this is dropped.
///
/// ```
/// # use std::time::Duration;
/// use portcullis_proxy::StdioUpstream;
///
/// # fn build() -> Result<(), portcullis_proxy::ConfigError> {
/// let notes = StdioUpstream::builder("/bin/sh")
///     .args(["-c", "exec notes-server --read-only"])
///     .env("PATH", "/usr/bin:/bin")
///     .max_children_per_person(4)
///     .idle_timeout(Duration::from_secs(10 * 60))
///     .build()?;
/// # Ok(())
/// # }
/// # build().unwrap();
/// ```
///
/// # What it refuses by default
/// * Requests without a caller, a principal, or an inspected message in their facts: 500. It stands
///   inside a sign-in layer and `portcullis-mcp`.
/// * Sessions of somebody else, like those that there are not: 404.
/// * Answers to what a child has not asked in that session: 400.
/// * More children than are allowed, and restarts without a pause of a command that keeps dying: 503 with
///   `Retry-After`.
/// * To give a child anything of this process: its environment, its arguments, its open files beside three
///   pipes.
///
/// # What children may say
/// Lines of JSON-RPC. Other lines are left out; after 100 in a row the child is ended, and so it is for
/// lines without an end. Answers to nothing that was asked are left out; what nobody asked to hear is,
/// too. When a child ends by itself, what is in flight is answered with 502, the next request of
/// 2026-07-28 starts another, and a session is answered with 404, so that the client opens a new one.
/// Commands that end within a minute again and again are started at most once a minute.
///
/// # What it does not do
/// * It is no sandbox. Children run as the user of this process and may read its files, reach its network
///   and, as the system allows, look into its memory and that of other children. To take that away, run
///   the server within something that does, for example:
///   ```text
///   /usr/bin/bwrap --die-with-parent --unshare-all --ro-bind /usr /usr --symlink usr/lib64 /lib64 \
///       --proc /proc --dev /dev --tmpfs /tmp -- /usr/bin/notes-server
///   /usr/bin/systemd-run --user --pipe --quiet --collect -p MemoryMax=512M -p PrivateNetwork=yes \
///       -- /usr/bin/notes-server
///   ```
/// * A process that leaves the process group of its child (`setsid`) is not ended with it; in a PID
///   namespace (`bwrap --unshare-pid`) it is. When this process is killed, children see the end of
///   their standard input, and nobody makes sure that they end.
/// * Files that this process was given open by who started it, and that are not closed on `exec`, are open
///   in children too. What Rust opens itself is closed.
/// * It does not translate between revisions: a server that knows only sessions is used with sessions.
/// * Streams cannot be resumed. What is said while nobody listens is kept to 64 messages for the next
///   `GET`.
/// * Log messages of a server of 2026-07-28 reach the one request in flight that asked for them; when
///   there are several, nobody.
#[derive(Clone)]
#[must_use = "services do nothing unless called"]
pub struct StdioUpstream {
    pool: Arc<Pool>,
}

impl StdioUpstream {
    /// Starts an upstream that runs `program`, which must be an absolute path.
    pub fn builder(program: impl Into<PathBuf>) -> StdioUpstreamBuilder {
        StdioUpstreamBuilder::new(program.into())
    }

    pub(super) fn new(pool: Arc<Pool>) -> Self {
        Self { pool }
    }

    /// Ends all children, and returns when none is left. What is in flight may take so long as
    /// `patience`; streams end at once. Whatever is asked from now on is answered with 503.
    pub async fn drain(&self, patience: Duration) {
        self.pool.drain(patience).await;
    }
}

impl<B> Service<Request<B>> for StdioUpstream
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<ProxyBody>;
    type Error = Infallible;
    type Future = StdioFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> StdioFuture {
        StdioFuture::new(answer(Arc::clone(&self.pool), request))
    }
}

impl fmt::Debug for StdioUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = &self.pool.config;
        f.debug_struct("StdioUpstream").field("name", &config.name).finish_non_exhaustive()
    }
}
