//! Request time.

use std::task::{Context, Poll};

use http::{Request, Response};
use portcullis_core::GateBody;
use tower_service::Service;

use crate::{ResponseFuture, RosterBody, RosterLayer};

/// Counts callers and refuses those who are blocked; made by [`RosterLayer`].
#[derive(Clone, Debug)]
#[must_use = "a service does nothing until it is called"]
pub struct RosterService<S> {
    inner: S,
    layer: RosterLayer,
}

impl<S> RosterService<S> {
    pub(crate) fn new(inner: S, layer: RosterLayer) -> Self {
        Self { inner, layer }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for RosterService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = Response<GateBody<RosterBody<ResBody>>>;
    type Error = S::Error; // a refusal is a response
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        // INVARIANT: `inner.call` is reached by nobody who is blocked.
        match self.layer.admit(&request) {
            Ok(watch) => ResponseFuture::forward(self.inner.call(request), watch),
            Err(denial) => ResponseFuture::refuse(denial),
        }
    }
}
