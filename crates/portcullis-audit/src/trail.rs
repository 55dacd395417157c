//! The state of one request: what its layers said, and which records it still owes.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use portcullis_core::{Caller, Denial, McpMessage, ResponseFacts as _};

use crate::classify::End;
use crate::element::Elements;
use crate::hub::Hub;
use crate::id::EventId;
use crate::record::Record;
use crate::site::Site;
use crate::token::TokenDigest;
use crate::{Event, EventKind};

mod decision;
mod recorder;

// Looked up by name in every request: a `&str` would be read as a name each time.
static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
static LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");

/// Ends a [`Trail`](portcullis_core::Trail). Owed by every request that is signed in or refused:
/// exactly one decision and one outcome, per element of a batch.
pub(crate) struct RequestTrail {
    hub: Arc<Hub>,
    /// What the request is for.
    site: Arc<Site>,
    request_id: EventId,
    started: Instant,
    source_ip: Option<IpAddr>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    head: Head,
    caller: Option<Caller>,
    message: Option<McpMessage>,
    batch: bool,
    gate_trace_id: Option<[u8; 16]>,
    elements: Elements,
    /// Ids of decisions to come that somebody has asked for.
    promised: Vec<(usize, EventId)>,
    status: Option<StatusCode>,
    denial: Option<Denial>,
    /// What is on record as an event once it has been done.
    happens: Option<(EventKind, HeaderValue)>,
    finished: bool,
}

/// What of the request's head a decision record shows. Dropped with the last decision.
#[derive(Default)]
struct Head {
    user_agent: Option<HeaderValue>,
    traceparent: Option<HeaderValue>,
    authorization: Option<HeaderValue>,
    session: Option<HeaderValue>,
    /// Where a stream is taken up again.
    resumes: Option<HeaderValue>,
    digest: Option<TokenDigest>,
}

impl RequestTrail {
    pub(crate) fn start(
        hub: Arc<Hub>,
        site: Arc<Site>,
        parts: &Parts,
        source_ip: Option<IpAddr>,
    ) -> Self {
        let headers = &parts.headers;
        let mut lines = headers.get_all(header::AUTHORIZATION).iter();
        let authorization = lines.next().filter(|_| lines.next().is_none()).cloned();
        let head = Head {
            user_agent: headers.get(header::USER_AGENT).cloned(),
            traceparent: headers.get(&TRACEPARENT).cloned(),
            authorization,
            session: headers.get(&SESSION).cloned(),
            resumes: match parts.method {
                http::Method::GET => headers.get(&LAST_EVENT).cloned(),
                _ => None,
            },
            digest: None,
        };
        Self {
            request_id: hub.ids.next(&hub.clock),
            started: hub.clock.instant(),
            source_ip: source_ip.map(|address| address.to_canonical()),
            state: Mutex::new(State { head, ..State::default() }),
            site,
            hub,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The head of the answer is there: what was not decided by now never will be.
    pub(crate) fn responded<B>(&self, response: &Response<B>) {
        let mut state = self.state();
        state.status = Some(response.status());
        state.denial = response.denial().cloned();
        self.happened(&mut state);
        self.settle(&mut state);
    }

    /// The answer has ended: writes the outcomes.
    pub(crate) fn finish(&self, end: End, bytes_out: u64) {
        let mut state = self.state();
        if state.finished {
            return;
        }
        self.settle(&mut state);
        state.finished = true;
        let at = self.hub.clock.unix();
        let duration = self.hub.clock.instant().saturating_duration_since(self.started);
        let State { elements, status, denial, .. } = &mut *state;
        for element in elements.take() {
            if let Some(mut outcome) = element.outcome(&self.site, end, *status, denial.as_ref()) {
                outcome.at = at;
                outcome.duration = duration;
                outcome.bytes_out = bytes_out;
                self.hub.offer(Record::Outcome(outcome));
            }
        }
    }

    /// Records what became of a session or a stream, if that is what was asked for.
    fn happened(&self, state: &mut State) {
        let done = state.denial.is_none() && state.status.is_some_and(|it| it.is_success());
        let Some((kind, id)) = state.happens.take().filter(|_| done) else { return };
        let role = if kind == EventKind::SessionEnded { "session" } else { "event" };
        let name = self.hub.private.digests.of(role, id.as_bytes());
        let mut event = Event::new(kind).about(name.to_string());
        if let Some(principal) = state.caller.as_ref().and_then(Caller::principal) {
            event = event.by(principal);
        }
        self.event(event);
    }

    fn event(&self, mut event: Event) {
        event.site = Some(Arc::clone(&self.site));
        self.hub.event(event);
    }
}
