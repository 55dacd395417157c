//! Why a request may pass, and what its caller may see in the answer.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use crate::{Caller, Denial, TargetKind, Text, ToolHints, Version};

/// Proof that policy decided in favour of a request.
///
/// Written by the layer that authorizes: into the request for the tool handler and audit, and into
/// the response for inspection, which filters lists through the [`View`]. A response without one
/// was authorized by nobody and is withheld.
#[derive(Clone)]
pub struct Permit {
    rule: Text,
    policy_version: Text,
    view: Arc<dyn View>,
    /// `None` is none: nearly every permit, and no allocation.
    refused: Option<Arc<[Denial]>>,
    tasks_withheld: bool,
}

impl Permit {
    /// A permit by `rule` of the policy `policy_version`, whose caller sees what `view` shows.
    #[must_use]
    pub fn new(rule: Text, policy_version: Text, view: Arc<dyn View>) -> Self {
        Self { rule, policy_version, view, refused: None, tasks_withheld: false }
    }

    /// Adds the answers to the elements of a batch that were refused: they were not forwarded, and
    /// inspection merges these into the answer.
    #[must_use]
    pub fn with_refused(mut self, refused: Vec<Denial>) -> Self {
        self.refused = (!refused.is_empty()).then(|| refused.into());
        self
    }

    /// Says that the call may not run as a task: what its client declared of tasks was not forwarded, and
    /// a task is no answer to it.
    #[must_use]
    pub fn withholding_tasks(mut self) -> Self {
        self.tasks_withheld = true;
        self
    }

    /// The rule that allowed the request.
    #[must_use]
    pub fn rule(&self) -> &Text {
        &self.rule
    }

    /// The version of the policy that holds the rule.
    #[must_use]
    pub fn policy_version(&self) -> &Text {
        &self.policy_version
    }

    /// What the caller may see in lists.
    #[must_use]
    pub fn view(&self) -> &Arc<dyn View> {
        &self.view
    }

    /// Whether the call may not run as a task, though its client declared that it knows tasks.
    #[must_use]
    pub fn withholds_tasks(&self) -> bool {
        self.tasks_withheld
    }

    /// The answers to the refused elements of a batch.
    #[must_use]
    pub fn refused(&self) -> &[Denial] {
        self.refused.as_deref().unwrap_or_default()
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("rule", &self.rule)
            .field("policy_version", &self.policy_version)
            .finish_non_exhaustive()
    }
}

/// What a caller may see: the list side of the one rule engine.
///
/// Implemented by the authorizing layer over the same decision that guards calls, asked by
/// inspection for every item of a list. An error in deciding hides the item.
pub trait View: fmt::Debug + Send + Sync + 'static {
    /// Whether `caller` may see the item, if that can be said at once. Of the kind [`TargetKind::Task`],
    /// `name` is a tool, and the question whether they may call it as a task.
    fn glance(&self, caller: &Caller, version: Version, kind: TargetKind, name: &str) -> Glance;

    /// The version of the policy that decides now; `None` where nobody can say. When it changes, clients
    /// that listen for it learn that lists may have changed.
    fn version(&self) -> Option<Text> {
        None
    }

    /// Takes notice of what the service says about one of its tools in a list, just before it asks
    /// about the tool. Views that make nothing of it need not know.
    fn notice(&self, name: &str, hints: ToolHints) {
        let _ = (name, hints);
    }

    /// Whether anybody wants [`notice`](Self::notice) to be called; asked once per document.
    fn notices(&self) -> bool {
        false
    }

    /// Whether it takes more to call a tool as a task than to call it; asked once per document. Only then is
    /// [`glance`](Self::glance) asked about tasks, so that tools can say who may.
    fn decides_tasks(&self) -> bool {
        false
    }

    /// Whether the caller may see any item of this kind, whatever its name. `false` only where that is
    /// sure: a view that cannot say says `true`.
    fn offers(&self, caller: &Caller, version: Version, kind: TargetKind) -> bool {
        let _ = (caller, version, kind);
        true
    }

    /// Decides the items for which [`glance`](Self::glance) said [`Glance::Later`], in order. A
    /// shorter answer hides the rest.
    ///
    /// The future is boxed because only decision points outside the process come here.
    fn look(&self, caller: Caller, version: Version, items: Vec<(TargetKind, Text)>) -> Look;
}

/// The future of [`View::look`].
///
/// Boxed: once per list that must ask outside the process.
pub type Look = Pin<Box<dyn Future<Output = Vec<bool>> + Send>>;

/// An answer of [`View::glance`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "shown, hidden, or not known yet: there is no fourth")]
pub enum Glance {
    /// The caller may see it.
    Shown,
    /// The caller may not.
    Hidden,
    /// Nobody here can say at once: ask [`View::look`].
    Later,
}
