//! Where in a JSON-RPC message the members are that hooks see.

use std::ops::Range;

use crate::json::{JsonError, JsonLimits, Kind, Scanner, Str};

/// Where the member `name` of the object `json` is, and where the object's last brace.
pub(super) fn member(
    json: &[u8],
    name: &str,
    limits: JsonLimits,
) -> Result<(Option<Range<usize>>, usize), JsonError> {
    let mut found = None;
    let mut scanner = Scanner::new(json, limits)?;
    scanner.object(|scanner, member: Str<'_>| {
        let range = scanner.skip()?;
        if member.eq(name) {
            found = Some(range);
        }
        Ok::<_, JsonError>(())
    })?;
    let end = scanner.at_end();
    scanner.finish()?;
    Ok((found, end.saturating_sub(1)))
}

/// `json` with `value` in the place of the member `name`, or as a new one at the end.
pub(super) fn with(
    json: &[u8],
    name: &str,
    value: &[u8],
    limits: JsonLimits,
) -> Result<Vec<u8>, JsonError> {
    let (found, brace) = member(json, name, limits)?;
    let mut out = Vec::with_capacity(json.len() + value.len() + name.len() + 4);
    let part = |range: Range<usize>| json.get(range).unwrap_or_default();
    match found {
        Some(range) => {
            out.extend_from_slice(part(0..range.start));
            out.extend_from_slice(value);
            out.extend_from_slice(part(range.end..json.len()));
        }
        None => {
            // A message has other members, so that a comma is right.
            out.extend_from_slice(part(0..brace));
            out.extend_from_slice(format!(",\"{name}\":").as_bytes());
            out.extend_from_slice(value);
            out.extend_from_slice(part(brace..json.len()));
        }
    }
    Ok(out)
}

/// Whether `json` is one object that every parser reads the same way.
pub(super) fn is_object(json: &[u8], limits: JsonLimits) -> bool {
    Scanner::new(json, limits)
        .and_then(|mut scanner| {
            let is_object = scanner.peek()? == Kind::Object;
            scanner.pass()?;
            scanner.finish()?;
            Ok(is_object)
        })
        .unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: JsonLimits = JsonLimits { depth: 8, values: 100 };

    #[test]
    fn members_are_replaced_and_added() {
        let rows: [(&str, &str); 4] = [
            (r#"{"a":1,"params":{"x":1} }"#, r#"{"a":1,"params":{"y":2} }"#),
            (r#"{"p\u0061rams":{},"a":1}"#, r#"{"p\u0061rams":{"y":2},"a":1}"#),
            (r#"{"a":{"params":1}}"#, r#"{"a":{"params":1},"params":{"y":2}}"#),
            (" {\"a\":1\n} ", " {\"a\":1\n,\"params\":{\"y\":2}} "),
        ];
        for (json, expected) in rows {
            let out = with(json.as_bytes(), "params", br#"{"y":2}"#, LIMITS).unwrap();
            assert_eq!(std::str::from_utf8(&out).unwrap(), expected);
        }
        with(br#"{"a":1,"a":2}"#, "params", b"{}", LIMITS).unwrap_err();
    }

    #[test]
    fn only_one_strict_object_is_an_object() {
        for json in ["{}", " { \"a\" : [1] } "] {
            assert!(is_object(json.as_bytes(), LIMITS), "{json}");
        }
        for json in
            ["", "[]", "1", "null", "{},\"id\":1", "{} {}", r#"{"a":1,"a":1}"#, "{\"a\":}", "{"]
        {
            assert!(!is_object(json.as_bytes(), LIMITS), "{json}");
        }
        assert!(!is_object(b"{\"a\":\"\xff\"}", LIMITS));
    }
}
