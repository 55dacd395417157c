//! YAML, as a document with places.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Location, MergeKeyPolicy, Spanned};

use super::node::{Key, Node, Value};
use crate::ConfigError;
use crate::error::Place;

/// How many values a policy may have: more than the largest file that is read could hold of use.
const MAX_NODES: usize = 4_000_000;

pub(crate) fn parse(text: &str) -> Result<Node, ConfigError> {
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
        budget: serde_saphyr::budget! {
            max_nodes: MAX_NODES,
            max_events: 4 * MAX_NODES,
            max_depth: 32,
        },
    };
    let document: Spanned<Raw> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| broken(&error))?;
    Ok(node(document))
}

/// A value of any kind, whose parts know their places.
struct Raw(Value);

fn node(spanned: Spanned<Raw>) -> Node {
    Node { place: place(spanned.referenced), value: spanned.value.0 }
}

fn place(location: Location) -> Option<Place> {
    let place = Place { line: location.line(), column: location.column() };
    (place.line > 0).then_some(place)
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any).map(Self)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Integer(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(i64::try_from(number).map_or(Value::Unsigned(number), Value::Integer))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Float(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Spanned<Raw>>()? {
            list.push(node(item));
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some((key, value)) = members.next_entry::<Spanned<String>, Spanned<Raw>>()? {
            map.push((Key { place: place(key.referenced), text: key.value }, node(value)));
        }
        Ok(Value::Map(map))
    }
}

/// What helps with most lines that begin a value with what means something to YAML: `tools: [*]`.
const QUOTES: &str = "write text that starts with * or another sign in quotes";

/// What the reader says, for people who do not know YAML well.
fn plainer(text: &str) -> String {
    if text.starts_with("while scanning an anchor or alias") {
        return format!("{QUOTES}, such as \"*\"");
    }
    if let Some(sign) = text.strip_prefix("unexpected character: ")
        && ["`%'", "`@'", "``'"].contains(&sign)
    {
        return format!("{text}: {QUOTES}");
    }
    if text.starts_with("unsupported tag") {
        return format!("{text}: {QUOTES}");
    }
    text.replace(
        "YAML merge keys are not allowed by configured policy",
        "merge keys (<<) are not allowed: write it out",
    )
    .replace("non-finite float ", "")
    .replace("rejected by the configured policy", "is not a finite number")
}

/// One line, in our form: the reader's own text repeats the place, shows the source and names
/// options of the reader.
fn broken(error: &serde_saphyr::Error) -> ConfigError {
    let at = error.location().and_then(place);
    let error = error.without_snippet();
    let text = match error {
        serde_saphyr::Error::MultipleDocuments { .. } => "more than one YAML document".into(),
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key {key} appears twice")
        }
        serde_saphyr::Error::Budget { .. } => {
            "the file is too large, or repeats too much by aliases".into()
        }
        serde_saphyr::Error::UnknownAnchor { .. } => format!("nothing has this name: {QUOTES}"),
        error => error.to_string(),
    };
    let line = text.lines().next().unwrap_or_default();
    let line = line.rsplit_once(" at line ").map_or(line, |(message, _)| message);
    ConfigError::new(plainer(line.trim_end_matches('.'))).at(at)
}
