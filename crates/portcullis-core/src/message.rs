//! What is asked: the view of a request body that policy and audit share.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::{Era, Method, Text, Version};

mod arguments;
mod target;

pub use arguments::{Arguments, ValueKind};
pub use target::{Target, TargetKind};

/// What a request asks for, after inspection.
///
/// Written by `portcullis-mcp` only, and only for messages that every JSON parser reads the same
/// way. Read by policy and audit. Its absence means that no inspection ran, which
/// every reader answers with 500.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum McpMessage {
    /// A request that waits for an answer.
    Request(McpRequest),
    /// A notification: no answer.
    Notification(McpNotification),
    /// A legacy client's answer to a request of the server.
    Response(McpResponse),
    /// A 2025-03-26 batch; each element is decided on its own.
    Batch(Arc<[McpMessage]>),
    /// The HTTP request carries no message.
    NoMessage(NoMessage),
}

/// Why an HTTP request carries no MCP message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum NoMessage {
    /// A legacy `GET`: the caller opens or resumes a stream of server messages.
    Stream(Version),
    /// A legacy `DELETE`: the caller ends its session.
    EndSession(Version),
    /// A notification that the revision does not define: it is answered with 202 and goes no
    /// further.
    Dropped(Version),
}

/// A JSON-RPC request. Cheap to clone.
#[derive(Clone)]
pub struct McpRequest {
    parts: Arc<McpRequestParts>,
    task: TaskUse,
}

/// Whether a call may run as a task.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum TaskUse {
    /// It may not, or the request is no call.
    #[default]
    None,
    /// It asks to: `params.task` of 2025-11-25.
    Asked,
    /// It may if the service wants it: the client declares the extension of 2026-07-28. Where in
    /// [`raw`](McpRequest::raw) the `extensions` object is that says so.
    Offered(Range<usize>),
}

/// What inspection learned about a request; turns into a [`McpRequest`].
#[derive(Clone)]
pub struct McpRequestParts {
    /// The effective protocol version.
    pub version: Version,
    /// The method, one that `version` defines.
    pub method: Method,
    /// The `id` exactly as sent, quotes included.
    pub id: Text,
    /// What the request acts on: a tool's name, a resource's URI. `None` for methods without one.
    pub target: Option<Target>,
    /// Further targets, for methods that name several (`subscriptions/listen`).
    pub more_targets: Vec<Target>,
    /// `params.arguments`, when present and an object.
    pub arguments: Option<Arguments>,
    /// The message's own bytes.
    pub raw: Bytes,
}

impl From<McpRequestParts> for McpRequest {
    fn from(parts: McpRequestParts) -> Self {
        Self { parts: Arc::new(parts), task: TaskUse::None }
    }
}

impl McpRequest {
    /// The effective protocol version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.parts.version
    }

    /// The era of that version.
    #[must_use]
    pub fn era(&self) -> Era {
        self.parts.version.era()
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> Method {
        self.parts.method
    }

    /// The `id` exactly as sent, quotes included.
    #[must_use]
    pub fn id(&self) -> &Text {
        &self.parts.id
    }

    /// Everything the request acts on; usually one target or none.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.parts.target.iter().chain(&self.parts.more_targets)
    }

    /// `params.arguments`, when present and an object.
    #[must_use]
    pub fn arguments(&self) -> Option<&Arguments> {
        self.parts.arguments.as_ref()
    }

    /// The message's own bytes.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        &self.parts.raw
    }

    /// The same request, which may run as a task as `task` says. Without this it may not.
    #[must_use]
    pub fn with_task_use(mut self, task: TaskUse) -> Self {
        self.task = task;
        self
    }

    /// Whether it may run as a task.
    #[must_use]
    pub fn task_use(&self) -> &TaskUse {
        &self.task
    }
}

// By hand: the raw bytes hold argument values, which no log line should show by accident.
impl fmt::Debug for McpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpRequest")
            .field("version", &self.parts.version)
            .field("method", &self.parts.method)
            .field("id", &self.parts.id)
            .field("target", &self.parts.target)
            .finish_non_exhaustive()
    }
}

/// A JSON-RPC notification.
#[derive(Clone)]
pub struct McpNotification {
    version: Version,
    method: Method,
    raw: Bytes,
}

impl McpNotification {
    /// A notification of `method`, whose own bytes are `raw`.
    #[must_use]
    pub fn new(version: Version, method: Method, raw: Bytes) -> Self {
        Self { version, method, raw }
    }

    /// The effective protocol version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> Method {
        self.method
    }

    /// The message's own bytes.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }
}

impl fmt::Debug for McpNotification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpNotification")
            .field("version", &self.version)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// A legacy client's answer to a request of the server.
#[derive(Clone)]
pub struct McpResponse {
    version: Version,
    id: Text,
    raw: Bytes,
}

impl McpResponse {
    /// An answer to the server's request `id`, whose own bytes are `raw`.
    #[must_use]
    pub fn new(version: Version, id: Text, raw: Bytes) -> Self {
        Self { version, id, raw }
    }

    /// The effective protocol version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The `id` exactly as sent.
    #[must_use]
    pub fn id(&self) -> &Text {
        &self.id
    }

    /// The message's own bytes.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }
}

impl fmt::Debug for McpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpResponse")
            .field("version", &self.version)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
