//! Who sees to the end of a child.

use std::process::ExitStatus;
use std::sync::{Arc, Weak};
use std::time::Duration;

use rustix::process::{Pid, Signal as Kill, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::signal::unix::Signal;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, sleep_until, timeout};

use super::{Child, Deaf};
use crate::stdio::fault::Fault;
use crate::stdio::pool::Pool;

/// How long the last words of a child that has ended may take. They are in the pipe already.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Sees to the end of a child.
pub(super) struct Keeper {
    pub(super) child: Arc<Child>,
    // Before the process, which must not be waited for until its group is gone.
    pub(super) group: Group,
    pub(super) process: tokio::process::Child,
    pub(super) signals: Signal,
    pub(super) stopped: watch::Receiver<bool>,
    pub(super) writer: JoinHandle<()>,
    pub(super) reader: JoinHandle<Deaf>,
    pub(super) pool: Weak<Pool>,
    pub(super) name: String,
    pub(super) idle: Duration,
    pub(super) lifetime: Duration,
    pub(super) grace: Duration,
}

/// Why a child ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    /// By itself.
    Died,
    /// It closed its standard input or output, which is how a server may take its leave.
    Left,
    /// It says too much that is nothing.
    Abused,
    /// It is to.
    Stopped,
}

impl Keeper {
    pub(super) async fn keep(mut self) {
        let end = self.end().await;
        let pool = self.pool.upgrade();
        if let Some(pool) = &pool {
            pool.forget(&self.child);
        }
        drop(pool);
        if end == End::Died {
            // What it started must not hold the pipe open.
            self.group.signal(Kill::KILL);
            if !self.reader.is_finished() {
                let _late = timeout(LAST_WORDS, &mut self.reader).await;
            }
        }
        self.child.table().end(Fault::Broken);
        // Standard input ends with its writer.
        self.writer.abort();
        if end != End::Died && end != End::Abused {
            let mut patient = self.has_exited_within(self.grace).await;
            if !patient {
                self.group.signal(Kill::TERM);
                patient = self.has_exited_within(self.grace).await;
            }
            tracing::debug!(target: "portcullis::proxy", upstream = self.name, patient, "a command was ended");
        }
        self.group.signal(Kill::KILL);
        exited(self.group.0, &mut self.signals).await;
        // Nothing waits for the leader before its group is told, so that no other can have its number.
        self.group.0 = None;
        let status = self.process.wait().await.ok();
        self.reader.abort();
        self.report(end, status);
        let lived = self.child.born.elapsed();
        if let Some(pool) = self.pool.upgrade() {
            pool.buried(&self.child.person, (end != End::Stopped).then_some(lived));
        }
    }

    fn report(&self, end: End, status: Option<ExitStatus>) {
        let upstream = &self.name;
        let status = status.map(|status| status.to_string()).unwrap_or_default();
        match end {
            End::Stopped => {}
            End::Died | End::Left => {
                tracing::warn!(target: "portcullis::proxy", upstream, status, "a command ended by itself");
            }
            End::Abused => {
                tracing::warn!(target: "portcullis::proxy", upstream, "a command was ended for what it said");
            }
        }
    }

    /// Waits until the child ends, or is to.
    async fn end(&mut self) -> End {
        let mut deadline = self.child.born + self.lifetime.min(self.idle);
        loop {
            let (mut abused, mut left) = (false, false);
            tokio::select! {
                biased;
                () = exited(self.group.0, &mut self.signals) => return End::Died,
                _ = self.stopped.wait_for(|stop| *stop) => return End::Stopped,
                deaf = &mut self.reader => {
                    left = true;
                    abused = matches!(deaf, Ok(Deaf::Abused));
                }
                _ = &mut self.writer => left = true,
                () = sleep_until(deadline) => {}
            }
            if abused {
                return End::Abused;
            }
            if left {
                // One that ends closes its pipes first.
                let died = self.has_exited_within(LAST_WORDS).await;
                return if died { End::Died } else { End::Left };
            }
            match self.next_deadline() {
                Some(next) => deadline = next,
                None => return End::Stopped,
            }
        }
    }

    /// When to look again; `None` when the child has nothing to live for.
    fn next_deadline(&self) -> Option<Instant> {
        let now = Instant::now();
        let table = self.child.table();
        let (busy, working, used) = (table.is_busy(), table.is_working(), table.used());
        drop(table);
        let old = self.child.born + self.lifetime;
        if now >= old {
            if let Some(pool) = self.pool.upgrade() {
                pool.forget(&self.child);
            }
            // Listening may last for ever; what else is in flight is not to be broken off.
            let late = now >= old + self.grace.max(Duration::from_secs(60));
            let looks_again = now + Duration::from_millis(500);
            return (working && !late).then_some(looks_again);
        }
        if busy {
            return Some(old.min(now + self.idle));
        }
        let idle = used + self.idle;
        (now < idle).then(|| idle.min(old))
    }

    async fn has_exited_within(&mut self, limit: Duration) -> bool {
        timeout(limit, exited(self.group.0, &mut self.signals)).await.is_ok()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // When this process ends, tasks do not get to their end.
        self.child.table().end(Fault::Broken);
        let tasks: [AbortHandle; 2] = [self.writer.abort_handle(), self.reader.abort_handle()];
        tasks.iter().for_each(AbortHandle::abort);
    }
}

/// Who kills a process group when it is dropped.
///
/// The number of a group may be another's as soon as its leader has been waited for. Until then it is
/// not, even when the leader has ended.
pub(super) struct Group(pub(super) Option<Pid>);

impl Group {
    fn signal(&self, signal: Kill) {
        if let Some(group) = self.0 {
            // There may be nobody left.
            let _gone = kill_process_group(group, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Kill::KILL);
    }
}

/// Waits until the process has exited, and leaves it to be waited for.
async fn exited(process: Option<Pid>, signals: &mut Signal) {
    let Some(process) = process else { return };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    while let Ok(None) = waitid(WaitId::Pid(process), options) {
        if signals.recv().await.is_none() {
            return;
        }
    }
}
