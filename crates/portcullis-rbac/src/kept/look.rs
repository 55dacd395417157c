//! A look at a file: what it says comes into force, or what is wrong with it is told.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::{Inner, KeptEvent, Seen, locked};
use crate::Authorizer;

pub(super) async fn watch<A: Authorizer, E: fmt::Display + 'static>(
    file: Weak<Inner<A, E>>,
    every: Duration,
) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(file) = file.upgrade() else { return };
        // A panic would be a listener's; the file stays watched.
        let _ = tokio::task::spawn_blocking(move || file.look()).await;
    }
}

impl<A: Authorizer, E: fmt::Display> Inner<A, E> {
    pub(super) fn look(&self) {
        let mut seen = locked(&self.seen);
        match (self.file.read)(&self.file.path) {
            Err(error) => {
                seen.pending = None;
                seen.unread = true;
                let _told = self.failed(error);
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
    pub(super) fn settle(&self, seen: &mut Seen, text: String) -> Result<bool, E> {
        let built = (self.file.build)(&text);
        *seen = Seen { settled: text, pending: None, unread: false };
        let next = built.map_err(|error| self.failed(error))?;
        if locked(&self.state).failing.take().is_some() {
            tracing::info!(file = %self.file.path.display(), "the policy file can be used again");
        }
        let before = self.current.load_full();
        let (from, to) = (before.version(), next.version());
        if from == to {
            return Ok(false);
        }
        let next = Arc::new(next);
        self.current.store(Arc::clone(&next));
        {
            let mut state = locked(&self.state);
            state.loaded_at = self.file.clock.unix();
            state.loads += 1;
        }
        let path = self.file.path.display();
        tracing::info!(file = %path, %from, %to, "another policy is in force");
        if let Some(tell) = &self.file.tell {
            tell(&KeptEvent::Changed { from: &before, to: &next });
        }
        Ok(true)
    }

    /// Tells about an error once, and hands it back.
    pub(super) fn failed(&self, error: E) -> E {
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
        let current = self.current.load_full();
        let (path, in_force) = (self.file.path.display(), current.version());
        tracing::error!(
            file = %path,
            %error,
            %in_force,
            "the policy file cannot be used; the policy before it stays in force"
        );
        if let Some(tell) = &self.file.tell {
            tell(&KeptEvent::Failed { error: &error, in_force: &current });
        }
        error
    }
}
