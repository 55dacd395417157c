//! The member names seen in the objects that are open.

use std::borrow::Cow;
use std::collections::HashSet;

use super::{JsonError, Str};

/// The names of all open objects, innermost last, so that an object costs nothing to begin.
#[derive(Debug)]
pub(super) struct Names {
    near: [Name; Names::NEAR],
    /// What does not fit in `near`.
    far: Vec<Name>,
    len: usize,
}

/// The names of one object: those of [`Names`] from `base` on.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    base: usize,
    /// Takes over in wide objects, so that they do not cost quadratic time. Its hashes are seeded
    /// at random: nobody can choose names that collide.
    many: Option<HashSet<Cow<'a, str>>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Name {
    /// Length, first and last byte: tells most different names apart without looking at them.
    print: u32,
    start: u32,
    /// The lowest bit says whether the name is escaped.
    end: u32,
}

impl Name {
    #[inline]
    fn new(name: Str<'_>) -> Self {
        let range = name.range();
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let print = if name.escaped() { print(&name.decoded()) } else { print(name.raw()) };
        let end = offset(range.end) << 1 | u32::from(name.escaped());
        Self { print, start: offset(range.start), end }
    }

    fn read<'a>(&self, text: &'a str) -> Str<'a> {
        let start = self.start as usize;
        let raw = text.get(start..(self.end >> 1) as usize).unwrap_or_default();
        Str { raw, start, escaped: self.end & 1 == 1 }
    }

    /// Whether it is the same name; asked only when the prints are equal.
    fn is(&self, text: &str, name: Str<'_>) -> bool {
        let old = self.read(text);
        if old.escaped || name.escaped {
            old.decoded() == name.decoded()
        } else {
            old.raw == name.raw
        }
    }
}

#[inline]
fn print(name: &str) -> u32 {
    let bytes = name.as_bytes();
    let byte = |byte: Option<&u8>| u32::from(byte.copied().unwrap_or_default());
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    length << 16 | byte(bytes.first()) << 8 | byte(bytes.last())
}

impl Names {
    const NEAR: usize = 48;
    const FEW: usize = 16;
    /// Offsets are kept in 31 bits.
    pub(super) const MAX_OFFSET: usize = (u32::MAX >> 1) as usize;

    pub(super) fn new() -> Self {
        Self { near: [Name::default(); Self::NEAR], far: Vec::new(), len: 0 }
    }

    /// Begins an object.
    pub(super) fn object<'a>(&self) -> Seen<'a> {
        Seen { base: self.len, many: None }
    }

    /// Ends it.
    pub(super) fn end(&mut self, seen: &Seen<'_>) {
        self.len = seen.base;
        self.far.truncate(self.len.saturating_sub(Self::NEAR));
    }

    /// Adds a name to the innermost object, unless that has it.
    #[inline]
    pub(super) fn insert<'a>(
        &mut self,
        text: &'a str,
        name: Str<'a>,
        seen: &mut Seen<'a>,
    ) -> Result<(), JsonError> {
        let count = self.len - seen.base;
        if count >= Self::FEW || self.len >= Self::NEAR {
            return self.insert_elsewhere(text, name, seen);
        }
        let new = Name::new(name);
        for old in self.near.get(seen.base..self.len).unwrap_or_default() {
            if old.print == new.print && old.is(text, name) {
                return Err(JsonError::Duplicate);
            }
        }
        if let Some(slot) = self.near.get_mut(self.len) {
            *slot = new;
        }
        self.len += 1;
        Ok(())
    }

    /// The same for wide objects and deep ones.
    #[cold]
    fn insert_elsewhere<'a>(
        &mut self,
        text: &'a str,
        name: Str<'a>,
        seen: &mut Seen<'a>,
    ) -> Result<(), JsonError> {
        if let Some(many) = &mut seen.many {
            return if many.insert(name.decoded()) { Ok(()) } else { Err(JsonError::Duplicate) };
        }
        let new = Name::new(name);
        let near = self.near.get(seen.base..self.len.min(Self::NEAR)).unwrap_or_default();
        let far = self.far.get(seen.base.saturating_sub(Self::NEAR)..).unwrap_or_default();
        let mut all = near.iter().chain(far);
        if all.clone().any(|old| old.print == new.print && old.is(text, name)) {
            return Err(JsonError::Duplicate);
        }
        if self.len - seen.base >= Self::FEW {
            let names = all.by_ref().map(|old| old.read(text).decoded());
            seen.many = Some(names.chain([name.decoded()]).collect());
            return Ok(());
        }
        self.far.push(new);
        self.len += 1;
        Ok(())
    }
}
