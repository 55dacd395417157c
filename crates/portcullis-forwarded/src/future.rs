//! The response future: wait for the verifier, then call.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use portcullis_core::{
    AnonymousPass, Caller, Challenge, Denial, GateBody, Principal, RequestFacts as _,
};
use tower_service::Service;

use crate::AssertionError;

pin_project! {
    /// Response future of [`Forwarded`](crate::Forwarded): `A` is the verifier's
    /// [`Verdict`](crate::VerifyAssertion::Verdict), `F` the inner service's future.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, ReqBody, A, F> {
        #[pin]
        state: State<S, ReqBody, A, F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, ReqBody, A, F> {
        Verify { #[pin] verdict: A, held: Option<Held<S, ReqBody>> },
        Forward { #[pin] inner: F, pass: Option<AnonymousPass> },
        Refuse { denial: Option<Denial> },
    }
}

/// What goes on when the verifier has spoken.
pub(crate) struct Held<S, ReqBody> {
    /// The service that was polled ready.
    pub(crate) inner: S,
    pub(crate) request: Request<ReqBody>,
    pub(crate) challenge: Challenge,
}

impl<S, ReqBody, A, F> ResponseFuture<S, ReqBody, A, F> {
    pub(crate) fn verify(verdict: A, held: Held<S, ReqBody>) -> Self {
        Self { state: State::Verify { verdict, held: Some(held) } }
    }

    pub(crate) fn forward(inner: F) -> Self {
        Self { state: State::Forward { inner, pass: None } }
    }

    pub(crate) fn forward_anonymous(inner: F, pass: AnonymousPass) -> Self {
        Self { state: State::Forward { inner, pass: Some(pass) } }
    }

    pub(crate) fn refuse(denial: Denial) -> Self {
        Self { state: State::Refuse { denial: Some(denial) } }
    }
}

impl<S, ReqBody, ResBody, A> Future for ResponseFuture<S, ReqBody, A, S::Future>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    A: Future<Output = Result<Principal, AssertionError>>,
{
    type Output = Result<Response<GateBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Verify { verdict, held } => {
                    let verdict = ready!(verdict.poll(cx));
                    let Held { mut inner, mut request, challenge } = taken(held);
                    match verdict {
                        Ok(principal) => {
                            request.set_caller(Caller::Verified(principal.into()));
                            State::Forward { inner: inner.call(request), pass: None }
                        }
                        Err(error) => State::Refuse { denial: Some(refusal(&challenge, error)) },
                    }
                }
                StateProj::Forward { inner, pass } => {
                    let response = ready!(inner.poll(cx))?.map(GateBody::inner);
                    return Poll::Ready(Ok(match pass {
                        None => response,
                        Some(pass) => pass.out(response),
                    }));
                }
                StateProj::Refuse { denial } => {
                    return Poll::Ready(Ok(taken(denial).into_response()));
                }
            };
            state.set(next);
        }
    }
}

fn refusal(challenge: &Challenge, error: AssertionError) -> Denial {
    match error.retry_after {
        Some(after) => Denial::keys_unavailable(after),
        None => Denial::invalid_token(challenge, error.reason),
    }
}

#[expect(clippy::expect_used, reason = "polling a finished future is the caller's fault")]
fn taken<T>(held: &mut Option<T>) -> T {
    held.take().expect("polled after completion")
}

impl<S, ReqBody, A, F> fmt::Debug for ResponseFuture<S, ReqBody, A, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
