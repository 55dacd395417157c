//! The response future.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use portcullis_core::{AnonymousPass, Denial, GateBody};
use tower_service::Service;

use crate::replay::FirstUse;
use crate::service::{Admitted, Parked};
use crate::wait::Wait;

pin_project! {
    /// Response future of [`Jwt`](crate::Jwt).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, B, F> {
        #[pin]
        state: State<S, B, F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B, F> {
        Forward { #[pin] inner: F, pass: Option<AnonymousPass> },
        Deny { denial: Option<Denial> },
        Wait { #[pin] wait: Wait, parked: Option<Parked<S, B>> },
        Ask { #[pin] first_use: FirstUse, admitted: Option<Admitted<S, B>> },
    }
}

impl<S, B, F> ResponseFuture<S, B, F> {
    pub(crate) fn forward(inner: F) -> Self {
        Self { state: State::Forward { inner, pass: None } }
    }

    pub(crate) fn forward_anonymous(inner: F, pass: AnonymousPass) -> Self {
        Self { state: State::Forward { inner, pass: Some(pass) } }
    }

    pub(crate) fn deny(denial: Denial) -> Self {
        Self { state: State::Deny { denial: Some(denial) } }
    }

    pub(crate) fn wait(wait: Wait, parked: Parked<S, B>) -> Self {
        Self { state: State::Wait { wait, parked: Some(parked) } }
    }

    pub(crate) fn ask(first_use: FirstUse, admitted: Admitted<S, B>) -> Self {
        Self { state: State::Ask { first_use, admitted: Some(admitted) } }
    }
}

impl<S, B, F, ResBody, E> Future for ResponseFuture<S, B, F>
where
    S: Service<Request<B>, Future = F> + Clone,
    F: Future<Output = Result<Response<ResBody>, E>>,
{
    type Output = Result<Response<GateBody<ResBody>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Forward { inner, pass } => {
                    let response = ready!(inner.poll(cx))?.map(GateBody::inner);
                    return Poll::Ready(Ok(match pass {
                        None => response,
                        Some(pass) => pass.out(response),
                    }));
                }
                StateProj::Deny { denial } => match denial.take() {
                    Some(denial) => return Poll::Ready(Ok(denial.into_response())),
                    // Polled after completion, which only a faulty caller does.
                    None => return Poll::Pending,
                },
                StateProj::Wait { wait, parked } => {
                    let waited = ready!(wait.poll(cx));
                    match parked.take().map(|parked| parked.resume(&waited)) {
                        Some(next) => next.state,
                        None => return Poll::Pending,
                    }
                }
                StateProj::Ask { first_use, admitted } => {
                    let proof = ready!(first_use.poll(cx));
                    match admitted.take().map(|admitted| admitted.resume(proof)) {
                        Some(Ok(inner)) => State::Forward { inner, pass: None },
                        Some(Err(denial)) => State::Deny { denial: Some(denial) },
                        None => return Poll::Pending,
                    }
                }
            };
            state.set(next);
        }
    }
}

// By hand: a parked request holds its token.
impl<S, B, F> fmt::Debug for ResponseFuture<S, B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
