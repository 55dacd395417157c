//! Reads a file: YAML in, types and places out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_saphyr::{DuplicateKeyPolicy, MergeKeyPolicy};

use crate::null::NoNull;
use crate::{Problem, Secret, Sources};

/// A file as it was read.
#[derive(Clone, Debug)]
pub struct File<C> {
    path: PathBuf,
    config: C,
}

impl<C> File<C> {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says.
    #[must_use]
    pub fn config(&self) -> &C {
        &self.config
    }

    /// What it only names, with these secrets. Paths start at the file's folder.
    #[must_use]
    pub fn sources(&self, secrets: &BTreeMap<String, Secret>) -> Sources {
        Sources::new(self.path.parent().unwrap_or(Path::new("")), secrets.clone())
    }
}

impl<C: DeserializeOwned> File<C> {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// It cannot be read, or as [`parse`](Self::parse).
    pub fn read(path: impl Into<PathBuf>) -> Result<Self, Problem> {
        let path = path.into();
        let text = std::fs::read_to_string(&path)
            .map_err(|error| Problem::new(format!("cannot be read: {error}")))?;
        Self::parse(path, &text)
    }

    /// Takes `text` for what is in the file at `path`.
    ///
    /// # Errors
    /// It is no YAML or not such settings: duplicate keys, keys without a value, which would silently mean their
    /// defaults, merge keys and tags are refused, and unknown keys where `C` says `deny_unknown_fields`.
    pub fn parse(path: impl Into<PathBuf>, text: &str) -> Result<Self, Problem> {
        yaml::<NoNull>(text)?;
        Ok(Self { path: path.into(), config: yaml(text)? })
    }
}

fn yaml<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
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
        Problem::placed(plainer(line), place)
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
        ("expected mapping start", "expected a mapping"),
        ("expected sequence start", "expected a list"),
        ("YAML merge keys are not allowed by configured policy", "merge keys (<<) are not allowed"),
        (
            "while scanning an anchor or alias, did not find expected alphabetic or numeric character",
            "write text that starts with * or & in quotes",
        ),
        ("alias references unknown anchor", "write text that starts with * in quotes"),
    ];
    WORDS.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// The JSON Schema of such files.
///
/// What [`File::read`] refuses, it refuses: keys without a value too.
#[must_use]
pub fn schema<C: JsonSchema>() -> String {
    let mut schema = schemars::schema_for!(C).to_value();
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
