//! What the result of a request may say.

use portcullis_core::{Era, McpRequest, Method, Reason, Version};

use super::{Exchange, Pending};
use crate::capability::Declared;
use crate::filter::{Answer, RpcError};
use crate::violation::{BAD_RPC, Violation};
use crate::{capability, server};

impl Exchange {
    /// The rules of modern results.
    pub(super) fn check_result(
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
                if let Some(error) = &answer.inlined_error {
                    self.check_error(source, Some(&pending.request), error)?;
                }
                self.check_input(source, pending, answer)
            }
            // What is asked for in an answer that needs nothing is looked at as well: some client might heed it.
            None | Some("complete") => self.check_input(source, pending, answer),
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

    /// What an error says about where people must go first must be for the client, and allowed.
    pub(super) fn check_error(
        &self,
        source: &[u8],
        request: Option<&McpRequest>,
        error: &RpcError<'_>,
    ) -> Result<(), Violation> {
        if error.code != server::GO_ELSEWHERE {
            return Ok(());
        }
        self.check_visits(request, source.get(error.range.clone()).unwrap_or_default())
    }

    /// As [`check_error`](Self::check_error), for an error of any code.
    pub(super) fn check_visits(
        &self,
        request: Option<&McpRequest>,
        error: &[u8],
    ) -> Result<(), Violation> {
        let limits = self.json();
        let declared = match (self.eyes.version, request) {
            (Version::V2026_07_28, Some(request)) => Declared::with(request.raw(), limits)?,
            (Version::V2025_11_25, _) => self.declared,
            // These revisions have no URLs to visit.
            _ => Declared::UNSEEN,
        };
        server::check_visits(&self.config.server_requests, declared, error, limits)
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

    /// The version that a session begins with.
    pub(super) fn negotiate(&self, answer: &Answer<'_>) -> Result<Version, Violation> {
        let version = answer.protocol_version.as_deref().and_then(Version::parse);
        version
            .filter(|version| version.era() == Era::Legacy && self.config.supports(*version))
            .ok_or(Violation::new(Reason::BadVersion))
    }
}

/// Whether a modern answer to `method` may ask for input first.
fn may_need_input(method: Method) -> bool {
    matches!(method, Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead)
}
