//! Copies a document with some ranges replaced, and not at all when there are none.

use std::ops::Range;

/// Edits of one document, in the order of their places.
///
/// The first edit makes the copy, with room for the whole document: one allocation however many
/// edits follow.
#[derive(Debug)]
pub(crate) struct Splice<'a> {
    source: &'a [u8],
    out: Option<Vec<u8>>,
    copied: usize,
}

impl<'a> Splice<'a> {
    /// What edits may add beyond what they take away, before the copy grows.
    const ROOM: usize = 128;

    /// No edits yet of the part of `source` that begins at `start`.
    pub(crate) fn new(source: &'a [u8], start: usize) -> Self {
        Self { source, out: None, copied: start }
    }

    /// Puts `text` in the place of `range`, which is not before the last edit.
    pub(crate) fn replace(&mut self, range: Range<usize>, text: &str) {
        let room = self.source.len().saturating_sub(self.copied) + Self::ROOM;
        let out = self.out.get_or_insert_with(|| Vec::with_capacity(room));
        out.extend_from_slice(self.source.get(self.copied..range.start).unwrap_or_default());
        out.extend_from_slice(text.as_bytes());
        self.copied = range.end;
    }

    /// The edited part, which ends at `end`; `None` when nothing was edited.
    pub(crate) fn finish(self, end: usize) -> Option<Vec<u8>> {
        let mut out = self.out?;
        out.extend_from_slice(self.source.get(self.copied..end).unwrap_or_default());
        Some(out)
    }
}
