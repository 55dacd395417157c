//! The response future.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use crate::AuditBody;
use crate::classify::End;
use crate::debt::Debt;

pin_project! {
    /// Response future of [`Audit`](crate::Audit).
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        debt: Debt,
    }
}

impl<F> ResponseFuture<F> {
    pub(crate) fn new(inner: F, debt: Debt) -> Self {
        Self { inner, debt }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<AuditBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match ready!(this.inner.poll(cx)) {
            Ok(response) => {
                let debt = this.debt.take();
                if let Some(trail) = debt.trail() {
                    trail.responded(&response);
                }
                Poll::Ready(Ok(response.map(|body| AuditBody::new(body, debt))))
            }
            Err(error) => {
                this.debt.pay(End::Failed);
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
