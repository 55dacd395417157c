//! Waiting for the head of an answer.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;

use crate::ProxyBody;

/// The answer of a command; the future of [`StdioUpstream`](crate::StdioUpstream).
// Boxed: what it costs is nothing beside two pipes and a process.
#[must_use = "futures do nothing unless polled"]
pub struct StdioFuture(Pin<Box<dyn Future<Output = Response<ProxyBody>> + Send>>);

impl StdioFuture {
    pub(super) fn new(answer: impl Future<Output = Response<ProxyBody>> + Send + 'static) -> Self {
        Self(Box::pin(answer))
    }
}

impl Future for StdioFuture {
    type Output = Result<Response<ProxyBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx).map(Ok)
    }
}

impl fmt::Debug for StdioFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StdioFuture").finish_non_exhaustive()
    }
}
