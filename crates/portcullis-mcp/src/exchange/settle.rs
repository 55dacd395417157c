//! What may pass of a document, message by message.

use portcullis_core::{Era, Method, Note, Reason, Text, Version};

use super::{Asked, Exchange, Pending, Place, Reading};
use crate::filter::{Answer, Id, Message, Shape};
use crate::violation::{BAD_RPC, Violation};
use crate::{capability, server};

impl Exchange {
    pub(super) fn one(
        &mut self,
        source: &[u8],
        message: Message<'_>,
        place: Place,
    ) -> Result<Reading, Violation> {
        let range = message.range.clone();
        let mut answered = Vec::new();
        let fate = self.settle(source, message, place, &mut answered)?;
        self.answer(&answered);
        let wrap = place == Place::Json && self.asked == Asked::Batch;
        Ok(match (fate, wrap) {
            (Fate::Dropped, _) => Reading::Dropped,
            (Fate::Kept(None), false) => Reading::Unchanged,
            (Fate::Kept(Some(edited)), false) => Reading::Changed(edited),
            (Fate::Kept(edited), true) => {
                let kept = edited.as_deref().or(source.get(range));
                Reading::Changed(array(kept.into_iter(), self.refusals().as_deref()))
            }
        })
    }

    pub(super) fn batch(
        &mut self,
        source: &[u8],
        messages: Vec<Message<'_>>,
        place: Place,
    ) -> Result<Reading, Violation> {
        // Only one revision has batches (R-078 for modern streams).
        if self.eyes.version != Version::V2025_03_26 || messages.is_empty() {
            return Err(Violation::new(Reason::BatchRefused));
        }
        let mut answered = Vec::new();
        let mut kept = Vec::with_capacity(messages.len());
        let mut changed = place == Place::Json && !self.refused.is_empty();
        for message in messages {
            let range = message.range.clone();
            match self.settle(source, message, place, &mut answered)? {
                Fate::Dropped => changed = true,
                Fate::Kept(edited) => {
                    changed |= edited.is_some();
                    kept.push((range, edited));
                }
            }
        }
        self.answer(&answered);
        if !changed {
            return Ok(Reading::Unchanged);
        }
        if kept.is_empty() {
            return Ok(Reading::Dropped);
        }
        let kept = kept
            .iter()
            .filter_map(|(range, edited)| edited.as_deref().or_else(|| source.get(range.clone())));
        // On a stream the refusals went ahead.
        let refusals = if place == Place::Json { self.refusals() } else { None };
        Ok(Reading::Changed(array(kept, refusals.as_deref())))
    }

    fn answer(&mut self, answered: &[usize]) {
        for &index in answered {
            let mut all = self.one.iter_mut().chain(&mut self.more);
            if let Some(pending) = all.nth(index) {
                pending.answered = true;
            }
        }
    }

    /// Decides about one message. What it answers is added to `answered`.
    fn settle(
        &mut self,
        source: &[u8],
        message: Message<'_>,
        place: Place,
        answered: &mut Vec<usize>,
    ) -> Result<Fate, Violation> {
        let Message { edited, shape, .. } = message;
        match shape {
            Shape::Response(answer) => self.response(source, &answer, edited, place, answered),
            Shape::Request { .. } | Shape::Notification { .. } if place == Place::Json => {
                Err(BAD_RPC)
            }
            Shape::Request { method } => {
                if self.eyes.version.era() == Era::Modern {
                    return Err(BAD_RPC); // R-078.
                }
                let allowed = self.config.server_requests;
                if server::may_request(allowed, self.eyes.version, &method) {
                    Ok(Fate::Kept(edited))
                } else {
                    Ok(self.drop(Reason::UnknownMethod))
                }
            }
            Shape::Notification { method, passes } => match &mut self.listen {
                Some(listen) if passes => {
                    if method == "notifications/subscriptions/acknowledged" {
                        listen.acknowledge();
                    }
                    Ok(Fate::Kept(edited))
                }
                None if passes && server::may_notify(self.eyes.version, &method) => {
                    Ok(Fate::Kept(edited))
                }
                // Hidden, not a violation: the caller may not see what changed.
                None if method == "notifications/resources/updated" => Ok(Fate::Dropped),
                Some(_) | None => Ok(self.drop(Reason::UnknownMethod)),
            },
        }
    }

    fn drop(&self, reason: Reason) -> Fate {
        self.note(Note::Violation(reason));
        Fate::Dropped
    }

    fn response(
        &mut self,
        source: &[u8],
        answer: &Answer<'_>,
        edited: Option<Vec<u8>>,
        place: Place,
        answered: &mut Vec<usize>,
    ) -> Result<Fate, Violation> {
        let mut waiting = self
            .one
            .iter()
            .chain(&self.more)
            .enumerate()
            .filter(|(index, pending)| !pending.answered && !answered.contains(index));
        // An error without an id is about the only request there is.
        let adopted = answer.error.is_some()
            && matches!(answer.id, Id::Absent | Id::Null)
            && self.asked == Asked::Request;
        let Some((index, pending)) =
            waiting.find(|(_, pending)| adopted || answer.id.is(pending.id.as_str()))
        else {
            let resumed = self.asked == Asked::Stream { resumed: true };
            return match place {
                Place::Event if resumed => Ok(Fate::Kept(edited)),
                Place::Event => Ok(self.drop(Reason::UnexpectedResponse)),
                Place::Json => Err(Violation::new(Reason::UnexpectedResponse)),
            };
        };
        let edited = match &answer.error {
            Some(error) if adopted => {
                let said = source.get(error.range.clone()).unwrap_or_default();
                Some(under_id(&pending.id, said, edited.is_some(), error.code))
            }
            _ => edited,
        };
        if let Some(error) = &answer.error {
            self.note(Note::RpcError { code: error.code });
        } else {
            self.check_result(source, pending, answer)?;
            for (tool, params) in &answer.declared {
                self.config.catalogue.learn(&tool.decoded(), params);
            }
            if answer.is_error && pending.method == Method::ToolsCall {
                self.note(Note::ToolError);
            }
            if let Some(listen) = self.listen.as_deref()
                && !listen.is_marked(answer.subscription)
            {
                // The last word on a subscription says which (R-081).
                answered.push(index);
                return Ok(Fate::Kept(Some(listen.closing().into_bytes())));
            }
        }
        answered.push(index);
        if answer.error.is_none() && self.begins {
            self.negotiated = Some(self.negotiate(answer)?);
        }
        Ok(Fate::Kept(edited))
    }

    /// The rules of modern results (R-079, R-080).
    fn check_result(
        &self,
        source: &[u8],
        pending: &Pending,
        answer: &Answer<'_>,
    ) -> Result<(), Violation> {
        if self.eyes.version.era() == Era::Legacy {
            return Ok(());
        }
        match answer.result_type.as_deref() {
            None | Some("complete") => Ok(()),
            Some("input_required") if may_need_input(pending.method) => {
                let Some(range) = answer.input_requests.clone() else { return Ok(()) };
                let requests = source.get(range).unwrap_or_default();
                capability::check(&pending.raw, requests, self.json())
            }
            Some(_) => Err(BAD_RPC),
        }
    }

    /// The version that a session begins with (R-044).
    fn negotiate(&self, answer: &Answer<'_>) -> Result<Version, Violation> {
        let version = answer.protocol_version.as_deref().and_then(Version::parse);
        version
            .filter(|version| version.era() == Era::Legacy && self.config.supports(*version))
            .ok_or(Violation::new(Reason::BadVersion))
    }
}

/// What becomes of one message.
enum Fate {
    /// It passes, perhaps in other words.
    Kept(Option<Vec<u8>>),
    Dropped,
}

/// Whether a modern answer to `method` may ask for input first.
fn may_need_input(method: Method) -> bool {
    matches!(method, Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead)
}

/// The error `said` under the id it belongs to; only its code when parts of it had to go.
fn under_id(id: &Text, said: &[u8], filtered: bool, code: i64) -> Vec<u8> {
    let mut out = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":"#).into_bytes();
    if filtered {
        out.extend(format!(r#"{{"code":{code},"message":"Upstream error"}}"#).into_bytes());
    } else {
        out.extend_from_slice(said);
    }
    out.push(b'}');
    out
}

/// A JSON array of `messages`, and of those in `more`.
fn array<'b>(messages: impl Iterator<Item = &'b [u8]>, more: Option<&'b str>) -> Vec<u8> {
    let mut out = vec![b'['];
    for message in messages.chain(more.map(str::as_bytes)) {
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(message);
    }
    out.push(b']');
    out
}
