//! The response future: ask, record, call.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use portcullis_core::{Buffered, Denial, DenialKind, GateBody, Permit, ResponseFacts as _};
use tower_service::Service;

use crate::docket::Docket;
use crate::gate::{Gate, Next, Recording, Refusal};
use crate::{Authorizer, Together};

pin_project! {
    /// Response future of [`Rbac`](crate::Rbac): `L` is the authorizer's
    /// [`Later`](crate::Authorizer::Later), `F` the inner service's future.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, A, L, F> {
        #[pin]
        state: State<S, A, L, F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, A, L, F> {
        // Boxed: most decisions are made at once, and futures are moved as large as they can get.
        Deciding { #[pin] later: L, held: Option<Box<Held<S, A>>> },
        DecidingAll { all: Together, held: Option<Box<Held<S, A>>> },
        Recording { held: Option<(S, Recording)> },
        Calling { #[pin] future: F, permit: Option<Permit> },
        Refused { refusal: Option<Refusal> },
    }
}

/// What a decision in progress needs to go on.
struct Held<S, A> {
    /// The service that was polled ready.
    inner: S,
    gate: Arc<Gate<A>>,
    request: Request<Buffered>,
    docket: Docket,
}

impl<S, A, ResBody> Held<S, A>
where
    S: Service<Request<Buffered>, Response = Response<ResBody>>,
    A: Authorizer,
{
    /// What comes after an answer.
    fn go_on(self) -> State<S, A, A::Later, S::Future> {
        let Self { mut inner, gate, request, docket } = self;
        match gate.next(request, docket) {
            Next::Ask(later, request, docket) => {
                let held = Some(Box::new(Self { inner, gate, request, docket }));
                State::Deciding { later, held }
            }
            Next::AskAll(all, request, docket) => {
                let held = Some(Box::new(Self { inner, gate, request, docket }));
                State::DecidingAll { all, held }
            }
            Next::Record(recording) => State::Recording { held: Some((inner, recording)) },
            Next::Call(request, permit) => {
                State::Calling { future: inner.call(request), permit: Some(permit) }
            }
            Next::Refuse(refusal) => State::Refused { refusal: Some(refusal) },
        }
    }
}

impl<S, A, L, F> ResponseFuture<S, A, L, F> {
    pub(crate) fn asking(
        later: L,
        inner: S,
        gate: Arc<Gate<A>>,
        request: Request<Buffered>,
        docket: Docket,
    ) -> Self {
        let held = Some(Box::new(Held { inner, gate, request, docket }));
        Self { state: State::Deciding { later, held } }
    }

    pub(crate) fn asking_all(
        all: Together,
        inner: S,
        gate: Arc<Gate<A>>,
        request: Request<Buffered>,
        docket: Docket,
    ) -> Self {
        let held = Some(Box::new(Held { inner, gate, request, docket }));
        Self { state: State::DecidingAll { all, held } }
    }

    pub(crate) fn recording(inner: S, recording: Recording) -> Self {
        Self { state: State::Recording { held: Some((inner, recording)) } }
    }

    pub(crate) fn calling(future: F, permit: Permit) -> Self {
        Self { state: State::Calling { future, permit: Some(permit) } }
    }

    pub(crate) fn refused(refusal: Refusal) -> Self {
        Self { state: State::Refused { refusal: Some(refusal) } }
    }
}

impl<S, A, ResBody> Future for ResponseFuture<S, A, A::Later, S::Future>
where
    S: Service<Request<Buffered>, Response = Response<ResBody>>,
    A: Authorizer,
{
    type Output = Result<Response<GateBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Deciding { later, held } => {
                    let decision = ready!(later.poll(cx));
                    let mut held = taken(held);
                    held.docket.hear(decision);
                    held.go_on()
                }
                StateProj::DecidingAll { all, held } => {
                    let decisions = ready!(all.as_mut().poll(cx));
                    let mut held = taken(held);
                    held.docket.hear_all(decisions);
                    held.go_on()
                }
                StateProj::Recording { held } => {
                    let recorded = match held {
                        Some((_, recording)) => ready!(recorded(recording, cx)),
                        None => false,
                    };
                    let (mut inner, recording) = taken(held);
                    if recorded {
                        let future = inner.call(recording.request);
                        State::Calling { future, permit: Some(recording.permit) }
                    } else {
                        State::Refused { refusal: Some(Refusal::One(recording.otherwise)) }
                    }
                }
                StateProj::Calling { future, permit } => {
                    let mut response = ready!(future.poll(cx))?.map(GateBody::inner);
                    // What is there came from another stack, or from a server that would like to
                    // vouch for itself. That the service failed a proxy may say: it vouches for nothing.
                    let upstream = |denial: &&Denial| denial.kind() == DenialKind::Upstream;
                    let failure = response.denial().filter(upstream).cloned();
                    response.clear();
                    if let Some(failure) = failure {
                        response.set_denial(failure);
                    }
                    response.set_permit(taken(permit));
                    return Poll::Ready(Ok(response));
                }
                StateProj::Refused { refusal } => {
                    return Poll::Ready(Ok(taken(refusal).into_response()));
                }
            };
            state.set(next);
        }
    }
}

/// Whether every decision is on record, once that is known of all or denied by one.
fn recorded(recording: &mut Recording, cx: &mut Context<'_>) -> Poll<bool> {
    while let Some(receipt) = recording.receipts.last_mut() {
        if !ready!(Pin::new(receipt).poll(cx)) {
            return Poll::Ready(false);
        }
        recording.receipts.pop();
    }
    Poll::Ready(true)
}

#[expect(clippy::expect_used, reason = "polling a finished future is the caller's fault")]
fn taken<T>(held: &mut Option<T>) -> T {
    held.take().expect("polled after completion")
}

impl<S, A, L, F> fmt::Debug for ResponseFuture<S, A, L, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
