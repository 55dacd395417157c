//! Who waits for what from one child.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use portcullis_core::Era;
use tokio::time::Instant;

use super::envelope::{self, Envelope, Kind};
use super::fault::Fault;
use super::outlet::{Item, Outlet};

mod hear;

/// The most requests that one child works on.
const MAX_IN_FLIGHT: usize = 256;
/// The most requests of one child that wait for the client's answer.
const MAX_ASKED: usize = 64;
/// The most messages that are kept for a stream which the client has not opened.
const MAX_BACKLOG: usize = 64;
/// How many lines in a row may be no message. Some servers greet the terminal that is not there.
const MAX_NONSENSE: u32 = 100;
/// How many messages in a row may be for nobody.
const MAX_LOST: u32 = 10_000;

/// The state of the talk with one child.
pub(super) struct Table {
    era: Era,
    max_bytes: usize,
    /// The number of the last request. Numbers stand in for the clients' ids and are never used twice.
    last: u64,
    /// The requests in flight, in the order in which they came.
    calls: BTreeMap<u64, Call>,
    /// The child's own requests that wait for an answer, and where each was said (legacy).
    asked: HashMap<String, Arc<Outlet>>,
    /// What the client opened with `GET` (legacy).
    stream: Option<Arc<Outlet>>,
    backlog: VecDeque<Bytes>,
    over: bool,
    has_answered: bool,
    nonsense: u32,
    lost: u32,
    used: Instant,
}

struct Call {
    /// The client's id, as it spells it.
    id: Box<str>,
    /// The client's progress token, as it spells it.
    token: Option<Box<str>>,
    outlet: Arc<Outlet>,
    initializes: bool,
    listens: bool,
    wants_logs: bool,
}

/// What a client's message that is no request leads to.
#[derive(Debug, PartialEq)]
pub(super) enum Told {
    /// This is to be said to the child.
    Say(Bytes),
    /// Nothing.
    Nothing,
    /// It answers to nothing that was asked.
    Unasked,
}

impl Table {
    pub(super) fn new(era: Era, max_bytes: usize) -> Self {
        Self {
            era,
            max_bytes,
            last: 0,
            calls: BTreeMap::new(),
            asked: HashMap::new(),
            stream: None,
            backlog: VecDeque::new(),
            over: false,
            has_answered: false,
            nonsense: 0,
            lost: 0,
            used: Instant::now(),
        }
    }

    /// Takes a client's request, whose answer goes to `outlet`. Yields its number, and the line for the
    /// child.
    pub(super) fn ask(
        &mut self,
        text: &str,
        envelope: &Envelope,
        outlet: &Arc<Outlet>,
    ) -> Result<(u64, Bytes), Fault> {
        if self.over {
            return Err(Fault::Broken);
        }
        if self.calls.len() >= MAX_IN_FLIGHT {
            return Err(Fault::Busy(std::time::Duration::from_secs(1)));
        }
        let id = envelope.id.clone().ok_or(Fault::Broken)?;
        self.used = Instant::now();
        self.last += 1;
        let number = self.last.to_string();
        let call = Call {
            id: part(text, &id).into(),
            token: envelope.token.as_ref().map(|token| part(text, token).into()),
            outlet: Arc::clone(outlet),
            initializes: envelope.method == "initialize",
            listens: envelope.method == "subscriptions/listen",
            wants_logs: envelope.wants_logs,
        };
        let mut parts = vec![(id, &*number)];
        // A session's tokens are one client's, which must not use one twice; a modern child works for
        // several clients.
        if self.era == Era::Modern
            && let Some(token) = envelope.token.clone()
        {
            parts.push((token, &*number));
        }
        let line = envelope::exchange(text, &mut parts);
        self.calls.insert(self.last, call);
        Ok((self.last, line))
    }

    /// Takes a notification or an answer of a client in a session.
    pub(super) fn tell(&mut self, text: &str, envelope: &Envelope) -> Told {
        self.used = Instant::now();
        let whole = || envelope::exchange(text, &mut []);
        match (envelope.kind, &*envelope.method) {
            (Kind::Response, _) => {
                let id = envelope.id.as_ref().map(|id| part(text, id)).unwrap_or_default();
                match self.asked.remove(id) {
                    Some(_) => Told::Say(whole()),
                    None => Told::Unasked,
                }
            }
            (Kind::Notification, "notifications/cancelled") => {
                let Some(range) = envelope.cancels.clone() else { return Told::Nothing };
                let id = part(text, &range);
                let newest = self.calls.iter().rev().find(|(_, call)| &*call.id == id);
                let Some(number) = newest.map(|(number, _)| *number) else { return Told::Nothing };
                // No answer is to be expected any more (cancellation, all revisions).
                if let Some(call) = self.calls.remove(&number) {
                    call.outlet.forgo();
                }
                Told::Say(envelope::exchange(text, &mut [(range, &number.to_string())]))
            }
            (Kind::Notification, _) => Told::Say(whole()),
            (Kind::Request, _) => Told::Nothing,
        }
    }

    /// Opens the stream for what belongs to no request. There is one: a client that opens another has
    /// lost the first.
    pub(super) fn open_stream(&mut self) -> Arc<Outlet> {
        self.used = Instant::now();
        if let Some(old) = self.stream.take() {
            old.end();
        }
        let stream = Outlet::for_messages(std::mem::take(&mut self.backlog), self.max_bytes);
        if self.over {
            stream.end();
        }
        self.stream = Some(Arc::clone(&stream));
        stream
    }

    /// Nobody reads the answers to these any more. Yields what is to be said to the child.
    ///
    /// In the legacy era to go away is not to cancel: the child goes on, and its answer is for nobody.
    pub(super) fn abandon(&mut self, numbers: &[u64]) -> Vec<Bytes> {
        self.used = Instant::now();
        match self.era {
            Era::Modern => self.give_up(numbers),
            _ => Vec::new(),
        }
    }

    /// The answers to these are not waited for any longer. Yields what is to be said to the child.
    pub(super) fn give_up(&mut self, numbers: &[u64]) -> Vec<Bytes> {
        let waiting = numbers.iter().filter(|number| self.calls.remove(number).is_some());
        waiting.map(|number| cancelled(*number)).collect()
    }

    /// Nothing more comes from the child.
    pub(super) fn end(&mut self, fault: Fault) {
        self.over = true;
        for call in std::mem::take(&mut self.calls).into_values() {
            call.outlet.answer(Item::Failed(fault, call.id));
        }
        if let Some(stream) = self.stream.take() {
            stream.end();
        }
    }

    /// Ends what would not end by itself: streams. Yields what is to be said to the child.
    pub(super) fn wind_down(&mut self) -> Vec<Bytes> {
        if let Some(stream) = self.stream.take() {
            stream.end();
        }
        let listening = self.calls.iter().filter(|(_, call)| call.listens);
        let listening: Vec<_> = listening.map(|(number, _)| *number).collect();
        for number in &listening {
            if let Some(call) = self.calls.get(number) {
                call.outlet.answer(Item::Answer(closing(&call.id), None));
            }
        }
        self.give_up(&listening)
    }

    /// Whether somebody waits for something.
    pub(super) fn is_busy(&self) -> bool {
        !self.calls.is_empty() || self.stream.as_ref().is_some_and(|stream| stream.is_open())
    }

    /// Whether a request is in flight.
    pub(super) fn is_working(&self) -> bool {
        !self.calls.is_empty()
    }

    /// Whether it was told that it is over.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Whether the child has ever answered.
    pub(super) fn has_answered(&self) -> bool {
        self.has_answered
    }

    /// When it was last used.
    pub(super) fn used(&self) -> Instant {
        self.used
    }
}

fn part<'a>(text: &'a str, range: &Range<usize>) -> &'a str {
    text.get(range.clone()).unwrap_or_default()
}

/// The request with this number is cancelled (on standard input and output, by a notification in every
/// revision).
fn cancelled(number: u64) -> Bytes {
    let method = "notifications/cancelled";
    format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{{"requestId":{number}}}}}"#).into()
}

/// The answer that ends a listen stream in good order (R-082).
fn closing(id: &str) -> Bytes {
    let key = "io.modelcontextprotocol/subscriptionId";
    let result = format!(r#"{{"resultType":"complete","_meta":{{"{key}":{id}}}}}"#);
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#).into()
}

#[cfg(test)]
mod tests;
