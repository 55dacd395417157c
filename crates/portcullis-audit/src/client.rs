//! What a client says of itself.

use std::borrow::Cow;

use serde::Deserialize;

/// The longest message that is looked into.
pub(crate) const MESSAGE_MAX: usize = 16 * 1024;

/// A name and a version, unverified: anyone can say anything.
#[derive(Debug, Default, Deserialize, Eq, PartialEq)]
pub(crate) struct ClientInfo<'a> {
    #[serde(borrow, default)]
    pub(crate) name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) version: Option<Cow<'a, str>>,
}

/// The end of the name under which it is said, in `initialize` and in the `_meta` of newer revisions.
const NAME: &str = "clientInfo\"";

impl<'a> ClientInfo<'a> {
    /// What the message says, in the first member of that name. Where it stands does not matter: whoever
    /// could put it elsewhere could as well put it in the right place.
    pub(crate) fn of(message: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(message).ok()?;
        text.match_indices(NAME).find_map(|(at, name)| {
            let rest = text.get(at + name.len()..)?.trim_start().strip_prefix(':')?;
            serde_json::Deserializer::from_str(rest).into_iter().next()?.ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_clients_say_who_they_are() {
        let rows = [
            (
                "initialize",
                r#"{"id":1,"params":{"capabilities":{},"clientInfo":{"name":"a","version":"1","title":"x"}}}"#,
                Some((Some("a"), Some("1"))),
            ),
            (
                "meta",
                r#"{"params":{"_meta":{"io.modelcontextprotocol/clientInfo":{"name":"a\n"}},"name":"t"}}"#,
                Some((Some("a\n"), None)),
            ),
            (
                "inside a text",
                r#"{"params":{"x":"\"clientInfo\":{\"name\":\"a\"}","clientInfo" : {"name":"b"}}}"#,
                Some((Some("b"), None)),
            ),
            ("nothing", r#"{"params":{}}"#, None),
            ("another type", r#"{"params":{"clientInfo":{"name":7}}}"#, None),
            ("no params", r#"{"id":1}"#, None),
            ("no JSON", "{", None),
        ];
        for (name, message, expected) in rows {
            let info = ClientInfo::of(message.as_bytes());
            let said = info.as_ref().map(|it| (it.name.as_deref(), it.version.as_deref()));
            assert_eq!(said, expected, "{name}");
        }
    }
}
