//! What may pass of an answer.

use std::ops::Range;

use portcullis_core::{Denial, HiddenAs, McpRequest, Method, Note, Reason, Target, Text};

use super::document::{Answered, Paper};
use super::settle::Fate;
use super::{Asked, Exchange, Pending, Place};
use crate::filter::{Answer, Id};
use crate::lists::Lists;
use crate::server_info::ServerInfo;
use crate::unknown;
use crate::violation::Violation;

impl Exchange {
    pub(super) fn response(
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
                Place::Event if resumed => self.replayed(source, range, answer, edited)?,
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
        let checked = match &answer.error {
            Some(error) => {
                self.note_about(pending, Note::RpcError { code: error.code });
                self.check_error(source, Some(&pending.request), error)
            }
            None => self.check_result(source, pending, answer),
        };
        match checked {
            Err(violation) if violation.is_about_asking() => {
                self.note_about(pending, Note::Violation(violation.reason()));
                answered.push(index);
                return Ok(Fate::Instead(not_asked(&pending.request, violation)));
            }
            checked => checked?,
        }
        if answer.error.is_none() {
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
            self.negotiated = Some((self.negotiate(answer)?, lists, self.declared));
        }
        Ok(Fate::Kept(edited))
    }

    /// What passes of an answer that a resumed stream repeats. What it answers is not known any more.
    fn replayed(
        &self,
        source: &[u8],
        range: Range<usize>,
        answer: &Answer<'_>,
        edited: Option<Vec<u8>>,
    ) -> Result<Fate, Violation> {
        let checked = answer.error.as_ref().map(|error| self.check_error(source, None, error));
        match checked.transpose() {
            Err(violation) if violation.is_about_asking() => {
                let dropped = self.drop(violation.reason());
                let id = Text::from(&*answer.id.raw());
                return Ok(match id.as_str() {
                    "" => dropped,
                    _ => Fate::Instead(violation.denial(self.eyes.version, Some(&id))),
                });
            }
            checked => checked?,
        };
        let message = edited.as_deref().or(source.get(range)).unwrap_or_default();
        if self.begins_task(message)? {
            // Whose task that is, and which tool it runs, only the request could tell.
            return Ok(self.drop(Reason::UnexpectedResponse));
        }
        let renamed = self.replayed_renamed(message)?;
        Ok(Fate::Kept(renamed.or(edited)))
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

    /// Records what the server says of itself, which nothing else may go by (R-064, R-272).
    fn note_server(&self, source: &[u8], pending: &Pending, answer: &Answer<'_>) {
        let said = answer.server_info.as_ref().and_then(|range| source.get(range.clone()));
        if let (Some(said), true) = (said, self.trail.is_some()) {
            let info = ServerInfo::read(said, self.json());
            let (name, version) = (info.name.as_deref(), info.version.as_deref());
            self.note_about(pending, Note::ServerInfo { name, version });
        }
    }
}

/// The target that a denial of `request` would say is unknown.
pub(super) fn hidden_as(request: &McpRequest) -> Option<&Target> {
    let method = request.method();
    if method.names_target() || method.is_about_task() { request.targets().next() } else { None }
}

/// The answer in place of a question that the deployment does not let the service ask (R-215), or that the client cannot
/// answer (R-080).
fn not_asked(request: &McpRequest, violation: Violation) -> Denial {
    match request.method() {
        _ if violation.reason() != Reason::PolicyDenied => {
            violation.denial(request.version(), Some(request.id()))
        }
        Method::ToolsCall => Denial::tool_result(request, Reason::PolicyDenied),
        _ => Denial::explained(request, "unrecorded", Reason::PolicyDenied),
    }
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
