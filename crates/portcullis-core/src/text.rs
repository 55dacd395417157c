//! Immutable text that can share a request body's memory.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::{fmt, str};

use bytes::Bytes;

/// Immutable UTF-8 text, cheap to clone, possibly a slice of a larger buffer.
///
/// A `Text` cut from a request body keeps that body's memory alive. That is right for a fact that
/// lives as long as the request and wrong for anything that outlives it (audit queues, caches):
/// call [`Text::detached`] there.
#[derive(Clone, Default)]
pub struct Text(Bytes); // INVARIANT: valid UTF-8.

impl Text {
    /// Text in the program itself.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// The text at `range` of `buffer`, without copying; `None` when the range is outside the
    /// buffer or not UTF-8.
    #[must_use]
    pub fn slice_of(buffer: &Bytes, range: Range<usize>) -> Option<Self> {
        if range.start > range.end || range.end > buffer.len() {
            return None;
        }
        let slice = buffer.slice(range);
        str::from_utf8(&slice).is_ok().then_some(Self(slice))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Checked again because safe code cannot express the invariant; names are short.
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The same text in memory of its own, sharing nothing with a request body.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Bytes::from(text))
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Text {}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

// By way of `str`, because `Borrow<str>` promises equal hashes.
impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_share_and_refuse_what_is_not_text() {
        let body = Bytes::from_static("naïve".as_bytes());
        assert_eq!(Text::slice_of(&body, 0..2).unwrap(), "na");
        assert!(Text::slice_of(&body, 0..3).is_none(), "half a character");
        assert!(Text::slice_of(&body, 2..99).is_none(), "outside the buffer");
        assert!(Text::slice_of(&body, Range { start: 3, end: 2 }).is_none(), "reversed");
    }
}
