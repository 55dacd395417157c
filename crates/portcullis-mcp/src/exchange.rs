//! One HTTP exchange: what was asked, and which of the documents that come back may pass.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::StatusCode;
use portcullis_core::{
    Caller, Denial, Era, Look, McpMessage, McpRequest, Method, NoMessage, Note, Permit, Reason,
    Text, Trail, Version,
};

use crate::completion::Completion;
use crate::config::InspectConfig;
use crate::courier::{Address, Courier};
use crate::filter::{self, Document, Facets, TaskNews};
use crate::json::{JsonLimits, Scanner};
use crate::judge::{Answers, Eyes, Item, Judge};
use crate::listen::Listen;
use crate::lists::Lists;
use crate::questions::Questions;
use crate::server;
use crate::session::Task;
use crate::session_table::Visit;
use crate::violation::Violation;

mod document;
mod intercept;
mod response;
mod result;
mod settle;
mod tasks;

use document::Paper;
pub(crate) use intercept::Interception;
use response::hidden_as;

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
    /// This is the answer, in place of the service's.
    Instead(Denial),
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
    request: McpRequest,
    /// Its place in the batch.
    element: usize,
    answered: bool,
}

impl Pending {
    fn new(request: &McpRequest, element: usize) -> Self {
        Self { request: request.clone(), element, answered: false }
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
    /// What is completed, where the values are checked.
    completion: Option<Box<Completion>>,
    /// The answers to elements of a batch that were refused, here or inside.
    refused: Vec<Denial>,
    trail: Option<Trail>,
    /// The session's id at the service behind.
    session: Option<String>,
    /// Says that something happens there.
    visit: Option<Visit>,
    /// The way to the service behind, where it may have to be told something.
    courier: Option<Courier>,
    /// The task that it is about.
    task: Option<Box<Task>>,
    /// Whether this is `initialize`, and what its answer settled on.
    begins: bool,
    negotiated: Option<(Version, Lists)>,
    /// The lists of which the client is told here when they change.
    lists: Lists,
    /// The version of the policy that it was last told of.
    policy: Option<Text>,
    /// Whether policy did not want the call to run as a task.
    tasks_withheld: bool,
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
            completion: None,
            refused,
            trail,
            session: None,
            visit: None,
            courier: None,
            task: None,
            begins: false,
            negotiated: None,
            lists: Lists::default(),
            policy: None,
            tasks_withheld: false,
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
                if request.method() == Method::CompletionComplete
                    && exchange.config.check_completions
                {
                    let limits = exchange.config.limits.json();
                    exchange.completion = Completion::of(request.raw(), limits).map(Box::new);
                }
                exchange.one = Some(Pending::new(request, 0));
            }
            McpMessage::Batch(elements) => {
                exchange.asked = Asked::Batch;
                exchange.more = elements
                    .iter()
                    .enumerate()
                    .filter_map(|(place, element)| match element {
                        McpMessage::Request(request) => Some(Pending::new(request, place)),
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

    /// Says in which session this happens.
    pub(crate) fn in_session(&mut self, session: String) {
        self.session = Some(session);
    }

    /// Says of which lists the service tells this session.
    pub(crate) fn tells_of(&mut self, lists: Lists) {
        self.lists = lists;
    }

    /// What the client is told when policy has changed since it was last told: its lists may be others
    /// now.
    pub(crate) fn policy_news(&mut self) -> Vec<String> {
        let (lists, subscription) = match self.listen.as_deref() {
            Some(listen) => (listen.granted(), Some(listen.id())),
            None => (self.lists, None),
        };
        let version = self.eyes.view.as_ref().and_then(|view| view.version());
        if lists == Lists::default() || version.is_none() || version == self.policy {
            return Vec::new();
        }
        self.policy = version;
        lists.changed(subscription).collect()
    }

    /// Says that something happens in the session, which began at `issued`.
    pub(crate) fn visit(&mut self, issued: Duration) {
        let table = &self.config.session_table;
        self.visit = self.address().map(|address| table.visit(&self.config, &address, issued));
    }

    /// Says that a session has begun.
    pub(crate) fn begun(&mut self, session: String, version: Version, now: Duration) {
        let caller = self.eyes.caller.clone();
        let address = Address { caller, version, session };
        drop(self.config.session_table.visit(&self.config, &address, now));
        if let Some(courier) = &mut self.courier {
            self.config.session_table.take_owed().into_iter().for_each(|address| {
                courier.end(address);
            });
        }
    }

    /// Sees with which status the service answers: it may have ended the session.
    pub(crate) fn see(&self, status: StatusCode) {
        let ends = match self.asked {
            Asked::EndSession => status.is_success() || status == StatusCode::NOT_FOUND,
            _ => status == StatusCode::NOT_FOUND,
        };
        if let (true, Some(address)) = (ends, self.address()) {
            self.config.session_table.end(&self.config, &address);
        }
    }

    /// Whether this happens in a session.
    pub(crate) fn is_in_session(&self) -> bool {
        self.session.is_some()
    }

    /// Takes a way to tell the service behind something.
    pub(crate) fn with_courier(&mut self, courier: Courier) {
        self.courier = Some(courier);
    }

    /// Tells the service that its request `id` was declined, where that belongs to a session.
    fn decline(&mut self, method: &str, id: &str) {
        if let (Some(address), Some(courier)) = (self.address(), &mut self.courier) {
            courier.answer(address, id, server::declined(method, id));
        }
    }

    /// The session's address at the service behind.
    pub(crate) fn address(&self) -> Option<Address> {
        let session = self.session.clone()?;
        Some(Address { caller: self.eyes.caller.clone(), version: self.eyes.version, session })
    }

    /// What the service may ask the client here.
    fn questions(&self) -> Option<Questions<'_>> {
        let session = self.session.as_deref()?;
        Some(Questions { config: &self.config, caller: &self.eyes.caller, session })
    }

    /// Takes over what policy said: whose eyes count, and which elements of a batch are answered
    /// already.
    pub(crate) fn permitted(&mut self, permit: &Permit) {
        self.eyes.view = Some(Arc::clone(permit.view()));
        self.policy = permit.view().version();
        self.tasks_withheld = permit.withholds_tasks();
        for refused in permit.refused() {
            let id = refused.rpc_object().and_then(|object| id_of(object, self.json()));
            for pending in &mut self.more {
                pending.answered |= id.as_ref() == Some(pending.request.id());
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

    /// What the answer to `initialize` settled on.
    pub(crate) fn negotiated(&self) -> Option<(Version, Lists)> {
        self.negotiated
    }

    /// The ids of the requests that still wait for an answer.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Text> {
        let all = self.one.iter().chain(&self.more);
        all.filter(|pending| !pending.answered).map(|pending| pending.request.id())
    }

    /// The id to answer under when the exchange fails as a whole.
    pub(crate) fn id(&self) -> Option<&Text> {
        self.one.as_ref().map(|pending| pending.request.id())
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

    /// The same about the answer to one request.
    fn note_about(&self, pending: &Pending, note: Note<'_>) {
        match &self.trail {
            Some(trail) if self.asked == Asked::Batch => trail.note_for(pending.element, note),
            _ => self.note(note),
        }
    }

    /// Whether the service may turn out not to know what was asked for, which is then to look as
    /// if it were hidden.
    pub(crate) fn hides_unknown(&self) -> bool {
        self.config.hide_unknown
            && self.eyes.view.is_some()
            && self.one.as_ref().is_some_and(|pending| hidden_as(&pending.request).is_some())
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
        let method = self.one.as_ref().map(|pending| pending.request.method());
        let modern = self.eyes.version.era() == Era::Modern;
        let reads = |pending: &Pending| pending.request.method() == Method::ResourcesRead;
        let lists = |pending: &Pending| pending.request.method() == Method::ToolsList;
        let introduces = matches!(method, Some(Method::Initialize | Method::ServerDiscover));
        Facets {
            limits: self.json(),
            modern,
            no_tasks: !self.config.allow_tasks,
            completion: self.completion.as_deref(),
            task: match method.filter(|_| modern) {
                Some(Method::ToolsCall) => TaskNews::Begins,
                Some(Method::TasksGet) => TaskNews::State,
                _ => TaskNews::None,
            },
            cacheable: method.is_some_and(is_cacheable),
            ttl_ms: if modern { self.ttl_ms() } else { 0 },
            contents: matches!(self.asked, Asked::Stream { .. })
                || self.one.iter().chain(&self.more).any(reads),
            discover: (method == Some(Method::ServerDiscover))
                .then_some(self.config.versions.as_slice()),
            listen: self.listen.as_deref(),
            links: self.config.check_links,
            no_instructions: self.config.hide_instructions && introduces,
            no_idle_features: self.config.hide_capabilities && introduces,
            tool_uis: self.config.check_tool_uis,
            sampling_tools: self.config.check_sampling_tools,
            pins: self.config.pins.as_ref().filter(|_| {
                // Elsewhere tools are named, not defined.
                matches!(self.asked, Asked::Stream { .. })
                    || self.one.iter().chain(&self.more).any(lists)
            }),
            catalogue: (modern && method == Some(Method::ToolsList))
                .then_some(&self.config.catalogue),
            tasks: self.own_tasks(),
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
        let paper = Paper { source, place, hidden: &hidden };
        match document {
            Document::One(message) => self.one(paper, message),
            Document::Batch(messages) => self.batch(paper, messages),
        }
    }
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
