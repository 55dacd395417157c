//! What is seen of a message, and where in its text.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use portcullis_core::one_line;
use serde::Deserialize;
use serde_json::value::RawValue;

/// What kind of message it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Request,
    Notification,
    Response,
}

/// A message, as far as it has to be known to find its way. All else in it stays the bytes it was:
/// what is exchanged is cut out and replaced at its place.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) kind: Kind,
    /// Empty in responses.
    pub(super) method: String,
    pub(super) id: Option<Range<usize>>,
    /// `params._meta.progressToken` of a request, `params.progressToken` of `notifications/progress`.
    pub(super) token: Option<Range<usize>>,
    /// `params.requestId` of `notifications/cancelled`.
    pub(super) cancels: Option<Range<usize>>,
    /// `_meta["io.modelcontextprotocol/subscriptionId"]` of parameters or of a result.
    pub(super) subscription: Option<Range<usize>>,
    /// Whether the request asks for log messages (2026-07-28).
    pub(super) wants_logs: bool,
    /// The code, in a response that is an error.
    pub(super) code: Option<i64>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: Option<String>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Members<'a> {
    #[serde(borrow, rename = "_meta")]
    meta: Option<&'a RawValue>,
    #[serde(borrow, rename = "progressToken")]
    token: Option<&'a RawValue>,
    #[serde(borrow, rename = "requestId")]
    request_id: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Meta<'a> {
    #[serde(borrow, rename = "progressToken")]
    token: Option<&'a RawValue>,
    #[serde(borrow, rename = "io.modelcontextprotocol/subscriptionId")]
    subscription: Option<&'a RawValue>,
    #[serde(borrow, rename = "io.modelcontextprotocol/logLevel")]
    log_level: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Fault {
    code: i64,
}

impl Envelope {
    /// Reads one message. `None` for what is no JSON-RPC message, or has one of the members that count
    /// twice.
    pub(super) fn read(text: &str) -> Option<Self> {
        let message: Message<'_> = object(text)?;
        let Message { id, method, params, result, error } = message;
        let kind = match (&method, id, result, error) {
            (Some(_), Some(_), None, None) => Kind::Request,
            (Some(_), None, None, None) => Kind::Notification,
            (None, Some(_), Some(_), None) | (None, Some(_), None, Some(_)) => Kind::Response,
            _ => return None,
        };
        let members = params.or(result).map(RawValue::get);
        let members: Members<'_> = members.and_then(object).unwrap_or_default();
        let meta = members.meta.map(RawValue::get);
        let meta: Meta<'_> = meta.and_then(object).unwrap_or_default();
        let token = match kind {
            Kind::Request => meta.token,
            Kind::Notification => members.token,
            Kind::Response => None,
        };
        let code = error.map(|error| object::<Fault>(error.get()).map_or(0, |fault| fault.code));
        let place = |part: Option<&RawValue>| part.and_then(|part| place(text, part.get()));
        Some(Self {
            kind,
            method: method.unwrap_or_default(),
            id: place(id),
            token: place(token),
            cancels: place(members.request_id),
            subscription: place(meta.subscription),
            wants_logs: meta.log_level.is_some(),
            code,
        })
    }
}

/// The members of a batch (2025-03-26), when `text` is one.
pub(super) fn batch(text: &str) -> Option<Vec<&str>> {
    let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    Some(elements.into_iter().map(RawValue::get).collect())
}

/// The text with its parts at these places exchanged, as one line, to whoever reads it.
pub(super) fn exchange(text: &str, parts: &mut [(Range<usize>, &str)]) -> Bytes {
    parts.sort_by_key(|(range, _)| range.start);
    let mut whole = Vec::with_capacity(text.len() + 32);
    let mut from = 0;
    for (range, new) in parts {
        whole.extend_from_slice(text.get(from..range.start).unwrap_or_default().as_bytes());
        whole.extend_from_slice(new.as_bytes());
        from = range.end;
    }
    whole.extend_from_slice(text.get(from..).unwrap_or_default().as_bytes());
    match one_line(&whole) {
        Cow::Borrowed(_) => whole.into(),
        Cow::Owned(line) => line.into(),
    }
}

/// Reads an object. An array of the same members would be taken for one otherwise.
fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    text.trim_start().starts_with('{').then(|| serde_json::from_str(text).ok()).flatten()
}

/// Where `part` is in `text`, of which it is a slice.
fn place(text: &str, part: &str) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    (end <= text.len()).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_and_the_rest_is_left_alone() {
        let at = |text: &str, range: &Option<Range<usize>>| {
            range.clone().map(|range| text.get(range).unwrap().to_owned())
        };
        for (text, kind, id, token, cancels, subscription) in [
            (
                r#"{"id" : "a" ,"method":"x","params":{"_meta":{"progressToken":7.0}}}"#,
                Kind::Request,
                Some("\"a\""),
                Some("7.0"),
                None,
                None,
            ),
            (
                r#"{"method":"notifications/progress","params":{"progressToken":"t","_meta":{"progressToken":1}}}"#,
                Kind::Notification,
                None,
                Some("\"t\""),
                None,
                None,
            ),
            (
                r#"{"method":"notifications/cancelled","params":{"requestId":9007199254740993}}"#,
                Kind::Notification,
                None,
                None,
                Some("9007199254740993"),
                None,
            ),
            (
                r#"{"result":{"_meta":{"io.modelcontextprotocol/subscriptionId":0}},"id":0}"#,
                Kind::Response,
                Some("0"),
                None,
                None,
                Some("0"),
            ),
            // Members of these names elsewhere are the server's own business.
            (
                r#"{"id":1,"method":"x","params":{"arguments":{"requestId":2,"_meta":{"progressToken":3}}}}"#,
                Kind::Request,
                Some("1"),
                None,
                None,
                None,
            ),
        ] {
            let envelope = Envelope::read(text).unwrap();
            assert_eq!(envelope.kind, kind, "{text}");
            assert_eq!(at(text, &envelope.id).as_deref(), id, "{text}");
            assert_eq!(at(text, &envelope.token).as_deref(), token, "{text}");
            assert_eq!(at(text, &envelope.cancels).as_deref(), cancels, "{text}");
            assert_eq!(at(text, &envelope.subscription).as_deref(), subscription, "{text}");
        }
    }

    #[test]
    fn what_is_no_message_is_none() {
        for text in [
            "",
            "null",
            "1",
            "hello",
            "[]",
            "{}",
            r#"[null,1,"x"]"#,
            r#"{"id":1}"#,
            r#"{"id":null,"result":{}}"#,
            r#"{"id":1,"result":{},"error":{}}"#,
            r#"{"id":1,"method":"x","result":{}}"#,
            r#"{"id":1,"id":2,"method":"x"}"#,
            r#"{"id":1,"method":"x"} {}"#,
            r#"{"id":1,"method":7}"#,
        ] {
            assert!(Envelope::read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn numbers_and_text_keep_their_spelling() {
        let text = "{\"id\": 1,\r\n \"method\":\"a\\u0062\",\"params\":{\"n\":1.50e+1,\"_meta\":{\"progressToken\":\"t\"}}}";
        let envelope = Envelope::read(text).unwrap();
        assert_eq!(envelope.method, "ab");
        let mut parts = [(envelope.token.unwrap(), "17"), (envelope.id.unwrap(), "17")];
        assert_eq!(
            exchange(text, &mut parts),
            "{\"id\": 17,   \"method\":\"a\\u0062\",\"params\":{\"n\":1.50e+1,\"_meta\":{\"progressToken\":17}}}"
        );
    }

    /// Servers that read lines with `readline` of Node.js would find a second message in the first.
    #[test]
    fn there_is_no_message_in_a_message() {
        let text = "{\"id\":1,\"method\":\"x\",\"params\":{\"a\":\"\u{2028}{}\u{2029}\u{85}\"}}";
        let id = Envelope::read(text).unwrap().id.unwrap();
        assert_eq!(
            exchange(text, &mut [(id, "17")]),
            r#"{"id":17,"method":"x","params":{"a":"\u2028{}\u2029\u0085"}}"#
        );
    }

    #[test]
    fn batches_are_taken_apart() {
        assert_eq!(batch(" [ {\"id\":1}, 2 ] ").unwrap(), ["{\"id\":1}", "2"]);
        assert!(batch("{}").is_none());
    }
}
