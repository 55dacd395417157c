//! Checks a policy and arranges it for deciding.

use std::collections::{HashMap, HashSet};

use portcullis_core::ScopeHierarchy;

use crate::check::{check_text, law};
use crate::digest;
use crate::index::Index;
use crate::pattern::{self, Pattern};
use crate::policy::{PROTOCOL, Rules, Tables};
use crate::rule::Word;
use crate::settle::DEFAULT_DENY;
use crate::who::{FIRST, Roles};
use crate::{ConfigError, Policy, Role, Rule};

/// Builds a [`Policy`]; made by [`Policy::builder`].
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct PolicyBuilder {
    pub(crate) name: Option<String>,
    pub(crate) roles: Vec<Role>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) implied: Vec<(Word, Vec<Word>)>,
}

impl PolicyBuilder {
    /// Names the policy. The name stands before the digest in its version.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Adds a role.
    pub fn add_role(mut self, role: Role) -> Self {
        self.roles.push(role);
        self
    }

    /// Adds a rule. Order decides nothing but which of several allowing rules is recorded and
    /// which scopes are asked for first.
    pub fn add_rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Says that `scope` stands for each of `others` as well, and for what these imply.
    /// Without this, scopes are compared exactly.
    pub fn scope_implies<T: Into<String>>(
        mut self,
        scope: impl Into<String>,
        others: impl IntoIterator<Item = T>,
    ) -> Self {
        let others = others.into_iter().map(Word::from).collect();
        self.implied.push((scope.into().into(), others));
        self
    }

    /// Adds a hierarchy that other layers use too: as if [`scope_implies`](Self::scope_implies) had
    /// been called for each of its scopes.
    pub fn scope_hierarchy(mut self, hierarchy: &ScopeHierarchy) -> Self {
        self.implied.extend(hierarchy.scopes().map(|scope| {
            (
                Word::from(scope),
                hierarchy.implied_by(scope).iter().map(String::as_str).map(Word::from).collect(),
            )
        }));
        self
    }

    /// Checks everything and arranges it for deciding.
    ///
    /// # Errors
    /// When there is no rule; a rule has no id or another rule's, no targets, nobody to apply to,
    /// a role that is not defined, a pattern that cannot match, or a scope that a challenge cannot
    /// carry; or a role has two definitions or nobody can have it.
    pub fn build(self) -> Result<Policy, ConfigError> {
        check_text("the policy's name", self.name.as_deref().unwrap_or("-"))
            .map_err(ConfigError::new)?;
        if self.rules.is_empty() {
            return Err(ConfigError::new("the policy has no rules: it would allow nothing"));
        }
        let role_bits = self.role_bits()?;
        self.check_rule_ids()?;
        let hierarchy = self.hierarchy()?;
        let wanted = self.wanted_scopes();
        let laws = self
            .rules
            .iter()
            .map(|rule| law(rule, &role_bits, &wanted).map_err(|error| error.at(rule.id.place)))
            .collect::<Result<Vec<_>, _>>()?;
        let limit = FIRST + self.roles.len();
        let index = |what: &'static str, targets: Targets| {
            let patterns = self.patterns(targets)?;
            Index::new(patterns, &laws, limit).map_err(|error| {
                ConfigError::new(format!("the patterns of {what} do not compile: {}", error.kind()))
            })
        };
        let tables = Tables {
            tools: index("tools", |rule| &rule.tools)?,
            prompts: index("prompts", |rule| &rule.prompts)?,
            resources: index("resources", |rule| &rule.resources)?,
            roles: Roles::new(&self.roles, &wanted, &hierarchy),
            laws,
        };
        Ok(Policy::new(digest::version(&self), Rules::Tables(Box::new(tables))))
    }

    fn role_bits(&self) -> Result<HashMap<&str, usize>, ConfigError> {
        let mut bits = HashMap::new();
        for (bit, role) in self.roles.iter().enumerate() {
            let fail = |message: String| Err(ConfigError::new(message).at(role.place));
            let Role { name, groups, scopes, roles, clients, anonymous, .. } = role;
            if let Err(message) = check_text("a role's name", name) {
                return fail(message);
            }
            let claims = [groups, scopes, roles, clients];
            if claims.iter().all(|values| values.is_empty()) && !anonymous {
                return fail(format!(
                    "nobody can have the role {name}: give it groups, scopes, roles, clients or anonymous"
                ));
            }
            if claims.into_iter().flatten().any(String::is_empty) {
                return fail(format!("the role {name} has an empty string among its claims"));
            }
            if bits.insert(name.as_str(), FIRST + bit).is_some() {
                return fail(format!("the role {name} is defined twice"));
            }
        }
        Ok(bits)
    }

    fn check_rule_ids(&self) -> Result<(), ConfigError> {
        let mut seen = HashSet::new();
        for Rule { id, .. } in &self.rules {
            let fail = |message: String| Err(ConfigError::new(message).at(id.place));
            if let Err(message) = check_text("a rule's id", &id.text) {
                return fail(message);
            }
            if [PROTOCOL.as_str(), DEFAULT_DENY.as_str()].contains(&id.text.as_str()) {
                return fail(format!("the rule id {} is taken by the gate itself", id.text));
            }
            if !seen.insert(&id.text) {
                return fail(format!("two rules have the id {}", id.text));
            }
        }
        Ok(())
    }

    fn hierarchy(&self) -> Result<ScopeHierarchy, ConfigError> {
        let mut hierarchy = ScopeHierarchy::new();
        for (scope, others) in &self.implied {
            for Word { text, place } in std::iter::once(scope).chain(others) {
                ScopeHierarchy::check(text).map_err(|_| {
                    let message = format!("{text:?} in the scope hierarchy is not a scope");
                    ConfigError::new(message).at(*place)
                })?;
            }
            hierarchy = hierarchy
                .implies(&scope.text, others.iter().map(|other| &other.text))
                .map_err(|error| ConfigError::new(error.to_string()))?;
        }
        Ok(hierarchy)
    }

    fn wanted_scopes(&self) -> Vec<String> {
        let mut wanted: Vec<String> = Vec::new();
        for Word { text, .. } in self.rules.iter().flat_map(|rule| &rule.requires_scopes) {
            if !wanted.contains(text) {
                wanted.push(text.clone());
            }
        }
        wanted
    }

    fn patterns(&self, targets: Targets) -> Result<Vec<(Pattern, usize)>, ConfigError> {
        // The same accessor tells which grammar applies: only resources are URIs.
        let mut patterns = Vec::new();
        for (number, rule) in self.rules.iter().enumerate() {
            let words = targets(rule);
            let uris = std::ptr::eq(words, &rule.resources);
            for Word { text, place } in words {
                let pattern = if uris {
                    pattern::of_uris(text, rule.effect)
                } else {
                    pattern::of_names(text)
                };
                let pattern = pattern.map_err(|message| {
                    ConfigError::new(format!("rule {}: {message}", rule.id.text))
                        .at(*place)
                        .at(rule.id.place)
                })?;
                patterns.push((pattern, number));
            }
        }
        Ok(patterns)
    }
}

type Targets = fn(&Rule) -> &Vec<Word>;

#[cfg(test)]
mod tests;
