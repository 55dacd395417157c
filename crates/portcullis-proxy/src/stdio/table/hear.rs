//! What one child says, and where it goes.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use portcullis_core::Era;
use tokio::time::Instant;

use super::{Call, MAX_ASKED, MAX_BACKLOG, MAX_LOST, MAX_NONSENSE, Table, closing, part};
use crate::stdio::envelope::{self, Envelope, Kind};
use crate::stdio::fault::Fault;
use crate::stdio::outlet::{Item, Outlet};

/// What a line from the child leads to.
#[derive(Debug, Default)]
pub(in crate::stdio) struct Heard {
    /// What is to be said to the child.
    pub(in crate::stdio) reply: Option<Bytes>,
    /// The child is to be ended.
    pub(in crate::stdio) abusive: bool,
}

impl Table {
    /// Hears a line of the child.
    pub(in crate::stdio) fn hear(&mut self, line: &[u8]) -> Heard {
        let mut heard = Heard::default();
        match std::str::from_utf8(line) {
            Ok(text) if self.era == Era::Legacy && text.starts_with('[') => {
                match envelope::batch(text) {
                    Some(messages) => {
                        for message in messages {
                            let next = self.hear_one(message);
                            heard.reply = match (heard.reply.take(), next) {
                                (Some(first), Some(second)) => {
                                    Some([first, second].join(&b'\n').into())
                                }
                                (first, second) => first.or(second),
                            };
                        }
                    }
                    None => self.nonsense += 1,
                }
            }
            Ok(text) => heard.reply = self.hear_one(text),
            Err(_) => self.nonsense += 1,
        }
        heard.abusive = self.nonsense > MAX_NONSENSE || self.lost > MAX_LOST;
        heard
    }

    /// A line of the child is too long to be read. Whether it is known whose answer that was.
    pub(in crate::stdio) fn hear_too_much(&mut self) -> bool {
        let Some((number, _)) = self.calls.first_key_value() else {
            self.nonsense += 1;
            return self.nonsense <= MAX_NONSENSE;
        };
        let number = *number;
        if self.calls.len() > 1 {
            return false;
        }
        if let Some(call) = self.calls.remove(&number) {
            call.outlet.answer(Item::Failed(Fault::Broken, call.id));
        }
        true
    }

    fn hear_one(&mut self, text: &str) -> Option<Bytes> {
        let Some(envelope) = Envelope::read(text) else {
            self.nonsense += 1;
            return None;
        };
        match (envelope.kind, self.era) {
            (Kind::Response, _) => self.hear_answer(text, &envelope),
            (Kind::Notification, Era::Modern) => self.hear_modern(text, &envelope),
            (_, Era::Legacy) => return self.hear_legacy(text, &envelope),
            // MCP 2026-07-28 has no requests of servers.
            _ => self.nonsense += 1,
        }
        None
    }

    fn hear_answer(&mut self, text: &str, envelope: &Envelope) {
        let number = envelope.id.as_ref().and_then(|id| part(text, id).parse::<u64>().ok());
        let (Some(id), Some(number)) = (envelope.id.clone(), number) else {
            self.nonsense += 1;
            return;
        };
        let Some(call) = self.calls.remove(&number) else {
            // It may have been too late; what was never asked is another matter.
            let counter = if number <= self.last { &mut self.lost } else { &mut self.nonsense };
            *counter += 1;
            return;
        };
        self.heard_well();
        self.used = Instant::now();
        self.has_answered = true;
        let mut parts = vec![(id, &*call.id)];
        if let Some(subscription) = self.subscription(text, envelope, number) {
            parts.push((subscription, &*call.id));
        }
        let answer = envelope::exchange(text, &mut parts);
        call.outlet.answer(Item::Answer(answer, envelope.code));
    }

    fn hear_modern(&mut self, text: &str, envelope: &Envelope) {
        let number = |place: &Option<Range<usize>>| part(text, place.as_ref()?).parse::<u64>().ok();
        let said = match &*envelope.method {
            "notifications/progress" => (|| {
                let (number, place) = (number(&envelope.token)?, envelope.token.clone()?);
                let call = self.calls.get(&number)?;
                let message = envelope::exchange(text, &mut [(place, call.token.as_deref()?)]);
                Some(call.outlet.say(&message))
            })(),
            "notifications/message" => {
                // Only the one who asked for it may see it, and nothing in it says who that is.
                let mut wanted = self.calls.values().filter(|call| call.wants_logs);
                match (wanted.next(), wanted.next()) {
                    (Some(call), None) => Some(call.outlet.say(&envelope::exchange(text, &mut []))),
                    _ => None,
                }
            }
            "notifications/cancelled" => number(&envelope.cancels)
                .filter(|number| self.calls.get(number).is_some_and(|call| call.listens))
                .and_then(|number| self.calls.remove(&number))
                .map(|call| {
                    call.outlet.answer(Item::Answer(closing(&call.id), None));
                    true
                }),
            _ => (|| {
                let (number, place) =
                    (number(&envelope.subscription)?, envelope.subscription.clone()?);
                let call = self.calls.get(&number).filter(|call| call.listens)?;
                let message = envelope::exchange(text, &mut [(place, &*call.id)]);
                Some(call.outlet.say(&message))
            })(),
        };
        self.count(said == Some(true));
    }

    fn hear_legacy(&mut self, text: &str, envelope: &Envelope) -> Option<Bytes> {
        let message = envelope::exchange(text, &mut []);
        let id = envelope.id.as_ref().map(|id| part(text, id));
        let place = match &*envelope.method {
            "notifications/progress" => {
                let token = envelope.token.as_ref().map(|token| part(text, token));
                let mut calls = self.calls.values().rev();
                let call = calls.find(|call| {
                    !call.initializes && call.token.is_some() && call.token.as_deref() == token
                });
                call.map(|call| Arc::clone(&call.outlet))
            }
            "notifications/cancelled" => {
                let id = envelope.cancels.as_ref().map(|id| part(text, id));
                id.and_then(|id| self.asked.remove(id))
            }
            "notifications/resources/updated"
            | "notifications/resources/list_changed"
            | "notifications/tools/list_changed"
            | "notifications/prompts/list_changed"
            | "notifications/tasks/status"
            | "notifications/elicitation/complete" => None,
            _ => self.related(),
        };
        let too_many = id.is_some() && self.asked.len() >= MAX_ASKED;
        let taken = if too_many { None } else { self.say(place, &message) };
        self.count(taken.is_some());
        match (id, taken) {
            (Some(id), Some(place)) => {
                self.asked.insert(id.to_owned(), place);
                None
            }
            // A server must not wait for ever for what nobody gets to see.
            (Some(id), None) => Some(unheard(id)),
            (None, _) => None,
        }
    }

    /// The request that the child most likely speaks of, when nothing says which it is: the only one. Of
    /// several the newest, unless there is a stream for what belongs to none.
    fn related(&self) -> Option<Arc<Outlet>> {
        let open = |call: &&Call| !call.initializes && call.outlet.is_open();
        let mut calls = self.calls.values().rev().filter(open);
        let newest = calls.next()?;
        let streams = self.stream.as_ref().is_some_and(|stream| stream.is_open());
        (calls.next().is_none() || !streams).then(|| Arc::clone(&newest.outlet))
    }

    /// Says it at this place, else on the stream, else keeps it for the stream.
    fn say(&mut self, place: Option<Arc<Outlet>>, message: &Bytes) -> Option<Arc<Outlet>> {
        if let Some(place) = place.filter(|place| place.say(message)) {
            return Some(place);
        }
        if let Some(stream) = &self.stream {
            if stream.say(message) {
                return Some(Arc::clone(stream));
            }
            if stream.is_open() {
                return None;
            }
        }
        let bytes: usize = self.backlog.iter().map(Bytes::len).sum();
        if self.backlog.len() >= MAX_BACKLOG || bytes + message.len() > self.max_bytes {
            return None;
        }
        self.backlog.push_back(message.clone());
        Some(Outlet::for_answers(0, 0))
    }

    fn subscription(&self, text: &str, envelope: &Envelope, number: u64) -> Option<Range<usize>> {
        let place = envelope.subscription.clone().filter(|_| self.era == Era::Modern)?;
        (part(text, &place).parse() == Ok(number)).then_some(place)
    }

    fn count(&mut self, said: bool) {
        if said { self.heard_well() } else { self.lost += 1 }
    }

    fn heard_well(&mut self) {
        self.nonsense = 0;
        self.lost = 0;
    }
}

/// The answer to a request of the child's that no client gets.
fn unheard(id: &str) -> Bytes {
    let error = r#"{"code":-32603,"message":"The client cannot be reached"}"#;
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#).into()
}
