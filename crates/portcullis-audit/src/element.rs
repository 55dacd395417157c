//! What is kept of one message between its decision and its outcome.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use portcullis_core::{
    CredentialSource, Denial, McpMessage, Method, NoMessage, Note, Reason, TargetKind,
};

use crate::classify::{Answer, End, is_tool_result, result_type};
use crate::id::EventId;
use crate::record::{Outcome, ServerInfo};
use crate::screen;
use crate::site::Site;
use crate::text::{FIELD_MAX, clip};

/// How many kinds of secrets are told of the names that were left out.
const REDACTED_MAX: usize = 32;

/// One message: the only one of its request, or an element of a batch.
#[derive(Debug)]
pub(crate) struct Element {
    index: usize,
    /// `None`: counted instead of recorded, so there is no outcome either.
    event_id: Option<EventId>,
    method: Option<Method>,
    stream: bool,
    bytes_in: Option<u64>,
    /// Why it was refused when it was decided.
    pub(crate) decided: Option<Reason>,
    /// It was refused, with an error.
    pub(crate) refused: bool,
    /// Its decision had to be on record and is not.
    pub(crate) unrecorded: bool,
    pub(crate) error_code: Option<i64>,
    pub(crate) tool_error: bool,
    input_required: bool,
    task: bool,
    upstream_status: Option<StatusCode>,
    cred_source: Option<CredentialSource>,
    server_info: Option<Box<ServerInfo>>,
    violation: Option<Reason>,
    /// The hook that withheld the answer, and why.
    hook: Option<(String, Reason)>,
    filtered_count: u64,
    filtered: Vec<String>,
    filtered_size: usize,
    redacted: Vec<&'static str>,
    truncated: bool,
}

impl Element {
    pub(crate) fn new(index: usize, event_id: EventId, message: Option<&McpMessage>) -> Self {
        let (method, bytes) = match message {
            Some(McpMessage::Request(request)) => (Some(request.method()), Some(request.raw())),
            Some(McpMessage::Notification(it)) => (Some(it.method()), Some(it.raw())),
            Some(McpMessage::Response(response)) => (None, Some(response.raw())),
            _ => (None, None),
        };
        let stream = matches!(message, Some(McpMessage::NoMessage(NoMessage::Stream(_))))
            || method == Some(Method::SubscriptionsListen);
        Self {
            event_id: Some(event_id),
            method,
            stream,
            bytes_in: bytes.map(|bytes| bytes.len() as u64),
            ..Self::silent(index)
        }
    }

    /// An element without records.
    pub(crate) fn silent(index: usize) -> Self {
        Self {
            index,
            event_id: None,
            method: None,
            stream: false,
            bytes_in: None,
            decided: None,
            refused: false,
            unrecorded: false,
            error_code: None,
            tool_error: false,
            input_required: false,
            task: false,
            upstream_status: None,
            cred_source: None,
            server_info: None,
            violation: None,
            hook: None,
            filtered_count: 0,
            filtered: Vec::new(),
            filtered_size: 0,
            redacted: Vec::new(),
            truncated: false,
        }
    }

    pub(crate) fn event_id(&self) -> Option<EventId> {
        self.event_id
    }

    /// Takes a note about the answer, if it can be about this element's.
    pub(crate) fn note(&mut self, note: Note<'_>, names: bool) {
        if self.refused {
            return; // It was not forwarded: the note is about a neighbour in the batch.
        }
        let answered = self.method.is_none_or(|method| !method.is_notification());
        match note {
            Note::Hidden { kind, name } if answered => {
                self.filtered_count += 1;
                if names {
                    self.hide(kind, name);
                }
            }
            Note::RpcError { code } if answered => self.error_code = Some(code),
            Note::ToolError if self.method.is_none_or(|method| method == Method::ToolsCall) => {
                self.tool_error = true;
            }
            Note::InputRequired if answered => self.input_required = true,
            Note::TaskBegun if answered => self.task = true,
            // The first: whoever answers in the service's stead comes after.
            Note::UpstreamStatus(status) => {
                self.upstream_status.get_or_insert(status);
            }
            Note::UpstreamCredential(source) => self.cred_source = Some(source),
            Note::ServerInfo { name, version } if answered => self.introduce(name, version),
            Note::Violation(reason) => self.violation = Some(reason),
            Note::Hook { name, reason } if answered => {
                self.hook = Some((clip(name).to_owned(), reason));
            }
            _ => {}
        }
    }

    /// Keeps what the server says of itself, as far as a record has room.
    fn introduce(&mut self, name: Option<&str>, version: Option<&str>) {
        let mut keep = |text: &str| {
            self.truncated |= clip(text).len() < text.len();
            clip(text).to_owned()
        };
        let (name, version) = (name.map(&mut keep), version.map(&mut keep));
        self.server_info = Some(Box::new(ServerInfo { name, version }));
    }

    fn hide(&mut self, kind: TargetKind, name: &str) {
        let screened = screen::target(kind, name);
        let name = match &screened {
            Some((shown, looks)) => {
                if self.redacted.len() < REDACTED_MAX {
                    self.redacted.push(looks);
                }
                shown
            }
            None => name,
        };
        let kept = clip(name);
        let size = self.filtered_size.saturating_add(kept.len());
        self.truncated |= kept.len() < name.len() || size > FIELD_MAX;
        if size <= FIELD_MAX {
            self.filtered_size = size;
            self.filtered.push(kept.to_owned());
        }
    }

    /// The outcome, without its times and the size of the answer.
    pub(crate) fn outcome(
        self,
        site: &Arc<Site>,
        end: End,
        status: Option<StatusCode>,
        denial: Option<&Denial>,
    ) -> Option<Outcome> {
        let error_code = denial.and_then(Denial::rpc_code).or(self.error_code);
        let tool_error = self.tool_error || denial.is_some_and(is_tool_result);
        let denied = denial.is_some_and(|denial| !is_tool_result(denial));
        let answer = Answer {
            end,
            status,
            stream: self.stream,
            tool_error,
            input_required: self.input_required,
            task: self.task,
            error: self.refused || denied || error_code.is_some() || self.violation.is_some(),
        };
        let (hook, stopped) = self.hook.unzip();
        let reason = self.violation.or(stopped).or(denial.map(Denial::reason));
        Some(Outcome {
            at: Duration::ZERO,
            event_id: self.event_id?,
            site: Arc::clone(site),
            duration: Duration::ZERO,
            http_status: status,
            result_type: result_type(answer),
            error_code,
            reason: reason.filter(|_| reason != self.decided),
            hook,
            upstream_status: self.upstream_status,
            cred_source: self.cred_source,
            bytes_in: self.bytes_in,
            bytes_out: 0,
            filtered_count: self.filtered_count,
            filtered: self.filtered,
            server_info: self.server_info,
            redacted: self.redacted,
            truncated: self.truncated,
        })
    }
}

/// The elements of a request: one, nearly always, which then costs no allocation.
#[derive(Debug, Default)]
pub(crate) struct Elements {
    first: Option<Element>,
    more: Vec<Element>,
}

impl Elements {
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(crate) fn push(&mut self, element: Element) {
        if self.first.is_none() {
            self.first = Some(element);
        } else {
            self.more.push(element);
        }
    }

    pub(crate) fn find(&self, index: usize) -> Option<&Element> {
        self.first.iter().chain(&self.more).find(|element| element.index == index)
    }

    pub(crate) fn find_mut(&mut self, index: usize) -> Option<&mut Element> {
        self.iter_mut().find(|element| element.index == index)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Element> {
        self.first.iter_mut().chain(&mut self.more)
    }

    pub(crate) fn take(&mut self) -> impl Iterator<Item = Element> + use<> {
        let Self { first, more } = std::mem::take(self);
        first.into_iter().chain(more)
    }
}
