//! The member names seen in the objects that are open.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use super::{JsonError, Str};

/// How many names are kept without an allocation, and how many an object may have before it is wide.
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
    /// A bit for each print: where that of a name is not set, the name is new.
    prints: u64,
    /// Whether the last of [`Names::wide`] has taken over.
    wide: bool,
    /// Whether the last name is escaped.
    pub(super) escaped: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Name {
    /// Tells most different names apart without looking at them.
    print: u32,
    start: u32,
    /// The lowest bit says whether the name is escaped.
    end: u32,
}

impl Name {
    #[inline]
    fn new(print: u32, range: &Range<usize>, escaped: bool) -> Self {
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let end = offset(range.end) << 1 | u32::from(escaped);
        Self { print, start: offset(range.start), end }
    }

    fn read<'a>(&self, text: &'a str) -> Str<'a> {
        let start = self.start as usize;
        let raw = text.get(start..(self.end >> 1) as usize).unwrap_or_default();
        Str { raw, start, escaped: self.end & 1 == 1 }
    }
}

/// A hash of the length and of how the name begins.
#[inline]
fn print(start: &[u8; 8], len: usize) -> u32 {
    // The golden ratio; the high bits are the good ones.
    const MIX: u64 = 0x9E37_79B9_7F4A_7C15;
    let start = u64::from_le_bytes(*start);
    let start = if len < 8 { start & !(u64::MAX << (8 * len)) } else { start };
    let mixed = (start ^ len as u64).wrapping_mul(MIX) >> 32;
    u32::try_from(mixed).unwrap_or_default()
}

/// Where a print is in [`Seen::prints`].
#[inline]
fn bit(print: u32) -> u64 {
    1 << (print >> 26)
}

impl<'a> Names<'a> {
    /// Offsets are kept in 31 bits.
    pub(super) const MAX_OFFSET: usize = (u32::MAX >> 1) as usize;

    pub(super) fn new() -> Self {
        Self { near: [Name::default(); NEAR], far: Vec::new(), len: 0, wide: Vec::new() }
    }

    /// Begins an object.
    #[inline]
    pub(super) fn object(&self) -> Seen {
        Seen { base: self.len, prints: 0, wide: false, escaped: false }
    }

    /// Ends it.
    #[inline]
    #[expect(clippy::needless_pass_by_value, reason = "it is over")]
    pub(super) fn end(&mut self, seen: Seen) {
        if self.len > NEAR || seen.wide {
            self.far.truncate(seen.base.saturating_sub(NEAR));
            if seen.wide {
                self.wide.pop();
            }
        }
        self.len = seen.base;
    }

    /// Adds a name to the innermost object, if it is plainly new.
    #[inline]
    pub(super) fn insert(&mut self, bytes: &[u8], name: Range<usize>, seen: &mut Seen) -> bool {
        let Some(start) = bytes.get(name.start..).and_then(<[u8]>::first_chunk) else {
            return false;
        };
        let print = print(start, name.len());
        let Some(slot) = self.near.get_mut(self.len) else { return false };
        if seen.prints & bit(print) != 0 || self.len - seen.base >= FEW {
            return false;
        }
        seen.prints |= bit(print);
        *slot = Name::new(print, &name, false);
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
        let print = print(&start, decoded.len());
        if seen.prints & bit(print) != 0 {
            let mut same = self.of(seen.base).filter(|old| old.print == print);
            if same.any(|old| old.read(text).decoded() == decoded) {
                return Err(JsonError::Duplicate);
            }
        }
        seen.prints |= bit(print);
        let new = Name::new(print, &name.range(), name.escaped);
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
            let names = self.of(seen.base).map(|old| old.read(text).decoded()).collect();
            self.wide.push(names);
            seen.wide = true;
        }
        let new = self.wide.last_mut().is_some_and(|names| names.insert(name.decoded()));
        if new { Ok(()) } else { Err(JsonError::Duplicate) }
    }

    /// The names from `base` on.
    fn of(&self, base: usize) -> impl Iterator<Item = &Name> {
        let near = self.near.get(base..self.len.min(NEAR)).unwrap_or_default();
        let far = self.far.get(base.saturating_sub(NEAR)..).unwrap_or_default();
        near.iter().chain(far)
    }
}
