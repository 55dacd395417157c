//! Headers that repeat what the body says.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_core::{Denial, Method, Text};

use crate::head;
use crate::lines::Lines;
use crate::parse::{Member, Message, Shape};

/// A header that may appear once, and what is said when it is not as it should be.
#[derive(Debug)]
pub(crate) struct Mirrored {
    pub(crate) name: HeaderName,
    pub(crate) missing: &'static str,
    pub(crate) mismatch: &'static str,
    pub(crate) repeated: &'static str,
    pub(crate) invalid: &'static str,
}

macro_rules! mirrored {
    ($name:literal, $shown:literal) => {
        Mirrored {
            name: HeaderName::from_static($name),
            missing: concat!("missing required header ", $shown),
            mismatch: concat!($shown, " header does not match request body"),
            repeated: concat!($shown, " header must appear exactly once"),
            invalid: concat!($shown, " header has an invalid value"),
        }
    };
}

pub(crate) static VERSION: Mirrored = mirrored!("mcp-protocol-version", "MCP-Protocol-Version");
static METHOD: Mirrored = mirrored!("mcp-method", "Mcp-Method");
pub(crate) static NAME: Mirrored = mirrored!("mcp-name", "Mcp-Name");
/// Its name is how the names of these headers begin.
pub(crate) static PARAM: Mirrored = mirrored!("mcp-param-", "Mcp-Param");

/// Whether `name` is one of the headers that only modern requests have.
pub(crate) fn is_modern(name: &str) -> bool {
    METHOD.name == name || NAME.name == name || name.starts_with(PARAM.name.as_str())
}

/// The headers that say what a message is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Named<'h> {
    pub(crate) version: Lines<'h>,
    method: Lines<'h>,
    name: Lines<'h>,
    /// Whether there are some that repeat arguments.
    params: bool,
    pub(crate) length: Lines<'h>,
    /// Whether there are some that are not for the service behind.
    pub(crate) foreign: bool,
}

impl<'h> Named<'h> {
    /// Finds them with one look at all headers.
    pub(crate) fn of(headers: &'h HeaderMap) -> Self {
        let mut named = Self::default();
        for (name, value) in headers {
            match name.as_str() {
                "mcp-protocol-version" => named.version.add(value),
                "mcp-method" => named.method.add(value),
                "mcp-name" => named.name.add(value),
                "content-length" => named.length.add(value),
                name if name.starts_with("mcp-param-") => named.params = true,
                name => named.foreign |= head::is_for_the_gate(name),
            }
        }
        named
    }
}

/// Compares the headers of a modern message with its body.
pub(crate) fn check(
    headers: &HeaderMap,
    named: Named<'_>,
    message: &Message<'_>,
    id: Option<&Text>,
) -> Result<(), Denial> {
    let method = single(named.method, &METHOD, id)?;
    let name = single(named.name, &NAME, id)?;
    let is_param = |name: &&HeaderName| name.as_str().starts_with(PARAM.name.as_str());
    for param in headers.keys().filter(|_| named.params).filter(is_param) {
        if headers.get_all(param).iter().nth(1).is_some() {
            return Err(Denial::header_mismatch(id, PARAM.repeated));
        }
    }

    match method {
        Some(method) if literal(method, &METHOD, id)? != message.method => {
            return Err(Denial::header_mismatch(id, METHOD.mismatch));
        }
        Some(_) => {}
        // Undefined for notifications: checked if present.
        None if message.shape == Shape::Request => {
            return Err(Denial::header_mismatch(id, METHOD.missing));
        }
        None => {}
    }

    let target = match (message.shape, Method::parse(&message.method)) {
        (Shape::Request, Some(Method::ToolsCall | Method::PromptsGet)) => &message.params.name,
        (Shape::Request, Some(Method::ResourcesRead)) => &message.params.uri,
        (Shape::Request, Some(Method::TasksGet | Method::TasksUpdate | Method::TasksCancel)) => {
            &message.params.task_id
        }
        _ => return Ok(()),
    };
    let Some(name) = name else { return Err(Denial::header_mismatch(id, NAME.missing)) };
    let name = decode(name).ok_or_else(|| Denial::header_mismatch(id, NAME.invalid))?;
    match target {
        Member::Text(target) if target.eq(&name) => Ok(()),
        Member::Text(_) => Err(Denial::header_mismatch(id, NAME.mismatch)),
        // There is nothing to compare with: the body is at fault, and is answered as such.
        Member::Absent | Member::Wrong => Ok(()),
    }
}

/// The value of a field that may appear once.
pub(crate) fn single<'h>(
    lines: Lines<'h>,
    header: &Mirrored,
    id: Option<&Text>,
) -> Result<Option<&'h HeaderValue>, Denial> {
    if lines.are_several() {
        return Err(Denial::header_mismatch(id, header.repeated));
    }
    Ok(lines.first())
}

/// The value as plain text.
pub(crate) fn literal<'h>(
    value: &'h HeaderValue,
    header: &Mirrored,
    id: Option<&Text>,
) -> Result<&'h str, Denial> {
    plain(value).ok_or_else(|| Denial::header_mismatch(id, header.invalid))
}

/// The text that a mirrored value stands for.
pub(crate) fn decode(value: &HeaderValue) -> Option<Cow<'_, str>> {
    const START: &str = "=?base64?";
    const END: &str = "?=";
    let text = plain(value)?;
    if !text.starts_with(START) || !text.ends_with(END) {
        return Some(Cow::Borrowed(text));
    }
    // `=?base64?=` fits both ends but has no middle: refused, because implementations differ.
    let middle = text.strip_prefix(START)?.strip_suffix(END)?;
    // The engine insists on canonical padding and on spare bits that are zero.
    let decoded = STANDARD.decode(middle).ok()?;
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

/// The value that stands for `text`.
pub(crate) fn encode(text: &str) -> Option<HeaderValue> {
    let visible = text.bytes().all(|b| matches!(b, b'\t' | b' '..=b'~'));
    let literal = visible && text.trim_matches(OWS).len() == text.len();
    if literal && !(text.starts_with("=?base64?") && text.ends_with("?=")) {
        return HeaderValue::from_str(text).ok();
    }
    HeaderValue::from_str(&format!("=?base64?{}?=", STANDARD.encode(text))).ok()
}

/// Visible ASCII with inner white space; white space at the ends is HTTP's own.
fn plain(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok().map(|text| text.trim_matches(OWS))
}

const OWS: [char; 2] = [' ', '\t'];

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of requirements 5.4.
    #[test]
    fn sentinels() {
        let rows: &[(&[u8], Option<&str>)] = &[
            (b"danger", Some("danger")),
            (b"=?base64?ZGFuZ2Vy?=", Some("danger")),
            (b"=?base64?c2FmZQ==?=", Some("safe")),
            (
                b"=?base64?PT9iYXNlNjQ/YzJGbVpRPT0/PQ==?=",
                Some("=?base64?c2FmZQ==?="), // Decoded once only.
            ),
            (b"=?BASE64?c2FmZQ==?=", Some("=?BASE64?c2FmZQ==?=")),
            (b"=?Base64?c2FmZQ==?=", Some("=?Base64?c2FmZQ==?=")),
            (b"=?base64?abc", Some("=?base64?abc")),
            (b"abc?=", Some("abc?=")),
            (b"=?base64?=", None),
            (b"=?base64??=", Some("")),
            (b"=?base64?c2FmZQ?=", None),
            (b"=?base64?c2FmZQ=?=", None),
            (b"=?base64?c2FmZR==?=", None),
            (b"=?base64?c2Fm ZQ==?=", None),
            (b"=?base64?c2=mZQ==?=", None),
            (b"=?base64?c2FmZQ==c2FmZQ==?=", None),
            (b"=?base64?_-8=?=", None),
            (b"=?base64?/w==?=", None),
            (b"=?base64?w6k=?=", Some("\u{e9}")),
            (b"=?utf-8?B?c2FmZQ==?=", Some("=?utf-8?B?c2FmZQ==?=")),
            (b"  safe \t", Some("safe")),
            (b"in\tner  space", Some("in\tner  space")),
            ("é".as_bytes(), None),
            (b"\xFF", None),
            (b"", Some("")),
        ];
        for (value, expected) in rows {
            let shown = String::from_utf8_lossy(value);
            let value = HeaderValue::from_bytes(value).unwrap();
            assert_eq!(decode(&value).as_deref(), *expected, "{shown}");
        }
    }

    /// whatever a name holds, its header is one line that says just that.
    #[test]
    fn what_is_encoded_is_decoded() {
        let rows = [
            ("danger", "danger"),
            ("in\tner", "in\tner"),
            ("", ""),
            (" safe", "=?base64?IHNhZmU=?="),
            ("é", "=?base64?w6k=?="),
            ("a\r\nX-Injected: 1", "=?base64?YQ0KWC1JbmplY3RlZDogMQ==?="),
            ("a\0", "=?base64?YQA=?="),
            ("=?base64?c2FmZQ==?=", "=?base64?PT9iYXNlNjQ/YzJGbVpRPT0/PQ==?="),
            ("=?base64?abc", "=?base64?abc"),
        ];
        for (text, expected) in rows {
            let value = encode(text).unwrap();
            assert_eq!(value, expected, "{text:?}");
            assert_eq!(decode(&value).as_deref(), Some(text), "{text:?}");
        }
    }
}
