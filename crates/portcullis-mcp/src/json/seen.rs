//! The member names seen in the objects that are open.

use std::borrow::Cow;
use std::collections::HashSet;

use super::{JsonError, Str, quoted};

/// How many names are kept without an allocation, and how many an object may have before it is wide: more where
/// all of them are plainly new.
const NEAR: usize = 48;
const FEW: usize = 16;

/// The names of all open objects, innermost last, so that an object costs nothing to begin.
#[derive(Debug)]
pub(super) struct Names<'a> {
    near: [Name; NEAR],
    /// What does not fit in `near`.
    far: Vec<Name>,
    len: usize,
    /// Of wide objects, innermost last, so that they do not cost quadratic time. Its hashes are
    /// seeded at random: nobody can choose names that collide.
    wide: Vec<HashSet<Cow<'a, str>>>,
}

/// The names of one object: those of [`Names`] from `base` on.
#[derive(Debug)]
pub(super) struct Seen {
    base: usize,
    /// A bit for each print: where that of a name is not set, the name is new. All, once the last of
    /// [`Names::wide`] has taken over: then none is plainly new.
    prints: u64,
    /// Whether it has.
    wide: bool,
}

/// Where the text of a name begins, below its print.
#[derive(Clone, Copy, Debug, Default)]
struct Name(u64);

impl Name {
    const PRINT: u64 = u64::MAX << 32;

    #[inline]
    fn new(print: u64, start: usize) -> Self {
        Self(print & Self::PRINT | start as u64)
    }

    /// Whether the print is the same: it tells most different names apart without looking at them.
    fn is_like(self, print: u64) -> bool {
        (self.0 ^ print) & Self::PRINT == 0
    }

    /// The name in its document, which is `text`.
    fn read(self, text: &str) -> Option<Str<'_>> {
        let start = usize::try_from(self.0 & !Self::PRINT).ok()?;
        quoted(text, start).ok()
    }
}

/// A hash of the length and of how the name begins.
#[inline]
fn print(start: [u8; 8], len: usize) -> u64 {
    // The golden ratio; the high bits are the good ones.
    const MIX: u64 = 0x9E37_79B9_7F4A_7C15;
    /// By length, which of the first bytes belong to a name.
    const OWN: [u64; 9] = [
        0,
        0xFF,
        0xFFFF,
        0xFF_FFFF,
        0xFFFF_FFFF,
        0xFF_FFFF_FFFF,
        0xFFFF_FFFF_FFFF,
        0xFF_FFFF_FFFF_FFFF,
        u64::MAX,
    ];
    let own = OWN.get(len).copied().unwrap_or(u64::MAX);
    let start = u64::from_le_bytes(start) & own;
    (start ^ len as u64).wrapping_mul(MIX)
}

/// Where a print is in [`Seen::prints`].
#[inline]
fn bit(print: u64) -> u64 {
    1 << (print >> 58)
}

impl<'a> Names<'a> {
    /// Offsets are kept in 32 bits.
    pub(super) const MAX_OFFSET: usize = u32::MAX as usize;

    pub(super) fn new() -> Self {
        Self { near: [Name::default(); NEAR], far: Vec::new(), len: 0, wide: Vec::new() }
    }

    /// Begins an object.
    #[inline]
    pub(super) fn object(&self) -> Seen {
        Seen { base: self.len, prints: 0, wide: false }
    }

    /// Ends it.
    #[inline]
    pub(super) fn end(&mut self, seen: Seen) {
        let base = seen.base;
        if self.len > NEAR || seen.wide {
            self.end_large(seen);
        }
        self.len = base;
    }

    #[cold]
    #[expect(clippy::needless_pass_by_value, reason = "it is over")]
    fn end_large(&mut self, seen: Seen) {
        self.far.truncate(seen.base.saturating_sub(NEAR));
        if seen.wide {
            self.wide.pop();
        }
    }

    /// Adds a name of `len` bytes to the innermost object, if it is plainly new. It begins at `at` with
    /// the bytes of `start`, of which only those that belong to it count.
    #[inline]
    pub(super) fn insert(
        &mut self,
        at: usize,
        start: [u8; 8],
        len: usize,
        seen: &mut Seen,
    ) -> bool {
        let print = print(start, len);
        let Some(slot) = self.near.get_mut(self.len) else { return false };
        if seen.prints & bit(print) != 0 {
            return false;
        }
        seen.prints |= bit(print);
        *slot = Name::new(print, at);
        self.len += 1;
        true
    }

    /// Adds a name to the innermost object, unless that has it.
    pub(super) fn insert_odd(
        &mut self,
        text: &'a str,
        name: Str<'a>,
        seen: &mut Seen,
    ) -> Result<(), JsonError> {
        if self.len - seen.base >= FEW {
            return self.insert_wide(text, name, seen);
        }
        let decoded = name.decoded();
        let mut start = [0; 8];
        start.iter_mut().zip(decoded.bytes()).for_each(|(start, byte)| *start = byte);
        let print = print(start, decoded.len());
        if seen.prints & bit(print) != 0 {
            let mut same = self.of(seen.base).filter(|old| old.is_like(print));
            // Each was read before: one that could not be read now is not known to be another.
            if same.any(|old| old.read(text).is_none_or(|old| old.decoded() == decoded)) {
                return Err(JsonError::Duplicate);
            }
        }
        seen.prints |= bit(print);
        let new = Name::new(print, name.start);
        match self.near.get_mut(self.len) {
            Some(slot) => *slot = new,
            None => self.far.push(new),
        }
        self.len += 1;
        Ok(())
    }

    /// The same for wide objects.
    #[cold]
    fn insert_wide(
        &mut self,
        text: &'a str,
        name: Str<'a>,
        seen: &mut Seen,
    ) -> Result<(), JsonError> {
        if !seen.wide {
            let read = |old: Name| old.read(text).map(|old| old.decoded());
            let names = self.of(seen.base).filter_map(read).collect();
            self.wide.push(names);
            seen.wide = true;
            seen.prints = u64::MAX;
        }
        let new = self.wide.last_mut().is_some_and(|names| names.insert(name.decoded()));
        if new { Ok(()) } else { Err(JsonError::Duplicate) }
    }

    /// The names from `base` on.
    fn of(&self, base: usize) -> impl Iterator<Item = Name> {
        let near = self.near.get(base..self.len.min(NEAR)).unwrap_or_default();
        let far = self.far.get(base.saturating_sub(NEAR)..).unwrap_or_default();
        near.iter().chain(far).copied()
    }
}
