//! One pass over one message, and the edits that it makes.

use std::ops::Range;

use super::Facets;
use crate::custom::Param;
use crate::json::{Scanner, Str};
use crate::judge::Judge;
use crate::splice::Splice;
use crate::violation::{BAD_RPC, Violation};

/// One pass over one message.
pub(super) struct Pass<'p, 'j, 'a> {
    pub(super) facets: Facets<'p>,
    pub(super) judge: &'p mut Judge<'j>,
    pub(super) splice: Splice<'a>,
    pub(super) declared: Vec<(Str<'a>, Vec<Param>)>,
    /// What changes inside the item that is being read, if it is kept.
    pub(super) renames: Vec<(Range<usize>, String)>,
}

impl<'a> Pass<'_, '_, 'a> {
    /// Keeps the items of an array for which `shown`, which reads one item, says so.
    pub(super) fn keep(
        &mut self,
        scanner: &mut Scanner<'a>,
        mut shown: impl FnMut(&mut Self, &mut Scanner<'a>) -> Result<bool, Violation>,
    ) -> Result<(), Violation> {
        let mut kept = false;
        let mut gap = None;
        // The end of the item before, white space included.
        let mut end = 0;
        scanner.array(|scanner| {
            let start = scanner.at();
            let is_shown = shown(self, scanner)?;
            let mut renames = std::mem::take(&mut self.renames);
            if is_shown {
                renames.sort_unstable_by_key(|(range, _)| range.start);
                if let Some(from) = gap.take() {
                    self.splice.replace(from..start, if kept { "," } else { "" });
                }
                for (range, name) in renames {
                    self.splice.replace(range, &name);
                }
                kept = true;
            } else if gap.is_none() {
                gap = Some(if kept { end } else { start });
            }
            end = scanner.at();
            Ok::<_, Violation>(())
        })?;
        if let Some(from) = gap {
            self.splice.replace(from..end, "");
        }
        Ok(())
    }

    /// Has `read` read, and edit, the part of the message at `range`, which was read over before.
    pub(super) fn part<R>(
        &mut self,
        source: &'a [u8],
        range: Range<usize>,
        read: impl FnOnce(&mut Self, &mut Scanner<'a>) -> Result<R, Violation>,
    ) -> Result<R, Violation> {
        let part = source.get(range.clone()).unwrap_or_default();
        let mut splice = Splice::new(part, 0);
        std::mem::swap(&mut self.splice, &mut splice);
        let done = Scanner::new(part, self.facets.limits)
            .map_err(Violation::from)
            .and_then(|mut scanner| read(self, &mut scanner));
        std::mem::swap(&mut self.splice, &mut splice);
        if let Some(edited) = splice.finish(part.len()) {
            // What was JSON is still JSON: only whole values went.
            let edited = std::str::from_utf8(&edited).map_err(|_| BAD_RPC)?;
            self.splice.replace(range, edited);
        }
        done
    }
}
