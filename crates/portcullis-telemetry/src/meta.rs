//! The trace context that a message itself carries (SEP-414, R-068).

use std::borrow::Cow;

use memchr::memmem;
use portcullis_core::{Era, McpMessage};
use serde::Deserialize;

use crate::TraceContext;

/// The largest message that is looked into.
const MAX_MESSAGE: usize = 256 * 1024;

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    params: Option<Params<'a>>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow, rename = "_meta")]
    meta: Option<Meta<'a>>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow)]
    traceparent: Option<Cow<'a, str>>,
    #[serde(borrow)]
    tracestate: Option<Cow<'a, str>>,
}

/// The context in `params._meta` of a modern message. One that is not valid is no context.
pub(crate) fn trace_context(message: &McpMessage) -> Option<TraceContext> {
    let (version, raw) = match message {
        McpMessage::Request(request) => (request.version(), request.raw()),
        McpMessage::Notification(notification) => (notification.version(), notification.raw()),
        _ => return None,
    };
    // Nearly no message has one, and finding that out is cheap.
    let wanted = version.era() == Era::Modern
        && raw.len() <= MAX_MESSAGE
        && memmem::find(raw, b"traceparent").is_some();
    if !wanted {
        return None;
    }
    let Meta { traceparent, tracestate } =
        serde_json::from_slice::<Message<'_>>(raw).ok()?.params?.meta?;
    TraceContext::parse(&traceparent?, tracestate.as_deref())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use portcullis_core::{McpNotification, McpRequestParts, Method, Version};

    use super::*;

    fn request(version: Version, raw: &str) -> McpMessage {
        let raw = Bytes::copy_from_slice(raw.as_bytes());
        McpMessage::Request(
            McpRequestParts {
                version,
                method: Method::ToolsCall,
                id: "1".into(),
                target: None,
                more_targets: Vec::new(),
                arguments: None,
                raw,
            }
            .into(),
        )
    }

    /// R-068: what is malformed or too long is ignored.
    #[test]
    fn a_message_may_carry_a_context() {
        const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let modern = Version::V2026_07_28;
        let with = |meta: &str| format!(r#"{{"id":1,"params":{{"name":"a","_meta":{meta}}}}}"#);
        let good = with(&format!(r#"{{"traceparent":"{PARENT}","tracestate":"a=1"}}"#));
        let context = trace_context(&request(modern, &good)).unwrap();
        assert_eq!(format!("{context:?}"), PARENT);
        assert_eq!(context.state(), Some("a=1"));
        let notification = McpNotification::new(
            modern,
            Method::NotificationsCancelled,
            Bytes::copy_from_slice(good.as_bytes()),
        );
        assert!(trace_context(&McpMessage::Notification(notification)).is_some());
        let huge = good.replace("\"a\"", &format!("\"{}\"", "a".repeat(MAX_MESSAGE)));
        let rows = [
            ("an older revision", Version::V2025_11_25, good.clone()),
            ("none", modern, with("{}")),
            ("not valid", modern, with(r#"{"traceparent":"00-nonsense"}"#)),
            ("not a string", modern, with(r#"{"traceparent":7}"#)),
            ("in the arguments", modern, good.replace("_meta", "arguments")),
            ("too large", modern, huge),
        ];
        for (name, version, raw) in rows {
            assert_eq!(trace_context(&request(version, &raw)), None, "{name}");
        }
    }
}
