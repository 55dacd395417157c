//! The trace in which a client says that its message belongs (R-068).

use std::borrow::Cow;

use serde::Deserialize;

const NAME: &str = "traceparent";

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    params: Params<'a>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow, rename = "_meta")]
    meta: Meta<'a>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow)]
    traceparent: Cow<'a, str>,
}

/// The `traceparent` in `params._meta` of `message`; one that is not valid is none.
pub(crate) fn said_in(message: &[u8]) -> Option<Cow<'_, str>> {
    let message = std::str::from_utf8(message).ok()?;
    if !message.contains(NAME) {
        return None; // As nearly all.
    }
    let said = serde_json::from_str::<Message<'_>>(message).ok()?.params.meta.traceparent;
    trace_id(&said).is_some().then_some(said)
}

/// The trace that a `traceparent` names; `None` for one that is not valid (W3C Trace Context §3.2).
pub(crate) fn trace_id(traceparent: &str) -> Option<&str> {
    let mut fields = traceparent.splitn(5, '-');
    let mut field = |digits| {
        let field = fields.next().filter(|field| field.len() == digits)?;
        field.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).then_some(field)
    };
    let (version, trace, parent, _flags) = (field(2)?, field(32)?, field(16)?, field(2)?);
    // What a later version adds comes behind; ours adds nothing.
    let ends = version != "ff" && (version != "00" || fields.next().is_none());
    let is_one = |id: &str| id.bytes().any(|byte| byte != b'0');
    (ends && is_one(trace) && is_one(parent)).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn messages_say_it_in_one_place() {
        let meta = format!(r#"{{"traceparent":"{SAID}"}}"#);
        let escaped = meta.replace("-01", "-\\u00301");
        let rows = [
            ("in its place", format!(r#"{{"id":1,"params":{{"name":"a","_meta":{meta}}}}}"#), true),
            ("with an escape", format!(r#"{{"params":{{"_meta":{escaped}}}}}"#), true),
            ("in the arguments", format!(r#"{{"params":{{"arguments":{meta}}}}}"#), false),
            ("in the params", format!(r#"{{"params":{meta}}}"#), false),
            ("elsewhere", format!(r#"{{"_meta":{meta},"params":{{"_meta":{{}}}}}}"#), false),
            ("not valid", r#"{"params":{"_meta":{"traceparent":"00-x"}}}"#.to_owned(), false),
            ("no text", r#"{"params":{"_meta":{"traceparent":7}}}"#.to_owned(), false),
            ("nothing", r#"{"params":{"_meta":{}}}"#.to_owned(), false),
            ("no message", "traceparent".to_owned(), false),
        ];
        for (name, message, expected) in rows {
            let said = said_in(message.as_bytes());
            assert_eq!(said.as_deref(), expected.then_some(SAID), "{name}");
        }
    }
}
