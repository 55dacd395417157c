//! The state of one request: what its layers said, and which records it still owes.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, header};
use portcullis_core::{
    Acknowledgement, Caller, Decided, Denial, DenialKind, McpMessage, NoMessage, Note, Recorder,
    ResponseFacts as _, Text,
};

use crate::classify::{End, is_tool_result};
use crate::describe::{Ground, describe, ground_on};
use crate::element::{Element, Elements};
use crate::hub::Hub;
use crate::id::EventId;
use crate::record::{Decision, Record, Verdict};
use crate::site::Site;
use crate::text::{Pack, Span};
use crate::token::TokenDigest;
use crate::{Event, EventKind};

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
            traceparent: headers.get("traceparent").cloned(),
            authorization,
            session: headers.get("mcp-session-id").cloned(),
            resumes: match parts.method {
                http::Method::GET => headers.get("last-event-id").cloned(),
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

    /// Records that a caller was told of scopes, and that they came back with them.
    fn elevate(&self, state: &State, decided: &Decided<'_>) {
        let asked = match decided.verdict {
            Ok(_) if self.hub.elevations.is_empty() => return,
            Ok(_) => None,
            Err(denial) if denial.kind() == DenialKind::InsufficientScope => Some(denial.scopes()),
            Err(_) => return,
        };
        let principal = state.caller.as_ref().and_then(Caller::principal);
        let (Some(principal), McpMessage::Request(request)) = (principal, decided.message) else {
            return;
        };
        if let Some(event) = self.hub.elevations.step(principal, request, asked) {
            self.event(event);
        }
    }

    /// Writes the decisions that no layer reported: refusals before policy, and requests that got
    /// past sign-in but never to policy.
    fn settle(&self, state: &mut State) {
        let message = state.message.take();
        let denial = state.denial.clone();
        let ground = match &denial {
            Some(denial) => Ground::Denial(denial),
            None if state.caller.is_some() => Ground::Nothing,
            // Public metadata, preflight: nobody signed in, nobody was refused.
            None => {
                state.head = Head::default();
                return;
            }
        };
        match &message {
            Some(McpMessage::Batch(messages)) if !messages.is_empty() => {
                for (index, message) in messages.iter().enumerate() {
                    self.settle_element(state, index, Some(message), ground);
                }
            }
            message => {
                if state.elements.is_empty() {
                    self.settle_element(state, 0, message.as_ref(), ground);
                }
            }
        }
        // What outlives the decisions must not hold the request's memory.
        state.head = Head::default();
    }

    fn settle_element(
        &self,
        state: &mut State,
        index: usize,
        message: Option<&McpMessage>,
        ground: Ground<'_>,
    ) {
        if state.elements.find(index).is_some() {
            return;
        }
        if let Some((record, element)) = self.decision(state, index, message, ground) {
            state.elements.push(element);
            self.hub.offer(Record::Decision(record));
        }
    }

    /// The record of a decision and what is kept for its outcome. `None` when it is an
    /// unauthenticated failure that is only counted.
    fn decision(
        &self,
        state: &mut State,
        index: usize,
        message: Option<&McpMessage>,
        ground: Ground<'_>,
    ) -> Option<(Decision, Element)> {
        let known = state.caller.as_ref().is_some_and(|caller| caller.principal().is_some());
        if matches!(ground, Ground::Denial(_)) && !known && !self.hub.sample() {
            state.elements.push(Element::silent(index));
            return None;
        }
        let promised = state.promised.iter().find(|(at, _)| *at == index).map(|&(_, id)| id);
        let at = self.hub.clock.unix();
        let event_id = promised.unwrap_or_else(|| self.hub.ids.at(at));
        let mut decision = Decision {
            at,
            event_id,
            request_id: self.request_id,
            gate_trace_id: state.gate_trace_id,
            element: (state.batch || index > 0).then_some(index),
            site: Arc::clone(&self.site),
            transport: self.hub.transport,
            version: None,
            method: None,
            target_type: None,
            caller: state.caller.clone(),
            digest: state.digest(),
            verdict: Verdict::Undecided,
            reason: None,
            http_status: None,
            error_code: None,
            source_ip: self.source_ip,
            argument_count: None,
            argument_bytes: 0,
            argument_kinds: Default::default(),
            arguments: None,
            message: None,
            private: None,
            texts: Pack::new(),
            jsonrpc_id: Span::default(),
            target: Span::default(),
            more_targets: Vec::new(),
            rule_id: Span::default(),
            policy_version: Span::default(),
            argument_keys: Default::default(),
            user_agent: Span::default(),
            traceparent: Span::default(),
            session: Span::default(),
            screened: OnceLock::new(),
        };
        if let Some(message) = message {
            describe(&mut decision, message, &self.hub);
        }
        ground_on(&mut decision, ground, state.batch);
        let texts = &mut decision.texts;
        if let Some(value) = &state.head.user_agent {
            decision.user_agent = texts.push_bytes(value.as_bytes());
        }
        if let Some(value) = &state.head.traceparent {
            decision.traceparent = texts.push_bytes(value.as_bytes());
        }
        if let Some(value) = &state.head.session {
            decision.session = texts.push_bytes(value.as_bytes());
            decision.private = Some(Arc::clone(&self.hub.private));
        }
        let mut element = Element::new(index, event_id, message);
        element.decided = decision.reason;
        if let Ground::Denial(denial) = ground {
            element.error_code = denial.rpc_code();
            element.tool_error = is_tool_result(denial);
            element.refused = !element.tool_error;
        }
        Some((decision, element))
    }
}

impl State {
    /// The name of a token that has none of its own; computed once, and only for a record.
    fn digest(&mut self) -> Option<TokenDigest> {
        let principal = self.caller.as_ref().and_then(Caller::principal);
        if principal.is_some_and(|principal| principal.token().id.is_some()) {
            self.head.authorization = None;
            return None;
        }
        if let Some(authorization) = self.head.authorization.take() {
            self.head.digest = TokenDigest::of(&authorization);
        }
        self.head.digest
    }
}

impl Recorder for RequestTrail {
    fn caller(&self, caller: &Caller) {
        self.state().caller = Some(caller.clone());
    }

    fn message(&self, message: &McpMessage) {
        let mut state = self.state();
        state.batch = matches!(message, McpMessage::Batch(_));
        state.happens = match message {
            McpMessage::NoMessage(NoMessage::EndSession(_)) => {
                state.head.session.clone().map(|id| (EventKind::SessionEnded, id))
            }
            McpMessage::NoMessage(NoMessage::Stream(_)) => {
                state.head.resumes.take().map(|id| (EventKind::StreamResumed, id))
            }
            _ => None,
        };
        state.message = Some(message.clone());
    }

    fn decided(&self, decided: &Decided<'_>) -> Acknowledgement {
        let mut state = self.state();
        if state.finished {
            return Acknowledgement::Refused; // The caller is gone: nothing may run any more.
        }
        if let Some(element) = state.elements.find(decided.element) {
            // Two layers decide. The first waited for its receipt before the second was asked.
            return if element.unrecorded {
                Acknowledgement::Refused
            } else {
                Acknowledgement::Recorded
            };
        }
        self.elevate(&state, decided);
        if !state.batch {
            state.message = None; // It has served: the request's memory is the handler's alone.
        }
        let ground = match decided.verdict {
            Ok(permit) => Ground::Permit(permit),
            Err(denial) => Ground::Denial(denial),
        };
        let Some((record, mut element)) =
            self.decision(&mut state, decided.element, Some(decided.message), ground)
        else {
            return Acknowledgement::Recorded;
        };
        let record = Record::Decision(record);
        let acknowledgement = if decided.verdict.is_ok() {
            self.hub.submit(record, self.hub.required.covers(decided.message))
        } else {
            self.hub.offer(record);
            Acknowledgement::Recorded
        };
        element.unrecorded = matches!(acknowledgement, Acknowledgement::Refused);
        state.elements.push(element);
        acknowledgement
    }

    fn request_id(&self) -> Option<[u8; 16]> {
        Some(self.request_id.to_bytes())
    }

    fn traced_as(&self, trace_id: [u8; 16]) {
        self.state().gate_trace_id = Some(trace_id);
    }

    fn decision_id(&self, index: usize) -> Option<Text> {
        let mut state = self.state();
        let id = match state.elements.find(index) {
            Some(element) => element.event_id()?,
            None => match state.promised.iter().find(|(at, _)| *at == index) {
                Some(&(_, id)) => id,
                None => {
                    let id = self.hub.ids.next(&self.hub.clock);
                    state.promised.push((index, id));
                    id
                }
            },
        };
        Some(Text::from(id.to_string()))
    }

    fn note(&self, note: Note<'_>) {
        let names = self.hub.filtered_names;
        for element in self.state().elements.iter_mut() {
            element.note(note, names);
        }
    }

    fn note_for(&self, index: usize, note: Note<'_>) {
        let names = self.hub.filtered_names;
        if let Some(element) = self.state().elements.find_mut(index) {
            element.note(note, names);
        }
    }
}
