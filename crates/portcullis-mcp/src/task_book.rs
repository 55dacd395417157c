//! Whose tasks are in a list, as far as this process has seen them begin or asked about.
//!
//! The id that a client holds proves whose a task is; a list of the service's has only its own ids, which
//! prove nothing. So what was proved before is remembered, within bounds. What is forgotten, or was
//! seen by another replica only, is left out of lists; asking for it by id works all the same.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_core::Caller;

use crate::config::InspectConfig;

/// How many tasks of one owner are remembered.
const TASKS: usize = 256;
/// How many owners are remembered.
const OWNERS: usize = 4096;

type Owner = [u8; 16];

/// The owners of tasks, shared by all clones of a layer.
#[derive(Clone, Default)]
pub(crate) struct TaskBook(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    owners: HashMap<Owner, VecDeque<Entry>>,
    /// In the order in which they were noted first.
    oldest: VecDeque<Owner>,
}

struct Entry {
    upstream_id: Box<str>,
    tool: Box<str>,
}

impl TaskBook {
    /// Notes that the task is the caller's.
    pub(crate) fn note(&self, config: &InspectConfig, caller: &Caller, id: &str, tool: &str) {
        self.book().note(config.sessions.owner(caller, &config.resource), id, tool);
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn note(&mut self, owner: Owner, id: &str, tool: &str) {
        if !self.owners.contains_key(&owner) {
            if self.oldest.len() >= OWNERS
                && let Some(oldest) = self.oldest.pop_front()
            {
                self.owners.remove(&oldest);
            }
            self.oldest.push_back(owner);
        }
        let tasks = self.owners.entry(owner).or_default();
        let known = tasks.iter().position(|task| *task.upstream_id == *id);
        if let Some(known) = known {
            tasks.remove(known);
        } else if tasks.len() >= TASKS {
            tasks.pop_front();
        }
        tasks.push_back(Entry { upstream_id: id.into(), tool: tool.into() });
    }

    fn tool(&self, owner: &Owner, id: &str) -> Option<&str> {
        let mut tasks = self.owners.get(owner)?.iter();
        tasks.find(|task| *task.upstream_id == *id).map(|task| &*task.tool)
    }
}

// By hand: a table is of no use in a log.
impl fmt::Debug for TaskBook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskBook").finish_non_exhaustive()
    }
}

/// The tasks of one caller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnTasks<'a> {
    pub(crate) config: &'a InspectConfig,
    pub(crate) caller: &'a Caller,
}

impl OwnTasks<'_> {
    /// The id under which the caller knows the task `upstream_id`, and the tool that it runs; `None`
    /// when nobody can say that it is the caller's.
    pub(crate) fn named(&self, upstream_id: &str) -> Option<(String, String)> {
        let Self { config, caller } = *self;
        let owner = config.sessions.owner(caller, &config.resource);
        let tool = config.tasks.book().tool(&owner, upstream_id)?.to_owned();
        let name = config.sessions.seal_task(upstream_id, &tool, caller, &config.resource)?;
        Some((name, tool))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_owner_has_tasks_of_their_own() {
        let mut book = Book::default();
        book.note([1; 16], "a", "t");
        assert_eq!(book.tool(&[1; 16], "a"), Some("t"));
        assert_eq!(book.tool(&[2; 16], "a"), None);
        assert_eq!(book.tool(&[1; 16], "b"), None);
        book.note([2; 16], "a", "u");
        assert_eq!((book.tool(&[1; 16], "a"), book.tool(&[2; 16], "a")), (Some("t"), Some("u")));
    }

    #[test]
    fn no_more_is_remembered_than_there_is_room_for() {
        let mut book = Book::default();
        for n in 0..=TASKS {
            book.note([1; 16], &n.to_string(), "t");
            book.note([1; 16], "1", "t");
        }
        assert_eq!(book.owners[&[1; 16]].len(), TASKS);
        assert_eq!(book.tool(&[1; 16], "0"), None, "the oldest went");
        assert_eq!(book.tool(&[1; 16], "1"), Some("t"), "used again and again");
        for n in 0..OWNERS as u128 {
            book.note((n << 8).to_be_bytes(), "a", "t");
        }
        assert_eq!((book.owners.len(), book.oldest.len()), (OWNERS, OWNERS));
        assert_eq!(book.tool(&[1; 16], "1"), None);
    }
}
