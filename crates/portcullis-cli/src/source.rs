//! Policies from files, with their text for messages.

use std::path::Path;

use portcullis_core::{Clock, TargetKind};
use portcullis_rbac::{ConfigError, Policy};
use schemars::JsonSchema;
use serde::Serialize;

use crate::input;
use crate::problem::Problem;
use crate::tools::Lists;

/// A policy that can be used, and where it is from.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) file: String,
    text: String,
    toml: bool,
    pub(crate) policy: Policy,
}

/// Which policy something is said about.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct PolicyName {
    /// The file, as it was named; `-` is standard input.
    pub(crate) file: String,
    /// The version that audit records carry.
    pub(crate) version: String,
    /// The SHA-256 digest of everything that can change a decision.
    pub(crate) digest: String,
}

impl Source {
    /// Reads `path`: TOML if it is named `….toml`, YAML (and so JSON) otherwise.
    pub(crate) fn read(path: &Path) -> Result<Self, Problem> {
        let file = input::name(path);
        let toml = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"));
        let text = input::text(path)?;
        let policy = build(&text, toml).map_err(|error| problem(&error, &file, &text))?;
        Ok(Self { file, text, toml, policy })
    }

    /// The same policy, for which it is always `unix` seconds after the Unix epoch.
    pub(crate) fn at(&self, unix: u64) -> Result<Policy, Problem> {
        build(&self.text, self.toml)
            .map(|policy| policy.with_clock(Clock::manual(unix).0))
            .map_err(|error| problem(&error, &self.file, &self.text))
    }

    /// The warnings, with the lines that they are about.
    pub(crate) fn warnings(&self) -> Vec<Problem> {
        let warnings = self.policy.warnings().iter().map(|warning| {
            Problem::new(warning.message())
                .in_file(&*self.file)
                .at(warning.line(), warning.column())
                .within(&self.text)
                .warning()
        });
        warnings.collect()
    }

    /// Warnings about names of tools and prompts that no server has: where `lists` have such things at all.
    pub(crate) fn strange_names(&self, lists: &[Lists]) -> Vec<Problem> {
        let items = || lists.iter().flat_map(|list| &list.items);
        let mut found = Vec::new();
        for rule in self.policy.outline().rules {
            for (kind, names) in
                [(TargetKind::Tool, rule.tools), (TargetKind::Prompt, rule.prompts)]
            {
                let there: Vec<&str> =
                    items().filter(|item| item.kind == kind).map(|item| &*item.name).collect();
                let strange = names
                    .iter()
                    .filter(|name| !there.is_empty() && !there.iter().any(|one| means(name, one)));
                found.extend(strange.map(|name| {
                    let kind = crate::names::kind(kind);
                    Problem::new(format!("rule {}: no server has the {kind} {name}", rule.id))
                        .in_file(&*self.file)
                        .at(rule.place.map(|place| place.0), rule.place.map(|place| place.1))
                        .within(&self.text)
                        .warning()
                }));
            }
        }
        found
    }

    pub(crate) fn name(&self) -> PolicyName {
        use portcullis_rbac::Authorizer as _;
        PolicyName {
            file: self.file.clone(),
            version: self.policy.version().as_str().to_owned(),
            digest: self.policy.digest().to_owned(),
        }
    }
}

/// Whether a name or pattern of a policy means `name`.
fn means(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    let inner = name.strip_prefix(first).and_then(|inner| inner.strip_suffix(last));
    let Some(mut left) = inner else { return false };
    middle.split('*').all(|part| match left.split_once(part) {
        Some((_, after)) => {
            left = after;
            true
        }
        None => false,
    })
}

fn build(text: &str, toml: bool) -> Result<Policy, ConfigError> {
    if toml { Policy::from_toml(text) } else { Policy::from_yaml(text) }
}

fn problem(error: &ConfigError, file: &str, text: &str) -> Problem {
    Problem::new(error.message()).in_file(file).at(error.line(), error.column()).within(text)
}

#[cfg(test)]
mod tests {
    use super::means;

    #[test]
    fn patterns_of_names() {
        let rows = [
            ("get_note", "get_note", true),
            ("get_note", "get_notes", false),
            ("get_*", "get_", true),
            ("get_*", "xget_a", false),
            ("*", "", true),
            ("*_draft", "a_draft", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "axbxbxc", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
        ];
        for (pattern, name, expected) in rows {
            assert_eq!(means(pattern, name), expected, "{pattern} {name}");
        }
    }
}
