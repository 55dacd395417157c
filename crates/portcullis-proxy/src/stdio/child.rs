//! A child, from its start until nothing is left of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use portcullis_core::Era;
use rustix::process::Pid;
use tokio::io::{AsyncWriteExt as _, BufReader, BufWriter};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::command::Started;
use super::config::Config;
use super::fault::Fault;
use super::lines::{Line, Lines};
use super::person::Person;
use super::pool::Pool;
use super::stderr;
use super::table::Table;

mod keeper;

use keeper::{Group, Keeper};

/// How many lines may wait for a child that does not read.
const QUEUE: usize = 16;

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
