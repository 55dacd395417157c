//! The end of a session, as whoever is in it sees it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

/// Whether a session has ended, shared by all that happens in it.
#[derive(Debug, Default)]
pub(super) struct End {
    over: AtomicBool,
    waiting: Arc<Notify>,
}

impl End {
    /// Ends the session and wakes whoever waits for that.
    pub(super) fn come(&self) {
        self.over.store(true, Ordering::Release);
        self.waiting.notify_waiters();
    }

    pub(super) fn has_come(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }
}

/// Waits for the end of a session.
pub(super) struct Watch {
    end: Arc<End>,
    // Few wait: an exchange that is no stream is over before its session.
    notified: Option<Pin<Box<OwnedNotified>>>,
}

impl Watch {
    pub(super) fn new(end: &Arc<End>) -> Self {
        Self { end: Arc::clone(end), notified: None }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { end, notified } = self;
        // It hears of an end that comes from here on; one that came before is seen below.
        let notified =
            notified.get_or_insert_with(|| Box::pin(Arc::clone(&end.waiting).notified_owned()));
        if end.has_come() { Poll::Ready(()) } else { notified.as_mut().poll(cx) }
    }
}
