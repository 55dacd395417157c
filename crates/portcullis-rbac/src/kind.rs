//! The kinds of targets that rules name.

use portcullis_core::Method;

use crate::condition::TASKS_CREATE;
use crate::rule::{Effect, Word};
use crate::uri::{self, Reading};
use crate::{Rule, name};

/// The longest name in bytes, of a tool or prompt, that patterns speak of. To look for patterns takes longer the
/// longer a name is, and callers may send any; MCP wants names of at most 128 characters.
const MAX_NAME: usize = 1024;

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

    /// Whether no pattern can tell what `name` means: only a rule that spells it out does.
    pub(crate) fn is_odd(self, name: &str) -> bool {
        match self {
            Self::Tools | Self::Prompts => name.len() > MAX_NAME || name::is_deceptive(name),
            Self::Resources => uri::read(name, name.contains('{')) == Reading::Odd,
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
