//! One HTTP exchange: what was asked, and which of the documents that come back may pass.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{
    Caller, Denial, McpMessage, McpRequest, Method, NoMessage, Note, Permit, Text, Trail, Version,
};

use crate::capability::Declared;
use crate::completion::Completion;
use crate::config::InspectConfig;
use crate::courier::Courier;
use crate::json::{JsonLimits, Scanner};
use crate::judge::Eyes;
use crate::listen::Listen;
use crate::lists::Lists;
use crate::session::{Task, Terms};
use crate::session_table::Visit;
use crate::violation::Violation;

mod document;
mod intercept;
mod reading;
mod response;
mod result;
mod session;
mod settle;
mod tasks;

pub(crate) use intercept::Interception;
pub(crate) use reading::{Place, Question, Reading};
use response::hidden_as;

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
    negotiated: Option<Terms>,
    /// What the client declared where its session began.
    declared: Declared,
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
            declared: Declared::UNSEEN,
            lists: Lists::default(),
            policy: None,
            tasks_withheld: false,
            config,
        };
        match message {
            McpMessage::Request(request) => {
                exchange.asked = Asked::Request;
                if request.method() == Method::Initialize {
                    exchange.begins = true;
                    // What cannot be read declares nothing.
                    let limits = exchange.config.limits.json();
                    exchange.declared =
                        Declared::at_start(request.raw(), limits).unwrap_or_default();
                }
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

    pub(crate) fn version(&self) -> Version {
        self.eyes.version
    }

    pub(crate) fn listen(&self) -> Option<&Listen> {
        self.listen.as_deref()
    }

    /// Whether this is `initialize`.
    pub(crate) fn begins(&self) -> bool {
        self.begins
    }

    /// What the answer to `initialize` settled on.
    pub(crate) fn negotiated(&self) -> Option<Terms> {
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
        violation.denial(self.eyes.version, self.id())
    }

    /// How long the caller's proof is still good; zero when it was accepted within leeway.
    pub(crate) fn proof_left(&self) -> Option<Duration> {
        Some(self.proof_until()?.saturating_sub(self.config.clock.unix()))
    }

    /// Until when the caller's proof is good.
    fn proof_until(&self) -> Option<Duration> {
        self.eyes.caller.principal()?.expires_at()
    }

    fn json(&self) -> JsonLimits {
        // The number of values is bounded by the bytes: long lists are what servers are for.
        JsonLimits { values: u32::MAX, ..self.config.limits.json() }
    }
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
