//! The lines of one header field.

use http::HeaderValue;

/// How often a field is there, as far as anybody asks: not at all, once, or more often.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lines<'h> {
    first: Option<&'h HeaderValue>,
    several: bool,
}

impl<'h> Lines<'h> {
    /// Counts another line.
    pub(crate) fn add(&mut self, line: &'h HeaderValue) {
        self.several |= self.first.is_some();
        self.first = self.first.or(Some(line));
    }

    /// The first line.
    pub(crate) fn first(self) -> Option<&'h HeaderValue> {
        self.first
    }

    /// Whether there is more than one.
    pub(crate) fn are_several(self) -> bool {
        self.several
    }

    /// The line, if there is exactly one.
    pub(crate) fn only(self) -> Option<&'h HeaderValue> {
        self.first.filter(|_| !self.several)
    }
}
