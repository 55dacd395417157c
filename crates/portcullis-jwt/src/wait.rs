//! Waiting for what many requests share: a key fetch, or a question about a token.

use std::pin::Pin;
#[cfg(feature = "jwks-client")]
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tokio::sync::futures::OwnedNotified;

#[cfg(feature = "jwks-client")]
use crate::introspection::Flight;

/// What was waited for.
#[derive(Clone)]
pub(crate) enum Waited {
    /// Keys, which have come or have not.
    #[cfg_attr(not(feature = "jwks-client"), expect(dead_code, reason = "fixed keys never wait"))]
    Keys,
    /// The answer of an issuer.
    #[cfg(feature = "jwks-client")]
    Answer(Arc<Flight>),
}

pin_project! {
    /// Resolves when what is under way has ended, whichever way.
    pub(crate) struct Wait {
        #[pin]
        finished: OwnedNotified,
        waited: Waited,
    }
}

impl Wait {
    #[cfg(feature = "jwks-client")]
    pub(crate) fn new(finished: OwnedNotified, waited: Waited) -> Self {
        Self { finished, waited }
    }
}

impl Future for Wait {
    type Output = Waited;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Waited> {
        let this = self.project();
        ready!(this.finished.poll(cx));
        Poll::Ready(this.waited.clone())
    }
}
