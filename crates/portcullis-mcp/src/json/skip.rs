//! Values that are checked and passed over.

use super::{JsonError, Scanner, string_end};
use crate::chars;

// What follows does not go by way of `self.at`: most of a document is values that nobody looks
// at, and in a register the place is known sooner than in memory.
impl Scanner<'_> {
    /// The offset behind the value that begins at `at`.
    #[inline(always)]
    pub(super) fn value(&mut self, at: usize) -> Result<usize, JsonError> {
        let bytes = self.text.as_bytes();
        match bytes.get(at) {
            Some(b'"') => {
                self.count()?;
                let first = chars::find_special(bytes, at + 1).ok_or(JsonError::Syntax)?;
                match bytes.get(first) {
                    Some(b'"') => Ok(first + 1),
                    _ => string_end(bytes, first).map(|end| end + 1),
                }
            }
            Some(b'{') => self.members(at),
            Some(b'[') => self.items(at),
            Some(b't') => self.literal(at, b"true"),
            Some(b'f') => self.literal(at, b"false"),
            Some(b'n') => self.literal(at, b"null"),
            _ => {
                self.count()?;
                chars::number_end(bytes, at).ok_or(JsonError::Syntax)
            }
        }
    }

    /// The offset behind the object whose first bracket is at `at`.
    #[inline(never)]
    fn members(&mut self, at: usize) -> Result<usize, JsonError> {
        self.enter()?;
        let (mut at, mut byte) = self.next(at + 1)?;
        if byte == b'}' {
            self.depth_left += 1;
            return Ok(at + 1);
        }
        let mut seen = self.names.object();
        loop {
            at = self.pass_name(at, &mut seen)?;
            at = self.value(at)?;
            // Most members follow at once.
            if self.text.as_bytes().get(at..).and_then(<[u8]>::first_chunk) == Some(b",\"") {
                at += 1;
                continue;
            }
            (at, byte) = self.next(at)?;
            match byte {
                b',' => (at, _) = self.next(at + 1)?,
                b'}' => {
                    self.names.end(seen);
                    self.depth_left += 1;
                    return Ok(at + 1);
                }
                _ => return Err(JsonError::Syntax),
            }
        }
    }

    /// The offset behind the array whose first bracket is at `at`.
    #[inline(never)]
    fn items(&mut self, at: usize) -> Result<usize, JsonError> {
        self.enter()?;
        let (mut at, mut byte) = self.next(at + 1)?;
        if byte == b']' {
            self.depth_left += 1;
            return Ok(at + 1);
        }
        loop {
            at = self.value(at)?;
            (at, byte) = self.next(at)?;
            match byte {
                b',' => (at, _) = self.next(at + 1)?,
                b']' => {
                    self.depth_left += 1;
                    return Ok(at + 1);
                }
                _ => return Err(JsonError::Syntax),
            }
        }
    }

    #[inline]
    fn literal(&mut self, at: usize, word: &[u8]) -> Result<usize, JsonError> {
        self.count()?;
        let end = at + word.len();
        let same = self.text.as_bytes().get(at..end) == Some(word);
        if same { Ok(end) } else { Err(JsonError::Syntax) }
    }
}
