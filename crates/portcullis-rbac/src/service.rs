//! Request time.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use portcullis_core::{Buffered, GateBody, RequestFacts as _};
use tower_service::Service;

use crate::docket::Docket;
use crate::gate::{Gate, Next};
use crate::{Authorizer, ResponseFuture};

/// Refuses MCP messages that an [`Authorizer`] does not allow; made by
/// [`RbacLayer`](crate::RbacLayer).
#[must_use = "a service does nothing until it is called"]
pub struct Rbac<S, A> {
    inner: S,
    gate: Arc<Gate<A>>,
}

impl<S, A> Rbac<S, A> {
    pub(crate) fn new(inner: S, gate: Arc<Gate<A>>) -> Self {
        Self { inner, gate }
    }
}

impl<S, A, ResBody> Service<Request<Buffered>> for Rbac<S, A>
where
    S: Service<Request<Buffered>, Response = Response<ResBody>> + Clone,
    A: Authorizer,
{
    type Response = Response<GateBody<ResBody>>;
    type Error = S::Error; // a refusal is a response
    type Future = ResponseFuture<S, A, A::Later, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Buffered>) -> Self::Future {
        request.clear_permit();
        // INVARIANT: `inner.call` is reached only with a permit in hand and on record.
        match self.gate.next(request, Docket::default()) {
            Next::Call(request, permit) => {
                ResponseFuture::calling(self.inner.call(request), permit)
            }
            Next::Refuse(refusal) => ResponseFuture::refused(refusal),
            Next::Record(recording) => ResponseFuture::recording(self.take_ready(), recording),
            Next::Ask(later, request, docket) => {
                let gate = Arc::clone(&self.gate);
                ResponseFuture::asking(later, self.take_ready(), gate, request, docket)
            }
            Next::AskAll(all, request, docket) => {
                let gate = Arc::clone(&self.gate);
                ResponseFuture::asking_all(all, self.take_ready(), gate, request, docket)
            }
        }
    }
}

impl<S: Clone, A> Rbac<S, A> {
    /// The service that was polled ready. What it reserved (a permit of a concurrency limit) is
    /// not in a clone, so the clone stays here and must be polled again.
    fn take_ready(&mut self) -> S {
        let clone = self.inner.clone();
        mem::replace(&mut self.inner, clone)
    }
}

// By hand: an authorizer need not be `Clone` or `Debug`.
impl<S: Clone, A> Clone for Rbac<S, A> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), gate: Arc::clone(&self.gate) }
    }
}

impl<S: fmt::Debug, A> fmt::Debug for Rbac<S, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rbac").field("inner", &self.inner).finish_non_exhaustive()
    }
}
