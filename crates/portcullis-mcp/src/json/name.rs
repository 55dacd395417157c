//! Member names, which are looked at wherever they are.

use super::seen::Seen;
use super::{JsonError, Scanner, Str, string_end};
use crate::chars;

/// How the names begin that [`Scanner::skip_marking`] looks for.
const MARK: u8 = b'x';

/// How the member names begin that `serde_json` keeps for itself.
const RESERVED: &str = "$serde_json::private::";

impl<'a> Scanner<'a> {
    /// Reads the member name at `at`, and the colon.
    #[inline]
    pub(super) fn name(&mut self, at: usize, seen: &mut Seen) -> Result<Str<'a>, JsonError> {
        let end = self.name_end(at, seen)?;
        let start = at + 1;
        let raw = self.text.get(start..end).ok_or(JsonError::Syntax)?;
        self.at = self.colon(end + 1)?;
        Ok(Str { raw, start, escaped: seen.escaped })
    }

    /// The offset behind the colon at `at` or after the white space there.
    #[inline]
    pub(super) fn colon(&self, at: usize) -> Result<usize, JsonError> {
        match self.next(at)? {
            (at, b':') => Ok(at + 1),
            _ => Err(JsonError::Syntax),
        }
    }

    /// The offset of the quote that ends the member name at `at`.
    #[inline(never)]
    fn name_end(&mut self, at: usize, seen: &mut Seen) -> Result<usize, JsonError> {
        self.name_end_here(at, seen)
    }

    /// The same, where most names are read: of values that nobody looks at.
    #[inline(always)]
    pub(super) fn name_end_here(&mut self, at: usize, seen: &mut Seen) -> Result<usize, JsonError> {
        let bytes = self.text.as_bytes();
        if bytes.get(at) != Some(&b'"') {
            return Err(JsonError::Syntax);
        }
        let start = at + 1;
        let end = chars::find_special(bytes, start).ok_or(JsonError::Syntax)?;
        let is_plain =
            bytes.get(end) == Some(&b'"') && !matches!(bytes.get(start), Some(&(b'$' | MARK)));
        seen.escaped = false;
        if is_plain && self.names.insert(bytes, start..end, seen) {
            return Ok(end);
        }
        self.odd_name(start, end, seen)
    }

    /// The same for a name that needs a closer look, in which a special byte is at `first`.
    #[cold]
    fn odd_name(
        &mut self,
        start: usize,
        first: usize,
        seen: &mut Seen,
    ) -> Result<usize, JsonError> {
        let end = string_end(self.text.as_bytes(), first)?;
        let raw = self.text.get(start..end).ok_or(JsonError::Syntax)?;
        seen.escaped = end != first;
        self.marked |= seen.escaped || raw.as_bytes().first() == Some(&MARK);
        let name = Str { raw, start, escaped: seen.escaped };
        if name.decoded().starts_with(RESERVED) {
            return Err(JsonError::Reserved);
        }
        self.names.insert_odd(self.text, name, seen)?;
        Ok(end)
    }
}
