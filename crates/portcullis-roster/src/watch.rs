//! Noticing a block while an answer is under way.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use portcullis_core::Principal;

use crate::worker::Shared;

/// Notices when a caller is blocked; made by [`Roster::watch`](crate::Roster::watch).
pub struct Watch {
    shared: Arc<Shared>,
    principal: Arc<Principal>,
    version: u64,
}

impl Watch {
    pub(crate) fn new(shared: Arc<Shared>, principal: Arc<Principal>) -> Self {
        // Of no list: the caller may have been let in by an older one than is in force by now.
        Self { shared, principal, version: u64::MAX }
    }

    /// Whether the caller is blocked by now. Costs next to nothing while the list is the same.
    pub fn is_blocked(&mut self) -> bool {
        if self.shared.version.load(Ordering::Acquire) == self.version {
            return false;
        }
        let blocks = self.shared.blocks.load();
        if blocks.has(&self.principal) {
            return true;
        }
        self.version = blocks.version;
        false
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("principal", &self.principal).finish_non_exhaustive()
    }
}

pin_project! {
    /// A response body that ends where its reader is blocked.
    #[derive(Debug)]
    pub struct RosterBody<B> {
        #[pin]
        inner: B,
        watch: Option<Watch>,
    }
}

impl<B> RosterBody<B> {
    /// `inner`, for as long as `watch` has nothing against it.
    pub fn new(inner: B, watch: Option<Watch>) -> Self {
        Self { inner, watch }
    }
}

impl<B: Body<Data = Bytes>> Body for RosterBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let frame = this.inner.poll_frame(cx);
        // After the frame has come: what came before the block may be old.
        if this.watch.as_mut().is_some_and(Watch::is_blocked) {
            return Poll::Ready(None);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
