//! Request time.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use portcullis_core::{
    AnonymousTerms, Caller, Challenge, Denial, GateBody, Principal, Reason, RequestFacts as _,
};
use tower_service::Service;

use crate::admission::{self, Admission, Sent};
use crate::credentials::{Credentials, NoCredentials, in_query};
use crate::future::ResponseFuture;
use crate::keys::Obstacle;
use crate::replay::ProofUse;
use crate::wait::Waited;
use crate::{TokenError, Verifier};

/// Lets in only requests with a valid bearer token; made by [`JwtLayer`](crate::JwtLayer).
#[derive(Clone, Debug)]
#[must_use = "services do nothing unless called"]
pub struct Jwt<S> {
    inner: S,
    verifier: Verifier,
    challenge: Challenge,
    anonymous: Option<AnonymousTerms>,
    admission: Arc<Admission>,
}

impl<S> Jwt<S> {
    pub(crate) fn new(
        inner: S,
        verifier: Verifier,
        challenge: Challenge,
        anonymous: Option<AnonymousTerms>,
        admission: Arc<Admission>,
    ) -> Self {
        Self { inner, verifier, challenge, anonymous, admission }
    }

    /// Lets the request of `principal`, whose token is good, in: now, or when it is certain that
    /// its DPoP proof was not used before.
    fn enter<B>(
        &mut self,
        mut request: Request<B>,
        principal: Arc<Principal>,
        credentials: &Credentials,
    ) -> ResponseFuture<S, B, S::Future>
    where
        S: Service<Request<B>> + Clone,
    {
        let certificate;
        (request, certificate) = self.admission.certificate(request, &principal);
        let sent = Sent { method: request.method(), credentials, certificate };
        let now = || self.verifier.now();
        match self.admission.check(&sent, &principal, now, &self.challenge) {
            Ok(None) => {
                admit(&mut request, principal);
                ResponseFuture::forward(self.inner.call(request))
            }
            Ok(Some(first_use)) => {
                let inner = self.take_ready();
                let challenge = self.challenge.clone();
                ResponseFuture::ask(first_use, Admitted { inner, request, principal, challenge })
            }
            Err(denial) => ResponseFuture::deny(denial),
        }
    }

    fn malformed<B>(&self, reason: Reason) -> ResponseFuture<S, B, S::Future>
    where
        S: Service<Request<B>>,
    {
        ResponseFuture::deny(Denial::invalid_credentials(&self.challenge, reason))
    }

    /// The service that was polled ready, which is the one to call later; a clone is not.
    fn take_ready(&mut self) -> S
    where
        S: Clone,
    {
        let clone = self.inner.clone();
        std::mem::replace(&mut self.inner, clone)
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

    // INVARIANT: the inner service sees a request only with a caller or an anonymous pass that was
    // set here, and never an `Authorization` line.
    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        request.clear_caller();
        let in_query = in_query(request.uri());
        let dpop = self.admission.takes_dpop();
        let credentials = match Credentials::take(in_query, request.headers_mut(), dpop) {
            Ok(credentials) => credentials,
            Err(absent @ (NoCredentials::Absent | NoCredentials::OtherScheme)) => {
                let terms = self.anonymous.as_ref().filter(|_| absent == NoCredentials::Absent);
                let Some(terms) = terms else {
                    return ResponseFuture::deny(Denial::no_token(&self.challenge));
                };
                let pass = terms.pass(Reason::NoToken);
                request.set_anonymous_pass(pass.clone());
                return ResponseFuture::forward_anonymous(self.inner.call(request), pass);
            }
            Err(NoCredentials::Malformed(reason)) => return self.malformed(reason),
        };
        // Bytes that were found to be a good token before need not be looked at again. An API key is
        // asked for first: it is never one of those.
        let unknown = if self.admission.takes_api_keys() {
            None
        } else {
            match self.verifier.recall(credentials.bytes()) {
                Ok(principal) => return self.enter(request, principal, &credentials),
                Err(unknown) => Some(unknown),
            }
        };
        if let Err(NoCredentials::Malformed(reason)) = credentials.check() {
            return self.malformed(reason);
        }
        match self.admission.api_key(&credentials, self.verifier.now()) {
            Some(Ok(principal)) => return self.enter(request, principal, &credentials),
            Some(Err(reason)) => {
                return ResponseFuture::deny(Denial::invalid_token(&self.challenge, reason));
            }
            None => {}
        }
        let verdict = match unknown {
            Some(unknown) => self.verifier.verify_unknown(credentials.token(), unknown),
            None => self.verifier.verify(credentials.token()),
        };
        match verdict {
            Ok(principal) => self.enter(request, principal, &credentials),
            Err(Obstacle::Refused(error)) => ResponseFuture::deny(denial(error, &self.challenge)),
            Err(Obstacle::Wait(wait)) => {
                let waiting = self.clone();
                let ready = std::mem::replace(self, waiting);
                ResponseFuture::wait(wait, Parked { ready, request, credentials })
            }
        }
    }
}

/// A request that waits for keys, or for what its issuer says, with the ready service it is for.
pub(crate) struct Parked<S, B> {
    ready: Jwt<S>,
    request: Request<B>,
    credentials: Credentials,
}

impl<S, B> Parked<S, B>
where
    S: Service<Request<B>> + Clone,
{
    /// What was waited for has come, or has not: decides now.
    pub(crate) fn resume(mut self, waited: &Waited) -> ResponseFuture<S, B, S::Future> {
        match self.ready.verifier.verify_again(self.credentials.token(), waited) {
            Ok(principal) => self.ready.enter(self.request, principal, &self.credentials),
            Err(error) => ResponseFuture::deny(denial(error, &self.ready.challenge)),
        }
    }
}

/// A request that may go in once its DPoP proof is known to be new.
pub(crate) struct Admitted<S, B> {
    inner: S,
    request: Request<B>,
    principal: Arc<Principal>,
    challenge: Challenge,
}

impl<S, B> Admitted<S, B>
where
    S: Service<Request<B>>,
{
    /// The store has answered.
    pub(crate) fn resume(mut self, proof: ProofUse) -> Result<S::Future, Denial> {
        admission::first(proof, &self.challenge)?;
        admit(&mut self.request, self.principal);
        Ok(self.inner.call(self.request))
    }
}

fn admit<B>(request: &mut Request<B>, principal: Arc<Principal>) {
    request.set_caller(Caller::Verified(principal));
}

fn denial(error: TokenError, challenge: &Challenge) -> Denial {
    match error.retry_after() {
        Some(retry_after) => Denial::keys_unavailable(retry_after).because(error.reason()),
        None => Denial::invalid_token(challenge, error.reason()),
    }
}
