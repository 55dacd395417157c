//! The response body, whose end is the end of the request.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf as _;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tracing::Span;

use crate::eye::{End, Ending};

pin_project! {
    /// The inner service's body, untouched. Its end ends what is measured; one that is dropped before
    /// that was aborted.
    pub struct WatchBody<B> {
        #[pin]
        inner: B,
        ending: Ending,
        span: Span,
        // A server stops asking once it has as many bytes as were announced.
        announced: Option<u64>,
        bytes: u64,
    }
}

impl<B: Body> WatchBody<B> {
    pub(crate) fn new(inner: B, mut ending: Ending, span: Span) -> Self {
        let announced = inner.size_hint().exact();
        if inner.is_end_stream() || announced == Some(0) {
            ending.say(End::Complete);
        }
        Self { inner, ending, span, announced, bytes: 0 }
    }
}

impl<B: Body> Body for WatchBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let entered = this.span.enter();
        let frame = ready!(this.inner.as_mut().poll_frame(cx));
        drop(entered);
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    *this.bytes += data.remaining() as u64;
                }
                if this.inner.is_end_stream() || *this.announced == Some(*this.bytes) {
                    this.ending.say(End::Complete);
                }
            }
            Some(Err(_)) => this.ending.say(End::Failed),
            None => this.ending.say(End::Complete),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: fmt::Debug> fmt::Debug for WatchBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchBody").field("inner", &self.inner).finish_non_exhaustive()
    }
}
