//! Hooks on the way out: what they are asked, and what becomes of the document.

use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use portcullis_core::{Caller, McpRequest, Reason, Trail};

use super::chain::{Bounds, Chain, Outcome};
use super::{HookEvent, HookPhase};
use crate::config::InspectConfig;

/// The hooks of one document.
pub(crate) struct Run {
    source: Bytes,
    trail: Option<Trail>,
    answers: Vec<Asking>,
}

struct Asking {
    at: At,
    chain: Chain,
    outcome: Option<Outcome>,
}

/// Where an answer is in its document.
#[derive(Clone, Debug)]
pub(crate) struct At {
    pub(crate) message: Range<usize>,
    /// Its `result` or `error`.
    pub(crate) payload: Range<usize>,
    pub(crate) is_error: bool,
    /// The place of the request in its batch.
    pub(crate) element: usize,
}

/// What the hooks have made of a document.
#[derive(Debug)]
pub(crate) struct Revised {
    pub(crate) document: Bytes,
    /// What they withheld: the place of the request, the hook and why.
    pub(crate) withheld: Vec<(usize, String, Reason)>,
}

impl Run {
    /// No hooks yet for the document `source`.
    pub(crate) fn new(source: &Bytes, trail: Option<Trail>) -> Self {
        Self { source: source.clone(), trail, answers: Vec::new() }
    }

    /// Asks the hooks about one answer.
    pub(crate) fn ask(
        &mut self,
        config: &InspectConfig,
        bounds: Bounds,
        caller: &Caller,
        request: &McpRequest,
        at: At,
    ) {
        let groups = config.hooks.groups(HookPhase::Answer, request.method());
        if groups.is_empty() {
            return;
        }
        let event = HookEvent {
            phase: HookPhase::Answer,
            caller: caller.clone(),
            request: request.clone(),
            json: self.source.slice(at.payload.clone()),
            is_error: at.is_error,
        };
        let chain = Chain::new(event, groups, bounds);
        self.answers.push(Asking { at, chain, outcome: None });
    }

    /// Whether there is nobody to ask.
    pub(crate) fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    fn revised(&mut self) -> Revised {
        let mut out = Vec::with_capacity(self.source.len());
        let mut withheld = Vec::new();
        let mut copied = 0;
        for Asking { at, chain, outcome } in &self.answers {
            let (range, text) = match outcome {
                None | Some(Outcome::Unchanged) => continue,
                Some(Outcome::Changed(json, _)) => (at.payload.clone(), json.clone()),
                Some(Outcome::Stopped(stop)) => {
                    withheld.push((at.element, stop.hook().to_owned(), stop.reason()));
                    let denial = stop.denial(chain.request(), self.trail.as_ref(), at.element);
                    let object = denial.rpc_object().unwrap_or_default();
                    (at.message.clone(), Bytes::copy_from_slice(object.as_bytes()))
                }
            };
            out.extend_from_slice(self.source.get(copied..range.start).unwrap_or_default());
            out.extend_from_slice(&text);
            copied = range.end;
        }
        if copied == 0 {
            return Revised { document: self.source.clone(), withheld };
        }
        out.extend_from_slice(self.source.get(copied..).unwrap_or_default());
        Revised { document: out.into(), withheld }
    }
}

impl Future for Run {
    type Output = Revised;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Revised> {
        let mut pending = false;
        for Asking { chain, outcome, .. } in &mut self.answers {
            if outcome.is_none() {
                match Pin::new(chain).poll(cx) {
                    Poll::Ready(said) => *outcome = Some(said),
                    Poll::Pending => pending = true,
                }
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(self.revised()) }
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("answers", &self.answers.len()).finish_non_exhaustive()
    }
}
