//! What other parsers read in the bytes of a request.

use std::collections::BTreeSet;

use jiter::JsonValue;
use serde_json::Value;

/// A call as somebody reads it: the method, what it acts on, and the names of its arguments.
#[derive(Clone, Debug, Eq, PartialEq, PartialOrd, Ord)]
pub struct Call {
    pub method: String,
    pub target: String,
    pub keys: BTreeSet<String>,
}

impl Call {
    /// From what a parser took for the members of a message. `None` when it is no call.
    fn new(method: Option<String>, name: Option<String>, uri: Option<String>) -> Option<Self> {
        let method = method?;
        let target = match method.as_str() {
            "tools/call" | "prompts/get" => name?,
            "resources/read" => uri?,
            _ => return None,
        };
        Some(Self { method, target, keys: BTreeSet::new() })
    }

    fn with(mut self, keys: impl Iterator<Item = String>) -> Self {
        self.keys = keys.collect();
        self
    }
}

/// `serde_json`, which keeps the last of members that stand twice. `None`, here and below, when it
/// refuses the document.
pub fn serde(body: &[u8]) -> Option<Vec<Call>> {
    let document: Value = serde_json::from_slice(body).ok()?;
    let messages = match document {
        Value::Array(messages) => messages,
        message => vec![message],
    };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let call = |message: &Value| {
        let params = &message["params"];
        let call = Call::new(text(&message["method"]), text(&params["name"]), text(&params["uri"]));
        let arguments = params["arguments"].as_object().cloned().unwrap_or_default();
        message.get("id").and(call).map(|call| call.with(arguments.into_iter().map(|(key, _)| key)))
    };
    Some(messages.iter().filter_map(call).collect())
}

/// `jiter`, of members that stand twice the first.
pub fn first_wins(body: &[u8]) -> Option<Vec<Call>> {
    read(body, |members, name| members.iter().find(|(key, _)| key == name).map(|(_, value)| value))
}

/// As Go's `encoding/json` finds the members of a struct: by simple case folding, and the last one
/// wins.
pub fn go(body: &[u8]) -> Option<Vec<Call>> {
    read(body, |members, name| {
        let mut members = members.iter().rev();
        members.find(|(key, _)| key.chars().map(fold).eq(name.chars())).map(|(_, value)| value)
    })
}

/// To lower case, as far as it leads to ASCII.
pub fn fold(c: char) -> char {
    match c {
        '\u{17F}' => 's',
        '\u{212A}' => 'k',
        c => c.to_ascii_lowercase(),
    }
}

type Members<'j> = [(std::borrow::Cow<'j, str>, JsonValue<'j>)];

fn read<F>(body: &[u8], find: F) -> Option<Vec<Call>>
where
    F: for<'a, 'j> Fn(&'a Members<'j>, &str) -> Option<&'a JsonValue<'j>>,
{
    let lossy = String::from_utf8_lossy(body);
    // It refuses numbers that fit no type of its own.
    let document = JsonValue::parse(lossy.as_bytes(), false).ok()?;
    let messages = match &document {
        JsonValue::Array(messages) => messages.iter().collect(),
        message => vec![message],
    };
    let text = |value: Option<&JsonValue<'_>>| match value {
        Some(JsonValue::Str(text)) => Some(text.to_string()),
        _ => None,
    };
    let call = |message: &JsonValue<'_>| {
        let JsonValue::Object(message) = message else { return None };
        find(message, "id")?;
        let params = match find(message, "params") {
            Some(JsonValue::Object(params)) => &params[..],
            _ => &[],
        };
        let method = text(find(message, "method"));
        let call = Call::new(method, text(find(params, "name")), text(find(params, "uri")))?;
        let keys = match find(params, "arguments") {
            Some(JsonValue::Object(arguments)) => {
                arguments.iter().map(|(key, _)| key.to_string()).collect()
            }
            _ => Vec::new(),
        };
        Some(call.with(keys.into_iter()))
    };
    Some(messages.into_iter().filter_map(call).collect())
}
