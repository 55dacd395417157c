//! Request time.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use portcullis_core::{GateBody, RequestFacts as _};
use tower_service::Service;

use crate::ResponseFuture;
use crate::attach::Attacher;

/// Tells `S` who is calling; made by [`AssertionLayer`](crate::AssertionLayer).
#[derive(Clone)]
#[must_use = "services do nothing unless called"]
pub struct Assertion<S> {
    inner: S,
    attacher: Arc<Attacher>,
}

impl<S> Assertion<S> {
    pub(crate) fn new(inner: S, attacher: Arc<Attacher>) -> Self {
        Self { inner, attacher }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Assertion<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = Response<GateBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let caller = request.caller().cloned();
        match self.attacher.attach(request.headers_mut(), caller.as_ref()) {
            Ok(()) => ResponseFuture::forward(self.inner.call(request)),
            Err(denial) => ResponseFuture::deny(denial),
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for Assertion<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assertion").field("inner", &self.inner).finish_non_exhaustive()
    }
}
