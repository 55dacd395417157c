//! JSON where lines count: in event streams, and on standard input and output.

use std::borrow::Cow;

/// `json` without what somebody takes for the end of a line; it is the same JSON.
///
/// MCP ends lines at LF, event streams also at CR. Strict JSON has these only between tokens, where a space means the
/// same. But `readline` of Node.js 24 and of Bun ends lines at U+2028 and U+2029 too, and httpx-sse before 0.4.2, which
/// the Python SDK may use, at U+0085 as well. JSON strings may hold these as they are, and what stands behind one would
/// be read as a message of its own: they are written as escapes.
#[must_use]
pub fn one_line(json: &[u8]) -> Cow<'_, [u8]> {
    if json.is_ascii() && !json.contains(&b'\n') && !json.contains(&b'\r') {
        return Cow::Borrowed(json);
    }
    let mut out = Vec::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(rest) = json.get(at..).filter(|rest| !rest.is_empty()) {
        let (length, instead): (_, &[u8]) = match rest {
            [b'\n' | b'\r', ..] => (1, b" "),
            [0xC2, 0x85, ..] => (2, br"\u0085"),
            [0xE2, 0x80, 0xA8, ..] => (3, br"\u2028"),
            [0xE2, 0x80, 0xA9, ..] => (3, br"\u2029"),
            _ => {
                at += 1;
                continue;
            }
        };
        out.extend_from_slice(json.get(copied..at).unwrap_or_default());
        out.extend_from_slice(instead);
        at += length;
        copied = at;
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    out.extend_from_slice(json.get(copied..).unwrap_or_default());
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_finds_the_end_of_a_line() {
        for (name, json, expected) in [
            ("nothing", "", ""),
            ("one line", r#"{"a":"b\n"}"#, r#"{"a":"b\n"}"#),
            (
                "other letters",
                r#"{"a":"\u{e9}\u{2027}\u{202a}\u{a85}"}"#,
                r#"{"a":"\u{e9}\u{2027}\u{202a}\u{a85}"}"#,
            ),
            ("between tokens", "{\r\n\"a\": 1,\r\"b\":\n2}", "{  \"a\": 1, \"b\": 2}"),
            ("in strings", "\"\u{2028}a\u{2029}\u{85}\u{e9}\"", "\"\\u2028a\\u2029\\u0085\u{e9}\""),
        ] {
            let line = one_line(json.as_bytes());
            assert_eq!(std::str::from_utf8(&line).unwrap(), expected, "{name}");
            assert_eq!(matches!(line, Cow::Borrowed(_)), json == expected, "{name}");
            let read = |json: &[u8]| serde_json::from_slice::<serde_json::Value>(json).ok();
            assert_eq!(read(&line), read(json.as_bytes()), "{name}");
        }
    }
}
