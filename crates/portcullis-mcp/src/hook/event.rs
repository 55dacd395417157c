//! What hooks see and say.

use std::fmt;

use bytes::Bytes;
use portcullis_core::{Caller, McpRequest, Method, Target, TargetKind, Text, Version};

/// On which way an event is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum HookPhase {
    /// A request, before policy decides.
    Request,
    /// What the service said, before it is filtered.
    Answer,
}

/// A request, or an answer to one, for hooks to look at.
///
/// There are no headers in it, and no token: who calls is the [`caller`](Self::caller).
#[derive(Clone)]
pub struct HookEvent {
    pub(super) phase: HookPhase,
    pub(super) caller: Caller,
    pub(super) request: McpRequest,
    pub(super) json: Bytes,
    pub(super) is_error: bool,
}

impl HookEvent {
    /// Whether this is a request or an answer.
    #[must_use]
    pub fn phase(&self) -> HookPhase {
        self.phase
    }

    /// The method of the request. Its name on the wire is the name of the event.
    #[must_use]
    pub fn method(&self) -> Method {
        self.request.method()
    }

    /// The protocol revision in effect.
    #[must_use]
    pub fn version(&self) -> Version {
        self.request.version()
    }

    /// Who calls.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What the request is about: a tool, a prompt, a resource. `None` where it is about none, or
    /// about several. A request for the result of a task is about the tool that the task runs; its
    /// [`method`](Self::method) is `tasks/result`, or `tasks/get` in 2026-07-28.
    #[must_use]
    pub fn target(&self) -> Option<&Target> {
        let mut targets = self.request.targets().filter(|target| target.kind() != TargetKind::Task);
        targets.next().filter(|_| targets.next().is_none())
    }

    /// The request: in an answer, as it was forwarded; otherwise, as it came.
    #[must_use]
    pub fn request(&self) -> &McpRequest {
        &self.request
    }

    /// One JSON object, as the hooks before have left it: the `params` of a request (`{}` where it
    /// has none), the `result` of an answer, or its `error`. It was read strictly: no parser reads it
    /// in another way.
    #[must_use]
    pub fn json(&self) -> &Bytes {
        &self.json
    }

    /// Whether this is an answer that is a JSON-RPC error. A tool result with `isError` is none.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.is_error
    }
}

// By hand: arguments and results are not for logs.
impl fmt::Debug for HookEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookEvent")
            .field("phase", &self.phase)
            .field("request", &self.request)
            .field("is_error", &self.is_error)
            .finish_non_exhaustive()
    }
}

/// What a hook says about an event.
#[non_exhaustive]
pub enum HookVerdict {
    /// Let it pass.
    Pass,
    /// Let this pass in its stead: another JSON object in place of [`HookEvent::json`]. The target
    /// of a request stays what it is; headers that repeat arguments follow.
    Change(Bytes),
    /// Let nothing pass.
    Refuse(HookRefusal),
}

// By hand: arguments and results are not for logs.
impl fmt::Debug for HookVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "Pass",
            Self::Change(_) => "Change",
            Self::Refuse(_) => "Refuse",
        })
    }
}

/// A refusal in words that the client gets to read.
#[derive(Clone, Debug)]
#[must_use]
pub struct HookRefusal {
    pub(super) text: Text,
    pub(super) tool_result: bool,
}

impl HookRefusal {
    /// Refuses with a JSON-RPC error (`-31403`) that says `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: Text::from(text.into()), tool_result: false }
    }

    /// Refuses a `tools/call` with a tool result (`isError`) that says `text`, for the model to
    /// read; anything else as [`new`](Self::new).
    pub fn tool_result(text: impl Into<String>) -> Self {
        Self { tool_result: true, ..Self::new(text) }
    }
}
