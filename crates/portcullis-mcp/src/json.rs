//! A strict pull scanner for JSON (RFC 8259), in one pass and without allocation for ordinary input.
//!
//! Policy must read a message the way every other parser will. Whatever parsers are known to read
//! differently is refused here, at every depth: duplicate member names, lone surrogates, invalid
//! UTF-8, a byte order mark, trailing data, unbounded nesting.

mod name;
mod seen;
mod skip;

use std::borrow::Cow;
use std::ops::Range;

use self::seen::Names;
use crate::chars;

/// Bounds of one document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct JsonLimits {
    /// How deep objects and arrays may nest.
    pub(crate) depth: u16,
    /// How many values there may be in all, objects and arrays included.
    pub(crate) values: u32,
}

/// Why a document is refused.
// As large as an offset: so a `Result` of the two is returned in registers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(usize)]
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
    names: Names<'a>,
    marked: bool,
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
            marked: false,
        })
    }

    /// The offset of the next token.
    #[inline]
    pub(crate) fn at(&self) -> usize {
        after_space(self.text.as_bytes(), self.at)
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
    #[inline]
    pub(crate) fn object<E: From<JsonError>>(
        &mut self,
        mut member: impl FnMut(&mut Self, Str<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.open(b'{')?;
        if self.token()? == b'}' {
            self.close(self.at);
            return Ok(());
        }
        let mut seen = self.names.object();
        loop {
            let name = self.name(self.at, &mut seen)?;
            member(self, name)?;
            match self.token()? {
                b',' => _ = self.token_at(self.at + 1)?,
                b'}' => {
                    self.names.end(seen);
                    self.close(self.at);
                    return Ok(());
                }
                _ => return Err(JsonError::Syntax.into()),
            }
        }
    }

    /// Reads an array. `item` is called before each item and must read exactly the item.
    #[inline]
    pub(crate) fn array<E: From<JsonError>>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.open(b'[')?;
        if self.token()? == b']' {
            self.close(self.at);
            return Ok(());
        }
        loop {
            item(self)?;
            match self.token()? {
                b',' => self.at += 1,
                b']' => {
                    self.close(self.at);
                    return Ok(());
                }
                _ => return Err(JsonError::Syntax.into()),
            }
        }
    }

    /// Reads a string.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<Str<'a>, JsonError> {
        self.count()?;
        if self.token()? != b'"' {
            return Err(JsonError::Syntax);
        }
        let string = quoted(self.text, self.at + 1)?;
        self.at = string.start + string.raw.len() + 1;
        Ok(string)
    }

    /// Reads a number and returns it as sent.
    pub(crate) fn number(&mut self) -> Result<&'a str, JsonError> {
        self.count()?;
        self.token()?;
        let end = chars::number_end(self.text.as_bytes(), self.at).ok_or(JsonError::Syntax)?;
        let number = self.text.get(self.at..end).ok_or(JsonError::Syntax)?;
        self.at = end;
        Ok(number)
    }

    /// Reads any value, with all checks, and returns where it is.
    #[inline]
    pub(crate) fn skip(&mut self) -> Result<Range<usize>, JsonError> {
        self.token()?;
        let start = self.at;
        self.at = self.value(start)?;
        Ok(start..self.at)
    }

    /// As [`skip`](Self::skip), and says whether some member name in the value is escaped or begins
    /// with `x`, as extensions of schemas do.
    pub(crate) fn skip_marking(&mut self) -> Result<(Range<usize>, bool), JsonError> {
        self.marked = false;
        let range = self.skip()?;
        Ok((range, self.marked))
    }

    /// Reads any value, with all checks.
    #[inline]
    pub(crate) fn pass(&mut self) -> Result<(), JsonError> {
        self.skip().map(drop)
    }

    /// Says whether the document ends here.
    pub(crate) fn finish(self) -> Result<(), JsonError> {
        if self.at() == self.text.len() { Ok(()) } else { Err(JsonError::Syntax) }
    }

    /// Skips white space and returns the byte after it.
    #[inline]
    fn token(&mut self) -> Result<u8, JsonError> {
        self.token_at(self.at)
    }

    /// Goes to the token at `at` or after the white space there, and returns its first byte.
    #[inline]
    fn token_at(&mut self, at: usize) -> Result<u8, JsonError> {
        let bytes = self.text.as_bytes();
        self.at = after_space(bytes, at);
        bytes.get(self.at).copied().ok_or(JsonError::Syntax)
    }

    /// The token at `at` or after the white space there.
    #[inline]
    fn next(&self, at: usize) -> Result<(usize, u8), JsonError> {
        let bytes = self.text.as_bytes();
        let at = after_space(bytes, at);
        bytes.get(at).map(|byte| (at, *byte)).ok_or(JsonError::Syntax)
    }

    #[inline]
    fn count(&mut self) -> Result<(), JsonError> {
        self.values_left = self.values_left.checked_sub(1).ok_or(JsonError::Limit)?;
        Ok(())
    }

    #[inline]
    fn open(&mut self, bracket: u8) -> Result<(), JsonError> {
        if self.token()? != bracket {
            return Err(JsonError::Syntax);
        }
        self.at += 1;
        self.enter()
    }

    /// Begins an object or array.
    #[inline]
    fn enter(&mut self) -> Result<(), JsonError> {
        self.count()?;
        self.depth_left = self.depth_left.checked_sub(1).ok_or(JsonError::Limit)?;
        Ok(())
    }

    /// Ends an object or array whose last bracket is at `at`.
    #[inline]
    fn close(&mut self, at: usize) {
        self.depth_left += 1;
        self.at = at + 1;
    }
}

/// The string that begins at `start`, behind its quote.
#[inline]
fn quoted(text: &str, start: usize) -> Result<Str<'_>, JsonError> {
    let bytes = text.as_bytes();
    let first = chars::find_special(bytes, start).ok_or(JsonError::Syntax)?;
    let end = match bytes.get(first) {
        Some(b'"') => first,
        _ => string_end(bytes, first)?,
    };
    let raw = text.get(start..end).ok_or(JsonError::Syntax)?;
    Ok(Str { raw, start, escaped: end != first })
}

/// The offset of the quote that ends a string, in which a special byte is at `first`.
fn string_end(bytes: &[u8], first: usize) -> Result<usize, JsonError> {
    let mut at = first;
    loop {
        match bytes.get(at) {
            Some(b'"') => return Ok(at),
            Some(b'\\') => {
                let rest = bytes.get(at..).unwrap_or_default();
                at += chars::escape_len(rest).ok_or(JsonError::Syntax)?;
            }
            _ => return Err(JsonError::Syntax), // A raw control character.
        }
        at = chars::find_special(bytes, at).ok_or(JsonError::Syntax)?;
    }
}

/// The offset of the first byte at or after `at` that is no white space.
#[inline]
fn after_space(bytes: &[u8], mut at: usize) -> usize {
    // One comparison says that there is none, as it is with most tokens.
    while let Some(byte @ ..=b' ') = bytes.get(at) {
        if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
            break;
        }
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests;
