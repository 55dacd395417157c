//! The response in the making.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;
use portcullis_core::{Denial, GateBody};

pin_project! {
    /// Response future of [`Assertion`](crate::Assertion).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StateProj]
    enum State<F> {
        Forward { #[pin] inner: F },
        Deny { denial: Option<Denial> },
    }
}

impl<F> ResponseFuture<F> {
    pub(crate) fn forward(inner: F) -> Self {
        Self { state: State::Forward { inner } }
    }

    pub(crate) fn deny(denial: Denial) -> Self {
        Self { state: State::Deny { denial: Some(denial) } }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<GateBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Forward { inner } => {
                let response = ready!(inner.poll(cx))?;
                Poll::Ready(Ok(response.map(GateBody::inner)))
            }
            StateProj::Deny { denial } => match denial.take() {
                Some(denial) => Poll::Ready(Ok(denial.into_response())),
                // Polled after completion, which only a faulty caller does.
                None => Poll::Pending,
            },
        }
    }
}
