//! The answer's way out: what follows what once the service has answered.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header, response};
use http_body::Body;
use portcullis_core::{Denial, DenialKind, GateBody, Note, Reason, ResponseFacts as _};

use super::peek::{self, Peek};
use super::{Early, Head, Held, State};
use crate::FilterBody;
use crate::behind::Behind;
use crate::courier::Route;
use crate::events::{Events, Stream};
use crate::exchange::{Asked, Exchange, Place, Reading};
use crate::judge::Answers;
use crate::read::Read;
use crate::respond::{self, Treatment};
use crate::violation::Violation;

impl<S, F, ReqBody, ResBody> State<S, F, ReqBody, ResBody> {
    pub(super) fn done(response: Response<FilterBody<ResBody>>) -> Self {
        Self::Done { response: Some(response) }
    }

    pub(super) fn refuse(denial: Denial) -> Self {
        Self::done(refused(denial))
    }

    /// Judges the head of the answer.
    pub(super) fn answered(
        response: Response<ResBody>,
        mut exchange: Exchange,
        route: Option<Route<S>>,
    ) -> Self
    where
        S: Behind<ResBody>,
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
            // Of a batch, what was refused before it got there is still to be answered.
            None if response.denial().is_some()
                && exchange.asked() == Asked::Batch
                && response.status() == StatusCode::OK
                && exchange.refusals().is_some() =>
            {
                let (parts, body) = response.into_parts();
                let read = Read::new(body, exchange.config().limits.response, None);
                let head = Head { parts, session_id: None };
                return Self::Merging { read, held: Some(Held { head, exchange }) };
            }
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
        let session_id = if exchange.begins() {
            match respond::session_id(&parts.headers) {
                Ok(id) => id.filter(|_| !exchange.config().stateless),
                Err(violation) => return Self::refuse(exchange.refuse(violation)),
            }
        } else {
            None
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

    /// Adds to the refusals from inside those from before.
    pub(super) fn merged(bytes: &Bytes, held: Held) -> Self {
        let Held { head: Head { mut parts, .. }, exchange } = held;
        let array = |bytes: &Bytes| {
            let inside = bytes.strip_prefix(b"[")?.strip_suffix(b"]")?;
            Some([b"[", inside, b",", exchange.refusals()?.as_bytes(), b"]"].concat())
        };
        let body = array(bytes).map_or_else(|| bytes.clone(), Bytes::from);
        respond::json_head(&mut parts.headers, body.len());
        Self::done(Response::from_parts(parts, FilterBody::own(body)))
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
    pub(super) fn named(mut self, exchange: &mut Exchange) -> Result<response::Parts, Violation> {
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

pub(super) fn refused<B>(denial: Denial) -> Response<FilterBody<B>> {
    denial.into_response().map(FilterBody::gate)
}

/// An answer without a body, or with only the answers that policy gave.
pub(super) fn nothing<B>(
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
