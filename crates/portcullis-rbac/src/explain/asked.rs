//! Which rules are about a target.

use globset::GlobMatcher;
use portcullis_core::{Method, TargetKind};

use crate::kind::Kind;
use crate::pattern::{self, Pattern};
use crate::rule::{Effect, Word};
use crate::tables::Tables;
use crate::uri::{self, Reading, loose};
use crate::{Query, Rule, name};

/// The forms of a target that patterns may mean.
pub(super) struct Asked {
    kind: TargetKind,
    forms: Vec<String>,
    /// What servers may take a URI for: of use to deny rules.
    loose: Vec<String>,
    /// Whether no pattern allows it, but a rule that spells it out.
    spelled_out: bool,
    /// Whether only rules that spell the target out can mean it, and no rule does.
    pub(super) odd: Option<&'static str>,
}

impl Asked {
    pub(super) fn new(tables: &Tables, query: &Query<'_>, kind: TargetKind, target: &str) -> Self {
        let plain = |forms: Vec<String>| {
            let (loose, spelled_out) = (Vec::new(), false);
            Self { kind, forms, loose, spelled_out, odd: None }
        };
        let odd = |why| Self { odd: Some(why), ..plain(Vec::new()) };
        let loose = |uri: &str| match tables.denials {
            Some(_) => loose::forms(uri),
            None => Vec::new(),
        };
        match kind {
            TargetKind::Tool | TargetKind::Prompt => {
                let index = if kind == TargetKind::Tool { &tables.tools } else { &tables.prompts };
                let spelled_out = Kind::Tools.is_odd(target);
                if spelled_out && index.exact(target).is_none() {
                    return odd(if name::is_deceptive(target) {
                        "the name has invisible or control characters, which no pattern means"
                    } else {
                        "the name is longer than any that patterns mean"
                    });
                }
                Self { spelled_out, ..plain(vec![target.to_owned()]) }
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
                    Reading::Odd => Self {
                        spelled_out: true,
                        loose: loose(target),
                        ..plain(vec![target.to_owned()])
                    },
                    Reading::Plain { normal, bare } => {
                        let mut forms = vec![target.to_owned(), normal.to_string()];
                        forms.extend(normal.get(..bare).map(str::to_owned));
                        Self { loose: loose(&normal), ..plain(forms) }
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
        let denies = rule.effect == Effect::Deny;
        let means = |word: &&Word| {
            // Whether patterns may mean it at all.
            let by_pattern = denies || !self.spelled_out;
            let loosely = uris && denies && self.means_loosely(&word.text);
            let pattern = if uris {
                pattern::of_uris(&word.text, rule.effect)
            } else {
                pattern::of_names(&word.text)
            };
            let spelled = matches!(pattern, Ok(Pattern::Exact(_)));
            loosely
                || (by_pattern || spelled)
                    && pattern.is_ok_and(|pattern| mean(&pattern, &self.forms))
        };
        words.iter().filter(means).map(|word| word.text.clone()).collect()
    }

    /// Whether a server may take the URI for what a rule denies in these words.
    fn means_loosely(&self, text: &str) -> bool {
        pattern::of_denied(text).is_ok_and(|pattern| mean(&pattern, &self.loose))
    }
}

fn mean(pattern: &Pattern, forms: &[String]) -> bool {
    match pattern {
        Pattern::Exact(exact) => exact.iter().any(|form| forms.contains(form)),
        Pattern::Glob(glob) => {
            let matcher: GlobMatcher = glob.compile_matcher();
            forms.iter().any(|form| matcher.is_match(form))
        }
        Pattern::Stars(stars) => forms.iter().any(|form| stars.matches(form)),
    }
}
