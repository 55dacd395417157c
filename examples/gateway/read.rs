//! Reads the file: YAML in, types and places out.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, MergeKeyPolicy, Spanned};

use crate::config::Config;

/// What is wrong with the file, and where.
#[derive(Debug)]
pub struct Problem {
    text: String,
    /// Line and column, from 1.
    place: Option<(u64, u64)>,
}

impl Problem {
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), place: None }
    }

    /// An error with its causes, in one line.
    pub fn of(error: &dyn std::error::Error) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        Self::new(text.replace('\n', " "))
    }

    /// Says where, unless that is known better already.
    pub fn at<T>(self, value: &At<T>) -> Self {
        Self { place: self.place.or(value.place), ..self }
    }

    /// Says what it is about.
    pub fn about(self, what: impl fmt::Display) -> Self {
        Self { text: format!("{what}: {}", self.text), ..self }
    }

    /// In full, for a person: `FILE:LINE:COLUMN: TEXT`.
    pub fn show(&self, file: &Path) -> String {
        match self.place {
            Some((line, column)) => format!("{}:{line}:{column}: {}", file.display(), self.text),
            None => format!("{}: {}", file.display(), self.text),
        }
    }
}

/// The file as it was read.
pub struct File {
    pub path: PathBuf,
    pub config: Config,
}

impl File {
    pub fn read(path: &Path) -> Result<Self, Problem> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Problem::new(format!("cannot be read: {error}")))?;
        Ok(Self { path: path.to_owned(), config: parse(&text)? })
    }

    /// A path of the file, which starts at its folder.
    pub fn path(&self, path: &Path) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }

    /// The text of a file that this one names.
    pub fn text(&self, path: &Path) -> Result<String, Problem> {
        let path = self.path(path);
        std::fs::read_to_string(&path)
            .map_err(|error| Problem::new(format!("cannot read {}: {error}", path.display())))
    }
}

pub fn parse(text: &str) -> Result<Config, Problem> {
    // A key without a value would silently mean its default.
    yaml::<NoNull>(text)?;
    yaml(text)
}

fn yaml<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Problem> {
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let place = error.location().map(|at| (at.line(), at.column()));
        let text = error.without_snippet().to_string();
        let line = text.lines().next().unwrap_or_default();
        let line = line.rsplit_once(" at line ").map_or(line, |(message, _)| message);
        Problem { text: plainer(line), place }
    })
}

/// What the reader says, for people who do not know it.
fn plainer(text: &str) -> String {
    const WORDS: &[(&str, &str)] = &[
        (", set DuplicateKeyPolicy in Options if acceptable", ""),
        ("invalid type: unit value, expected", "expected"),
        ("expected string scalar", "expected a string"),
        ("expected end of mapping after enum variant value", "one key too many"),
        ("a nonzero usize", "a whole number above 0"),
        ("invalid u64", "expected a whole number"),
        ("invalid u32", "expected a whole number"),
        ("invalid u16", "expected a port"),
    ];
    WORDS.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// The JSON Schema of the file.
pub fn schema() -> String {
    let mut schema = schemars::schema_for!(Config).to_value();
    forbid_null(&mut schema);
    format!("{schema:#}\n")
}

/// What the reader refuses, the schema refuses.
fn forbid_null(schema: &mut serde_json::Value) {
    use serde_json::Value;
    match schema {
        Value::Object(members) => {
            if let Some(Value::Array(types)) = members.get_mut("type") {
                types.retain(|name| name != "null");
            }
            if let Some(Value::Array(choices)) = members.get_mut("anyOf") {
                choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
            }
            members.values_mut().for_each(forbid_null);
        }
        Value::Array(items) => items.iter_mut().for_each(forbid_null),
        _ => {}
    }
}

/// A value and where it stands. Two are the same wherever they stand.
#[derive(Clone, Debug)]
pub struct At<T> {
    value: T,
    place: Option<(u64, u64)>,
}

impl<T: PartialEq> PartialEq for At<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T> At<T> {
    /// Another value at the same place.
    pub fn map<U>(&self, to: impl FnOnce(&T) -> U) -> At<U> {
        At { value: to(&self.value), place: self.place }
    }
}

impl<T> Deref for At<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<T>::deserialize(deserializer)?;
        let place = (spanned.referenced.line(), spanned.referenced.column());
        Ok(Self { value: spanned.value, place: (place.0 > 0).then_some(place) })
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A string, or a list of strings.
#[derive(Clone, Debug, PartialEq)]
pub struct Strings(pub Vec<String>);

impl JsonSchema for Strings {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Strings".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "array"], "items": { "type": "string" } })
    }
}

impl<'de> Deserialize<'de> for Strings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = Vec<String>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(vec![text.to_owned()])
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = items.next_element()? {
                    texts.push(text);
                }
                Ok(texts)
            }
        }
        deserializer.deserialize_any(Texts).map(Self)
    }
}

/// Anything but null, at any depth.
struct NoNull;

impl<'de> Deserialize<'de> for NoNull {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Value;
        impl<'de> Visitor<'de> for Value {
            type Value = NoNull;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value; leave the key out for the default")
            }

            fn visit_bool<E>(self, _: bool) -> Result<NoNull, E> {
                Ok(NoNull)
            }

            fn visit_i64<E>(self, _: i64) -> Result<NoNull, E> {
                Ok(NoNull)
            }

            fn visit_u64<E>(self, _: u64) -> Result<NoNull, E> {
                Ok(NoNull)
            }

            fn visit_f64<E>(self, _: f64) -> Result<NoNull, E> {
                Ok(NoNull)
            }

            fn visit_str<E>(self, _: &str) -> Result<NoNull, E> {
                Ok(NoNull)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<NoNull, A::Error> {
                while items.next_element::<NoNull>()?.is_some() {}
                Ok(NoNull)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<NoNull, A::Error> {
                while members.next_entry::<IgnoredAny, NoNull>()?.is_some() {}
                Ok(NoNull)
            }
        }
        deserializer.deserialize_any(Value)
    }
}
