//! What follows what: each step ends in the next state.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header, request, response,
};
use http_body::Body;
use portcullis_core::{
    AnonymousPass, Buffered, Caller, Denial, DenialKind, GateBody, Note, Reason, RequestFacts as _,
    ResponseFacts as _,
};
use tower_service::Service;

use super::peek::{self, Peek};
use super::{Early, Entering, Head, Held, State, Work};
use crate::config::InspectConfig;
use crate::courier::{self, Route};
use crate::crowd::Seat;
use crate::events::{Events, Stream};
use crate::exchange::{Exchange, Place, Reading};
use crate::head;
use crate::inspect::{self, Disposition, Inspected, SessionUse};
use crate::judge::Answers;
use crate::read::Read;
use crate::respond::{self, Treatment};
use crate::violation::Violation;
use crate::{FilterBody, anonymous, hook, throttle};

impl<S, F, ReqBody, ResBody> State<S, F, ReqBody, ResBody> {
    pub(super) fn done(response: Response<FilterBody<ResBody>>) -> Self {
        Self::Done { response: Some(response) }
    }

    pub(super) fn refuse(denial: Denial) -> Self {
        Self::done(refused(denial))
    }

    /// Lets an inspected request in, when its caller may ask so much.
    pub(super) fn enter(
        service: S,
        config: Arc<InspectConfig>,
        caller: Caller,
        mut parts: request::Parts,
        inspected: Inspected,
        seat: &mut Option<Seat>,
    ) -> Self
    where
        S: Service<Request<Buffered>, Response = Response<ResBody>, Future = F>
            + Clone
            + Send
            + 'static,
        F: Send,
    {
        if let Some(pass) = pass(&caller, &parts).cloned() {
            if inspected.disposition == Disposition::SignIn {
                parts.set_message(inspected.message);
                return Self::refuse(pass.refusal());
            }
            parts.set_caller(caller.clone());
        }
        parts.set_message(inspected.message.clone());
        if inspected.disposition == Disposition::Accept202 {
            return Self::call(service, config, caller, parts, inspected);
        }
        let demands = match throttle::enter(&config, &caller, &inspected.message) {
            Ok((taken, demands)) => {
                *seat = Some(taken);
                demands
            }
            Err(denial) => return Self::refuse(denial),
        };
        if demands.is_empty() {
            return Self::call(service, config, caller, parts, inspected);
        }
        Box::new(Entering { service, config, caller, parts, inspected, demands }).proceed()
    }

    /// Asks the hooks about an inspected request, and calls the service.
    fn call(
        service: S,
        config: Arc<InspectConfig>,
        caller: Caller,
        parts: request::Parts,
        inspected: Inspected,
    ) -> Self
    where
        S: Service<Request<Buffered>, Response = Response<ResBody>, Future = F>
            + Clone
            + Send
            + 'static,
        F: Send,
    {
        let Some(run) = hook::request::ask(&config, &caller, &inspected.message) else {
            return Self::launch(service, config, caller, parts, inspected);
        };
        let demands = throttle::Demands::new();
        let entering = Entering { service, config, caller, parts, inspected, demands };
        Self::Hooked { run, entering: Some(Box::new(entering)) }
    }

    /// Calls the service with a request that nobody changes any more.
    pub(super) fn launch(
        mut service: S,
        config: Arc<InspectConfig>,
        caller: Caller,
        mut parts: request::Parts,
        inspected: Inspected,
    ) -> Self
    where
        S: Service<Request<Buffered>, Response = Response<ResBody>, Future = F>
            + Clone
            + Send
            + 'static,
        F: Send,
    {
        let mut route = None;
        let mut exchange = Exchange::new(
            config,
            caller,
            inspected.version,
            &inspected.message,
            parts.headers.contains_key(head::LAST_EVENT),
            inspected.refused.clone(),
            parts.trail().cloned(),
        );
        match &inspected.session {
            SessionUse::None => {}
            SessionUse::Open { upstream_id, lists, issued } => {
                exchange.in_session(upstream_id.clone());
                exchange.tells_of(*lists);
                exchange.visit(*issued);
                route = Some(Route::new(service.clone(), &parts.uri, &parts.headers));
            }
            SessionUse::Begins => {
                route = Some(Route::new(service.clone(), &parts.uri, &parts.headers));
            }
            SessionUse::Ends { upstream_id } => exchange.in_session(upstream_id.clone()),
        }
        courier::settle(exchange.config(), || {
            Route::new(service.clone(), &parts.uri, &parts.headers)
        });
        exchange.about(inspected.task.clone());
        exchange.watches(inspected.watched.as_deref().unwrap_or_default());
        if inspected.disposition == Disposition::Accept202 {
            let head = Response::new(()).into_parts().0;
            return Self::done(nothing(head, StatusCode::ACCEPTED, &exchange));
        }
        inspect::rewrite_head(&inspected, &mut parts.headers);
        rewrite_framing(&mut parts.headers);
        let request = Request::from_parts(parts, Buffered::new(inspected.body));
        let future = service.call(request);
        Self::Calling { future, exchange: Some(exchange), route }
    }

    /// Judges the head of the answer.
    pub(super) fn answered(
        response: Response<ResBody>,
        mut exchange: Exchange,
        route: Option<Route<S>>,
    ) -> Self
    where
        S: Service<Request<Buffered>, Response = Response<ResBody>> + Clone + Send + 'static,
        S::Future: Send,
        ResBody: Body<Data = Bytes>,
    {
        match response.permit() {
            Some(permit) => {
                exchange.permitted(permit);
                // A proxy that stands for the service says in our words what went wrong.
                let upstream = |denial: &&Denial| denial.kind() == DenialKind::Upstream;
                if let Some(denial) = response.denial().filter(upstream) {
                    exchange.note(Note::Violation(denial.reason()));
                    return Self::refuse(denial.clone());
                }
            }
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
        if !parts.status.is_success() {
            exchange.note(Note::UpstreamStatus(parts.status));
        }
        exchange.see(parts.status);
        let treatment = respond::treat(&exchange, parts.status, &parts.headers);
        let session_id = match respond::session_id(&parts.headers) {
            Ok(id) => id.filter(|_| exchange.begins() && !exchange.config().stateless),
            Err(violation) if exchange.begins() => {
                return Self::refuse(exchange.refuse(violation));
            }
            Err(_) => None,
        };
        if let Some(route) = route
            && (exchange.begins() || matches!(treatment, Treatment::Events))
        {
            exchange.with_courier(route.courier());
        }
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
                let peeks = exchange.hides_unknown();
                let mut stream = Box::pin(Stream::new(body, Events::new(exchange)));
                if begins {
                    Self::Holding {
                        stream: Some(stream),
                        early: Early::default(),
                        head: Some(Head { parts, session_id }),
                    }
                } else if peeks {
                    stream.as_mut().hold();
                    Self::Peeking { peek: Some(Peek::new(stream, parts)) }
                } else {
                    Self::done(Response::from_parts(parts, FilterBody::events(stream)))
                }
            }
        }
    }

    /// Reads a JSON answer.
    pub(super) fn document(bytes: Bytes, mut held: Held, answers: Option<&Answers>) -> Self {
        let reading = held.exchange.read(&bytes, Place::Json, answers);
        let body = match reading {
            Ok(Reading::Unchanged) => bytes,
            Ok(Reading::Changed(changed)) => Bytes::from(changed),
            Ok(Reading::Instead(denial)) => return Self::done(peek::instead(denial)),
            Ok(Reading::Ask(question)) => {
                return Self::Asking { question, bytes, held: Some(held) };
            }
            Ok(Reading::Dropped) => {
                let violation = Violation::new(Reason::UnexpectedResponse);
                return Self::refuse(held.exchange.refuse(violation));
            }
            Err(violation) => return Self::refuse(held.exchange.refuse(violation)),
        };
        let Held { mut head, mut exchange } = held;
        respond::json_head(&mut head.parts.headers, body.len());
        match head.named(&mut exchange) {
            Ok(parts) => Self::done(Response::from_parts(parts, FilterBody::own(body))),
            Err(violation) => Self::refuse(exchange.refuse(violation)),
        }
    }
}

impl Head {
    /// The head, with the session's name in it when one begins.
    fn named(mut self, exchange: &mut Exchange) -> Result<response::Parts, Violation> {
        if let (Some(upstream_id), Some(terms)) = (self.session_id, exchange.negotiated()) {
            let config = exchange.config();
            let now = config.clock.unix();
            let sealed = config
                .sessions
                .seal(&upstream_id, terms, exchange.caller(), &config.resource, now)
                .ok_or(Violation::new(Reason::UpstreamError))?;
            respond::set_session_id(&mut self.parts.headers, &sealed)?;
            exchange.begun(upstream_id, terms.0, now);
        }
        Ok(self.parts)
    }
}

impl<S> Work<S> {
    /// Inspects the request and calls the service.
    pub(super) fn proceed<F, ReqBody, ResBody>(
        self,
        body: &Bytes,
        seat: &mut Option<Seat>,
    ) -> State<S, F, ReqBody, ResBody>
    where
        S: Service<Request<Buffered>, Response = Response<ResBody>, Future = F>
            + Clone
            + Send
            + 'static,
        F: Send,
    {
        let Self { service, config, caller, parts } = self;
        let inspected = match pass(&caller, &parts) {
            None => inspect::inspect(&config, &caller, &parts.headers, body),
            Some(pass) => anonymous::inspect(pass, &config, &caller, &parts.headers, body),
        };
        match inspected {
            Ok(inspected) => State::enter(service, config, caller, parts, inspected, seat),
            Err(denial) => {
                courier::settle(&config, || Route::new(service, &parts.uri, &parts.headers));
                State::refuse(denial)
            }
        }
    }
}

impl<S> Entering<S> {
    /// Counts the request against what is left, and calls the service.
    pub(super) fn proceed<F, ReqBody, ResBody>(mut self: Box<Self>) -> State<S, F, ReqBody, ResBody>
    where
        S: Service<Request<Buffered>, Response = Response<ResBody>, Future = F>
            + Clone
            + Send
            + 'static,
        F: Send,
    {
        while let Some(demand) = self.demands.pop() {
            let taken = match demand.ask(&self.config).settled() {
                Ok(taken) => taken,
                Err(taking) => return State::Taking { taking, entering: Some(self) },
            };
            if let Err(denial) = throttle::verdict(taken, &self.inspected.message) {
                return State::refuse(denial);
            }
        }
        let Self { service, config, caller, parts, inspected, .. } = *self;
        State::call(service, config, caller, parts, inspected)
    }
}

/// The pass of a request without credentials.
fn pass<'a>(caller: &Caller, parts: &'a request::Parts) -> Option<&'a AnonymousPass> {
    match caller {
        Caller::Verified(_) => None,
        _ => parts.anonymous_pass(),
    }
}

/// Takes pieces of a stream until it has answered, ended, or grown too long.
pub(super) fn poll_hold<B: Body<Data = Bytes>>(
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
pub(super) fn release<S, F, ReqBody, ResBody>(
    mut stream: Pin<Box<Stream<ResBody>>>,
    early: Early,
    head: Head,
) -> State<S, F, ReqBody, ResBody> {
    let exchange = stream.as_mut().exchange_mut();
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
fn rewrite_framing(headers: &mut HeaderMap) {
    // To look at the few that are there takes less than to look for all that could be.
    while let Some(name) = headers.keys().find(|name| is_about_transfer(name)).cloned() {
        headers.remove(name);
    }
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
}

fn is_about_transfer(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "trailer"
            | "te"
            | "expect"
            | "content-encoding"
            | "range"
            | "if-range"
            | "if-match"
            | "if-none-match"
            | "if-modified-since"
            | "if-unmodified-since"
    )
}

pub(super) fn refused<B>(denial: Denial) -> Response<FilterBody<B>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    ///
    #[test]
    fn what_is_about_the_transfer_ends_here() {
        let gone = [
            "trailer",
            "te",
            "expect",
            "content-encoding",
            "range",
            "if-range",
            "if-match",
            "if-none-match",
            "if-modified-since",
            "if-unmodified-since",
        ];
        let mut headers = HeaderMap::new();
        for name in gone.iter().chain(&["accept", "x-if-match", "te-te"]) {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static("a"));
            headers.append(HeaderName::from_static(name), HeaderValue::from_static("b"));
        }
        rewrite_framing(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "accept-encoding", "te-te", "x-if-match"]);
        assert_eq!(headers.get("accept-encoding").unwrap(), "identity");
    }
}
