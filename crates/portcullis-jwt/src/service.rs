//! Request time.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use portcullis_core::{
    AnonymousReason, Caller, Challenge, Denial, GateBody, Principal, RequestFacts as _,
};
use tower_service::Service;

use crate::credentials::{Credentials, NoCredentials};
use crate::future::ResponseFuture;
use crate::keys::Obstacle;
use crate::{TokenError, Verifier};

/// Lets in only requests with a valid bearer token; made by [`JwtLayer`](crate::JwtLayer).
#[derive(Clone, Debug)]
#[must_use = "services do nothing unless called"]
pub struct Jwt<S> {
    inner: S,
    verifier: Verifier,
    challenge: Challenge,
    anonymous: bool,
}

impl<S> Jwt<S> {
    pub(crate) fn new(inner: S, verifier: Verifier, challenge: Challenge, anonymous: bool) -> Self {
        Self { inner, verifier, challenge, anonymous }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Jwt<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
{
    type Response = Response<GateBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqBody, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    // INVARIANT: the inner service sees a request only with a caller that was set here, and never
    // an `Authorization` line.
    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        request.clear_caller();
        let uri = request.uri().clone();
        let credentials = match Credentials::take(&uri, request.headers_mut()) {
            Ok(credentials) => credentials,
            Err(NoCredentials::Absent) if self.anonymous => {
                request.set_caller(Caller::Anonymous(AnonymousReason::NoCredentials));
                return ResponseFuture::forward(self.inner.call(request));
            }
            Err(NoCredentials::Absent | NoCredentials::OtherScheme) => {
                return ResponseFuture::deny(Denial::no_token(&self.challenge));
            }
            Err(NoCredentials::Malformed(reason)) => {
                return ResponseFuture::deny(Denial::invalid_credentials(&self.challenge, reason));
            }
        };
        match self.verifier.verify(credentials.token()) {
            Ok(principal) => {
                admit(&mut request, principal);
                ResponseFuture::forward(self.inner.call(request))
            }
            Err(Obstacle::Refused(error)) => ResponseFuture::deny(denial(error, &self.challenge)),
            Err(Obstacle::Wait(keys)) => {
                // The service that was polled ready is the one to call later; a clone is not.
                let clone = self.inner.clone();
                let inner = std::mem::replace(&mut self.inner, clone);
                let parked = Parked {
                    inner,
                    request,
                    credentials,
                    verifier: self.verifier.clone(),
                    challenge: self.challenge.clone(),
                };
                ResponseFuture::wait(keys, parked)
            }
        }
    }
}

/// A request that waits for keys, with the ready service it is for.
pub(crate) struct Parked<S, B> {
    inner: S,
    request: Request<B>,
    credentials: Credentials,
    verifier: Verifier,
    challenge: Challenge,
}

impl<S, B> Parked<S, B>
where
    S: Service<Request<B>>,
{
    /// The keys have come, or have not: decides now.
    pub(crate) fn resume(mut self) -> Result<S::Future, Denial> {
        match self.verifier.verify_again(self.credentials.token()) {
            Ok(principal) => {
                admit(&mut self.request, principal);
                Ok(self.inner.call(self.request))
            }
            Err(error) => Err(denial(error, &self.challenge)),
        }
    }
}

fn admit<B>(request: &mut Request<B>, principal: Principal) {
    request.set_caller(Caller::Verified(Arc::new(principal)));
}

fn denial(error: TokenError, challenge: &Challenge) -> Denial {
    match error.retry_after() {
        Some(retry_after) => Denial::keys_unavailable(retry_after),
        None => Denial::invalid_token(challenge, error.reason()),
    }
}
