//! What may pass of a document, message by message.

use portcullis_core::{Denial, Reason, Version};

use super::settle::Fate;
use super::{Asked, Exchange, Place, Reading, id_of};
use crate::filter::Message;
use crate::judge::Item;
use crate::violation::Violation;

/// A document that was filtered.
#[derive(Clone, Copy)]
pub(super) struct Paper<'p> {
    pub(super) source: &'p [u8],
    pub(super) place: Place,
    /// What was left out of it.
    pub(super) hidden: &'p [Item],
}

impl Exchange {
    pub(super) fn one(
        &mut self,
        paper: Paper<'_>,
        message: Message<'_>,
    ) -> Result<Reading, Violation> {
        let Paper { source, place, .. } = paper;
        let range = message.range.clone();
        let mut answered = Answered::default();
        let fate = self.settle(paper, message, &mut answered)?;
        self.answer(&answered);
        let wrap = place == Place::Json && self.asked == Asked::Batch;
        Ok(match (fate, wrap) {
            (Fate::Dropped, _) => Reading::Dropped,
            (Fate::Instead(denial), false) => Reading::Instead(denial),
            (Fate::Instead(denial), true) => {
                self.refuse_element(denial);
                Reading::Changed(array(std::iter::empty(), self.refusals().as_deref()))
            }
            (Fate::Kept(None), false) => Reading::Unchanged,
            (Fate::Kept(Some(edited)), false) => Reading::Changed(edited),
            (Fate::Kept(edited), true) => {
                let kept = edited.as_deref().or(source.get(range));
                Reading::Changed(array(kept.into_iter(), self.refusals().as_deref()))
            }
        })
    }

    pub(super) fn batch(
        &mut self,
        paper: Paper<'_>,
        messages: Vec<Message<'_>>,
    ) -> Result<Reading, Violation> {
        let Paper { source, place, .. } = paper;
        // Only one revision has batches (R-078 for modern streams).
        if self.eyes.version != Version::V2025_03_26 || messages.is_empty() {
            return Err(Violation::new(Reason::BatchRefused));
        }
        let mut answered = Answered::default();
        let mut kept = Vec::with_capacity(messages.len());
        let mut changed = place == Place::Json && !self.refused.is_empty();
        for message in messages {
            let range = message.range.clone();
            match self.settle(paper, message, &mut answered)? {
                Fate::Dropped => changed = true,
                // Among the refusals, as if policy had refused it.
                Fate::Instead(denial) if place == Place::Json => {
                    changed = true;
                    self.refuse_element(denial);
                }
                Fate::Instead(denial) => {
                    changed = true;
                    let object = denial.rpc_object().unwrap_or_default();
                    kept.push((range, Some(object.as_bytes().to_vec())));
                }
                Fate::Kept(edited) => {
                    changed |= edited.is_some();
                    kept.push((range, edited));
                }
            }
        }
        self.answer(&answered);
        if !changed {
            return Ok(Reading::Unchanged);
        }
        if kept.is_empty() && (place == Place::Event || self.refused.is_empty()) {
            return Ok(Reading::Dropped);
        }
        let kept = kept
            .iter()
            .filter_map(|(range, edited)| edited.as_deref().or_else(|| source.get(range.clone())));
        // On a stream the refusals went ahead.
        let refusals = if place == Place::Json { self.refusals() } else { None };
        Ok(Reading::Changed(array(kept, refusals.as_deref())))
    }

    /// Adds an answer to those of refused elements, in the order of the batch.
    fn refuse_element(&mut self, denial: Denial) {
        self.refused.push(denial);
        let limits = self.json();
        let more = &self.more;
        self.refused.sort_by_cached_key(|refused| {
            let id = refused.rpc_object().and_then(|object| id_of(object, limits));
            more.iter().position(|pending| Some(pending.request.id()) == id.as_ref())
        });
    }

    fn answer(&mut self, answered: &Answered) {
        for index in answered.iter() {
            let mut all = self.one.iter_mut().chain(&mut self.more);
            if let Some(pending) = all.nth(index) {
                pending.answered = true;
            }
        }
    }
}

/// The places of the requests that a document answers. One is the rule: it needs no list.
#[derive(Default)]
pub(super) struct Answered {
    one: Option<usize>,
    more: Vec<usize>,
}

impl Answered {
    pub(super) fn push(&mut self, place: usize) {
        if self.one.is_none() {
            self.one = Some(place);
        } else {
            self.more.push(place);
        }
    }

    fn iter(&self) -> impl Iterator<Item = usize> {
        self.one.iter().chain(&self.more).copied()
    }

    pub(super) fn contains(&self, place: usize) -> bool {
        self.iter().any(|answered| answered == place)
    }
}

/// A JSON array of `messages`, and of those in `more`.
fn array<'b>(messages: impl Iterator<Item = &'b [u8]>, more: Option<&'b str>) -> Vec<u8> {
    let mut out = vec![b'['];
    for message in messages.chain(more.map(str::as_bytes)) {
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(message);
    }
    out.push(b']');
    out
}
