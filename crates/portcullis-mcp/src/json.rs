//! A strict pull scanner for JSON (RFC 8259), in one pass and without allocation for ordinary input.
//!
//! Policy must read a message the way every other parser will. Whatever parsers are known to read
//! differently is refused here, at every depth: duplicate member names, lone surrogates, invalid
//! UTF-8, a byte order mark, trailing data, unbounded nesting.

mod seen;

use std::borrow::Cow;
use std::ops::Range;

use self::seen::{Names, Seen};
use crate::chars;

/// Bounds of one document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct JsonLimits {
    /// How deep objects and arrays may nest.
    pub(crate) depth: u16,
    /// How many values there may be in all, objects and arrays included.
    pub(crate) values: u32,
}

/// How the member names begin that `serde_json` keeps for itself.
const RESERVED: &str = "$serde_json::private::";

/// Why a document is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum JsonError {
    /// Not JSON, or not UTF-8.
    Syntax,
    /// A member name appears twice in one object.
    Duplicate,
    /// A member name that `serde_json` keeps for itself: with its `raw_value` or
    /// `arbitrary_precision` feature on, which any crate of a tree can do, an object of that name
    /// reads as whatever its string holds. The server behind the gate would see another document.
    Reserved,
    /// Past the limits.
    Limit,
}

/// What a value is, from its first byte.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

/// A string as sent: the text between the quotes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Str<'a> {
    raw: &'a str,
    start: usize,
    escaped: bool,
}

impl<'a> Str<'a> {
    /// The text between the quotes, escapes and all.
    pub(crate) fn raw(&self) -> &'a str {
        self.raw
    }

    /// Where that text is in the document.
    pub(crate) fn range(&self) -> Range<usize> {
        self.start..self.start + self.raw.len()
    }

    /// Whether there are escapes in it.
    pub(crate) fn escaped(&self) -> bool {
        self.escaped
    }

    /// The text that the string stands for.
    #[inline]
    pub(crate) fn decoded(&self) -> Cow<'a, str> {
        if self.escaped { Cow::Owned(chars::unescape(self.raw)) } else { Cow::Borrowed(self.raw) }
    }

    /// Whether the string stands for `text`.
    pub(crate) fn eq(&self, text: &str) -> bool {
        if self.escaped { self.decoded() == text } else { self.raw == text }
    }
}

/// Reads one document from front to back.
///
/// Nothing is known of a document before [`finish`](Self::finish) has said that it is one.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth_left: u16,
    values_left: u32,
    names: Names,
}

impl<'a> Scanner<'a> {
    /// A scanner at the start of `bytes`, which must be UTF-8.
    pub(crate) fn new(bytes: &'a [u8], limits: JsonLimits) -> Result<Self, JsonError> {
        if bytes.len() > Names::MAX_OFFSET {
            return Err(JsonError::Limit);
        }
        let text = simdutf8::basic::from_utf8(bytes).map_err(|_| JsonError::Syntax)?;
        Ok(Self {
            text,
            at: 0,
            depth_left: limits.depth,
            values_left: limits.values,
            names: Names::new(),
        })
    }

    /// The offset of the next token.
    pub(crate) fn at(&self) -> usize {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        self.at + rest.iter().take_while(|b| is_space(**b)).count()
    }

    /// The offset behind what was read last.
    pub(crate) fn at_end(&self) -> usize {
        self.at
    }

    /// The document's text at `range`.
    pub(crate) fn slice(&self, range: Range<usize>) -> &'a str {
        self.text.get(range).unwrap_or_default()
    }

    /// What the next value is, without reading it.
    pub(crate) fn peek(&mut self) -> Result<Kind, JsonError> {
        match self.token()? {
            b'{' => Ok(Kind::Object),
            b'[' => Ok(Kind::Array),
            b'"' => Ok(Kind::String),
            b'-' | b'0'..=b'9' => Ok(Kind::Number),
            b't' | b'f' => Ok(Kind::Bool),
            b'n' => Ok(Kind::Null),
            _ => Err(JsonError::Syntax),
        }
    }

    /// Reads an object. `member` is called after each name and must read exactly the value.
    pub(crate) fn object<E: From<JsonError>>(
        &mut self,
        mut member: impl FnMut(&mut Self, Str<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.open(b'{')?;
        if self.token()? == b'}' {
            return self.close();
        }
        let mut seen = self.names.object();
        loop {
            if self.token()? != b'"' {
                return Err(JsonError::Syntax.into());
            }
            let name = self.quoted()?;
            self.check_name(name, &mut seen)?;
            if self.token()? != b':' {
                return Err(JsonError::Syntax.into());
            }
            self.at += 1;
            member(self, name)?;
            match self.token()? {
                b',' => self.at += 1,
                b'}' => {
                    self.names.end(&seen);
                    return self.close();
                }
                _ => return Err(JsonError::Syntax.into()),
            }
        }
    }

    /// Reads an array. `item` is called before each item and must read exactly the item.
    pub(crate) fn array<E: From<JsonError>>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.open(b'[')?;
        if self.token()? == b']' {
            return self.close();
        }
        loop {
            item(self)?;
            match self.token()? {
                b',' => self.at += 1,
                b']' => return self.close(),
                _ => return Err(JsonError::Syntax.into()),
            }
        }
    }

    /// Reads a string.
    pub(crate) fn string(&mut self) -> Result<Str<'a>, JsonError> {
        self.count()?;
        if self.token()? != b'"' {
            return Err(JsonError::Syntax);
        }
        self.quoted()
    }

    /// Reads a number and returns it as sent.
    pub(crate) fn number(&mut self) -> Result<&'a str, JsonError> {
        self.count()?;
        self.token()?;
        self.digits_and_signs()
    }

    /// Reads any value, with all checks, and returns where it is.
    pub(crate) fn skip(&mut self) -> Result<Range<usize>, JsonError> {
        self.token()?;
        let start = self.at;
        self.pass()?;
        Ok(start..self.at)
    }

    /// Reads any value, with all checks.
    pub(crate) fn pass(&mut self) -> Result<(), JsonError> {
        match self.token()? {
            b'{' => self.object(|scanner, _| scanner.pass()),
            b'[' => self.array(Self::pass),
            b'"' => {
                self.count()?;
                self.quoted().map(drop)
            }
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            _ => {
                self.count()?;
                self.digits_and_signs().map(drop)
            }
        }
    }

    /// Says whether the document ends here.
    pub(crate) fn finish(self) -> Result<(), JsonError> {
        if self.at() == self.text.len() { Ok(()) } else { Err(JsonError::Syntax) }
    }

    /// Skips white space and returns the byte after it.
    #[inline]
    fn token(&mut self) -> Result<u8, JsonError> {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                Some(&byte) => return Ok(byte),
                None => return Err(JsonError::Syntax),
            }
        }
    }

    #[inline]
    fn check_name(&mut self, name: Str<'a>, seen: &mut Seen<'a>) -> Result<(), JsonError> {
        if name.escaped && name.decoded().starts_with(RESERVED) || name.raw.starts_with(RESERVED) {
            return Err(JsonError::Reserved);
        }
        self.names.insert(self.text, name, seen)
    }

    fn count(&mut self) -> Result<(), JsonError> {
        self.values_left = self.values_left.checked_sub(1).ok_or(JsonError::Limit)?;
        Ok(())
    }

    fn open(&mut self, bracket: u8) -> Result<(), JsonError> {
        self.count()?;
        if self.token()? != bracket {
            return Err(JsonError::Syntax);
        }
        self.depth_left = self.depth_left.checked_sub(1).ok_or(JsonError::Limit)?;
        self.at += 1;
        Ok(())
    }

    /// Reads the bracket that ends an object or array.
    fn close<E>(&mut self) -> Result<(), E> {
        self.depth_left += 1;
        self.at += 1;
        Ok(())
    }

    fn literal(&mut self, word: &str) -> Result<(), JsonError> {
        self.count()?;
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        if !rest.starts_with(word.as_bytes()) {
            return Err(JsonError::Syntax);
        }
        self.at += word.len();
        Ok(())
    }

    /// A string whose opening quote is the next byte.
    #[inline]
    fn quoted(&mut self) -> Result<Str<'a>, JsonError> {
        let start = self.at + 1;
        let mut end = start;
        let mut escaped = false;
        let bytes = self.text.as_bytes();
        loop {
            end = chars::find_special(bytes, end).ok_or(JsonError::Syntax)?;
            match bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => {
                    let rest = bytes.get(end..).unwrap_or_default();
                    end += chars::escape_len(rest).ok_or(JsonError::Syntax)?;
                    escaped = true;
                }
                _ => return Err(JsonError::Syntax), // A raw control character.
            }
        }
        self.at = end + 1;
        let raw = self.text.get(start..end).ok_or(JsonError::Syntax)?;
        Ok(Str { raw, start, escaped })
    }

    fn digits_and_signs(&mut self) -> Result<&'a str, JsonError> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let length = chars::number_len(rest).ok_or(JsonError::Syntax)?;
        let number = self.text.get(self.at..self.at + length).ok_or(JsonError::Syntax)?;
        self.at += length;
        Ok(number)
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

#[cfg(test)]
mod tests;
