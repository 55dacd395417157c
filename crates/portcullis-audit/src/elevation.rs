//! Callers who were told which scopes they need, and came back with them.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use portcullis_core::{McpRequest, Principal, Target};

use crate::{Event, EventKind, screen};

/// How many are remembered; when there are more, all are forgotten.
const MOST: usize = 4096;

/// Who was told of what and has not come back yet.
#[derive(Debug, Default)]
pub(crate) struct Elevations {
    count: AtomicUsize,
    /// The scopes that were asked for, by a hash of who and what.
    asked: Mutex<HashMap<u64, String>>,
    hasher: RandomState,
}

impl Elevations {
    pub(crate) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    /// Takes notice of a decision about `request`: `asked` are the scopes of a challenge, `None` means
    /// that it was permitted. The event, if there is one.
    pub(crate) fn step(
        &self,
        principal: &Principal,
        request: &McpRequest,
        asked: Option<&[String]>,
    ) -> Option<Event> {
        let target = request.targets().next();
        let screened = target.and_then(|it| screen::target(it.kind(), it.name()));
        let target = target.map_or("", Target::name);
        // A refreshed token is the same caller: principals are equal by who they are.
        let key = self.hasher.hash_one((principal, request.method(), target));
        let mut waiting = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let (kind, scopes) = match asked {
            Some(scopes) => {
                if waiting.len() >= MOST {
                    waiting.clear();
                }
                let scopes = scopes.join(" ");
                waiting.insert(key, scopes.clone());
                (EventKind::ScopesAsked, scopes)
            }
            None => (EventKind::ScopesGranted, waiting.remove(&key)?),
        };
        self.count.store(waiting.len(), Ordering::Relaxed);
        let target = screened.as_ref().map_or(target, |(shown, _)| shown);
        let about = format!("{} {target}", request.method().as_str());
        Some(Event::new(kind).about(about.trim_end()).to(scopes).by(principal))
    }
}
