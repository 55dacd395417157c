//! The future of the edge.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderValue, Response};
use pin_project_lite::pin_project;
use portcullis_core::{Denial, GateBody, Reason, ResponseFacts as _};

use super::cors;
use super::service::close;

pin_project! {
    /// Response future of [`Edge`](crate::Edge).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct EdgeFuture<F, B> {
        #[pin]
        state: State<F, B>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StateProj]
    enum State<F, B> {
        Forward { #[pin] inner: F, origin: Option<HeaderValue>, unread: bool },
        Own { response: Option<Response<GateBody<B>>> },
    }
}

impl<F, B> EdgeFuture<F, B> {
    pub(crate) fn forward(inner: F, origin: Option<HeaderValue>, unread: bool) -> Self {
        Self { state: State::Forward { inner, origin, unread } }
    }

    pub(crate) fn own(response: Response<GateBody<B>>) -> Self {
        Self { state: State::Own { response: Some(response) } }
    }
}

impl<F, B, E> Future for EdgeFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<GateBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Forward { inner, origin, unread } => {
                let mut response = ready!(inner.poll(cx))?.map(GateBody::inner);
                cors::finish(response.headers_mut(), origin.take());
                if *unread && response.denial().is_some_and(is_early) {
                    close(response.headers_mut());
                }
                Poll::Ready(Ok(response))
            }
            #[expect(
                clippy::expect_used,
                reason = "polling a finished future is the caller's fault"
            )]
            StateProj::Own { response } => {
                Poll::Ready(Ok(response.take().expect("polled after completion")))
            }
        }
    }
}

/// Whether sign-in or inspection refuses so before it reads the body. A wrong guess costs a
/// connection, or leaves one open that a client finds closed.
fn is_early(denial: &Denial) -> bool {
    match denial.status().as_u16() {
        400 => denial.rpc_code().is_none() || denial.reason() == Reason::BadIdentity,
        status => matches!(status, 401 | 405 | 406 | 415 | 503),
    }
}
