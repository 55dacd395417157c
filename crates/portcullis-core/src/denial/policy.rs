//! Refusals of policy (recipe 4.12).

use std::borrow::Cow;

use http::StatusCode;

use super::{Body, Denial, DenialKind, HiddenAs};
use crate::rejection::json_string;
use crate::{Era, McpRequest, Reason, TargetKind};

/// Policy (recipe 4.12).
impl Denial {
    /// Policy says no, and the caller sees what an unknown target looks like (recipe 4.12, hide).
    #[must_use]
    pub fn hidden(request: &McpRequest, hidden: HiddenAs<'_>, reason: Reason) -> Self {
        let id = Some(request.id());
        let (code, message, data) = match hidden {
            HiddenAs::UnknownMethod => {
                return Self::unknown_method(request.id(), request.era())
                    .change(|inner| inner.kind = DenialKind::Policy)
                    .because(reason);
            }
            HiddenAs::Unknown(TargetKind::Tool, name) => {
                (-32602, Cow::Owned(format!("Unknown tool: {name}")), None)
            }
            HiddenAs::Unknown(TargetKind::Prompt, name) => {
                (-32602, Cow::Owned(format!("Unknown prompt: {name}")), None)
            }
            HiddenAs::Unknown(TargetKind::Resource | TargetKind::ResourceTemplate, uri) => {
                let code = match request.era() {
                    Era::Legacy => -32002,
                    Era::Modern => -32602,
                };
                let data = format!(r#"{{"uri":{}}}"#, json_string(uri));
                (code, Cow::Borrowed("Resource not found"), Some(data))
            }
            HiddenAs::Unknown(TargetKind::Task, _) => {
                (-32602, Cow::Borrowed("Task not found"), None)
            }
        };
        Self::rpc(DenialKind::Policy, reason, StatusCode::OK, id, (code, &message, data.as_deref()))
            .no_store()
    }

    /// Policy says no, and says so (recipe 4.12, explain). `decision_id` finds the audit record.
    #[must_use]
    pub fn explained(request: &McpRequest, decision_id: &str, reason: Reason) -> Self {
        Self::explained_with(request, decision_id, reason, None)
    }

    /// As [`explained`](Self::explained), with a text of the policy's author in
    /// `data.explanation`.
    #[must_use]
    pub fn explained_with(
        request: &McpRequest,
        decision_id: &str,
        reason: Reason,
        explanation: Option<&str>,
    ) -> Self {
        let id = json_string(decision_id);
        let data = match explanation.map(json_string) {
            None => format!(r#"{{"reason":"policy_denied","decisionId":{id}}}"#),
            Some(text) => {
                format!(r#"{{"reason":"policy_denied","decisionId":{id},"explanation":{text}}}"#)
            }
        };
        Self::rpc(
            DenialKind::Policy,
            reason,
            StatusCode::OK,
            Some(request.id()),
            (-31403, "Forbidden by policy", Some(&data)),
        )
        .no_store()
    }

    /// 403 for a caller whom an administrator has blocked, whatever is asked. No challenge: to sign in again
    /// would not help. No `id` either: the message is unread.
    #[must_use]
    pub fn blocked() -> Self {
        Self::rpc(
            DenialKind::Policy,
            Reason::Blocked,
            StatusCode::FORBIDDEN,
            None,
            (-31403, "Forbidden by policy", None),
        )
        .no_store()
    }

    /// Policy says no to a notification, which is dropped: 202, because clients give up on anything
    /// else (R-032).
    #[must_use]
    pub fn dropped(reason: Reason) -> Self {
        Self::new(DenialKind::Policy, reason, StatusCode::ACCEPTED, Body::Empty)
    }

    /// Policy says no to a `tools/call`, as a tool result that the model reads (recipe 4.12).
    #[must_use]
    pub fn tool_result(request: &McpRequest, reason: Reason) -> Self {
        Self::tool_result_with(request, reason, None)
    }

    /// As [`tool_result`](Self::tool_result), with a text of the policy's author.
    #[must_use]
    pub fn tool_result_with(
        request: &McpRequest,
        reason: Reason,
        explanation: Option<&str>,
    ) -> Self {
        let result_type = match request.era() {
            Era::Legacy => "",
            Era::Modern => r#""resultType":"complete","#,
        };
        let explanation =
            json_string(explanation.unwrap_or("You are not permitted to use this tool."));
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":{},"result":{{{result_type}"content":[{{"type":"text","text":{explanation}}}],"isError":true}}}}"#,
            request.id()
        );
        let body = Body::Rpc { text, code: None };
        Self::new(DenialKind::Policy, reason, StatusCode::OK, body).no_store()
    }
}
