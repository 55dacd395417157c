//! The response body, whose end is the outcome.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf as _;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::classify::End;
use crate::debt::Debt;

pin_project! {
    /// The inner service's body, untouched, whose end writes the outcome record.
    ///
    /// The end is when the last frame was taken, or when the body failed. A body that is dropped
    /// before that was aborted.
    pub struct AuditBody<B> {
        #[pin]
        inner: B,
        debt: Debt,
        // A server stops asking once it has as many bytes as were announced.
        announced: Option<u64>,
    }
}

impl<B: Body> AuditBody<B> {
    pub(crate) fn new(inner: B, mut debt: Debt) -> Self {
        let announced = inner.size_hint().exact();
        if inner.is_end_stream() || announced == Some(0) {
            debt.pay(End::Complete);
        }
        Self { inner, debt, announced }
    }
}

impl<B: Body> Body for AuditBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.inner.as_mut().poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    this.debt.bytes += data.remaining() as u64;
                }
                if this.inner.is_end_stream() || *this.announced == Some(this.debt.bytes) {
                    this.debt.pay(End::Complete);
                }
            }
            Some(Err(_)) => this.debt.pay(End::Failed),
            None => this.debt.pay(End::Complete),
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

impl<B: fmt::Debug> fmt::Debug for AuditBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditBody").field("inner", &self.inner).finish_non_exhaustive()
    }
}
