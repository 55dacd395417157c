//! What a server says of itself.

use std::borrow::Cow;

use crate::json::{JsonLimits, Kind, Scanner};
use crate::violation::Violation;

/// A name and a version, unverified.
#[derive(Debug, Default)]
pub(crate) struct ServerInfo<'a> {
    pub(crate) name: Option<Cow<'a, str>>,
    pub(crate) version: Option<Cow<'a, str>>,
}

impl<'a> ServerInfo<'a> {
    /// Reads an `Implementation` of the protocol. What is of another shape says nothing.
    pub(crate) fn read(json: &'a [u8], limits: JsonLimits) -> Self {
        Self::scan(json, limits).unwrap_or_default()
    }

    fn scan(json: &'a [u8], limits: JsonLimits) -> Result<Self, Violation> {
        let mut scanner = Scanner::new(json, limits)?;
        let mut info = Self::default();
        if scanner.peek()? != Kind::Object {
            return Ok(info);
        }
        scanner.object(|scanner, member| {
            let text = match scanner.peek()? {
                Kind::String => Some(scanner.string()?.decoded()),
                _ => {
                    scanner.skip()?;
                    None
                }
            };
            if member.eq("name") {
                info.name = text;
            } else if member.eq("version") {
                info.version = text;
            }
            Ok::<_, Violation>(())
        })?;
        Ok(info)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_and_what_is_not() {
        let rows = [
            (
                "both",
                r#"{"title":"N","name":"no\u0074es","version":"1.2"}"#,
                Some("notes"),
                Some("1.2"),
            ),
            ("a name", r#"{"name":"notes","icons":[{"name":"x"}]}"#, Some("notes"), None),
            ("other types", r#"{"name":7,"version":null}"#, None, None),
            ("nothing", "{}", None, None),
            ("no object", r#""notes""#, None, None),
        ];
        for (case, json, name, version) in rows {
            let info = ServerInfo::read(json.as_bytes(), JsonLimits { depth: 8, values: 100 });
            assert_eq!((info.name.as_deref(), info.version.as_deref()), (name, version), "{case}");
        }
    }
}
