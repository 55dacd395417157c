//! What is known of a request so far.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use http::StatusCode;

use super::End;
use crate::words::{Asked, Outcome};

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) signed_in: bool,
    /// Of each message: one, unless it is a batch.
    pub(super) asked: Vec<Asked>,
    pub(super) understood: Option<Instant>,
    pub(super) decided: HashSet<usize>,
    pub(super) tool_error: bool,
    pub(super) rpc_error: Option<i64>,
    pub(super) violation: bool,
    /// How long the service took to give the head of its answer.
    pub(super) served: Option<Duration>,
    pub(super) denied: Option<Denied>,
    pub(super) status: Option<StatusCode>,
    pub(super) stream: bool,
    pub(super) counted: bool,
    pub(super) finished: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Denied {
    pub(super) outcome: Outcome,
    pub(super) code: Option<i64>,
}

impl State {
    /// What the request as a whole asks for.
    pub(super) fn asked(&self) -> Asked {
        match self.asked.as_slice() {
            [] => Asked::Nothing,
            [one] => *one,
            _ => Asked::Batch,
        }
    }

    pub(super) fn outcome(&self, end: End) -> Outcome {
        if let Some(denied) = self.denied {
            return denied.outcome;
        }
        if end == End::Failed {
            return Outcome::ServiceError;
        }
        if end == End::Dropped {
            return Outcome::Aborted;
        }
        match Outcome::of_status(self.status.map_or(0, |status| status.as_u16())) {
            Outcome::Ok if self.violation => Outcome::ServiceError,
            Outcome::Ok if self.rpc_error.is_some() => Outcome::RpcError,
            Outcome::Ok if self.tool_error => Outcome::ToolError,
            outcome => outcome,
        }
    }
}
