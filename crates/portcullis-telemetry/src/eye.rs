//! What is seen of one request.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::request::Parts;
use http::{Response, header};
use portcullis_core::{Clock, Denial, DenialKind, Reason, ResponseFacts as _};
use tracing::Span;

use crate::layer::Look;
use crate::route::Route;
use crate::span;
use crate::trace_context::TraceContext;
use crate::words::{Asked, Outcome, Ruling, status_label};

mod ending;
mod observer;
mod state;

pub(crate) use ending::{End, Ending};
use state::{Denied, State};

/// Watches the trail of one request.
pub(crate) struct Eye {
    route: Arc<Route>,
    look: Arc<Look>,
    started: Instant,
    span: Span,
    trace_id: Option<[u8; 16]>,
    state: Mutex<State>,
}

impl Eye {
    pub(crate) fn open(route: &Arc<Route>, look: &Arc<Look>, parts: &Parts) -> Self {
        route.in_flight.enter();
        let span = span::open(route.name(), &parts.headers);
        if !span.is_disabled()
            && let Some(context) = TraceContext::from_headers(&parts.headers)
        {
            span::client_context(&span, &context);
            if let Some(join) = &look.join {
                join.by_header(&span, &context);
            }
        }
        let join = look.join.as_ref().filter(|_| !span.is_disabled());
        let trace_id = join.and_then(|join| join.trace_id(&span));
        Self {
            trace_id,
            started: look.clock.instant(),
            route: Arc::clone(route),
            look: Arc::clone(look),
            span,
            state: Mutex::default(),
        }
    }

    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// Names the span.
    fn name(&self, name: &str) {
        self.span.record("otel.name", name);
        if let Some(join) = &self.look.join {
            join.named(&self.span, name);
        }
    }

    fn clock(&self) -> &Clock {
        &self.look.clock
    }

    fn since(&self, earlier: Instant) -> Duration {
        self.clock().instant().saturating_duration_since(earlier)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The head of the answer is there: what was not decided by now never will be.
    pub(crate) fn responded<B>(&self, response: &Response<B>) {
        let mut state = self.state();
        let took = self.since(self.started);
        let denial = response.denial();
        self.settle(&mut state, denial);
        let asked = state.asked();
        self.route.answered_after(asked, took);
        if let Some(served) = state.served {
            self.route.added(took.saturating_sub(served));
        }
        state.status = Some(response.status());
        state.denied = denial
            .map(|denial| Denied { outcome: Outcome::of_denial(denial), code: denial.rpc_code() });
        state.stream = response.status().is_success()
            && response.headers().get(header::CONTENT_TYPE).is_some_and(|media| {
                let media = media.as_bytes();
                media
                    .get(..17)
                    .is_some_and(|start| start.eq_ignore_ascii_case(b"text/event-stream"))
            });
        if state.stream {
            self.route.streams.enter();
        }
        if asked.is_long_lived() && state.stream {
            self.count(&mut state, End::Complete);
        }
    }

    /// Counts the decisions that no layer reported: refusals before policy, and requests that got
    /// past sign-in and never to policy.
    fn settle(&self, state: &mut State, denial: Option<&Denial>) {
        let (ruling, reason) = match denial {
            Some(denial) => (Ruling::of(denial), Some(denial.reason())),
            None if state.signed_in => (Ruling::Undecided, None),
            None => (Ruling::Public, None),
        };
        if state.asked.is_empty() && state.decided.is_empty() {
            state.asked.push(Asked::Nothing);
        }
        for (element, asked) in state.asked.iter().enumerate() {
            if !state.decided.contains(&element) {
                self.route.decision(*asked, ruling, reason);
                self.ruled(ruling, reason);
            }
        }
        // Allowed, and not to be recorded: it did not happen.
        if denial.is_some_and(|denial| denial.kind() == DenialKind::AuditUnavailable)
            && state.decided.contains(&0)
        {
            self.route.decision(state.asked(), ruling, reason);
            self.ruled(ruling, reason);
        }
    }

    fn ruled(&self, ruling: Ruling, reason: Option<Reason>) {
        self.span.record("portcullis.decision", ruling.as_str());
        if let Some(reason) = reason {
            self.span.record("portcullis.reason", reason.as_str());
        }
    }

    /// The answer has ended.
    pub(crate) fn finish(&self, end: End) {
        let mut state = self.state();
        if state.finished {
            return;
        }
        state.finished = true;
        self.count(&mut state, end);
        self.route.in_flight.leave();
        if state.stream {
            self.route.streams.leave();
        }
    }

    /// Counts the request, and says on its span what came of it.
    fn count(&self, state: &mut State, end: End) {
        if state.counted {
            return;
        }
        state.counted = true;
        let outcome = state.outcome(end);
        let status = state.status.map(|status| status.as_u16());
        self.route.request(outcome, status_label(status));
        if let Some(status) = status {
            self.span.record("http.response.status_code", status);
        }
        let code = state.denied.map_or(state.rpc_error, |denied| denied.code);
        if let Some(code) = code {
            self.span.record("rpc.response.status_code", code.to_string());
        }
        if outcome.is_error() {
            let kind = match (code, outcome) {
                (_, Outcome::ToolError) => "tool_error".to_owned(),
                (Some(code), _) => code.to_string(),
                (None, outcome) => outcome.as_str().to_owned(),
            };
            self.span.record("error.type", kind);
            self.span.record("otel.status_code", "ERROR");
        }
    }
}

impl fmt::Debug for Eye {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Eye").field("route", &self.route.name()).finish_non_exhaustive()
    }
}
