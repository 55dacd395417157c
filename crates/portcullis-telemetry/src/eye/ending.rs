//! How an answer ends, and who says so.

use std::sync::Arc;

use super::Eye;

/// How an answer ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// All of it was handed on.
    Complete,
    /// The service failed, before the head or within the body.
    Failed,
    /// It was dropped before its end.
    Dropped,
}

/// Owes the end of an answer: whoever holds it says how it ended, or dropping it says so.
#[derive(Debug)]
pub(crate) struct Ending(Option<Arc<Eye>>);

impl Ending {
    pub(crate) fn of(eye: Arc<Eye>) -> Self {
        Self(Some(eye))
    }

    pub(crate) fn eye(&self) -> Option<&Eye> {
        self.0.as_deref()
    }

    pub(crate) fn take(&mut self) -> Self {
        Self(self.0.take())
    }

    pub(crate) fn say(&mut self, end: End) {
        if let Some(eye) = self.0.take() {
            eye.finish(end);
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.say(End::Dropped);
    }
}
