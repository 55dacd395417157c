//! What the layers of a request say.

use portcullis_core::{
    Acknowledgement, Caller, Decided, DenialKind, McpMessage, NoMessage, Note, Recorder, Text,
};

use super::{RequestTrail, State};
use crate::EventKind;
use crate::describe::Ground;
use crate::record::Record;

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

impl RequestTrail {
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
}
