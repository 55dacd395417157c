//! What may pass of a document, message by message.

use std::ops::Range;

use portcullis_core::{
    Denial, Era, HiddenAs, McpRequest, Method, Note, Reason, Target, Text, Version,
};

use super::{Asked, Exchange, Pending, Place, Reading, id_of};
use crate::filter::{Answer, Id, Message, Shape};
use crate::judge::Item;
use crate::listen::TASK_NEWS;
use crate::lists::Lists;
use crate::server_info::ServerInfo;
use crate::violation::{BAD_RPC, Violation};
use crate::{capability, server, unknown};

/// A document that was filtered.
#[derive(Clone, Copy)]
pub(super) struct Paper<'p> {
    pub(super) source: &'p [u8],
    pub(super) place: Place,
    /// What was left out of it.
    pub(super) hidden: &'p [Item],
}

impl Exchange {
    pub(super) fn one(
        &mut self,
        paper: Paper<'_>,
        message: Message<'_>,
    ) -> Result<Reading, Violation> {
        let Paper { source, place, .. } = paper;
        let range = message.range.clone();
        let mut answered = Answered::default();
        let fate = self.settle(paper, message, &mut answered)?;
        self.answer(&answered);
        let wrap = place == Place::Json && self.asked == Asked::Batch;
        Ok(match (fate, wrap) {
            (Fate::Dropped, _) => Reading::Dropped,
            (Fate::Instead(denial), false) => Reading::Instead(denial),
            (Fate::Instead(denial), true) => {
                self.refuse_element(denial);
                Reading::Changed(array(std::iter::empty(), self.refusals().as_deref()))
            }
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
        paper: Paper<'_>,
        messages: Vec<Message<'_>>,
    ) -> Result<Reading, Violation> {
        let Paper { source, place, .. } = paper;
        // Only one revision has batches (R-078 for modern streams).
        if self.eyes.version != Version::V2025_03_26 || messages.is_empty() {
            return Err(Violation::new(Reason::BatchRefused));
        }
        let mut answered = Answered::default();
        let mut kept = Vec::with_capacity(messages.len());
        let mut changed = place == Place::Json && !self.refused.is_empty();
        for message in messages {
            let range = message.range.clone();
            match self.settle(paper, message, &mut answered)? {
                Fate::Dropped => changed = true,
                // Among the refusals, as if policy had refused it.
                Fate::Instead(denial) if place == Place::Json => {
                    changed = true;
                    self.refuse_element(denial);
                }
                Fate::Instead(denial) => {
                    changed = true;
                    let object = denial.rpc_object().unwrap_or_default();
                    kept.push((range, Some(object.as_bytes().to_vec())));
                }
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
        if kept.is_empty() && (place == Place::Event || self.refused.is_empty()) {
            return Ok(Reading::Dropped);
        }
        let kept = kept
            .iter()
            .filter_map(|(range, edited)| edited.as_deref().or_else(|| source.get(range.clone())));
        // On a stream the refusals went ahead.
        let refusals = if place == Place::Json { self.refusals() } else { None };
        Ok(Reading::Changed(array(kept, refusals.as_deref())))
    }

    /// Adds an answer to those of refused elements, in the order of the batch.
    fn refuse_element(&mut self, denial: Denial) {
        self.refused.push(denial);
        let limits = self.json();
        let more = &self.more;
        self.refused.sort_by_cached_key(|refused| {
            let id = refused.rpc_object().and_then(|object| id_of(object, limits));
            more.iter().position(|pending| Some(pending.request.id()) == id.as_ref())
        });
    }

    fn answer(&mut self, answered: &Answered) {
        for index in answered.iter() {
            let mut all = self.one.iter_mut().chain(&mut self.more);
            if let Some(pending) = all.nth(index) {
                pending.answered = true;
            }
        }
    }

    /// Decides about one message. What it answers is added to `answered`.
    fn settle(
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
                    return Err(BAD_RPC); // R-078.
                }
                let allowed = &self.config.server_requests;
                let message = edited.as_deref().or(paper.source.get(range));
                let asks = message.unwrap_or_default();
                if server::may_request(allowed, self.eyes.version, &method, asks, limits)? {
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
                // Hidden, not a violation: the caller may not see what changed.
                None if matches!(
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

    /// What passes of an answer that a resumed stream repeats. What it answers is not known any more.
    fn replayed(
        &self,
        source: &[u8],
        range: Range<usize>,
        edited: Option<Vec<u8>>,
    ) -> Result<Fate, Violation> {
        let message = edited.as_deref().or(source.get(range)).unwrap_or_default();
        if self.begins_task(message)? {
            // Whose task that is, and which tool it runs, only the request could tell.
            return Ok(self.drop(Reason::UnexpectedResponse));
        }
        let renamed = self.replayed_renamed(message)?;
        Ok(Fate::Kept(renamed.or(edited)))
    }

    /// Records what was left out of the answer to a request, or of something else.
    fn note_hidden(&self, paper: Paper<'_>, pending: Option<&Pending>) {
        for (kind, name) in paper.hidden {
            let note = Note::Hidden { kind: *kind, name: name.as_str() };
            match pending {
                Some(pending) => self.note_about(pending, note),
                None => self.note(note),
            }
        }
    }

    /// Records what the server says of itself, which nothing else may go by (R-064, R-272).
    fn note_server(&self, source: &[u8], pending: &Pending, answer: &Answer<'_>) {
        let said = answer.server_info.as_ref().and_then(|range| source.get(range.clone()));
        if let (Some(said), true) = (said, self.trail.is_some()) {
            let info = ServerInfo::read(said, self.json());
            let (name, version) = (info.name.as_deref(), info.version.as_deref());
            self.note_about(pending, Note::ServerInfo { name, version });
        }
    }

    /// `message` with the id of a request of the server's as this client sees it.
    fn renamed(&self, message: Option<&[u8]>, path: &[&str]) -> Result<Option<Vec<u8>>, Violation> {
        // Without a session no answer is accepted, and it does not matter what the question's id is.
        let Some(questions) = self.questions() else { return Ok(None) };
        questions.rename(message.unwrap_or_default(), path, self.json())
    }

    /// Whether all the URLs of an error are ones that people may be sent to.
    pub(super) fn may_go(&self, error: &[u8]) -> Result<bool, Violation> {
        server::may_go(&self.config.server_requests, error, self.json())
    }

    fn drop(&self, reason: Reason) -> Fate {
        self.note(Note::Violation(reason));
        Fate::Dropped
    }

    fn response(
        &mut self,
        paper: Paper<'_>,
        range: Range<usize>,
        answer: &Answer<'_>,
        edited: Option<Vec<u8>>,
        answered: &mut Answered,
    ) -> Result<Fate, Violation> {
        let Paper { source, place, .. } = paper;
        let mut waiting = self
            .one
            .iter()
            .chain(&self.more)
            .enumerate()
            .filter(|(index, pending)| !pending.answered && !answered.contains(*index));
        // An error without an id is about the only request there is.
        let adopted = answer.error.is_some()
            && matches!(answer.id, Id::Absent | Id::Null)
            && self.asked == Asked::Request;
        let Some((index, pending)) =
            waiting.find(|(_, pending)| adopted || answer.id.is(pending.request.id().as_str()))
        else {
            let resumed = self.asked == Asked::Stream { resumed: true };
            let fate = match place {
                Place::Event if resumed => self.replayed(source, range, edited)?,
                Place::Event => self.drop(Reason::UnexpectedResponse),
                Place::Json => return Err(Violation::new(Reason::UnexpectedResponse)),
            };
            self.note_hidden(paper, None);
            return Ok(fate);
        };
        self.note_hidden(paper, Some(pending));
        let edited = match &answer.error {
            Some(error) if adopted => {
                let said = source.get(error.range.clone()).unwrap_or_default();
                Some(under_id(pending.request.id(), said, edited.is_some(), error.code))
            }
            _ => edited,
        };
        let edited = match &answer.error {
            Some(error) if self.names_task(source, error.range.clone()) => {
                Some(under_id(pending.request.id(), b"", true, error.code))
            }
            _ => edited,
        };
        if let Some(error) = &answer.error {
            self.note_about(pending, Note::RpcError { code: error.code });
            if error.code == server::GO_ELSEWHERE
                && !self.may_go(source.get(error.range.clone()).unwrap_or_default())?
            {
                self.note_about(pending, Note::Violation(Reason::PolicyDenied));
                answered.push(index);
                return Ok(Fate::Instead(not_asked(&pending.request)));
            }
        } else {
            match self.check_result(source, pending, answer) {
                Err(violation) if violation.reason() == Reason::PolicyDenied => {
                    self.note_about(pending, Note::Violation(violation.reason()));
                    answered.push(index);
                    return Ok(Fate::Instead(not_asked(&pending.request)));
                }
                checked => checked?,
            }
            match answer.result_type.as_deref() {
                Some("input_required") => self.note_about(pending, Note::InputRequired),
                Some("task") => self.note_about(pending, Note::TaskBegun),
                _ => {}
            }
            self.note_server(source, pending, answer);
            for (tool, params) in &answer.declared {
                self.config.catalogue.learn(&tool.decoded(), params);
            }
            if answer.is_error && pending.request.method() == Method::ToolsCall {
                self.note_about(pending, Note::ToolError);
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
        if let Some(denial) = self.unknown(source, pending, answer)? {
            return Ok(Fate::Instead(denial));
        }
        if answer.error.is_none() {
            let message = edited.as_deref().or(source.get(range.clone())).unwrap_or_default();
            if let Some(renamed) = self.answer_renamed(index, answer, message)? {
                return Ok(Fate::Kept(Some(renamed)));
            }
        }
        if answer.error.is_none() && self.begins {
            let message = edited.as_deref().or(source.get(range)).unwrap_or_default();
            let lists = Lists::declared(message, self.json())?;
            self.negotiated = Some((self.negotiate(answer)?, lists));
        }
        Ok(Fate::Kept(edited))
    }

    /// What is said in place of an answer which says that there is no such target (R-233).
    fn unknown(
        &self,
        source: &[u8],
        pending: &Pending,
        answer: &Answer<'_>,
    ) -> Result<Option<Denial>, Violation> {
        if !self.config.hide_unknown || self.eyes.view.is_none() {
            return Ok(None);
        }
        let request = &pending.request;
        let Some(target) = hidden_as(request) else { return Ok(None) };
        let is_unknown = match (&answer.error, &answer.content) {
            (Some(error), _) => {
                let said = error.said.map(|said| said.decoded()).unwrap_or_default();
                unknown::is_error(target.kind(), target.name(), error.code, &said)
            }
            (None, Some(content)) if answer.is_error && request.method() == Method::ToolsCall => {
                let content = source.get(content.clone()).unwrap_or_default();
                unknown::only_text(content, self.json())?
                    .is_some_and(|said| unknown::is_result(target.name(), &said))
            }
            (None, _) => false,
        };
        let hidden = HiddenAs::Unknown(target.kind(), target.name());
        // Only its bytes count: nobody is told the reason.
        Ok(is_unknown.then(|| Denial::hidden(request, hidden, Reason::DefaultDeny)))
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
        let method = pending.request.method();
        match answer.result_type.as_deref() {
            None | Some("complete") if method == Method::TasksGet => {
                if let Some(error) = &answer.inlined_error
                    && error.code == server::GO_ELSEWHERE
                    && !self.may_go(source.get(error.range.clone()).unwrap_or_default())?
                {
                    return Err(Violation::new(Reason::PolicyDenied));
                }
                self.check_input(source, pending, answer)
            }
            None | Some("complete") => Ok(()),
            Some("input_required") if may_need_input(method) => {
                self.check_input(source, pending, answer)
            }
            // It begins here: what it has come to is for those who ask for it.
            Some("task") if method == Method::ToolsCall && !answer.inlined => {
                let raw = pending.request.raw();
                let knows = !self.tasks_withheld && capability::knows_tasks(raw, self.json())?;
                if knows { Ok(()) } else { Err(BAD_RPC) }
            }
            Some(_) => Err(BAD_RPC),
        }
    }

    /// What the service asks for on the way must be what its client can give.
    fn check_input(
        &self,
        source: &[u8],
        pending: &Pending,
        answer: &Answer<'_>,
    ) -> Result<(), Violation> {
        let Some(range) = answer.input_requests.clone() else { return Ok(()) };
        let requests = source.get(range).unwrap_or_default();
        let allowed = &self.config.server_requests;
        capability::check(pending.request.raw(), requests, allowed, self.json())
    }

    /// The version that a session begins with (R-044).
    fn negotiate(&self, answer: &Answer<'_>) -> Result<Version, Violation> {
        let version = answer.protocol_version.as_deref().and_then(Version::parse);
        version
            .filter(|version| version.era() == Era::Legacy && self.config.supports(*version))
            .ok_or(Violation::new(Reason::BadVersion))
    }
}

/// The places of the requests that a document answers. One is the rule: it needs no list.
#[derive(Default)]
struct Answered {
    one: Option<usize>,
    more: Vec<usize>,
}

impl Answered {
    fn push(&mut self, place: usize) {
        if self.one.is_none() {
            self.one = Some(place);
        } else {
            self.more.push(place);
        }
    }

    fn iter(&self) -> impl Iterator<Item = usize> {
        self.one.iter().chain(&self.more).copied()
    }

    fn contains(&self, place: usize) -> bool {
        self.iter().any(|answered| answered == place)
    }
}

/// What becomes of one message.
enum Fate {
    /// It passes, perhaps in other words.
    Kept(Option<Vec<u8>>),
    Dropped,
    /// This is the answer, in place of the service's.
    Instead(Denial),
}

/// The target that a denial of `request` would say is unknown.
pub(super) fn hidden_as(request: &McpRequest) -> Option<&Target> {
    match request.method() {
        Method::ToolsCall
        | Method::PromptsGet
        | Method::ResourcesRead
        | Method::ResourcesSubscribe
        | Method::ResourcesUnsubscribe
        | Method::CompletionComplete => request.targets().next(),
        method if method.is_about_task() => request.targets().next(),
        _ => None,
    }
}

/// The answer in place of a question that the deployment does not let the service ask (R-215).
fn not_asked(request: &McpRequest) -> Denial {
    match request.method() {
        Method::ToolsCall => Denial::tool_result(request, Reason::PolicyDenied),
        _ => Denial::explained(request, "unrecorded", Reason::PolicyDenied),
    }
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
