//! JSON values that borrow from the text they were read from: most tokens are looked at once, and
//! many are refused, so that copies of their strings would cost more than the reading.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json<'t> {
    Null,
    Bool(bool),
    Number(Number),
    String(Cow<'t, str>),
    Array(Vec<Self>),
    Object(Object<'t>),
}

/// An object, whose members have names of their own each.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Object<'t>(Vec<(Cow<'t, str>, Json<'t>)>);

/// Up to this many names are compared with one another, and more are sorted: the time that a
/// hostile object takes must not grow with the square of its size.
const FEW: usize = 16;

impl<'t> Object<'t> {
    /// The object of these members; `None` when two have the same name.
    pub(super) fn new(members: Vec<(Cow<'t, str>, Json<'t>)>) -> Option<Self> {
        let unique = if members.len() <= FEW {
            let mut rest = members.as_slice();
            std::iter::from_fn(|| {
                let ((name, _), others) = rest.split_first()?;
                rest = others;
                Some(others.iter().all(|(other, _)| other != name))
            })
            .all(|unique| unique)
        } else {
            let mut names: Vec<&str> = members.iter().map(|(name, _)| &**name).collect();
            names.sort_unstable();
            names.iter().zip(names.iter().skip(1)).all(|(name, next)| name != next)
        };
        unique.then_some(Self(members))
    }

    /// A view of `map`.
    pub(crate) fn of(map: &'t Map<String, Value>) -> Self {
        Self(map.iter().map(|(name, value)| (name.into(), Json::of(value))).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Json<'t>> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    pub(crate) fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Json<'t>)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// The same with memory of its own.
    pub(crate) fn into_map(self) -> Map<String, Value> {
        self.0.into_iter().map(|(name, value)| (name.into_owned(), value.into_value())).collect()
    }
}

impl<'t> Json<'t> {
    fn of(value: &'t Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::Number(number.clone()),
            Value::String(text) => Self::String(text.into()),
            Value::Array(items) => Self::Array(items.iter().map(Self::of).collect()),
            Value::Object(members) => Self::Object(Object::of(members)),
        }
    }

    fn into_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Number(number) => Value::Number(number),
            Self::String(text) => Value::String(text.into_owned()),
            Self::Array(items) => items.into_iter().map(Self::into_value).collect(),
            Self::Object(members) => Value::Object(members.into_map()),
        }
    }

    /// Whether it is the same value, in whatever order members are.
    pub(crate) fn is(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::String(text), Value::String(other)) => text == other,
            (Self::String(_), _) | (_, Value::String(_)) => false,
            _ => self.clone().into_value() == *value,
        }
    }

    pub(crate) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::String(text), Self::String(other)) => text == other,
            _ => self.is(&other.clone().into_value()),
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub(crate) fn is_string(&self) -> bool {
        matches!(self, Self::String(_))
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_number(&self) -> Option<&Number> {
        match self {
            Self::Number(number) => Some(number),
            _ => None,
        }
    }

    pub(crate) fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn as_object(&self) -> Option<&Object<'t>> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn names_are_unique_among_few_and_among_many() {
        for members in 1..40 {
            let object = |twice: Option<usize>| {
                let name = |n| format!("\"{}\":{n}", if Some(n) == twice { 0 } else { n });
                let members: Vec<_> = (0..members).map(name).collect();
                format!("{{{}}}", members.join(","))
            };
            assert!(json::object(object(None).as_bytes()).is_some(), "{members}");
            for twice in 1..members {
                let text = object(Some(twice));
                assert!(json::object(text.as_bytes()).is_none(), "{text}");
            }
        }
    }

    #[test]
    fn values_are_the_same_in_any_order() {
        let rows = [
            (r#"{"a":1,"b":[true]}"#, r#"{"b":[true],"a":1}"#, true),
            (r#"{"a":1}"#, r#"{"a":1,"b":2}"#, false),
            ("[1,2]", "[2,1]", false),
            ("\"a\"", "\"\\u0061\"", true),
            ("\"1\"", "1", false),
            ("null", "null", true),
            ("1", "1.0", false),
        ];
        for (one, other, same) in rows {
            let read = |text: &str| json::object(format!("{{\"v\":{text}}}").as_bytes()).unwrap();
            let (one, other) = (read(one), read(other));
            let (left, right) = (Object::of(&one), Object::of(&other));
            let (left, right) = (left.get("v").unwrap(), right.get("v").unwrap());
            assert_eq!((left.same(right), right.same(left)), (same, same), "{left:?} {right:?}");
            assert_eq!(left.is(&other["v"]), same, "{left:?} {right:?}");
        }
    }
}
