//! Waiting for a key fetch that many requests share.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::sync::futures::OwnedNotified;

pin_project! {
    /// Resolves when the key fetch under way has ended, whichever way.
    pub(crate) struct KeyWait {
        #[pin]
        finished: OwnedNotified,
    }
}

impl KeyWait {
    #[cfg(feature = "jwks-client")]
    pub(crate) fn new(finished: OwnedNotified) -> Self {
        Self { finished }
    }
}

impl Future for KeyWait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().finished.poll(cx)
    }
}
