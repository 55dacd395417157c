//! From a line to the head of the request that carries it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const MCP_METHOD: HeaderName = HeaderName::from_static("mcp-method");
const MCP_NAME: HeaderName = HeaderName::from_static("mcp-name");
pub(super) const MCP_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// What the bridge needs to know of a message. Nothing is decided from it: inspection reads the
/// bytes for itself, and refuses a head that does not fit them.
#[derive(Debug, Default)]
pub(super) struct Envelope {
    pub(super) kind: Kind,
    /// The id of a request; null where there is none to answer to.
    pub(super) id: Value,
    /// The request that a `notifications/cancelled` ends.
    pub(super) cancels: Option<Value>,
    /// The revision that the message itself names (2026-07-28 and later).
    pub(super) version: Option<String>,
    method: Option<String>,
    name: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Kind {
    Initialize,
    Request,
    /// A request whose answer lasts.
    Listen,
    Initialized,
    /// Its answer may wait for the client's answers to the server, like a request's.
    Batch,
    /// A notification, a response, or what is no message at all.
    #[default]
    Other,
}

impl Envelope {
    pub(super) fn read(line: &[u8]) -> Self {
        let mut message = match serde_json::from_slice(line) {
            Ok(Value::Object(message)) => message,
            Ok(Value::Array(_)) => return Self { kind: Kind::Batch, ..Self::default() },
            _ => return Self::default(),
        };
        let method = message.get("method").and_then(Value::as_str).map(str::to_owned);
        let id = message.remove("id");
        let params = message.get("params");
        let text = |name: &str| params?.get(name)?.as_str().map(str::to_owned);
        let kind = match (method.as_deref(), id.is_some()) {
            (Some("initialize"), true) => Kind::Initialize,
            (Some("subscriptions/listen"), true) => Kind::Listen,
            (Some(_), true) => Kind::Request,
            (Some("notifications/initialized"), false) => Kind::Initialized,
            _ => Kind::Other,
        };
        let cancelled = method.as_deref() == Some("notifications/cancelled");
        Self {
            kind,
            cancels: params.filter(|_| cancelled).and_then(|p| p.get("requestId")).cloned(),
            version: params
                .and_then(|params| params.get("_meta")?.get(META_VERSION)?.as_str())
                .map(str::to_owned),
            name: match method.as_deref() {
                Some("tools/call" | "prompts/get") => text("name"),
                Some("resources/read") => text("uri"),
                _ => None,
            },
            // A response has an id that is not its sender's to be answered on.
            id: id.filter(|_| method.is_some()).unwrap_or_default(),
            method,
        }
    }

    /// Adds the fields that mirror the message (MCP 2026-07-28, Streamable HTTP).
    pub(super) fn mirror(&self, headers: &mut HeaderMap) {
        let Some(version) = &self.version else { return };
        let method = self.method.as_deref();
        for (field, value) in [
            (MCP_VERSION, Some(&**version)),
            (MCP_METHOD, method),
            (MCP_NAME, self.name.as_deref()),
        ] {
            // A value that no field can carry stays out, and inspection refuses the message.
            if let Some(value) = value.and_then(|value| HeaderValue::try_from(encode(value)).ok()) {
                headers.insert(field, value);
            }
        }
    }
}

/// The value as it is, or in the base64 sentinel where a field could not carry it or would be taken
/// for one.
fn encode(value: &str) -> String {
    let plain = value.bytes().all(|b| matches!(b, b' '..=b'~')) && value.trim() == value;
    if plain && !value.starts_with("=?base64?") {
        value.to_owned()
    } else {
        format!("=?base64?{}?=", STANDARD.encode(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_mirrors_a_modern_message() {
        let line = |name: &str| {
            serde_json::json!({
                "jsonrpc": "2.0", "id": 1, "method": "tools/call",
                "params": {"name": name, "_meta": {META_VERSION: "2026-07-28"}},
            })
            .to_string()
        };
        for (name, field) in [
            ("read_note", "read_note"),
            ("größe", "=?base64?Z3LDtsOfZQ==?="),
            (" a", "=?base64?IGE=?="),
            ("=?base64?YQ==?=", "=?base64?PT9iYXNlNjQ/WVE9PT89?="),
        ] {
            let mut headers = HeaderMap::new();
            Envelope::read(line(name).as_bytes()).mirror(&mut headers);
            assert_eq!(headers["mcp-protocol-version"], "2026-07-28");
            assert_eq!(headers["mcp-method"], "tools/call");
            assert_eq!(headers["mcp-name"], field, "{name}");
        }
    }

    #[test]
    fn kinds() {
        for (line, kind, id) in [
            (r#"{"id":1,"method":"initialize"}"#, Kind::Initialize, Value::from(1)),
            (r#"{"id":"a","method":"tools/list"}"#, Kind::Request, Value::from("a")),
            (r#"{"id":1,"method":"subscriptions/listen"}"#, Kind::Listen, Value::from(1)),
            (r#"{"method":"notifications/initialized"}"#, Kind::Initialized, Value::Null),
            (r#"{"id":1,"result":{}}"#, Kind::Other, Value::Null),
            ("[]", Kind::Batch, Value::Null),
            ("nonsense", Kind::Other, Value::Null),
        ] {
            let envelope = Envelope::read(line.as_bytes());
            assert_eq!((envelope.kind, envelope.id), (kind, id), "{line}");
        }
    }
}
