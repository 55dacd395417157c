//! The steps that the deployment's own hooks add.

use bytes::Bytes;
use portcullis_core::{Decided, McpMessage, RequestFacts as _, Trail};

use super::{Entering, Held, State};
use crate::behind::Behind;
use crate::exchange::Interception;
use crate::hook::answer::Revised;
use crate::hook::request::{self, Applied, Heard};

impl<S> Entering<S> {
    /// Goes on with what the hooks left of the request.
    pub(super) fn heard<F, ReqBody, ResBody>(
        self,
        heard: Vec<Heard>,
    ) -> State<S, F, ReqBody, ResBody>
    where
        S: Behind<ResBody, Future = F>,
    {
        let Self { service, config, caller, mut parts, inspected, .. } = self;
        let trail = parts.trail().cloned();
        let applied =
            request::apply(&config, &caller, &mut parts.headers, inspected, heard, trail.as_ref());
        let Applied { mut inspected, refused } = match applied {
            Ok(applied) => applied,
            Err(denial) => return State::refuse(denial),
        };
        inspected.head_fits = false; // It is that of the message as it came.
        if let Some(trail) = &trail {
            record(trail, &inspected.message, &refused);
        }
        parts.set_message(inspected.message.clone());
        State::launch(service, config, caller, parts, inspected)
    }
}

/// Puts on record what the hooks refused of a batch, after all that goes on.
fn record(trail: &Trail, message: &McpMessage, refused: &[(McpMessage, portcullis_core::Denial)]) {
    if refused.is_empty() {
        return;
    }
    let kept = match message {
        McpMessage::Batch(elements) => elements.to_vec(),
        _ => Vec::new(),
    };
    let first = kept.len();
    let all = kept.into_iter().chain(refused.iter().map(|(message, _)| message.clone()));
    trail.message(&McpMessage::Batch(all.collect()));
    for (place, (message, denial)) in (first..).zip(refused) {
        let decided = Decided { element: place, message, verdict: Err(denial) };
        let _refused_anyway = trail.decided(&decided);
    }
}

impl<S, F, ReqBody, ResBody> State<S, F, ReqBody, ResBody> {
    /// Asks the hooks about a JSON answer, if there are any for it.
    pub(super) fn arrived(bytes: Bytes, held: Held) -> Self {
        match held.exchange.intercept(&bytes) {
            Ok(Interception::Run(run)) => Self::Revising { run, held: Some(held) },
            // Only streams are resumed: the reading refuses what nobody asked for.
            Ok(Interception::None | Interception::Withhold) => Self::document(bytes, held, None),
            Err(violation) => Self::refuse(held.exchange.refuse(violation)),
        }
    }

    /// Goes on with what the hooks have made of an answer.
    pub(super) fn revised(revised: Revised, held: Held) -> Self {
        held.exchange.revised(&revised);
        Self::document(revised.document, held, None)
    }
}
