//! Strict JSON for JOSE headers, claims and key sets.
//!
//! Not serde: `serde_json::Value` keeps the last of two members of the same name, and the
//! features `raw_value` and `arbitrary_precision`, which any crate of the tree may turn on, give
//! some member names a meaning of their own. A token decides who somebody is, so here a name is a
//! name, and two of the same name are an error (R-112).

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

pub(crate) use self::value::{Json, Object};

mod value;

/// How deep arrays and objects may nest.
const DEPTH: usize = 32;

/// The one JSON object (RFC 8259) that `text` is; `None` when it is anything else, repeats a
/// member name at any depth, nests too deep, or holds a number that no finite `f64` can carry.
pub(crate) fn parse(text: &str) -> Option<Object<'_>> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(DEPTH)?;
    reader.space();
    match (value, reader.peek()) {
        (Json::Object(object), None) => Some(object),
        _ => None,
    }
}

/// As [`parse`], with memory of its own; also `None` when `text` is not UTF-8.
pub(crate) fn object(text: &[u8]) -> Option<Map<String, Value>> {
    parse(str::from_utf8(text).ok()?).map(Object::into_map)
}

struct Reader<'a> {
    text: &'a str,
    at: usize, // INVARIANT: on a character boundary whenever `rest` is read.
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn literal(&mut self, word: &str, value: Json<'a>) -> Option<Json<'a>> {
        self.text.get(self.at..)?.starts_with(word).then(|| self.at += word.len())?;
        Some(value)
    }

    fn value(&mut self, depth: usize) -> Option<Json<'a>> {
        self.space();
        match self.peek()? {
            b'{' => self.members(depth.checked_sub(1)?).map(Json::Object),
            b'[' => self.elements(depth.checked_sub(1)?).map(Json::Array),
            b'"' => self.string().map(Json::String),
            b't' => self.literal("true", Json::Bool(true)),
            b'f' => self.literal("false", Json::Bool(false)),
            b'n' => self.literal("null", Json::Null),
            _ => self.number().map(Json::Number),
        }
    }

    fn members(&mut self, depth: usize) -> Option<Object<'a>> {
        self.at += 1;
        self.space();
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(Object::default());
        }
        let mut members = Vec::with_capacity(12);
        loop {
            self.space();
            let name = self.string()?;
            self.space();
            if self.next()? != b':' {
                return None;
            }
            members.push((name, self.value(depth)?));
            self.space();
            match self.next()? {
                b',' => {}
                b'}' => return Object::new(members),
                _ => return None,
            }
        }
    }

    fn elements(&mut self, depth: usize) -> Option<Vec<Json<'a>>> {
        let mut elements = Vec::new();
        self.at += 1;
        self.space();
        if self.peek()? == b']' {
            self.at += 1;
            return Some(elements);
        }
        loop {
            elements.push(self.value(depth)?);
            self.space();
            match self.next()? {
                b',' => {}
                b']' => return Some(elements),
                _ => return None,
            }
        }
    }

    fn string(&mut self) -> Option<Cow<'a, str>> {
        if self.next()? != b'"' {
            return None;
        }
        let mut text = Cow::Borrowed("");
        loop {
            let plain = self.plain()?;
            if text.is_empty() {
                text = Cow::Borrowed(plain);
            } else {
                text.to_mut().push_str(plain);
            }
            match self.next()? {
                b'"' => return Some(text),
                b'\\' => {
                    let escaped = self.escape()?;
                    text.to_mut().push(escaped);
                }
                _ => return None,
            }
        }
    }

    /// What comes before the next quote, backslash or control character.
    fn plain(&mut self) -> Option<&'a str> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let length = stop(rest)?;
        let start = self.at;
        self.at += length;
        self.text.get(start..self.at)
    }

    fn escape(&mut self) -> Option<char> {
        Some(match self.next()? {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.code_unit()?;
                // A lone surrogate is no character (RFC 8259 §8.2): refused, not replaced.
                if !(0xD800..0xE000).contains(&unit) {
                    return char::from_u32(unit);
                }
                if (self.next()?, self.next()?) != (b'\\', b'u') {
                    return None;
                }
                let low = self.code_unit()?;
                return char::decode_utf16([u16::try_from(unit).ok()?, u16::try_from(low).ok()?])
                    .next()?
                    .ok();
            }
            _ => return None,
        })
    }

    fn code_unit(&mut self) -> Option<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            unit = unit * 16 + char::from(self.next()?).to_digit(16)?;
        }
        Some(unit)
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn number(&mut self) -> Option<Number> {
        let start = self.at;
        let mut integer = true;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek()? == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            integer = false;
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            integer = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let text: &'a str = self.text.get(start..self.at)?;
        if integer {
            if let Ok(number) = text.parse::<u64>() {
                return Some(number.into());
            }
            if let Ok(number) = text.parse::<i64>() {
                return Some(number.into());
            }
        }
        Number::from_f64(text.parse().ok()?)
    }
}

/// Where the first quote, backslash or control character is.
fn stop(text: &[u8]) -> Option<usize> {
    let (words, rest) = text.as_chunks::<8>();
    let mut at = 0;
    for word in words {
        let stops = stops(u64::from_le_bytes(*word));
        if stops != 0 {
            return Some(at + stops.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let found = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F))?;
    Some(at + found)
}

/// Eight bytes at a time: the lowest bit that is set is the highest of the first byte that `stop`
/// looks for. Bits above it may be set for bytes that are not.
fn stops(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let (quote, backslash) = (word ^ (ONES * u64::from(b'"')), word ^ (ONES * u64::from(b'\\')));
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word;
    (below(word, 0x20) | below(quote, 1) | below(backslash, 1)) & HIGH
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_one_strict_object_is_refused() {
        let deep = |n: usize| format!("{}1{}", r#"{"a":"#.repeat(n), "}".repeat(n));
        let rows = [
            ("empty", ""),
            ("not an object", "[]"),
            ("a string", r#""a""#),
            ("trailing data", "{} {}"),
            ("trailing comma", r#"{"a":1,}"#),
            ("trailing comma in array", r#"{"a":[1,]}"#),
            ("missing comma", r#"{"a":1 "b":2}"#),
            ("unquoted name", "{a:1}"),
            ("comment", "{/**/}"),
            ("byte order mark", "\u{feff}{}"),
            ("control character", "{\"a\":\"\n\"}"),
            ("bad escape", r#"{"a":"\x"}"#),
            ("lone high surrogate", r#"{"a":"\ud800"}"#),
            ("lone low surrogate", r#"{"a":"\udc00"}"#),
            ("high surrogate twice", r#"{"a":"\ud800\ud800"}"#),
            ("signed hex", r#"{"a":"\u+041"}"#),
            ("leading zero", r#"{"a":01}"#),
            ("leading plus", r#"{"a":+1}"#),
            ("no fraction", r#"{"a":1.}"#),
            ("no integer part", r#"{"a":.5}"#),
            ("no exponent", r#"{"a":1e}"#),
            ("not a number", r#"{"a":NaN}"#),
            ("overflow", r#"{"a":1e400}"#),
            ("duplicate", r#"{"a":1,"a":1}"#),
            ("duplicate by escape", r#"{"aud":1,"\u0061ud":2}"#),
            ("duplicate deep inside", r#"{"a":[{"b":{"c":1,"c":2}}]}"#),
            ("duplicate empty name", r#"{"":1,"":2}"#),
        ];
        for (name, text) in rows {
            assert_eq!(object(text.as_bytes()), None, "{name}");
        }
        assert!(object(deep(DEPTH).as_bytes()).is_some());
        assert!(object(deep(DEPTH + 1).as_bytes()).is_none());
        assert!(object(b"{\"a\":\"\xff\"}").is_none(), "not UTF-8");
    }

    /// With `raw_value` or `arbitrary_precision` on somewhere in the tree, serde_json reads these
    /// objects as something else.
    #[test]
    fn no_member_name_has_a_meaning_of_its_own() {
        for name in ["$serde_json::private::Number", "$serde_json::private::RawValue"] {
            let text = format!(r#"{{"exp":{{"{name}":"9999999999"}}}}"#);
            let claims = object(text.as_bytes()).unwrap();
            assert_eq!(claims["exp"].as_object().unwrap()[name], "9999999999");
            assert!(!claims["exp"].is_number());
        }
    }

    #[test]
    fn strings_stop_where_they_must() {
        let is_stop = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
        for byte in 0..=u8::MAX {
            for at in 0..24 {
                for (before, after) in [(b'x', b'x'), (0xff, 0), (0x80, b'"'), (b'!', b'\\')] {
                    let mut text = [before; 24];
                    text[at] = byte;
                    text[at + 1..].fill(after);
                    let expected = text.iter().position(|byte| is_stop(*byte));
                    assert_eq!(stop(&text), expected, "{byte} at {at}, before {after}");
                }
            }
        }
        assert_eq!(stop(b""), None);
    }

    #[test]
    fn numbers_keep_their_kind() {
        let claims = object(br#"{"u":18446744073709551615,"i":-5,"f":1.7e9,"z":-0}"#).unwrap();
        assert_eq!(claims["u"].as_u64(), Some(u64::MAX));
        assert_eq!(claims["i"].as_i64(), Some(-5));
        assert_eq!(claims["f"].as_f64(), Some(1.7e9));
        assert!(claims["z"].as_f64().is_some());
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(".{0,4}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn reads_what_serde_json_writes(value in prop::collection::btree_map(".{0,4}", value(), 0..6)) {
            let value = Value::Object(value.into_iter().collect());
            let compact = serde_json::to_string(&value).unwrap();
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            for text in [compact, pretty] {
                prop_assert_eq!(object(text.as_bytes()).map(Value::Object), Some(value.clone()));
            }
        }

        #[test]
        fn accepts_nothing_that_serde_json_refuses(text in r#"[{}\[\]",:0-9a-u\\eE+. -]{0,40}"#) {
            if object(text.as_bytes()).is_some() {
                prop_assert!(serde_json::from_str::<Value>(&text).is_ok());
            }
        }

        #[test]
        fn never_panics(text in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = object(&text);
        }
    }
}
