//! What a refusal is called, and what came of a request: pure functions.

use http::StatusCode;
use portcullis_core::{Denial, DenialKind};

use crate::record::{ResultType, Verdict};

/// The verdict that a denial stands for.
pub(crate) fn verdict(denial: &Denial) -> Verdict {
    match denial.kind() {
        DenialKind::NoToken
        | DenialKind::InvalidToken
        | DenialKind::InvalidCredentials
        | DenialKind::InsufficientScope => Verdict::Challenge,
        DenialKind::Policy
        | DenialKind::Edge
        | DenialKind::NotFound
        | DenialKind::Malformed
        | DenialKind::HeaderMismatch
        | DenialKind::Version
        | DenialKind::UnknownMethod
        | DenialKind::Session
        | DenialKind::RateLimited => Verdict::Deny,
        // Our own trouble; kinds that core may add are not known to be anyone else's.
        _ => Verdict::Error,
    }
}

/// Whether the answer is a tool result that says no (recipe 4.12).
pub(crate) fn is_tool_result(denial: &Denial) -> bool {
    denial.rpc_object().is_some() && denial.rpc_code().is_none()
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// All of it was handed on.
    Complete,
    /// The service failed, before the head or within the body.
    Failed,
    /// It was dropped before its end.
    Dropped,
}

/// What is known of an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) end: End,
    /// `None`: there was none.
    pub(crate) status: Option<StatusCode>,
    /// It is a stream of server messages, which has no end of its own.
    pub(crate) stream: bool,
    pub(crate) tool_error: bool,
    pub(crate) input_required: bool,
    pub(crate) task: bool,
    /// An error code, a denial, or a breach of the protocol.
    pub(crate) error: bool,
}

/// What came of a request.
pub(crate) fn result_type(answer: Answer) -> ResultType {
    let success = answer.status.is_some_and(|status| status.is_success());
    if answer.stream && success && !answer.error && answer.end != End::Failed {
        ResultType::Stream
    } else if answer.end == End::Dropped {
        ResultType::Aborted
    } else if answer.error || answer.end == End::Failed {
        ResultType::Error
    } else if answer.tool_error {
        ResultType::IsError
    } else if answer
        .status
        .is_some_and(|status| status.is_client_error() || status.is_server_error())
    {
        ResultType::Error
    } else if answer.input_required {
        ResultType::InputRequired
    } else if answer.task {
        ResultType::Task
    } else {
        ResultType::Complete
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_of_it() {
        let answer = Answer {
            end: End::Complete,
            status: Some(StatusCode::OK),
            stream: false,
            tool_error: false,
            input_required: false,
            task: false,
            error: false,
        };
        let asks = Answer { input_required: true, ..answer };
        let stream = Answer { stream: true, ..answer };
        let not_found = Some(StatusCode::NOT_FOUND);
        let rows = [
            ("delivered", answer, ResultType::Complete),
            (
                "accepted",
                Answer { status: Some(StatusCode::ACCEPTED), ..answer },
                ResultType::Complete,
            ),
            ("tool result", Answer { tool_error: true, ..answer }, ResultType::IsError),
            ("rpc error", Answer { error: true, ..answer }, ResultType::Error),
            ("asks for input", asks, ResultType::InputRequired),
            ("begins a task", Answer { task: true, ..answer }, ResultType::Task),
            ("a task that failed", Answer { task: true, error: true, ..answer }, ResultType::Error),
            ("asks, and left", Answer { end: End::Dropped, ..asks }, ResultType::Aborted),
            ("both", Answer { error: true, tool_error: true, ..answer }, ResultType::Error),
            ("http error", Answer { status: not_found, ..answer }, ResultType::Error),
            ("body failed", Answer { end: End::Failed, ..answer }, ResultType::Error),
            ("no answer", Answer { end: End::Failed, status: None, ..answer }, ResultType::Error),
            ("client gone", Answer { end: End::Dropped, ..answer }, ResultType::Aborted),
            (
                "gone early",
                Answer { end: End::Dropped, status: None, ..answer },
                ResultType::Aborted,
            ),
            ("stream ended", stream, ResultType::Stream),
            ("stream left", Answer { end: End::Dropped, ..stream }, ResultType::Stream),
            ("stream failed", Answer { end: End::Failed, ..stream }, ResultType::Error),
            ("stream refused", Answer { status: not_found, ..stream }, ResultType::Error),
            (
                "stream never opened",
                Answer { end: End::Dropped, status: None, ..stream },
                ResultType::Aborted,
            ),
        ];
        for (name, answer, expected) in rows {
            assert_eq!(result_type(answer), expected, "{name}");
        }
    }
}
