//! The arguments of a request: as they were sent, with the names and kinds that audit needs.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;

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

// By hand: values are none of a log's business.
impl fmt::Debug for Arguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arguments").field("len", &self.keys_total).finish_non_exhaustive()
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
