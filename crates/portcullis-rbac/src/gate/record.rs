//! Decisions on their way to the record.

use http::Request;
use portcullis_core::{
    Acknowledgement, Buffered, Decided, Denial, Permit, Receipt, RequestFacts as _,
};

use crate::docket::element;

/// What became of recording decisions.
#[derive(Default)]
pub(super) struct Recorded {
    pub(super) refused: bool,
    pub(super) receipts: Vec<Receipt>,
}

impl Recorded {
    pub(super) fn add(&mut self, other: Self) {
        self.refused |= other.refused;
        self.receipts.extend(other.receipts);
    }
}

/// Appends a decision to the trail, if there is one.
pub(super) fn record(
    request: &Request<Buffered>,
    at: usize,
    verdict: Result<&Permit, &Denial>,
) -> Recorded {
    let mut recorded = Recorded::default();
    let message = request.message().and_then(|message| element(message, at));
    if let Some((trail, message)) = request.trail().zip(message) {
        match trail.decided(&Decided { element: at, message, verdict }) {
            Acknowledgement::Recorded => {}
            Acknowledgement::Refused => recorded.refused = true,
            Acknowledgement::Pending(receipt) => recorded.receipts.push(receipt),
        }
    }
    recorded
}
