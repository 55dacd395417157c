//! What becomes of one message.

use portcullis_core::{Denial, Era, Note, Reason};

use super::document::{Answered, Paper};
use super::{Exchange, Pending, Place};
use crate::filter::{Message, Shape};
use crate::listen::TASK_NEWS;
use crate::server;
use crate::violation::{BAD_RPC, Violation};

/// What becomes of one message.
pub(super) enum Fate {
    /// It passes, perhaps in other words.
    Kept(Option<Vec<u8>>),
    Dropped,
    /// This is the answer, in place of the service's.
    Instead(Denial),
}

impl Exchange {
    /// Decides about one message. What it answers is added to `answered`.
    pub(super) fn settle(
        &mut self,
        paper: Paper<'_>,
        message: Message<'_>,
        answered: &mut Answered,
    ) -> Result<Fate, Violation> {
        let place = paper.place;
        let Message { range, edited, shape, hidden } = message;
        let paper = Paper { hidden: paper.hidden.get(hidden).unwrap_or_default(), ..paper };
        if !matches!(shape, Shape::Response(_)) {
            self.note_hidden(paper, None);
        }
        let limits = self.json();
        match shape {
            Shape::Response(answer) => self.response(paper, range, &answer, edited, answered),
            Shape::Request { .. } | Shape::Notification { .. } if place == Place::Json => {
                Err(BAD_RPC)
            }
            Shape::Request { method, id } => {
                if self.eyes.version.era() == Era::Modern {
                    return Err(BAD_RPC);
                }
                let allowed = &self.config.server_requests;
                let message = edited.as_deref().or(paper.source.get(range));
                let asks = message.unwrap_or_default();
                let may_ask =
                    server::may_request(allowed, self.eyes.version, &method, asks, limits)?
                        && self.declared.can_answer(&method, asks, limits)?;
                if may_ask {
                    let renamed = self.renamed(message, &["id"])?;
                    let message = renamed.as_deref().or(message).unwrap_or_default();
                    let related = self.aside_renamed(message)?;
                    Ok(Fate::Kept(related.or(renamed).or(edited)))
                } else {
                    self.decline(&method, &id.raw());
                    let is_switch = server::has_switch(&method);
                    let reason =
                        if is_switch { Reason::PolicyDenied } else { Reason::UnknownMethod };
                    Ok(self.drop(reason))
                }
            }
            Shape::Notification { method, passes } => match &mut self.listen {
                Some(_) if passes && method == TASK_NEWS => {
                    let message = edited.as_deref().or(paper.source.get(range));
                    match self.watched(message.unwrap_or_default()) {
                        Ok(renamed) => Ok(Fate::Kept(renamed.or(edited))),
                        Err(violation) => Ok(self.drop(violation.reason())),
                    }
                }
                Some(listen) if passes => {
                    if method == "notifications/subscriptions/acknowledged" {
                        let message = edited.as_deref().or(paper.source.get(range));
                        listen.acknowledge(message.unwrap_or_default(), limits);
                    }
                    Ok(Fate::Kept(edited))
                }
                None if passes && server::may_notify(self.eyes.version, &method) => {
                    let renamed = if method == "notifications/cancelled" {
                        let message = edited.as_deref().or(paper.source.get(range));
                        self.renamed(message, &["params", "requestId"])?
                    } else {
                        let message = edited.as_deref().or(paper.source.get(range));
                        self.aside_renamed(message.unwrap_or_default())?
                    };
                    Ok(Fate::Kept(renamed.or(edited)))
                }
                // Hidden, not a violation: the caller may not see what changed, or did not ask for it.
                _ if matches!(
                    &*method,
                    "notifications/resources/updated" | "notifications/tasks/status"
                ) =>
                {
                    Ok(Fate::Dropped)
                }
                Some(_) | None => Ok(self.drop(Reason::UnknownMethod)),
            },
        }
    }

    /// Records what was left out of the answer to a request, or of something else.
    pub(super) fn note_hidden(&self, paper: Paper<'_>, pending: Option<&Pending>) {
        for (kind, name) in paper.hidden {
            let note = Note::Hidden { kind: *kind, name: name.as_str() };
            match pending {
                Some(pending) => self.note_about(pending, note),
                None => self.note(note),
            }
        }
    }

    /// `message` with the id of a request of the server's as this client sees it.
    fn renamed(&self, message: Option<&[u8]>, path: &[&str]) -> Result<Option<Vec<u8>>, Violation> {
        // Without a session no answer is accepted, and it does not matter what the question's id is.
        let Some(questions) = self.questions() else { return Ok(None) };
        questions.rename(message.unwrap_or_default(), path, self.json())
    }

    pub(super) fn drop(&self, reason: Reason) -> Fate {
        self.note(Note::Violation(reason));
        Fate::Dropped
    }
}
