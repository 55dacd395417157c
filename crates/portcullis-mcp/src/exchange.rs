//! One HTTP exchange: what was asked, and which of the documents that come back may pass.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use portcullis_core::{
    Caller, Denial, Era, Look, McpMessage, McpRequest, Method, NoMessage, Note, Permit, Reason,
    Text, Trail, Version,
};

use crate::capability;
use crate::config::InspectConfig;
use crate::filter::{self, Answer, Document, Facets, Id, Message, Shape};
use crate::json::{JsonLimits, Scanner};
use crate::judge::{Answers, Eyes, Item, Judge};
use crate::listen::Listen;
use crate::server;
use crate::violation::{BAD_RPC, Violation};

/// How a document came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    /// As the whole body.
    Json,
    /// As one event of a stream.
    Event,
}

/// What became of a document.
#[derive(Debug)]
pub(crate) enum Reading {
    /// It passes as it is.
    Unchanged,
    /// This passes in its stead.
    Changed(Vec<u8>),
    /// Nothing of it passes, and the stream goes on.
    Dropped,
    /// Somebody else has to be asked first: read it again with the answers.
    Ask(Question),
}

/// Items on the way to a decision point outside the process.
pub(crate) struct Question {
    items: Vec<Item>,
    look: Look,
}

impl std::fmt::Debug for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Question").field("items", &self.items.len()).finish_non_exhaustive()
    }
}

impl Future for Question {
    type Output = Answers;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answers> {
        let shown = ready!(self.look.as_mut().poll(cx));
        Poll::Ready(Answers { items: std::mem::take(&mut self.items), shown })
    }
}

/// A request that waits for its answer.
#[derive(Debug)]
struct Pending {
    id: Text,
    method: Method,
    raw: Bytes,
    answered: bool,
}

impl From<&McpRequest> for Pending {
    fn from(request: &McpRequest) -> Self {
        Self {
            id: request.id().clone(),
            method: request.method(),
            raw: request.raw().clone(),
            answered: false,
        }
    }
}

/// What the HTTP request was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Asked {
    /// One request.
    Request,
    /// A batch, of requests or not.
    Batch,
    /// Nothing that has an answer: a notification, or the answer to a request of the service.
    Nothing,
    /// A stream of the session, and whether an earlier one is resumed.
    Stream { resumed: bool },
    /// The end of the session.
    EndSession,
}

/// One HTTP exchange.
#[derive(Debug)]
pub(crate) struct Exchange {
    config: Arc<InspectConfig>,
    eyes: Eyes,
    asked: Asked,
    // One request is the rule: it needs no list.
    one: Option<Pending>,
    more: Vec<Pending>,
    listen: Option<Box<Listen>>,
    /// The answers to elements of a batch that were refused, here or inside.
    refused: Vec<Denial>,
    trail: Option<Trail>,
    /// Whether this is `initialize`, and what version its answer settled on.
    begins: bool,
    negotiated: Option<Version>,
}

impl Exchange {
    pub(crate) fn new(
        config: Arc<InspectConfig>,
        caller: Caller,
        version: Version,
        message: &McpMessage,
        resumed: bool,
        refused: Vec<Denial>,
        trail: Option<Trail>,
    ) -> Self {
        let mut exchange = Self {
            eyes: Eyes { caller, version, view: None },
            asked: Asked::Nothing,
            one: None,
            more: Vec::new(),
            listen: None,
            refused,
            trail,
            begins: false,
            negotiated: None,
            config,
        };
        match message {
            McpMessage::Request(request) => {
                exchange.asked = Asked::Request;
                exchange.begins = request.method() == Method::Initialize;
                if request.method() == Method::SubscriptionsListen {
                    let limits = exchange.config.limits.json();
                    let listen = Listen::new(request.id().clone(), request.raw(), limits);
                    exchange.listen = Some(Box::new(listen));
                }
                exchange.one = Some(Pending::from(request));
            }
            McpMessage::Batch(elements) => {
                exchange.asked = Asked::Batch;
                exchange.more = elements
                    .iter()
                    .filter_map(|element| match element {
                        McpMessage::Request(request) => Some(Pending::from(request)),
                        _ => None,
                    })
                    .collect();
            }
            McpMessage::NoMessage(NoMessage::Stream(_)) => {
                exchange.asked = Asked::Stream { resumed };
            }
            McpMessage::NoMessage(NoMessage::EndSession(_)) => exchange.asked = Asked::EndSession,
            _ => {}
        }
        exchange
    }

    /// Takes over what policy said: whose eyes count, and which elements of a batch are answered
    /// already.
    pub(crate) fn permitted(&mut self, permit: &Permit) {
        self.eyes.view = Some(Arc::clone(permit.view()));
        for refused in permit.refused() {
            let id = refused.rpc_object().and_then(|object| id_of(object, self.json()));
            for pending in &mut self.more {
                pending.answered |= id.as_ref() == Some(&pending.id);
            }
        }
        self.refused.extend_from_slice(permit.refused());
    }

    pub(crate) fn asked(&self) -> Asked {
        self.asked
    }

    pub(crate) fn config(&self) -> &InspectConfig {
        &self.config
    }

    pub(crate) fn caller(&self) -> &Caller {
        &self.eyes.caller
    }

    pub(crate) fn listen(&self) -> Option<&Listen> {
        self.listen.as_deref()
    }

    /// Whether this is `initialize`.
    pub(crate) fn begins(&self) -> bool {
        self.begins
    }

    /// The version that the answer to `initialize` settled on.
    pub(crate) fn negotiated(&self) -> Option<Version> {
        self.negotiated
    }

    /// The ids of the requests that still wait for an answer.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Text> {
        let all = self.one.iter().chain(&self.more);
        all.filter(|pending| !pending.answered).map(|pending| &pending.id)
    }

    /// The id to answer under when the exchange fails as a whole.
    pub(crate) fn id(&self) -> Option<&Text> {
        self.one.as_ref().map(|pending| &pending.id)
    }

    /// The answers to the elements of a batch that policy refused, as a JSON array's inside.
    pub(crate) fn refusals(&self) -> Option<String> {
        let objects: Vec<_> = self.refused.iter().filter_map(Denial::rpc_object).collect();
        (!objects.is_empty()).then(|| objects.join(","))
    }

    pub(crate) fn note(&self, note: Note<'_>) {
        if let Some(trail) = &self.trail {
            trail.note(note);
        }
    }

    /// Records a violation and returns what the client is told.
    pub(crate) fn refuse(&self, violation: Violation) -> Denial {
        self.note(Note::Violation(violation.reason()));
        violation.denial(self.id())
    }

    /// How long the caller's proof is still good; zero when it was accepted within leeway.
    pub(crate) fn proof_left(&self) -> Option<Duration> {
        let expires_at = self.eyes.caller.principal()?.expires_at()?;
        Some(expires_at.saturating_sub(self.config.clock.unix()))
    }

    fn json(&self) -> JsonLimits {
        // The number of values is bounded by the bytes: long lists are what servers are for.
        JsonLimits { values: u32::MAX, ..self.config.limits.json() }
    }

    fn facets(&self) -> Facets<'_> {
        let method = self.one.as_ref().map(|pending| pending.method);
        let modern = self.eyes.version.era() == Era::Modern;
        let reads = |pending: &Pending| pending.method == Method::ResourcesRead;
        Facets {
            limits: self.json(),
            modern,
            cacheable: method.is_some_and(is_cacheable),
            ttl_ms: if modern { self.ttl_ms() } else { 0 },
            contents: matches!(self.asked, Asked::Stream { .. })
                || self.one.iter().chain(&self.more).any(reads),
            discover: (method == Some(Method::ServerDiscover))
                .then_some(self.config.versions.as_slice()),
            listen: self.listen.as_deref(),
        }
    }

    fn ttl_ms(&self) -> u64 {
        let left = self.proof_left().unwrap_or(Duration::MAX);
        u64::try_from(self.config.ttl_cap.min(left).as_millis()).unwrap_or(u64::MAX)
    }

    /// Reads a document, with the answers to the question that an earlier reading asked.
    pub(crate) fn read(
        &mut self,
        source: &[u8],
        place: Place,
        answers: Option<&Answers>,
    ) -> Result<Reading, Violation> {
        let mut judge = Judge::new(&self.eyes, answers, self.trail.is_some());
        let document = filter::document(source, self.facets(), &mut judge)?;
        let (later, hidden) = judge.finish();
        if !later.is_empty() {
            // An answer that is asked for twice would be a fault of ours: then nothing is shown.
            let look = self.eyes.look(later.clone()).filter(|_| answers.is_none());
            let look = look.ok_or(Violation::new(Reason::PdpUnavailable))?;
            return Ok(Reading::Ask(Question { items: later, look }));
        }
        let reading = match document {
            Document::One(message) => self.one(source, message, place),
            Document::Batch(messages) => self.batch(source, messages, place),
        }?;
        for (kind, name) in &hidden {
            self.note(Note::Hidden { kind: *kind, name: name.as_str() });
        }
        Ok(reading)
    }

    fn one(
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

    fn batch(
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

/// Whether modern answers to `method` carry caching hints.
fn is_cacheable(method: Method) -> bool {
    matches!(
        method,
        Method::ServerDiscover
            | Method::ToolsList
            | Method::PromptsList
            | Method::ResourcesList
            | Method::ResourceTemplatesList
            | Method::ResourcesRead
    )
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

/// The `id` of one of our own JSON-RPC objects, as it stands there.
fn id_of(object: &str, limits: JsonLimits) -> Option<Text> {
    let mut id = None;
    let mut scanner = Scanner::new(object.as_bytes(), limits).ok()?;
    let read = scanner.object(|scanner, name| {
        let range = scanner.skip()?;
        if name.eq("id") {
            id = Some(Text::from(scanner.slice(range)));
        }
        Ok::<_, Violation>(())
    });
    read.ok().and(id)
}
