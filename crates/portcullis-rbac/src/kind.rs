//! The kinds of targets that rules name.

use portcullis_core::Method;

use crate::Rule;
use crate::condition::TASKS_CREATE;
use crate::rule::{Effect, Word};

/// Stands for any text.
const ODD: &str = "zqxjkvzqxjkv";

/// The kinds of targets that rules name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Tools,
    Prompts,
    Resources,
}

impl Kind {
    pub(crate) fn words(self, rule: &Rule) -> &[Word] {
        match self {
            Self::Tools => &rule.tools,
            Self::Prompts => &rule.prompts,
            Self::Resources => &rule.resources,
        }
    }

    /// A name that stands for those which only `pattern` means, but for accidents that no sensible
    /// policy has.
    pub(crate) fn sample(self, pattern: &str) -> String {
        pattern.replace("**", ODD).replace('*', ODD)
    }

    /// Names that stand for all that `pattern` means: what means these means all of it.
    pub(crate) fn samples(self, pattern: &str) -> Vec<String> {
        let mut samples = vec![self.sample(pattern)];
        if self == Self::Resources && pattern.contains("**") {
            let deep = [ODD; 6].join("/");
            samples.push(pattern.replace("**", &deep).replace('*', ODD));
        }
        samples
    }

    /// Whether a rule denies methods alone, whatever the target, and some are about this kind.
    pub(crate) fn is_denied_whole(self, rule: &Rule) -> bool {
        let targets = [&rule.tools, &rule.prompts, &rule.resources];
        rule.effect == Effect::Deny
            && targets.iter().all(|words| words.is_empty())
            && rule.methods.iter().any(|method| match method.text.as_str() {
                // The right to call tools so, and no other.
                TASKS_CREATE => self == Self::Tools,
                method => method != Method::LoggingSetLevel.as_str(),
            })
    }
}
