//! Asks what the caller may see, item by item.

use std::sync::Arc;

use portcullis_core::{Caller, Glance, Look, TargetKind, Text, Version, View};

use crate::json::Str;

/// An item of a list.
pub(crate) type Item = (TargetKind, Text);

/// Whose eyes a document is filtered for.
#[derive(Clone, Debug)]
pub(crate) struct Eyes {
    pub(crate) caller: Caller,
    pub(crate) version: Version,
    /// `None` where the deployment runs without authorization: everything is shown.
    pub(crate) view: Option<Arc<dyn View>>,
}

impl Eyes {
    /// Asks for the items that could not be decided at once.
    pub(crate) fn look(&self, items: Vec<Item>) -> Option<Look> {
        Some(self.view.as_ref()?.look(self.caller.clone(), self.version, items))
    }
}

/// The answers to a [`Look`], in the order of the items.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub(crate) items: Vec<Item>,
    pub(crate) shown: Vec<bool>,
}

/// Decides item by item during one pass over a document.
#[derive(Debug)]
pub(crate) struct Judge<'a> {
    eyes: &'a Eyes,
    answers: Option<(&'a Answers, usize)>,
    /// Whether anybody wants to know what was hidden.
    record: bool,
    hidden: Vec<Item>,
    later: Vec<Item>,
}

impl<'a> Judge<'a> {
    /// A judge for one document, with the answers of an earlier pass over it.
    pub(crate) fn new(eyes: &'a Eyes, answers: Option<&'a Answers>, record: bool) -> Self {
        Self {
            eyes,
            answers: answers.map(|answers| (answers, 0)),
            record,
            hidden: Vec::new(),
            later: Vec::new(),
        }
    }

    /// Whether the caller may see the item. One that nobody can decide at once is left out of this
    /// pass and noted for the next.
    pub(crate) fn shows(&mut self, kind: TargetKind, name: Str<'_>) -> bool {
        let Some(view) = &self.eyes.view else { return true };
        let decoded = name.decoded();
        let shown = match view.glance(&self.eyes.caller, self.eyes.version, kind, &decoded) {
            Glance::Shown => true,
            Glance::Hidden => false,
            Glance::Later => {
                let item = (kind, Text::from(&*decoded));
                match &mut self.answers {
                    None => {
                        self.later.push(item);
                        return false;
                    }
                    Some((answers, next)) => {
                        // Answers count only for what was asked, in the same order.
                        let same = answers.items.get(*next) == Some(&item);
                        let shown = answers.shown.get(*next).copied().unwrap_or(false);
                        *next += 1;
                        same && shown
                    }
                }
            }
        };
        if !shown {
            self.hide(kind, Some(name));
        }
        shown
    }

    /// Records an item that was left out.
    pub(crate) fn hide(&mut self, kind: TargetKind, name: Option<Str<'_>>) {
        if self.record {
            let name = name.map(|name| Text::from(&*name.decoded()));
            self.hidden.push((kind, name.unwrap_or_default()));
        }
    }

    /// What is still to be asked, and what was hidden.
    pub(crate) fn finish(self) -> (Vec<Item>, Vec<Item>) {
        (self.later, self.hidden)
    }
}
