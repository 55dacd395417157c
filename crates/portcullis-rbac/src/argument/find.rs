//! Finds a value in JSON without building the rest of it.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Where a value is: a JSON Pointer (RFC 6901), or the name of a member.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Pointer(Box<[Box<str>]>);

/// How deep a pointer may go.
const MAX_DEPTH: usize = 16;

impl Pointer {
    /// `/a/b` points into objects and lists; what does not start with a slash is one member's name.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let Some(path) = text.strip_prefix('/') else {
            return match text {
                "" => Err("an empty name points to nothing".into()),
                name => Ok(Self([name.into()].into())),
            };
        };
        let tokens = path.split('/').map(|token| {
            let odd = |rest: &str| !rest.starts_with(['0', '1']);
            if token.split('~').skip(1).any(odd) {
                return Err(format!("{text:?} is not a JSON Pointer: write ~ as ~0"));
            }
            Ok(token.replace("~1", "/").replace("~0", "~").into())
        });
        let tokens = tokens.collect::<Result<Box<[_]>, String>>()?;
        if tokens.len() > MAX_DEPTH {
            return Err(format!("{text:?} goes deeper than {MAX_DEPTH}"));
        }
        Ok(Self(tokens))
    }

    pub(crate) fn tokens(&self) -> &[Box<str>] {
        &self.0
    }

    /// The value, if there is one. `Err` for what is not JSON.
    pub(crate) fn find<'a>(&self, json: &'a [u8]) -> Result<Option<&'a RawValue>, ()> {
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let found = Step(&self.0).deserialize(&mut deserializer).map_err(|_| ())?;
        deserializer.end().map_err(|_| ())?;
        Ok(found)
    }
}

/// One step down, and the rest of the way.
struct Step<'t>(&'t [Box<str>]);

impl<'de> DeserializeSeed<'de> for Step<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        match self.0 {
            [] => <&RawValue as serde::Deserialize>::deserialize(deserializer).map(Some),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Step<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Some((first, rest)) = self.0.split_first() else { return Ok(None) };
        let mut found = None;
        while let Some(wanted) = map.next_key_seed(Is(first))? {
            if wanted {
                found = map.next_value_seed(Step(rest))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let Some((first, rest)) = self.0.split_first() else { return Ok(None) };
        // RFC 6901 §4: digits without a leading zero.
        let plain = first.bytes().all(|b| b.is_ascii_digit())
            && (&**first == "0" || !first.starts_with('0'));
        let wanted = first.parse::<usize>().ok().filter(|_| plain);
        let (mut at, mut found) = (0, None);
        loop {
            if wanted == Some(at) {
                match list.next_element_seed(Step(rest))? {
                    Some(value) => found = value,
                    None => return Ok(None),
                }
            } else if list.next_element::<IgnoredAny>()?.is_none() {
                return Ok(found);
            }
            at += 1;
        }
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// Whether a member has this name.
struct Is<'t>(&'t str);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_as_rfc_6901_says() {
        let json =
            br#"{"a":{"b":[10,{"c":null}]},"a/b":1,"m~n":2,"":3,"\u0061x":4,"8":5,"f":1.5e400}"#;
        for (pointer, expected) in [
            ("/a/b/0", Some("10")),
            ("/a/b/1/c", Some("null")),
            ("/a/b/1", Some(r#"{"c":null}"#)),
            ("/a/b/2", None),
            ("/a/b/00", None),
            ("/a/b/-", None),
            ("/a/x", None),
            ("/a/b/0/x", None),
            ("/a~1b", Some("1")),
            ("a/b", Some("1")),
            ("/m~0n", Some("2")),
            ("/", Some("3")),
            ("ax", Some("4")),
            ("8", Some("5")),
            ("f", Some("1.5e400")),
        ] {
            let found = Pointer::parse(pointer).unwrap().find(json).unwrap();
            assert_eq!(found.map(RawValue::get), expected, "{pointer}");
        }
        assert!(Pointer::parse("/a").unwrap().find(b"{\"a\":1").is_err());
        assert!(Pointer::parse("/a").unwrap().find(b"{\"a\":1} x").is_err());
        assert!(Pointer::parse("/a~2").is_err() && Pointer::parse("").is_err());
        assert!(Pointer::parse(&"/a".repeat(17)).is_err());
    }
}
