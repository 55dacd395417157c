//! Rules, as configured.

use crate::DenialStyle;
use crate::error::Place;

/// A rule: some roles may, or may not, use some tools, prompts and resources.
///
/// Names are exact and case-sensitive; `*` in a name stands for any text. In a resource's URI, `*`
/// stands for text without `/`, and `**` between slashes or at the end for any number of segments.
/// See the [crate docs](crate#patterns).
#[derive(Clone, Debug)]
#[must_use = "a rule does nothing until it is added to a policy"]
pub struct Rule {
    pub(crate) id: Word,
    pub(crate) effect: Effect,
    pub(crate) tools: Vec<Word>,
    pub(crate) prompts: Vec<Word>,
    pub(crate) resources: Vec<Word>,
    pub(crate) roles: Vec<Word>,
    pub(crate) everyone: bool,
    pub(crate) requires_scopes: Vec<Word>,
    pub(crate) denial: Option<DenialStyle>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Effect {
    Allow,
    Deny,
}

/// A configured string, and where it stands in the file.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) place: Option<Place>,
}

impl<T: Into<String>> From<T> for Word {
    fn from(text: T) -> Self {
        Self { text: text.into(), place: None }
    }
}

impl Rule {
    /// A rule that allows. Its `id` is recorded with every decision it makes.
    pub fn allow(id: impl Into<String>) -> Self {
        Self::new(id.into().into(), Effect::Allow)
    }

    /// A rule that denies, whatever other rules allow.
    pub fn deny(id: impl Into<String>) -> Self {
        Self::new(id.into().into(), Effect::Deny)
    }

    pub(crate) fn new(id: Word, effect: Effect) -> Self {
        Self {
            id,
            effect,
            tools: Vec::new(),
            prompts: Vec::new(),
            resources: Vec::new(),
            roles: Vec::new(),
            everyone: false,
            requires_scopes: Vec::new(),
            denial: None,
        }
    }

    /// Adds tools, by name or pattern.
    pub fn tools<T: Into<String>>(mut self, tools: impl IntoIterator<Item = T>) -> Self {
        self.tools.extend(tools.into_iter().map(Word::from));
        self
    }

    /// Adds prompts, by name or pattern.
    pub fn prompts<T: Into<String>>(mut self, prompts: impl IntoIterator<Item = T>) -> Self {
        self.prompts.extend(prompts.into_iter().map(Word::from));
        self
    }

    /// Adds resources, by URI or pattern, and resource templates, by URI template.
    pub fn resources<T: Into<String>>(mut self, resources: impl IntoIterator<Item = T>) -> Self {
        self.resources.extend(resources.into_iter().map(Word::from));
        self
    }

    /// Adds roles, by name.
    pub fn roles<T: Into<String>>(mut self, roles: impl IntoIterator<Item = T>) -> Self {
        self.roles.extend(roles.into_iter().map(Word::from));
        self
    }

    /// Makes an allow rule apply to every signed-in caller, and a deny rule to every caller,
    /// signed in or not.
    pub fn everyone(mut self) -> Self {
        self.everyone = true;
        self
    }

    /// Adds scopes that the token must have, all of them, for the rule to allow. A caller who
    /// lacks only scopes is told which.
    pub fn requires_scopes<T: Into<String>>(mut self, scopes: impl IntoIterator<Item = T>) -> Self {
        self.requires_scopes.extend(scopes.into_iter().map(Word::from));
        self
    }

    /// Sets how a denial looks to a signed-in caller: when this rule denies, or when this rule
    /// allows the target to others but nothing allows it to the caller. Others see it hidden.
    pub fn denial(mut self, style: DenialStyle) -> Self {
        self.denial = Some(style);
        self
    }
}
