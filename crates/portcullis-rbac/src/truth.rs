//! Whether a condition holds, where "nobody can say" is an answer.

/// What came of a condition. The order makes `min` the logical and.
///
/// An allow rule needs [`Yes`](Self::Yes). A deny rule is stopped by [`No`](Self::No) alone. So what
/// nobody can say never gives anything away.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Truth {
    No,
    Unknown,
    Yes,
}

impl Truth {
    pub(crate) fn and(self, other: Self) -> Self {
        self.min(other)
    }

    /// Every one, asked no further than needed.
    pub(crate) fn all(truths: impl IntoIterator<Item = Self>) -> Self {
        let mut so_far = Self::Yes;
        for truth in truths {
            so_far = so_far.and(truth);
            if so_far == Self::No {
                break;
            }
        }
        so_far
    }
}

impl Truth {
    /// At least one.
    pub(crate) fn any(truths: impl IntoIterator<Item = Self>) -> Self {
        truths.into_iter().max().unwrap_or(Self::No)
    }
}

impl From<bool> for Truth {
    fn from(known: bool) -> Self {
        if known { Self::Yes } else { Self::No }
    }
}
