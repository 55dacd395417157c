//! Which rules are about a target.

use globset::GlobMatcher;
use portcullis_core::{Method, TargetKind};

use crate::pattern::{self, Pattern};
use crate::rule::{Effect, Word};
use crate::tables::Tables;
use crate::uri::{self, Reading};
use crate::{Query, Rule, name};

/// The forms of a target that patterns may mean.
pub(super) struct Asked {
    kind: TargetKind,
    forms: Vec<String>,
    /// Whether only rules that spell the target out can mean it, and no rule does.
    pub(super) odd: Option<&'static str>,
}

impl Asked {
    pub(super) fn new(tables: &Tables, query: &Query<'_>, kind: TargetKind, target: &str) -> Self {
        let plain = |forms| Self { kind, forms, odd: None };
        let odd = |why| Self { kind, forms: Vec::new(), odd: Some(why) };
        match kind {
            TargetKind::Tool | TargetKind::Prompt => {
                let index = if kind == TargetKind::Tool { &tables.tools } else { &tables.prompts };
                if name::is_deceptive(target) && index.exact(target).is_none() {
                    return odd(
                        "the name has invisible or control characters, which no pattern means",
                    );
                }
                plain(vec![target.to_owned()])
            }
            TargetKind::Resource | TargetKind::ResourceTemplate => {
                let template = kind == TargetKind::ResourceTemplate
                    || query.method() == Method::CompletionComplete;
                match uri::read(target, template) {
                    Reading::Refused => {
                        odd("the URI can be read in two ways, so nothing can allow it")
                    }
                    Reading::Odd if tables.resources.exact(target).is_none() => {
                        odd("no pattern can tell what the URI points to, and no rule spells it out")
                    }
                    Reading::Odd => plain(vec![target.to_owned()]),
                    Reading::Plain { normal, bare } => {
                        let mut forms = vec![target.to_owned(), normal.to_string()];
                        forms.extend(normal.get(..bare).map(str::to_owned));
                        plain(forms)
                    }
                }
            }
            _ => plain(Vec::new()),
        }
    }

    /// The patterns of `rule` that mean the target.
    pub(super) fn patterns(&self, rule: &Rule) -> Vec<String> {
        let (words, uris) = match self.kind {
            TargetKind::Tool => (&rule.tools, false),
            TargetKind::Prompt => (&rule.prompts, false),
            TargetKind::Resource | TargetKind::ResourceTemplate => (&rule.resources, true),
            _ => return Vec::new(),
        };
        let nothing_named =
            rule.tools.is_empty() && rule.prompts.is_empty() && rule.resources.is_empty();
        if nothing_named && rule.effect == Effect::Deny && !self.forms.is_empty() {
            // It denies methods, whatever the target.
            return rule.methods.iter().map(|method| method.text.clone()).collect();
        }
        let means = |word: &&Word| {
            let pattern = if uris {
                pattern::of_uris(&word.text, rule.effect)
            } else {
                pattern::of_names(&word.text)
            };
            match pattern {
                Ok(Pattern::Exact(exact)) => exact.iter().any(|form| self.forms.contains(form)),
                Ok(Pattern::Glob(glob)) => {
                    let matcher: GlobMatcher = glob.compile_matcher();
                    self.forms.iter().any(|form| matcher.is_match(form))
                }
                Ok(Pattern::Stars(stars)) => self.forms.iter().any(|form| stars.matches(form)),
                Err(_) => false,
            }
        };
        words.iter().filter(means).map(|word| word.text.clone()).collect()
    }
}
