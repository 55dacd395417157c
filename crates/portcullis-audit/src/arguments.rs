//! Which argument values may be recorded.

use std::collections::HashMap;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::secrets;

/// The largest `arguments` object of which values are recorded.
pub(crate) const ARGUMENTS_MAX: usize = 64 * 1024;
/// How much of a value is recorded, by default.
const VALUE_MAX: usize = 256;

/// Which values of the arguments of `tools/call` may be recorded (R-265): none, unless a rule names
/// the tool and the place.
///
/// A value that looks like a secret (a token, a key, a password, a long random string), or that has a
/// name of such on its way, is left out all the same, and the record says what it looked like. That
/// is a net with holes: a password that looks like a word is not seen.
///
/// ```
/// let arguments = portcullis_audit::ArgumentValues::new()
///     .allow("create_ticket", ["/project", "/options/priority"])
///     .max_bytes(100);
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is recorded until a layer has it"]
pub struct ArgumentValues {
    tools: HashMap<String, Vec<String>>,
    max_bytes: usize,
}

impl Default for ArgumentValues {
    fn default() -> Self {
        Self { tools: HashMap::new(), max_bytes: VALUE_MAX }
    }
}

impl ArgumentValues {
    /// Allows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows the values at these places of the arguments of `tool`: JSON pointers (RFC 6901), which
    /// begin with a slash.
    pub fn allow<P: Into<String>>(
        mut self,
        tool: impl Into<String>,
        pointers: impl IntoIterator<Item = P>,
    ) -> Self {
        let allowed = self.tools.entry(tool.into()).or_default();
        allowed.extend(pointers.into_iter().map(Into::into));
        self
    }

    /// Records at most so many bytes of each value, as JSON; 256 by default, 1024 at most.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes.min(crate::text::FIELD_MAX);
        self
    }

    /// Pointers that can point at nothing.
    pub(crate) fn malformed(&self) -> Option<&str> {
        self.tools.values().flatten().map(String::as_str).find(|it| !it.starts_with('/'))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tools.is_empty()
    }

    pub(crate) fn names(&self, tool: &str) -> bool {
        self.tools.contains_key(tool)
    }

    /// What may be recorded of `arguments`, and whether something was cut.
    pub(crate) fn pick(&self, tool: &str, arguments: &[u8]) -> (Picked, bool) {
        let mut picked = Picked(Vec::new());
        let mut cut = false;
        let Ok(value) = serde_json::from_slice::<Value>(arguments) else { return (picked, cut) };
        for pointer in self.tools.get(tool).into_iter().flatten() {
            let Some(found) = value.pointer(pointer) else { continue };
            // A value below a name is a part of what the name holds.
            let named = pointer.split('/').find(|name| secrets::is_secret_name(name));
            let kept = match secret(named.unwrap_or_default(), found) {
                Some(kind) => Kept::Secret(kind),
                None => self.keep(found, &mut cut),
            };
            picked.0.push((pointer.clone(), kept));
        }
        (picked, cut)
    }

    fn keep(&self, value: &Value, cut: &mut bool) -> Kept {
        let size = match value {
            Value::String(text) => text.len(),
            other => other.to_string().len(),
        };
        if size <= self.max_bytes {
            return Kept::Whole(value.clone());
        }
        *cut = true;
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let mut end = self.max_bytes;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Kept::Cut(text.get(..end).unwrap_or_default().to_owned())
    }
}

/// The kind of secret in a value, or in any value inside it.
fn secret(name: &str, value: &Value) -> Option<&'static str> {
    if secrets::is_secret_name(name) && !matches!(value, Value::Null | Value::Bool(_)) {
        return Some("name");
    }
    match value {
        Value::String(text) => secrets::find(text),
        Value::Array(items) => items.iter().find_map(|item| secret("", item)),
        Value::Object(members) => members
            .iter()
            .find_map(|(name, value)| secrets::find(name).or_else(|| secret(name, value))),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// Values by their place.
#[derive(Debug)]
pub(crate) struct Picked(Vec<(String, Kept)>);

#[derive(Debug)]
enum Kept {
    Whole(Value),
    Cut(String),
    Secret(&'static str),
}

impl Picked {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Picked {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(pointer, kept)| (pointer, kept)))
    }
}

impl Serialize for Kept {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Always an object with one member, so that no value can look like a redaction.
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Whole(value) => map.serialize_entry("value", value)?,
            Self::Cut(text) => map.serialize_entry("begins", text)?,
            Self::Secret(kind) => map.serialize_entry("redacted", kind)?,
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(rules: &ArgumentValues, arguments: &str) -> (Value, bool) {
        let (picked, cut) = rules.pick("create", arguments.as_bytes());
        (serde_json::to_value(picked).unwrap(), cut)
    }

    #[test]
    fn only_what_is_named_and_no_secret_is_kept() {
        let rules = ArgumentValues::new()
            .allow("create", ["/project", "/deep/0/x", "/list", "/password", "/note", "/a~1b"])
            .allow("create", ["/credentials/value"])
            .allow("other", ["/secret"])
            .max_bytes(20);
        let rows = [
            ("named", r#"{"project":"a","x":"b"}"#, r#"{"/project":{"value":"a"}}"#, false),
            ("deep", r#"{"deep":[{"x":7}]}"#, r#"{"/deep/0/x":{"value":7}}"#, false),
            ("escaped", r#"{"a/b":true}"#, r#"{"/a~1b":{"value":true}}"#, false),
            ("absent", r#"{"secret":"b"}"#, "{}", false),
            (
                "secret by its looks",
                r#"{"project":"password=hunter2"}"#,
                r#"{"/project":{"redacted":"password"}}"#,
                false,
            ),
            (
                "secret inside",
                r#"{"list":["a",{"b":"postgres://a:b@c"}]}"#,
                r#"{"/list":{"redacted":"url_password"}}"#,
                false,
            ),
            (
                "secret by a name inside",
                r#"{"list":[{"api_key":"x"}]}"#,
                r#"{"/list":{"redacted":"name"}}"#,
                false,
            ),
            (
                "secret by its name",
                r#"{"password":1}"#,
                r#"{"/password":{"redacted":"name"}}"#,
                false,
            ),
            (
                "below the name of a secret",
                r#"{"credentials":{"value":"x"}}"#,
                r#"{"/credentials/value":{"redacted":"name"}}"#,
                false,
            ),
            ("long", r#"{"note":"ééééééééééééé"}"#, r#"{"/note":{"begins":"éééééééééé"}}"#, true),
            (
                "long and no text",
                r#"{"list":[1,2,3,4,5,6,7,8,9,10,11]}"#,
                r#"{"/list":{"begins":"[1,2,3,4,5,6,7,8,9,1"}}"#,
                true,
            ),
            ("no JSON", "{", "{}", false),
        ];
        for (name, arguments, expected, cut) in rows {
            let expected: Value = serde_json::from_str(expected).unwrap();
            assert_eq!(picked(&rules, arguments), (expected, cut), "{name}");
        }
    }

    #[test]
    fn a_secret_is_looked_for_before_the_value_is_cut() {
        let rules = ArgumentValues::new().allow("create", ["/note"]).max_bytes(4);
        let (value, _) = picked(&rules, r#"{"note":"see: password=hunter2"}"#);
        assert_eq!(value["/note"]["redacted"], "password");
    }
}
