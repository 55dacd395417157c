//! The id of a message.

use std::borrow::Cow;

use crate::json::{JsonLimits, Kind, Scanner, Str};
use crate::violation::{BAD_RPC, Violation};

/// A JSON-RPC id, or what stands in its place.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Id<'a> {
    #[default]
    Absent,
    Null,
    Text(Str<'a>),
    Number(&'a str),
}

impl<'a> Id<'a> {
    pub(crate) fn read(scanner: &mut Scanner<'a>) -> Result<Self, Violation> {
        match scanner.peek()? {
            Kind::String => Ok(Self::Text(scanner.string()?)),
            Kind::Number => Ok(Self::Number(scanner.number()?)),
            Kind::Null => scanner.skip().map(|_| Self::Null).map_err(Violation::from),
            Kind::Object | Kind::Array | Kind::Bool => Err(BAD_RPC),
        }
    }

    /// The id as it stands in the document; empty where there is none.
    pub(crate) fn raw(&self) -> Cow<'a, str> {
        match self {
            Self::Absent | Self::Null => Cow::Borrowed(""),
            Self::Number(number) => Cow::Borrowed(number),
            Self::Text(text) => Cow::Owned(format!("\"{}\"", text.raw())),
        }
    }

    /// Whether this is the id that stands as `raw` in the request: the same type and, for strings,
    /// the same text, however escaped.
    pub(crate) fn is(&self, raw: &str) -> bool {
        match self {
            Self::Absent | Self::Null => false,
            Self::Number(number) => *number == raw,
            Self::Text(text) => {
                let limits = JsonLimits { depth: 0, values: 1 };
                Scanner::new(raw.as_bytes(), limits)
                    .and_then(|mut raw| raw.string())
                    .is_ok_and(|raw| text.eq(&raw.decoded()))
            }
        }
    }
}
