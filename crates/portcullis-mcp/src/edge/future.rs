//! The future of the edge.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderValue, Response};
use pin_project_lite::pin_project;
use portcullis_core::GateBody;

use super::cors;

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
        Forward { #[pin] inner: F, origin: Option<HeaderValue> },
        Own { response: Option<Response<GateBody<B>>> },
    }
}

impl<F, B> EdgeFuture<F, B> {
    pub(crate) fn forward(inner: F, origin: Option<HeaderValue>) -> Self {
        Self { state: State::Forward { inner, origin } }
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
            StateProj::Forward { inner, origin } => {
                let mut response = ready!(inner.poll(cx))?.map(GateBody::inner);
                cors::finish(response.headers_mut(), origin.take());
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
