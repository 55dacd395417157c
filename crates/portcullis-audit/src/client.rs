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

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    params: Params<'a>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow, default, rename = "clientInfo")]
    info: Option<ClientInfo<'a>>,
    #[serde(borrow, default, rename = "_meta")]
    meta: Option<Meta<'a>>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow, default, rename = "io.modelcontextprotocol/clientInfo")]
    info: Option<ClientInfo<'a>>,
}

impl<'a> ClientInfo<'a> {
    /// What the message says: `params.clientInfo` of `initialize`, or the member of `_meta` in newer
    /// revisions.
    pub(crate) fn of(message: &'a [u8]) -> Option<Self> {
        let params = serde_json::from_slice::<Message<'a>>(message).ok()?.params;
        params.info.or_else(|| params.meta?.info)
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
                "an argument of that name is none",
                r#"{"params":{"arguments":{"_meta":{"io.modelcontextprotocol/clientInfo":{"name":"a"}}}}}"#,
                None,
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
