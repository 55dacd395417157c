//! Who has which children.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_core::Era;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::child::{self, Child};
use super::command;
use super::config::Config;
use super::fault::Fault;
use super::person::{Person, hex};

/// A child that lives so long has not failed to start.
const STABLE: Duration = Duration::from_secs(60);
/// The pause after the second failure in a row; it doubles with each, up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long a command is known for one that has only sessions.
const SESSIONS_ONLY: Duration = Duration::from_secs(10 * 60);
const SOON: Duration = Duration::from_secs(1);

/// All children of an upstream.
pub(super) struct Pool {
    pub(super) config: Config,
    state: Mutex<State>,
    /// How many processes there are.
    alive: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    people: HashMap<Person, Record>,
    sessions: HashMap<String, Arc<Child>>,
    /// Every child of which more may come.
    children: Vec<Arc<Child>>,
    closing: bool,
    sessions_only: Option<Instant>,
}

#[derive(Default)]
struct Record {
    /// The child for requests without a session.
    modern: Option<Arc<Child>>,
    /// How many processes this person has, to the last breath of each.
    alive: usize,
    /// How many children in a row did not live long.
    failures: u32,
    failed: Option<Instant>,
}

impl Record {
    /// How long nothing is to be started.
    fn pause(&self, now: Instant) -> Option<Duration> {
        let doublings = self.failures.checked_sub(2)?.min(16);
        let pause = PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
        (self.failed? + pause).checked_duration_since(now).filter(|left| !left.is_zero())
    }

    fn is_forgettable(&self, now: Instant) -> bool {
        self.alive == 0 && self.failed.is_none_or(|failed| now >= failed + 2 * LONGEST_PAUSE)
    }
}

impl Pool {
    pub(super) fn new(config: Config) -> Arc<Self> {
        Arc::new(Self { config, state: Mutex::default(), alive: watch::Sender::new(0) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that runs under it can panic half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing new is taken on.
    pub(super) fn is_closing(&self) -> bool {
        self.state().closing
    }

    /// The child of this person for requests without a session, started if there is none.
    pub(super) async fn modern(self: &Arc<Self>, person: &Person) -> Result<Arc<Child>, Fault> {
        self.child(person, Era::Modern).await
    }

    /// A new child, for a session.
    pub(super) async fn legacy(self: &Arc<Self>, person: &Person) -> Result<Arc<Child>, Fault> {
        self.child(person, Era::Legacy).await
    }

    async fn child(self: &Arc<Self>, person: &Person, era: Era) -> Result<Arc<Child>, Fault> {
        let mut alive = self.alive.subscribe();
        let room = async {
            loop {
                match self.admit(person, era)? {
                    Some(child) => return Ok(child),
                    // A child of this person's is on its way out.
                    None => alive.changed().await.map_err(|_| Fault::Broken)?,
                }
            }
        };
        let limit = self.config.grace.saturating_mul(2) + SOON;
        timeout(limit, room).await.unwrap_or(Err(Fault::Busy(SOON)))
    }

    /// A child, or `None` when there will soon be room for one.
    fn admit(self: &Arc<Self>, person: &Person, era: Era) -> Result<Option<Arc<Child>>, Fault> {
        let now = Instant::now();
        let mut state = self.state();
        let State { people, children, closing, .. } = &mut *state;
        if *closing {
            return Err(Fault::Busy(SOON));
        }
        people.retain(|known, record| known == person || !record.is_forgettable(now));
        let record = people.entry(person.clone()).or_default();
        if era == Era::Modern
            && let Some(child) = record.modern.as_ref().filter(|child| !child.table().is_over())
        {
            return Ok(Some(Arc::clone(child)));
        }
        if let Some(left) = record.pause(now) {
            return Err(Fault::Busy(left));
        }
        if record.alive >= self.config.per_person {
            let own = || children.iter().filter(|c| c.person == *person && !c.is_stopping());
            if own().count() >= record.alive {
                let unused = own().filter(|child| !child.table().is_working());
                let oldest = unused.min_by_key(|child| {
                    let table = child.table();
                    (table.is_busy(), table.used())
                });
                oldest.ok_or(Fault::Busy(SOON))?.stop();
            }
            return Ok(None);
        }
        if *self.alive.borrow() >= self.config.in_total {
            return Err(Fault::Busy(SOON));
        }
        let started = command::start(&self.config, person).and_then(|started| {
            child::adopt(started, person.clone(), era, &self.config, Arc::downgrade(self))
        });
        match started {
            Ok(child) => {
                record.alive += 1;
                self.alive.send_modify(|alive| *alive += 1);
                children.push(Arc::clone(&child));
                if era == Era::Modern {
                    record.modern = Some(Arc::clone(&child));
                }
                Ok(Some(child))
            }
            Err(error) => {
                let upstream = &self.config.name;
                tracing::error!(target: "portcullis::proxy", upstream, %error, "a command cannot be started");
                record.failures += 1;
                record.failed = Some(now);
                Err(Fault::Broken)
            }
        }
    }

    /// Gives the session of this child a name that nobody can guess.
    pub(super) fn name(&self, child: &Arc<Child>) -> Option<String> {
        let mut random = [0; 32];
        getrandom::fill(&mut random).ok()?;
        let name = hex(&random);
        let mut state = self.state();
        // It may have ended already.
        if child.table().is_over() {
            return None;
        }
        state.sessions.insert(name.clone(), Arc::clone(child));
        Some(name)
    }

    /// The child of this person's session.
    pub(super) fn session(&self, name: &str, person: &Person) -> Result<Arc<Child>, Whose> {
        let state = self.state();
        let child = state.sessions.get(name).filter(|child| !child.table().is_over());
        let child = child.ok_or(Whose::Nobodys)?;
        if child.person == *person { Ok(Arc::clone(child)) } else { Err(Whose::Anothers) }
    }

    /// There is no session of this name any more.
    pub(super) fn end_session(&self, name: &str) {
        self.state().sessions.remove(name);
    }

    /// Nothing more comes from this child.
    pub(super) fn forget(&self, child: &Arc<Child>) {
        let mut state = self.state();
        state.sessions.retain(|_, known| !Arc::ptr_eq(known, child));
        state.children.retain(|known| !Arc::ptr_eq(known, child));
        if let Some(record) = state.people.get_mut(&child.person)
            && record.modern.as_ref().is_some_and(|known| Arc::ptr_eq(known, child))
        {
            record.modern = None;
        }
    }

    /// Nothing is left of a child, which lived so long if it ended by itself.
    pub(super) fn buried(&self, person: &Person, lived: Option<Duration>) {
        let mut state = self.state();
        let record = state.people.entry(person.clone()).or_default();
        record.alive = record.alive.saturating_sub(1);
        match lived {
            Some(lived) if lived < STABLE => {
                record.failures = record.failures.saturating_add(1);
                record.failed = Some(Instant::now());
            }
            Some(_) => record.failures = 0,
            None => {}
        }
        drop(state);
        self.alive.send_modify(|alive| *alive = alive.saturating_sub(1));
    }

    /// Whether the command is known to have only sessions.
    pub(super) fn has_only_sessions(&self) -> bool {
        let learned = self.state().sessions_only;
        self.config.sessions_only
            || learned.is_some_and(|learned| learned.elapsed() < SESSIONS_ONLY)
    }

    /// A child ended, or said nothing, when it was asked what nobody asks in a session.
    pub(super) fn learn_only_sessions(&self) {
        self.state().sessions_only = Some(Instant::now());
    }

    /// Ends all children: those that work when they are done, or when patience ends.
    pub(super) async fn drain(&self, patience: Duration) {
        let children = {
            let mut state = self.state();
            state.closing = true;
            state.children.clone()
        };
        for child in &children {
            let mut table = child.table();
            let lines = table.wind_down();
            drop(table);
            child.mention(lines);
        }
        let done = async {
            while children.iter().any(|child| child.table().is_working()) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let _late = timeout(patience, done).await;
        self.stop();
        let mut alive = self.alive.subscribe();
        let _always_there = alive.wait_for(|alive| *alive == 0).await;
    }

    fn stop(&self) {
        self.state().children.iter().for_each(|child| child.stop());
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Why there is no session of this name for this person.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Whose {
    Nobodys,
    Anothers,
}
