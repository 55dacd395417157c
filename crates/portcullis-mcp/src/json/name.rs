//! Member names, which are looked at wherever they are.

use super::seen::Seen;
use super::{JsonError, Scanner, Str, after_space, quoted};
use crate::chars;

/// How the names begin that [`Scanner::skip_marking`] looks for.
const MARK: u8 = b'x';

/// How the member names begin that `serde_json` keeps for itself.
const RESERVED: &str = "$serde_json::private::";

impl<'a> Scanner<'a> {
    /// Reads the member name at `at`, and goes to its value.
    #[inline(never)]
    pub(super) fn name(&mut self, at: usize, seen: &mut Seen) -> Result<Str<'a>, JsonError> {
        let (end, value) = match self.plain_name(at, seen) {
            Some(found) => found,
            None => return self.odd_name(at, seen),
        };
        let start = at + 1;
        let raw = self.text.get(start..end).ok_or(JsonError::Syntax)?;
        self.at = value;
        Ok(Str { raw, start, escaped: false })
    }

    /// Reads the member name at `at`, and says where its value is.
    #[inline(always)]
    pub(super) fn pass_name(&mut self, at: usize, seen: &mut Seen) -> Result<usize, JsonError> {
        match self.plain_name(at, seen) {
            Some((_, value)) => Ok(value),
            None => self.pass_odd_name(at, seen),
        }
    }

    /// Where the member name at `at` ends and its value begins, if it is plain, plainly new and next
    /// to its colon, as nearly all are.
    #[inline(always)]
    fn plain_name(&mut self, at: usize, seen: &mut Seen) -> Option<(usize, usize)> {
        let bytes = self.text.as_bytes();
        let [b'"', block @ ..] = bytes.get(at..)?.first_chunk::<{ 1 + chars::BLOCK }>()? else {
            return None;
        };
        let start = at + 1;
        let end = match chars::first_special(*block) {
            Some(len) => start + len,
            None => chars::find_far(bytes, start + chars::BLOCK)?,
        };
        let is_plain = bytes.get(end..)?.first_chunk() == Some(b"\":")
            && !matches!(block.first(), Some(&(b'$' | MARK)));
        if !(is_plain && self.names.insert(start, *block.first_chunk()?, end - start, seen)) {
            return None;
        }
        Some((end, after_space(bytes, end + 2)))
    }

    /// As [`pass_name`](Self::pass_name), for a name that needs a closer look.
    #[cold]
    fn pass_odd_name(&mut self, at: usize, seen: &mut Seen) -> Result<usize, JsonError> {
        self.odd_name(at, seen).map(|_| self.at)
    }

    /// As [`name`](Self::name), for a name that needs a closer look.
    #[cold]
    fn odd_name(&mut self, at: usize, seen: &mut Seen) -> Result<Str<'a>, JsonError> {
        if self.text.as_bytes().get(at) != Some(&b'"') {
            return Err(JsonError::Syntax);
        }
        let name = quoted(self.text, at + 1)?;
        let raw = name.raw.as_bytes();
        self.marked |= name.escaped || raw.first() == Some(&MARK);
        if name.decoded().starts_with(RESERVED) {
            return Err(JsonError::Reserved);
        }
        self.names.insert_odd(self.text, name, seen)?;
        match self.next(name.start + raw.len() + 1)? {
            (colon, b':') => self.at = after_space(self.text.as_bytes(), colon + 1),
            _ => return Err(JsonError::Syntax),
        }
        Ok(name)
    }
}
