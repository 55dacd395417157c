//! The response future.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;
use tracing::Span;

use crate::WatchBody;
use crate::eye::{End, Ending};

pin_project! {
    /// Response future of [`Watch`](crate::Watch).
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        ending: Ending,
        span: Span,
    }
}

impl<F> ResponseFuture<F> {
    pub(crate) fn new(inner: F, ending: Ending, span: Span) -> Self {
        Self { inner, ending, span }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<WatchBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let entered = this.span.enter();
        let answer = ready!(this.inner.poll(cx));
        drop(entered);
        match answer {
            Ok(response) => {
                let ending = this.ending.take();
                if let Some(eye) = ending.eye() {
                    eye.responded(&response);
                }
                let span = std::mem::replace(this.span, Span::none());
                Poll::Ready(Ok(response.map(|body| WatchBody::new(body, ending, span))))
            }
            Err(error) => {
                this.ending.say(End::Failed);
                Poll::Ready(Err(error))
            }
        }
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
