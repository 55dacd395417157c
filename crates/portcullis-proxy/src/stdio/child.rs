//! A child, from its start until nothing is left of it.

use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use portcullis_core::Era;
use rustix::process::{Pid, Signal as Kill, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::io::{AsyncWriteExt as _, BufReader, BufWriter};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, sleep_until, timeout};

use super::command::Started;
use super::config::Config;
use super::fault::Fault;
use super::lines::{Line, Lines};
use super::person::Person;
use super::pool::Pool;
use super::stderr;
use super::table::Table;

/// How many lines may wait for a child that does not read.
const QUEUE: usize = 16;
/// How long the last words of a child that has ended may take. They are in the pipe already.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A running server, and the talk with it.
pub(super) struct Child {
    pub(super) person: Person,
    pub(super) born: Instant,
    table: Mutex<Table>,
    to: mpsc::Sender<Bytes>,
    stop: watch::Sender<bool>,
}

impl Child {
    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing that runs under it can panic half way.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says it to the child, as soon as there is room.
    pub(super) async fn say(&self, line: Bytes) -> Result<(), Fault> {
        self.to.send(line).await.map_err(|_| Fault::Broken)
    }

    /// Says it to the child, if there is room: for what nobody waits for.
    pub(super) fn mention(&self, lines: impl IntoIterator<Item = Bytes>) {
        for line in lines {
            let _full_or_gone = self.to.try_send(line);
        }
    }

    /// Ends the child. What is in flight fails.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Whether it is to end.
    pub(super) fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }
}

/// Takes a process in charge. `pool` is told when nothing more comes of it, and again when nothing is
/// left of it.
pub(super) fn adopt(
    started: Started,
    person: Person,
    era: Era,
    config: &Config,
    pool: Weak<Pool>,
) -> std::io::Result<Arc<Child>> {
    let Started { mut process, secrets } = started;
    let none = || std::io::Error::other("a process without a number or a pipe");
    let number = process.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    // From here on its group ends with it, whatever happens.
    let group = Group(Some(number.ok_or_else(none)?));
    let signals = signal(SignalKind::child())?;
    let stdin = process.stdin.take().ok_or_else(none)?;
    let stdout = process.stdout.take().ok_or_else(none)?;
    if let Some(stderr) = process.stderr.take() {
        tokio::spawn(stderr::drain(BufReader::new(stderr), config.name.clone(), secrets));
    }
    let (to, lines) = mpsc::channel(QUEUE);
    let (stop, stopped) = watch::channel(false);
    let child = Arc::new(Child {
        person,
        born: Instant::now(),
        table: Mutex::new(Table::new(era, config.max_message)),
        to,
        stop,
    });
    let keeper = Keeper {
        child: Arc::clone(&child),
        group,
        process,
        signals,
        stopped,
        writer: tokio::spawn(write(lines, stdin)),
        reader: tokio::spawn(read(Arc::clone(&child), stdout, config.max_message)),
        pool,
        name: config.name.clone(),
        idle: config.idle,
        lifetime: config.lifetime,
        grace: config.grace,
    };
    tokio::spawn(keeper.keep());
    Ok(child)
}

async fn write(mut lines: mpsc::Receiver<Bytes>, stdin: ChildStdin) {
    let mut stdin = BufWriter::new(stdin);
    while let Some(line) = lines.recv().await {
        let written = async {
            stdin.write_all(&line).await?;
            stdin.write_all(b"\n").await?;
            if lines.is_empty() { stdin.flush().await } else { Ok(()) }
        };
        if written.await.is_err() {
            return;
        }
    }
}

/// Why a child is not heard any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Deaf {
    Ended,
    Abused,
}

async fn read(child: Arc<Child>, stdout: ChildStdout, max: usize) -> Deaf {
    let mut lines = Lines::new(BufReader::with_capacity(64 * 1024, stdout), max);
    loop {
        match lines.next().await {
            Ok(Line::Whole(line)) => {
                let heard = child.table().hear(&line);
                child.mention(heard.reply);
                if heard.abusive {
                    return Deaf::Abused;
                }
            }
            Ok(Line::TooLong) => {
                if !child.table().hear_too_much() {
                    return Deaf::Abused;
                }
            }
            Ok(Line::Endless) => return Deaf::Abused,
            Ok(Line::End) | Err(_) => return Deaf::Ended,
        }
    }
}

/// Who kills a process group when it is dropped.
///
/// The number of a group may be another's as soon as its leader has been waited for. Until then it is
/// not, even when the leader has ended.
struct Group(Option<Pid>);

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

/// Sees to the end of a child.
struct Keeper {
    child: Arc<Child>,
    // Before the process, which must not be waited for until its group is gone.
    group: Group,
    process: tokio::process::Child,
    signals: Signal,
    stopped: watch::Receiver<bool>,
    writer: JoinHandle<()>,
    reader: JoinHandle<Deaf>,
    pool: Weak<Pool>,
    name: String,
    idle: Duration,
    lifetime: Duration,
    grace: Duration,
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
    async fn keep(mut self) {
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
