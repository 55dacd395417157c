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

    /// The value, if there is one. `Err` for what is not JSON, and where servers may find another value
    /// than this: a name of the way stands there in another letter case or with a NUL, too or alone, which
    /// some decoders take for it (R-025), or there is a `__proto__`, from which objects of JavaScript inherit.
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
        while let Some(name) = map.next_key_seed(Is(first))? {
            match name {
                Name::Wanted => found = map.next_value_seed(Step(rest))?,
                Name::Other => drop(map.next_value::<IgnoredAny>()?),
                Name::Unclear => return Err(A::Error::custom("servers may differ")),
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

/// How a member's name compares with the one that is looked for.
enum Name {
    Wanted,
    /// Some take it for the wanted one.
    Unclear,
    Other,
}

/// Whether a member has this name.
struct Is<'t>(&'t str);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Name, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Name, E> {
        Ok(match name {
            _ if name == self.0 => Name::Wanted,
            "__proto__" => Name::Unclear,
            _ if folds_to(name, self.0) => Name::Unclear,
            // Some decoders drop a NUL, others what is behind it.
            _ if name.split_once('\0').is_some_and(|(start, _)| folds_to(start, self.0))
                || name.contains('\0') && folds_to(&name.replace('\0', ""), self.0) =>
            {
                Name::Unclear
            }
            _ => Name::Other,
        })
    }
}

/// Whether two names differ in letter case alone.
fn folds_to(name: &str, wanted: &str) -> bool {
    if name.is_ascii() && wanted.is_ascii() {
        return name.eq_ignore_ascii_case(wanted);
    }
    // By way of the upper case, where the long s and the Kelvin sign are plain letters too.
    // The capital sharp s is one letter with the small one to some, whose upper case is two; the
    // capital i with a dot is the plain one to who compares lower cases by character, as Java does.
    let fold = |c: char| {
        let c = match c {
            '\u{1e9e}' => '\u{df}',
            '\u{130}' => 'i',
            c => c,
        };
        c.to_uppercase().flat_map(char::to_lowercase)
    };
    name.chars().flat_map(fold).eq(wanted.chars().flat_map(fold))
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
        for (pointer, json) in [
            ("a", r#"{"a":1,"A":2}"#),
            ("a", r#"{"A":2,"a":1}"#),
            ("a", r#"{"A":2}"#),
            ("a", r#"{"b":1,"\u0041":2}"#),
            ("task", "{\"task\":1,\"ta\u{17f}k\":2}"),
            ("task", r#"{"task":1,"tas\u212A":2}"#),
            ("gr\u{f6}\u{df}e", "{\"GR\u{d6}SSE\":2}"),
            ("gr\u{f6}\u{df}e", "{\"GR\u{d6}\u{1e9e}E\":2}"),
            ("id", "{\"id\":1,\"\u{130}d\":2}"),
            ("id", "{\"id\":1,\"\u{131}d\":2}"),
            ("id", r#"{"id":1,"id\u0000":2}"#),
            ("id", r#"{"id\u0000x":2}"#),
            ("id", r#"{"id":1,"\u0000I\u0000D":2}"#),
            ("/a/b", r#"{"a":{"b":1,"b\u0000":2}}"#),
            ("/a/b", r#"{"a":{"B":1}}"#),
            ("/a/b", r#"{"A":{"b":1},"a":{"b":1}}"#),
            ("/a/0/b", r#"{"a":[{"b":1,"B":2}]}"#),
            ("a", r#"{"a":1,"__proto__":{"a":2}}"#),
            ("/a/b", r#"{"a":{"__proto__":{"b":2}}}"#),
        ] {
            let found = Pointer::parse(pointer).unwrap().find(json.as_bytes());
            assert!(found.is_err(), "{pointer} in {json}: servers may differ");
        }
        let elsewhere = br#"{"a":{"b":1},"c":{"B":1,"__proto__":1},"ab":1,"A b":1,"ab\u0000":1}"#;
        assert!(Pointer::parse("/a/b").unwrap().find(elsewhere).unwrap().is_some());
        assert!(Pointer::parse("/a").unwrap().find(b"{\"a\":1").is_err());
        assert!(Pointer::parse("/a").unwrap().find(b"{\"a\":1} x").is_err());
        assert!(Pointer::parse("/a~2").is_err() && Pointer::parse("").is_err());
        assert!(Pointer::parse(&"/a".repeat(MAX_DEPTH)).is_ok());
        assert!(Pointer::parse(&"/a".repeat(MAX_DEPTH + 1)).is_err());
    }
}
