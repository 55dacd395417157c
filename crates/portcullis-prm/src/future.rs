//! The response in the making.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;
use portcullis_core::GateBody;

pin_project! {
    /// Response future of [`Prm`](crate::Prm).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F, B> {
        #[pin]
        state: State<F, B>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StateProj]
    enum State<F, B> {
        Forward { #[pin] inner: F },
        Answer { response: Option<Response<GateBody<B>>> },
    }
}

impl<F, B> ResponseFuture<F, B> {
    pub(crate) fn forward(inner: F) -> Self {
        Self { state: State::Forward { inner } }
    }

    pub(crate) fn answer(response: Response<GateBody<B>>) -> Self {
        Self { state: State::Answer { response: Some(response) } }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
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
            #[expect(
                clippy::expect_used,
                reason = "polling a finished future is the caller's fault"
            )]
            StateProj::Answer { response } => {
                Poll::Ready(Ok(response.take().expect("polled after completion")))
            }
        }
    }
}
