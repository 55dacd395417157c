//! The response future.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;
use portcullis_core::{Denial, GateBody};

use crate::{RosterBody, Watch};

pin_project! {
    /// Response future of [`RosterService`](crate::RosterService).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Forward { #[pin] inner: F, watch: Option<Watch> },
        Refuse { denial: Option<Denial> },
    }
}

impl<F> ResponseFuture<F> {
    pub(crate) fn forward(inner: F, watch: Option<Watch>) -> Self {
        Self { state: State::Forward { inner, watch } }
    }

    pub(crate) fn refuse(denial: Denial) -> Self {
        Self { state: State::Refuse { denial: Some(denial) } }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<GateBody<RosterBody<B>>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Forward { inner, watch } => {
                let response = ready!(inner.poll(cx))?;
                let watch = watch.take();
                Poll::Ready(Ok(response.map(|body| GateBody::inner(RosterBody::new(body, watch)))))
            }
            #[expect(
                clippy::expect_used,
                reason = "polling a finished future is the caller's fault"
            )]
            StateProj::Refuse { denial } => {
                Poll::Ready(Ok(denial.take().expect("polled after completion").into_response()))
            }
        }
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
