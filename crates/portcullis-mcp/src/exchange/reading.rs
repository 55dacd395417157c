//! What a reading of a document goes by, and what it ends in.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use portcullis_core::{Denial, Era, Look, Method, Reason};

use super::document::Paper;
use super::{Asked, Exchange, Pending};
use crate::filter::{self, Document, Facets, TaskNews, Ttl};
use crate::judge::{Answers, Item, Judge};
use crate::violation::Violation;

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

impl Exchange {
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
            no_completions: self.config.check_completions
                && self.asked == (Asked::Stream { resumed: true }),
            task: match method.filter(|_| modern) {
                Some(Method::ToolsCall) => TaskNews::Begins,
                Some(Method::TasksGet) => TaskNews::State,
                _ => TaskNews::None,
            },
            cacheable: method.is_some_and(is_cacheable),
            ttl: Ttl {
                cap: self.config.ttl_cap,
                until: self.proof_until().map(|until| (until, &self.config.clock)),
            },
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
