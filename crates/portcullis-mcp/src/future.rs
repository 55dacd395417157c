//! The request's way in and the answer's way out.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header, request, response};
use http_body::Body;
use pin_project_lite::pin_project;
use portcullis_core::{
    Buffered, Caller, Denial, GateBody, Reason, RequestFacts as _, ResponseFacts as _,
};
use tower_service::Service;

use crate::FilterBody;
use crate::config::InspectConfig;
use crate::events::{Events, Stream};
use crate::exchange::{Exchange, Place, Question, Reading};
use crate::inspect::{self, Disposition, Inspected, SessionUse};
use crate::judge::Answers;
use crate::read::{Pace, Read, ReadError};
use crate::respond::{self, Treatment};
use crate::violation::Violation;

pin_project! {
    /// Response future of [`Inspect`](crate::Inspect).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, F, ReqBody, ResBody> {
        #[pin]
        state: State<S, F, ReqBody, ResBody>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StateProj]
    enum State<S, F, ReqBody, ResBody> {
        /// The request's body is on its way.
        Reading { #[pin] read: Read<ReqBody>, work: Option<Box<Work<S>>> },
        /// The request is inside.
        Calling { #[pin] future: F, exchange: Option<Box<Exchange>>, in_session: bool },
        /// A JSON answer is on its way. Its head waits, because the body may turn out bad.
        Buffering { #[pin] read: Read<ResBody>, held: Option<Held> },
        /// Somebody else decides about items of the answer.
        Asking { question: Question, bytes: Bytes, held: Option<Held> },
        /// A stream that begins a session: its head waits for the version.
        Holding { stream: Option<Pin<Box<Stream<ResBody>>>>, early: Early, head: Option<Head> },
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

/// The answer's head, and what its body is an answer to.
#[derive(Debug)]
struct Held {
    head: Head,
    exchange: Box<Exchange>,
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
        Self { state: State::Done { response: Some(refused(denial)) } }
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
        let work = Some(Box::new(Work { service, config, caller, parts }));
        Self { state: State::Reading { read, work } }
    }

    /// Forwards a request whose head says it all.
    pub(crate) fn forward(
        service: &mut S,
        config: Arc<InspectConfig>,
        caller: Caller,
        parts: request::Parts,
        inspected: Inspected,
    ) -> Self
    where
        S: Service<Request<Buffered>, Response = Response<ResBody>, Future = F>,
    {
        Self { state: State::call(service, config, caller, parts, inspected) }
    }
}

impl<S, F, ReqBody, ResBody> State<S, F, ReqBody, ResBody> {
    fn done(response: Response<FilterBody<ResBody>>) -> Self {
        Self::Done { response: Some(response) }
    }

    fn refuse(denial: Denial) -> Self {
        Self::done(refused(denial))
    }

    /// Calls the service with an inspected request.
    fn call(
        service: &mut S,
        config: Arc<InspectConfig>,
        caller: Caller,
        mut parts: request::Parts,
        inspected: Inspected,
    ) -> Self
    where
        S: Service<Request<Buffered>, Response = Response<ResBody>, Future = F>,
    {
        parts.set_message(inspected.message.clone());
        let in_session =
            matches!(inspected.session, SessionUse::Open { .. } | SessionUse::Ends { .. });
        let exchange = Exchange::new(
            config,
            caller,
            inspected.version,
            &inspected.message,
            parts.headers.contains_key("last-event-id"),
            inspected.refused.clone(),
            parts.trail().cloned(),
        );
        if inspected.disposition == Disposition::Accept202 {
            let head = Response::new(()).into_parts().0;
            return Self::done(nothing(head, StatusCode::ACCEPTED, &exchange));
        }
        inspect::rewrite_head(&inspected, &mut parts.headers);
        rewrite_framing(&mut parts.headers);
        let request = Request::from_parts(parts, Buffered::new(inspected.body));
        let future = service.call(request);
        Self::Calling { future, exchange: Some(Box::new(exchange)), in_session }
    }

    /// Judges the head of the answer.
    fn answered(response: Response<ResBody>, mut exchange: Box<Exchange>, in_session: bool) -> Self
    where
        ResBody: Body<Data = Bytes>,
    {
        match response.permit() {
            Some(permit) => exchange.permitted(permit),
            // A refusal from inside is not the service's answer: it is ours already.
            None if response.denial().is_some() => {
                return Self::done(response.map(|body| FilterBody::gate(GateBody::inner(body))));
            }
            None if exchange.config().require_permit => {
                return Self::refuse(Denial::miswired("an answer that nobody authorized"));
            }
            None => {}
        }
        let (mut parts, body) = response.into_parts();
        let treatment = respond::treat(&exchange, in_session, parts.status, &parts.headers);
        let session_id = match respond::session_id(&parts.headers) {
            Ok(id) => id.filter(|_| exchange.begins()),
            Err(violation) if exchange.begins() => {
                return Self::refuse(exchange.refuse(violation));
            }
            Err(_) => None,
        };
        match treatment {
            Treatment::Refuse(denial) => Self::refuse(denial),
            Treatment::Empty(status) => Self::done(nothing(parts, status, &exchange)),
            Treatment::Json => {
                let read = Read::new(body, exchange.config().limits.response, None);
                let held = Some(Held { head: Head { parts, session_id }, exchange });
                Self::Buffering { read, held }
            }
            Treatment::Events => {
                respond::events_head(&mut parts.headers);
                let begins = exchange.begins();
                let stream = Box::pin(Stream::new(body, Events::new(*exchange)));
                if begins {
                    Self::Holding {
                        stream: Some(stream),
                        early: Early::default(),
                        head: Some(Head { parts, session_id }),
                    }
                } else {
                    Self::done(Response::from_parts(parts, FilterBody::events(stream)))
                }
            }
        }
    }

    /// Reads a JSON answer.
    fn document(bytes: Bytes, mut held: Held, answers: Option<&Answers>) -> Self {
        let reading = held.exchange.read(&bytes, Place::Json, answers);
        let body = match reading {
            Ok(Reading::Unchanged) => bytes,
            Ok(Reading::Changed(changed)) => Bytes::from(changed),
            Ok(Reading::Ask(question)) => {
                return Self::Asking { question, bytes, held: Some(held) };
            }
            Ok(Reading::Dropped) => {
                let violation = Violation::new(Reason::UnexpectedResponse);
                return Self::refuse(held.exchange.refuse(violation));
            }
            Err(violation) => return Self::refuse(held.exchange.refuse(violation)),
        };
        let Held { mut head, exchange } = held;
        respond::json_head(&mut head.parts.headers, body.len());
        match head.named(&exchange) {
            Ok(parts) => Self::done(Response::from_parts(parts, FilterBody::own(body))),
            Err(violation) => Self::refuse(exchange.refuse(violation)),
        }
    }
}

impl Head {
    /// The head, with the session's name in it when one begins.
    fn named(mut self, exchange: &Exchange) -> Result<response::Parts, Violation> {
        if let (Some(upstream_id), Some(version)) = (self.session_id, exchange.negotiated()) {
            let config = exchange.config();
            let now = config.clock.unix();
            let sealed = config
                .sessions
                .seal(&upstream_id, version, exchange.caller(), &config.resource, now)
                .ok_or(Violation::new(Reason::UpstreamError))?;
            respond::set_session_id(&mut self.parts.headers, &sealed)?;
        }
        Ok(self.parts)
    }
}

impl<S, F, E, ReqBody, ResBody> Future for ResponseFuture<S, F, ReqBody, ResBody>
where
    S: Service<Request<Buffered>, Response = Response<ResBody>, Error = E, Future = F>,
    F: Future<Output = Result<Response<ResBody>, E>>,
    ReqBody: Body,
    ResBody: Body<Data = Bytes>,
{
    type Output = Result<Response<FilterBody<ResBody>>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let mut state = self.as_mut().project().state;
            let next = match state.as_mut().project() {
                StateProj::Reading { read, work } => {
                    let body = ready!(read.poll(cx));
                    let Some(mut work) = work.take() else { return Poll::Pending };
                    match body {
                        Ok(body) => work.proceed(&body),
                        Err(ReadError::TooLarge) => State::refuse(Denial::body_too_large()),
                        Err(ReadError::TooSlow) => State::refuse(Denial::body_too_slow()),
                        Err(ReadError::Failed) => {
                            State::refuse(Denial::bad_http(Reason::BodyFailed))
                        }
                    }
                }
                StateProj::Calling { future, exchange, in_session } => {
                    let response = match ready!(future.poll(cx)) {
                        Ok(response) => response,
                        Err(error) => return Poll::Ready(Err(error)),
                    };
                    let Some(exchange) = exchange.take() else { return Poll::Pending };
                    State::answered(response, exchange, *in_session)
                }
                StateProj::Buffering { read, held } => {
                    let body = ready!(read.poll(cx));
                    let Some(held) = held.take() else { return Poll::Pending };
                    match body {
                        Ok(bytes) => State::document(bytes, held, None),
                        Err(error) => {
                            let reason = match error {
                                ReadError::TooLarge => Reason::TooLarge,
                                ReadError::TooSlow | ReadError::Failed => Reason::UpstreamError,
                            };
                            State::refuse(held.exchange.refuse(Violation::new(reason)))
                        }
                    }
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
                StateProj::Done { response } => {
                    return response
                        .take()
                        .map_or(Poll::Pending, |response| Poll::Ready(Ok(response)));
                }
            };
            state.set(next);
        }
    }
}

impl<S> Work<S> {
    /// Inspects the request and calls the service.
    fn proceed<F, ReqBody, ResBody>(
        self: &mut Box<Self>,
        body: &Bytes,
    ) -> State<S, F, ReqBody, ResBody>
    where
        S: Service<Request<Buffered>, Response = Response<ResBody>, Future = F>,
    {
        let Self { service, config, caller, parts } = &mut **self;
        match inspect::inspect(config, caller, &parts.headers, body) {
            Ok(inspected) => {
                let parts = std::mem::replace(parts, Request::new(()).into_parts().0);
                State::call(service, Arc::clone(config), caller.clone(), parts, inspected)
            }
            Err(denial) => State::refuse(denial),
        }
    }
}

/// Takes pieces of a stream until it has answered, ended, or grown too long.
fn poll_hold<B: Body<Data = Bytes>>(
    stream: &mut Option<Pin<Box<Stream<B>>>>,
    early: &mut Early,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let Some(stream) = stream else { return Poll::Ready(()) };
    loop {
        let limit = stream.events().exchange().config().limits.event;
        match ready!(stream.as_mut().poll_next(cx)) {
            Some(Ok(piece)) if early.bytes + piece.len() <= limit => {
                early.bytes += piece.len();
                early.pieces.push_back(piece);
            }
            _ => return Poll::Ready(()),
        }
        if stream.events().exchange().waiting().next().is_none() {
            return Poll::Ready(());
        }
    }
}

/// Lets a stream go whose head was held back.
fn release<S, F, ReqBody, ResBody>(
    mut stream: Pin<Box<Stream<ResBody>>>,
    early: Early,
    head: Head,
) -> State<S, F, ReqBody, ResBody> {
    let exchange = stream.events().exchange();
    if exchange.waiting().next().is_some() {
        return State::refuse(exchange.refuse(Violation::new(Reason::UpstreamError)));
    }
    match head.named(exchange) {
        Ok(parts) => {
            stream.as_mut().give_back(early.pieces);
            State::done(Response::from_parts(parts, FilterBody::events(stream)))
        }
        Err(violation) => State::refuse(exchange.refuse(violation)),
    }
}

/// What was about the transfer of the request ends here, and its answer must come whole and
/// readable.
fn rewrite_framing(headers: &mut http::HeaderMap) {
    for name in [
        header::TRAILER,
        header::TE,
        header::EXPECT,
        header::CONTENT_ENCODING,
        header::RANGE,
        header::IF_RANGE,
        header::IF_MATCH,
        header::IF_NONE_MATCH,
        header::IF_MODIFIED_SINCE,
        header::IF_UNMODIFIED_SINCE,
    ] {
        headers.remove(name);
    }
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
}

fn refused<B>(denial: Denial) -> Response<FilterBody<B>> {
    denial.into_response().map(FilterBody::gate)
}

/// An answer without a body, or with only the answers that policy gave.
fn nothing<B>(
    mut parts: response::Parts,
    status: StatusCode,
    exchange: &Exchange,
) -> Response<FilterBody<B>> {
    respond::clean(&mut parts.headers);
    parts.headers.remove(header::CONTENT_TYPE);
    parts.status = status;
    let body = match exchange.refusals() {
        Some(refusals) => {
            let json = HeaderValue::from_static("application/json");
            parts.headers.insert(header::CONTENT_TYPE, json);
            parts.status = StatusCode::OK;
            Bytes::from(format!("[{refusals}]"))
        }
        None => Bytes::new(),
    };
    if status == StatusCode::METHOD_NOT_ALLOWED {
        let allow = HeaderValue::from_static("POST");
        parts.headers.entry(header::ALLOW).or_insert(allow);
    }
    if status != StatusCode::NO_CONTENT {
        respond::json_head(&mut parts.headers, body.len());
    }
    Response::from_parts(parts, FilterBody::own(body))
}
