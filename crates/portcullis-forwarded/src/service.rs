//! Request time.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use portcullis_core::{GateBody, RequestFacts as _};
use tower_service::Service;

use crate::admit::{Config, Verdict};
use crate::future::Held;
use crate::{ResponseFuture, Unsigned, VerifyAssertion};

/// Identifies callers by a trusted sidecar's word; made by
/// [`ForwardedLayer`](crate::ForwardedLayer).
#[must_use = "a service does nothing until it is called"]
pub struct Forwarded<S, V = Unsigned> {
    inner: S,
    config: Arc<Config<V>>,
}

impl<S, V> Forwarded<S, V> {
    pub(crate) fn new(inner: S, config: Arc<Config<V>>) -> Self {
        Self { inner, config }
    }
}

impl<S, V, ReqBody, ResBody> Service<Request<ReqBody>> for Forwarded<S, V>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    V: VerifyAssertion,
{
    type Response = Response<GateBody<ResBody>>;
    type Error = S::Error; // a refusal is a response
    type Future = ResponseFuture<S, ReqBody, V::Verdict, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        request.clear_caller();
        let (mut parts, body) = request.into_parts();
        // INVARIANT: `inner.call` is reached only with a caller or an anonymous pass, and without
        // any header that claims to be a caller.
        let verdict = self.config.admit(&mut parts);
        let mut request = Request::from_parts(parts, body);
        match verdict {
            Verdict::Admit(caller) => {
                request.set_caller(caller);
                ResponseFuture::forward(self.inner.call(request))
            }
            Verdict::Pass(pass) => {
                request.set_anonymous_pass(pass.clone());
                ResponseFuture::forward_anonymous(self.inner.call(request), pass)
            }
            Verdict::Verify(verifier, assertion) => {
                let verdict = verifier.verify(assertion);
                let inner = take_ready(&mut self.inner);
                let challenge = self.config.challenge.clone();
                ResponseFuture::verify(verdict, Held { inner, request, challenge })
            }
            Verdict::Refuse(denial) => ResponseFuture::refuse(denial),
        }
    }
}

/// The service that was polled ready. What it reserved (a permit of a concurrency limit) is not in
/// a clone, so the clone stays here and must be polled again.
fn take_ready<S: Clone>(inner: &mut S) -> S {
    let clone = inner.clone();
    mem::replace(inner, clone)
}

// By hand: a verifier need not be `Clone` or `Debug`.
impl<S: Clone, V> Clone for Forwarded<S, V> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), config: Arc::clone(&self.config) }
    }
}

impl<S: fmt::Debug, V> fmt::Debug for Forwarded<S, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forwarded").field("inner", &self.inner).finish_non_exhaustive()
    }
}
