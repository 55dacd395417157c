//! What is asked: the view of a request body that policy and audit share.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::{Era, Method, Text, Version};

/// What a request asks for, after inspection.
///
/// Written by `portcullis-mcp` only, and only for messages that every JSON parser reads the same
/// way (R-023 to R-028). Read by policy and audit. Its absence means that no inspection ran, which
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
    /// A 2025-03-26 batch; each element is decided on its own (R-030).
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
    /// further (R-032).
    Dropped(Version),
}

/// A JSON-RPC request. Cheap to clone.
#[derive(Clone)]
pub struct McpRequest {
    parts: Arc<McpRequestParts>,
    task: TaskUse,
}

/// Whether a call may run as a task (R-216).
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
    /// The `id` exactly as sent, quotes included (R-028).
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

    /// The `id` exactly as sent, quotes included (R-028).
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

/// What a request acts on.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Target {
    kind: TargetKind,
    name: Text,
}

impl Target {
    /// A target of `kind`, named exactly as in the body after JSON unescaping (R-034).
    #[must_use]
    pub fn new(kind: TargetKind, name: Text) -> Self {
        Self { kind, name }
    }

    /// What kind of thing it is.
    #[must_use]
    pub fn kind(&self) -> TargetKind {
        self.kind
    }

    /// Its name or URI.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Its name or URI, to keep.
    #[must_use]
    pub fn text(&self) -> &Text {
        &self.name
    }
}

/// The kinds of things that MCP requests act on.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum TargetKind {
    /// A tool, by name.
    Tool,
    /// A prompt, by name.
    Prompt,
    /// A resource, by URI.
    Resource,
    /// A resource template, by URI template.
    ResourceTemplate,
    /// A task, by id.
    Task,
}

impl TargetKind {
    /// The word for it in records and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Resource => "resource",
            Self::ResourceTemplate => "resource_template",
            Self::Task => "task",
        }
    }
}

/// The `arguments` object of a request, as the bytes that were sent.
#[derive(Clone)]
pub struct Arguments {
    json: Bytes,
    keys: [(u32, u32); Self::MAX_KEYS],
    keys_recorded: u8,
    keys_total: u32,
}

impl Arguments {
    /// How many member names are kept for audit; further ones are only counted.
    pub const MAX_KEYS: usize = 12;

    /// The object `json`, which the scanner has validated. Keys follow through
    /// [`push_key`](Self::push_key).
    #[must_use]
    pub fn new(json: Bytes) -> Self {
        Self { json, keys: [(0, 0); Self::MAX_KEYS], keys_recorded: 0, keys_total: 0 }
    }

    /// Notes a member name: the range within `json` between the quotes.
    pub fn push_key(&mut self, range: Range<usize>) {
        self.keys_total = self.keys_total.saturating_add(1);
        let (Ok(start), Ok(end)) = (u32::try_from(range.start), u32::try_from(range.end)) else {
            return;
        };
        if let Some(slot) = self.keys.get_mut(usize::from(self.keys_recorded)) {
            *slot = (start, end);
            self.keys_recorded += 1;
        }
    }

    /// The object's bytes: strict JSON without duplicate member names.
    #[must_use]
    pub fn json(&self) -> &Bytes {
        &self.json
    }

    /// How many members the object has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys_total as usize
    }

    /// Whether the object has no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys_total == 0
    }

    /// The first [`MAX_KEYS`](Self::MAX_KEYS) member names, unescaped, in the order sent.
    pub fn keys(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.keys.iter().take(usize::from(self.keys_recorded)).map(|&(start, end)| {
            let raw = self.json.get(start as usize..end as usize).unwrap_or_default();
            let raw = std::str::from_utf8(raw).unwrap_or_default();
            if raw.contains('\\') {
                // Rare: the name was sent with an escape. serde_json knows how to undo it.
                serde_json::from_str(&format!("\"{raw}\"")).map_or(Cow::Borrowed(raw), Cow::Owned)
            } else {
                Cow::Borrowed(raw)
            }
        })
    }
}

impl Arguments {
    /// The kinds of the values under [`keys`](Self::keys), in the same order.
    pub fn kinds(&self) -> impl Iterator<Item = ValueKind> {
        self.keys.iter().take(usize::from(self.keys_recorded)).map(|&(_, end)| {
            // Behind the name: its quote, a colon, and the value, with white space between.
            let rest = self.json.get(end as usize + 1..).unwrap_or_default();
            let between = |byte: &&u8| !matches!(byte, b':' | b' ' | b'\t' | b'\n' | b'\r');
            ValueKind::of(rest.iter().find(between))
        })
    }
}

/// The kind of a JSON value (RFC 8259 §3).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "JSON has no others")]
pub enum ValueKind {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Boolean,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl ValueKind {
    fn of(first: Option<&u8>) -> Self {
        match first {
            Some(b'"') => Self::String,
            Some(b'{') => Self::Object,
            Some(b'[') => Self::Array,
            Some(b't' | b'f') => Self::Boolean,
            Some(b'n') | None => Self::Null,
            Some(_) => Self::Number,
        }
    }

    /// The word for it in records and schemas.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }
}

// By hand: values are none of a log's business.
impl fmt::Debug for Arguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arguments").field("len", &self.keys_total).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn argument_keys_are_unescaped_and_bounded() {
        let json = Bytes::from_static(br#"{"p\u0061th":1,"mode":2}"#);
        let mut arguments = Arguments::new(json);
        arguments.push_key(2..11);
        arguments.push_key(16..20);
        assert_eq!(arguments.keys().collect::<Vec<_>>(), ["path", "mode"]);

        for _ in 0..100 {
            arguments.push_key(16..20);
        }
        assert_eq!(arguments.len(), 102);
        assert_eq!(arguments.keys().count(), Arguments::MAX_KEYS);
    }

    #[test]
    fn the_kinds_of_values_are_known_by_their_first_byte() {
        let json = r#"{"a":null,"b" : true,"c":-1,"d": "}","e":[1],"f":{"x":1},"g":0.5,"h":"\""}"#;
        let mut arguments = Arguments::new(Bytes::from_static(json.as_bytes()));
        for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
            let at = json.find(&format!("\"{name}\"")).unwrap() + 1;
            arguments.push_key(at..at + 1);
        }
        let kinds: Vec<_> = arguments.kinds().map(ValueKind::as_str).collect();
        let expected =
            ["null", "boolean", "number", "string", "array", "object", "number", "string"];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn debug_shows_no_values() {
        let arguments = Arguments::new(Bytes::from_static(br#"{"password":"hunter2"}"#));
        assert!(!format!("{arguments:?}").contains("hunter2"));
    }
}
