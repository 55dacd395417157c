//! The request's way in and the answer's way out.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response, request, response};
use http_body::Body;
use pin_project_lite::pin_project;
use portcullis_core::{Buffered, Caller, Denial, Reason};
use tower_service::Service;

use crate::FilterBody;
use crate::behind::Behind;
use crate::config::InspectConfig;
use crate::courier::Route;
use crate::crowd::Seat;
use crate::events::Stream;
use crate::exchange::{Exchange, Question};
use crate::hook::{answer, request as incoming};
use crate::inspect::Inspected;
use crate::rate_store::Taking;
use crate::read::{Pace, Read, ReadError};
use crate::throttle::{self, Demands};
use crate::violation::Violation;

mod framing;
mod hold;
mod hooked;
mod peek;
mod way_in;
mod way_out;

use hold::{poll_hold, release};
use peek::Peek;
use way_out::refused;

pin_project! {
    /// Response future of [`Inspect`](crate::Inspect).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, F, ReqBody, ResBody> {
        #[pin]
        state: State<S, F, ReqBody, ResBody>,
        // The caller's, from inspection on.
        seat: Option<Seat>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StateProj]
    enum State<S, F, ReqBody, ResBody> {
        /// The request's body is on its way.
        Reading { #[pin] read: Read<ReqBody>, work: Option<Work<S>> },
        /// A store that others share says whether the caller may call so often.
        Taking { #[pin] taking: Taking, entering: Option<Box<Entering<S>>> },
        /// Hooks say what becomes of the request.
        Hooked { run: incoming::Run, entering: Option<Box<Entering<S>>> },
        /// The request is inside.
        Calling { #[pin] future: F, exchange: Option<Exchange>, route: Option<Route<S>> },
        /// A JSON answer is on its way. Its head waits, because the body may turn out bad.
        Buffering { #[pin] read: Read<ResBody>, held: Option<Held> },
        /// All of a batch was refused inside, after some of it was refused here.
        Merging { #[pin] read: Read<ResBody>, held: Option<Held> },
        /// Hooks say what becomes of the answer.
        Revising { run: answer::Run, held: Option<Held> },
        /// Somebody else decides about items of the answer.
        Asking { question: Question, bytes: Bytes, held: Option<Held> },
        /// A stream that begins a session: its head waits for the version.
        Holding { stream: Option<Pin<Box<Stream<ResBody>>>>, early: Early, head: Option<Head> },
        /// A stream whose head waits for what it says first.
        Peeking { peek: Option<Peek<ResBody>> },
        /// The answer is there.
        Done { response: Option<Response<FilterBody<ResBody>>> },
    }
}

/// What is needed when the request's body is there.
#[derive(Debug)]
struct Work<S> {
    service: S,
    config: Arc<InspectConfig>,
    caller: Caller,
    parts: request::Parts,
}

/// An inspected request that is to be let in.
#[derive(Debug)]
struct Entering<S> {
    service: S,
    config: Arc<InspectConfig>,
    caller: Caller,
    parts: request::Parts,
    inspected: Inspected,
    /// What it has yet to be counted against.
    demands: Demands,
}

/// The answer's head, and what its body is an answer to.
#[derive(Debug)]
struct Held {
    head: Head,
    exchange: Exchange,
}

/// The answer's head, and the session id that the service behind assigned.
#[derive(Debug)]
struct Head {
    parts: response::Parts,
    session_id: Option<String>,
}

/// Pieces of a stream whose head has not gone out.
#[derive(Debug, Default)]
struct Early {
    pieces: VecDeque<Bytes>,
    bytes: usize,
}

impl<S, F, ReqBody, ResBody> ResponseFuture<S, F, ReqBody, ResBody> {
    /// Refuses.
    pub(crate) fn refuse(denial: Denial) -> Self {
        Self { state: State::Done { response: Some(refused(denial)) }, seat: None }
    }

    /// Waits for the body of a request whose head is as it should be.
    pub(crate) fn read(
        service: S,
        config: Arc<InspectConfig>,
        caller: Caller,
        request: Request<ReqBody>,
    ) -> Self {
        let limits = &config.limits;
        let pace = Pace { total: limits.body_timeout, idle: limits.body_idle };
        let (parts, body) = request.into_parts();
        let read = Read::new(body, limits.body, Some(pace));
        let work = Some(Work { service, config, caller, parts });
        Self { state: State::Reading { read, work }, seat: None }
    }

    /// Forwards a request whose head says it all.
    pub(crate) fn forward(
        service: S,
        config: Arc<InspectConfig>,
        caller: Caller,
        parts: request::Parts,
        inspected: Inspected,
    ) -> Self
    where
        S: Behind<ResBody, Future = F>,
    {
        let mut seat = None;
        let state = State::enter(service, config, caller, parts, inspected, &mut seat);
        Self { state, seat }
    }
}

impl<S, F, E, ReqBody, ResBody> Future for ResponseFuture<S, F, ReqBody, ResBody>
where
    S: Service<Request<Buffered>, Response = Response<ResBody>, Error = E, Future = F>
        + Clone
        + Send
        + 'static,
    F: Future<Output = Result<Response<ResBody>, E>> + Send,
    ReqBody: Body,
    ResBody: Body<Data = Bytes>,
{
    type Output = Result<Response<FilterBody<ResBody>>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let this = self.as_mut().project();
            let (mut state, seat) = (this.state, this.seat);
            let next = match state.as_mut().project() {
                StateProj::Reading { read, work } => {
                    let body = ready!(read.poll(cx));
                    let Some(work) = work.take() else { return Poll::Pending };
                    match body {
                        Ok(body) => work.proceed(&body, seat),
                        Err(ReadError::TooLarge) => State::refuse(Denial::body_too_large()),
                        Err(ReadError::TooSlow) => State::refuse(Denial::body_too_slow()),
                        Err(ReadError::Failed) => {
                            State::refuse(Denial::bad_http(Reason::BodyFailed))
                        }
                    }
                }
                StateProj::Taking { taking, entering } => {
                    let taken = ready!(taking.poll(cx));
                    let Some(entering) = entering.take() else { return Poll::Pending };
                    match throttle::verdict(taken, &entering.inspected.message) {
                        Ok(()) => entering.proceed(),
                        Err(denial) => State::refuse(denial),
                    }
                }
                StateProj::Hooked { run, entering } => {
                    let heard = ready!(Pin::new(run).poll(cx));
                    let Some(entering) = entering.take() else { return Poll::Pending };
                    entering.heard(heard)
                }
                StateProj::Calling { future, exchange, route } => {
                    let response = match ready!(future.poll(cx)) {
                        Ok(response) => response,
                        Err(error) => return Poll::Ready(Err(error)),
                    };
                    let Some(exchange) = exchange.take() else { return Poll::Pending };
                    State::answered(response, exchange, route.take())
                }
                StateProj::Buffering { read, held } => {
                    let body = ready!(read.poll(cx));
                    let Some(held) = held.take() else { return Poll::Pending };
                    match body {
                        Ok(bytes) => State::arrived(bytes, held),
                        Err(error) => {
                            let reason = match error {
                                ReadError::TooLarge => Reason::TooLarge,
                                ReadError::TooSlow | ReadError::Failed => Reason::UpstreamError,
                            };
                            State::refuse(held.exchange.refuse(Violation::new(reason)))
                        }
                    }
                }
                StateProj::Merging { read, held } => {
                    let body = ready!(read.poll(cx));
                    let Some(held) = held.take() else { return Poll::Pending };
                    match body {
                        Ok(bytes) => State::merged(&bytes, held),
                        Err(_) => State::refuse(
                            held.exchange.refuse(Violation::new(Reason::UpstreamError)),
                        ),
                    }
                }
                StateProj::Revising { run, held } => {
                    let revised = ready!(Pin::new(run).poll(cx));
                    let Some(held) = held.take() else { return Poll::Pending };
                    State::revised(revised, held)
                }
                StateProj::Asking { question, bytes, held } => {
                    let answers = ready!(Pin::new(question).poll(cx));
                    let Some(held) = held.take() else { return Poll::Pending };
                    State::document(std::mem::take(bytes), held, Some(&answers))
                }
                StateProj::Holding { stream, early, head } => {
                    ready!(poll_hold(stream, early, cx));
                    let (Some(stream), Some(head)) = (stream.take(), head.take()) else {
                        return Poll::Pending;
                    };
                    release(stream, std::mem::take(early), head)
                }
                StateProj::Peeking { peek } => {
                    if let Some(peek) = peek {
                        ready!(peek.poll(cx));
                    }
                    let Some(peek) = peek.take() else { return Poll::Pending };
                    peek.finish()
                }
                StateProj::Done { response } => {
                    return response.take().map_or(Poll::Pending, |response| {
                        Poll::Ready(Ok(response.map(|body| body.holding(seat.take()))))
                    });
                }
            };
            state.set(next);
        }
    }
}
