//! Deny rules about resources, for URIs as servers may read them.

use crate::condition::Case;
use crate::index::Index;
use crate::judge::{Law, Verdict, denied};
use crate::pattern::{self, Pattern};
use crate::rule::{Effect, Word};
use crate::uri::loose;
use crate::who::Who;
use crate::{ConfigError, Rule};

/// The deny rules about resources by what their URIs mean, however they are written.
#[derive(Debug)]
pub(crate) struct Denials {
    index: Index,
    /// Whether some rule is written in another way than it is read.
    loose: bool,
}

impl Denials {
    /// `None` where no rule denies resources by URI.
    pub(crate) fn of(
        rules: &[Rule],
        laws: &[Law],
        roles: usize,
    ) -> Result<Option<Self>, ConfigError> {
        let mut patterns = Vec::new();
        let mut loose = false;
        for (number, rule) in rules.iter().enumerate() {
            if rule.effect != Effect::Deny {
                continue;
            }
            for Word { text, .. } in &rule.resources {
                let pattern = pattern::of_denied(text).map_err(ConfigError::new)?;
                loose |= match &pattern {
                    Pattern::Exact(forms) => forms.iter().any(|form| form != text),
                    Pattern::Glob(_) | Pattern::Stars(_) => loose::spelled(text) != *text,
                };
                patterns.push((pattern, number));
            }
        }
        if patterns.is_empty() {
            return Ok(None);
        }
        let index = Index::new(patterns, laws, roles, |_| false);
        let index = index.map_err(|error| {
            ConfigError::new(format!("the patterns of resources do not compile: {}", error.kind()))
        })?;
        Ok(Some(Self { index, loose }))
    }

    /// Whether a rule denies what a server may take `uri` for, which is in normal form or a text that no
    /// pattern means. That no rule denies the URI itself is known.
    pub(crate) fn denied(
        &self,
        laws: &[Law],
        who: &Who,
        case: &Case<'_>,
        uri: &str,
    ) -> Option<Verdict> {
        if !self.loose && !loose::is_loose(uri) {
            return None;
        }
        loose::forms(uri).iter().find_map(|form| match self.index.exact(form) {
            Some(entry) => denied(laws, who, case, std::iter::once(entry)),
            None => self.index.matching(form, |entries| denied(laws, who, case, entries)),
        })
    }
}
