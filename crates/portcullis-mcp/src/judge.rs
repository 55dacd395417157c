//! Asks what the caller may see, item by item.

use std::sync::Arc;

use portcullis_core::{Caller, Glance, Look, TargetKind, Text, ToolHints, Version, View};

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

    /// Whether policy wants to know what tools are said to be.
    pub(crate) fn notices(&self) -> bool {
        self.eyes.view.as_ref().is_some_and(|view| view.notices())
    }

    /// Whether the caller may see anything of a kind.
    pub(crate) fn offers(&self, kind: TargetKind) -> bool {
        let Eyes { caller, version, view } = self.eyes;
        view.as_ref().is_none_or(|view| view.offers(caller, *version, kind))
    }

    /// Tells policy what the service says about a tool.
    pub(crate) fn notice(&self, name: Str<'_>, hints: ToolHints) {
        if let Some(view) = &self.eyes.view {
            view.notice(&name.decoded(), hints);
        }
    }

    /// Whether the caller may see the item. One that nobody can decide at once is left out of this
    /// pass and noted for the next.
    pub(crate) fn shows(&mut self, kind: TargetKind, name: Str<'_>) -> bool {
        self.shows_name(kind, &name.decoded())
    }

    /// As [`shows`](Self::shows), for a name that does not stand in the document.
    pub(crate) fn shows_name(&mut self, kind: TargetKind, name: &str) -> bool {
        let glance = self.ask(kind, name);
        if glance == Glance::Hidden {
            self.hide_name(kind, name);
        }
        glance == Glance::Shown
    }

    /// Whether policy has more to say about tasks than about the tools that they run.
    pub(crate) fn decides_tasks(&self) -> bool {
        self.eyes.view.as_ref().is_some_and(|view| view.decides_tasks())
    }

    /// Whether the caller may call the tool as a task; not so before that is known.
    pub(crate) fn runs_as_task(&mut self, tool: Str<'_>) -> bool {
        self.ask(TargetKind::Task, &tool.decoded()) == Glance::Shown
    }

    /// [`Glance::Later`] only during the first pass.
    fn ask(&mut self, kind: TargetKind, name: &str) -> Glance {
        let Some(view) = &self.eyes.view else { return Glance::Shown };
        let glance = view.glance(&self.eyes.caller, self.eyes.version, kind, name);
        if glance != Glance::Later {
            return glance;
        }
        let item = (kind, Text::from(name));
        match &mut self.answers {
            None => {
                self.later.push(item);
                Glance::Later
            }
            Some((answers, next)) => {
                // Answers count only for what was asked, in the same order.
                let same = answers.items.get(*next) == Some(&item);
                let shown = answers.shown.get(*next).copied().unwrap_or(false);
                *next += 1;
                if same && shown { Glance::Shown } else { Glance::Hidden }
            }
        }
    }

    /// Records an item that was left out.
    pub(crate) fn hide(&mut self, kind: TargetKind, name: Option<Str<'_>>) {
        let name = name.map(|name| name.decoded()).unwrap_or_default();
        self.hide_name(kind, &name);
    }

    fn hide_name(&mut self, kind: TargetKind, name: &str) {
        if self.record {
            self.hidden.push((kind, Text::from(name)));
        }
    }

    /// How many items were left out so far, as far as that is recorded.
    pub(crate) fn hidden(&self) -> usize {
        self.hidden.len()
    }

    /// What is still to be asked, and what was hidden.
    pub(crate) fn finish(self) -> (Vec<Item>, Vec<Item>) {
        (self.later, self.hidden)
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::TargetKind::Tool;

    use super::*;
    use crate::fakes::eyes;
    use crate::json::{JsonLimits, Scanner};

    fn shows(answers: Option<&Answers>, names: &[&str]) -> (Vec<bool>, usize) {
        let eyes = eyes(Version::V2025_11_25);
        let mut judge = Judge::new(&eyes, answers, false);
        let shown = names.iter().map(|name| {
            let quoted = format!("\"{name}\"");
            let limits = JsonLimits { depth: 0, values: 1 };
            let mut scanner = Scanner::new(quoted.as_bytes(), limits).unwrap();
            judge.shows(Tool, scanner.string().unwrap())
        });
        (shown.collect(), judge.finish().0.len())
    }

    #[test]
    fn what_cannot_be_said_yet_is_not_shown_yet() {
        assert_eq!(shows(None, &["a", "later", "secret"]), (vec![true, false, false], 1));
    }

    #[test]
    fn an_answer_counts_only_for_its_question() {
        let asked = |names: &[&str], shown: &[bool]| Answers {
            items: names.iter().map(|name| (Tool, Text::from(*name))).collect(),
            shown: shown.to_vec(),
        };
        let names = ["later 1", "later 2"];
        let cases = [
            ("both", asked(&names, &[true, true]), [true, true]),
            ("one", asked(&names, &[false, true]), [false, true]),
            ("a short answer hides the rest", asked(&names, &[true]), [true, false]),
            ("other items", asked(&["later 2", "later 1"], &[true, true]), [false, false]),
            ("nothing was asked", asked(&[], &[true, true]), [false, false]),
        ];
        for (name, answers, expected) in cases {
            assert_eq!(shows(Some(&answers), &names), (expected.to_vec(), 0), "{name}");
        }
    }
}
