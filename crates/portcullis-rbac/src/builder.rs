//! Checks a policy and arranges it for deciding.

use std::collections::HashSet;

use portcullis_core::{Clock, Method, ScopeHierarchy, Text};

use crate::bits::Bits;
use crate::check::{Names, check_text, law};
use crate::condition::Right;
use crate::denials::Denials;
use crate::index::Index;
use crate::judge::{Entry, Law};
use crate::kind::Kind;
use crate::pattern::{self, Pattern};
use crate::policy::{PROTOCOL, Rules};
use crate::rule::{Effect, Word};
use crate::settle::DEFAULT_DENY;
use crate::tables::{Tables, Tasks};
use crate::who::{FIRST, Roles};
use crate::{Agent, ConfigError, Policy, Role, Rule, Server, digest, intern, warning};

/// Builds a [`Policy`]; made by [`Policy::builder`].
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct PolicyBuilder {
    pub(crate) name: Option<String>,
    pub(crate) servers: Vec<Server>,
    pub(crate) groups: Vec<(Word, Vec<String>)>,
    pub(crate) agents: Vec<Agent>,
    pub(crate) roles: Vec<Role>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) implied: Vec<(Word, Vec<Word>)>,
    pub(crate) grantable: Option<Vec<Word>>,
    pub(crate) clock: Clock,
}

impl PolicyBuilder {
    /// Names the policy. The name stands before the digest in its version.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Takes the time from `clock`, for tests.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Adds a server that rules may name.
    pub fn add_server(mut self, server: Server) -> Self {
        self.servers.push(server);
        self
    }

    /// Names groups by `name` for the roles of this policy: their ids at the issuer, such as
    /// Entra's object ids. Once there is one name, roles can use no other groups.
    pub fn add_group<T: Into<String>>(
        mut self,
        name: impl Into<String>,
        ids: impl IntoIterator<Item = T>,
    ) -> Self {
        self.groups.push((name.into().into(), ids.into_iter().map(T::into).collect()));
        self
    }

    /// Adds an agent that rules may name.
    pub fn add_agent(mut self, agent: Agent) -> Self {
        self.agents.push(agent);
        self
    }

    /// Lists the scopes that callers can get. Who lacks another one is denied, not sent to get it
    /// . Without this, every scope that rules require can be had.
    pub fn grantable_scopes<T: Into<String>>(
        mut self,
        scopes: impl IntoIterator<Item = T>,
    ) -> Self {
        self.grantable.get_or_insert_default().extend(scopes.into_iter().map(Word::from));
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
    /// When there is no rule; a rule has no id or another rule's, no targets, nobody to apply to, a
    /// role, agent or server that is not defined, a pattern that cannot match, a scope that a
    /// challenge cannot carry, or conditions that nothing can meet; or a role, agent, group or
    /// server has two definitions, or a role one that nobody fits.
    pub fn build(self) -> Result<Policy, ConfigError> {
        check_text("the policy's name", self.name.as_deref().unwrap_or("-"))
            .map_err(ConfigError::new)?;
        if self.rules.is_empty() {
            return Err(ConfigError::new("the policy has no rules: it would allow nothing"));
        }
        let servers = self.server_numbers()?;
        let agents = self.agent_numbers()?;
        let role_bits = self.role_bits()?;
        let resolved = self.roles_with_ids()?;
        self.check_rule_ids()?;
        let hierarchy = self.hierarchy()?;
        let wanted = self.wanted_scopes();
        let grantable = self.grantable(&wanted)?;
        let names =
            Names { roles: &role_bits, servers: &servers, agents: &agents, wanted: &wanted };
        let laws = self
            .rules
            .iter()
            .map(|rule| law(rule, &names).map_err(|error| error.at(rule.id.place)))
            .collect::<Result<Vec<_>, _>>()?;
        let limit = FIRST + self.roles.len();
        let index = |what, kind| compiled((what, kind), self.patterns(kind)?, &laws, limit);
        let sets_level = |(number, law): (usize, &Law)| {
            let right = Right::Use(Method::LoggingSetLevel);
            law.conditions.as_ref().is_some_and(|c| c.names(right)).then_some(number)
        };
        let level: Vec<usize> = laws.iter().enumerate().filter_map(sets_level).collect();
        let digest = digest::digest(&self);
        let version = Text::from(match (&self.name, digest.get(..16)) {
            (Some(name), Some(start)) => format!("{name}@{start}"),
            (None, Some(start)) => start.to_owned(),
            (_, None) => digest.clone(),
        });
        let asks = |part: fn(&crate::condition::Conditions) -> bool| {
            laws.iter().filter_map(|law| law.conditions.as_deref()).any(part)
        };
        let mut tables = Tables {
            tools: index("tools", Kind::Tools)?,
            prompts: index("prompts", Kind::Prompts)?,
            resources: index("resources", Kind::Resources)?,
            denials: Denials::of(&self.rules, &laws, limit)?,
            roles: Roles::new(&resolved, &self.agents, &wanted, &hierarchy),
            set_level: (!level.is_empty()).then(|| Entry::new(&level, &laws, Bits::new(limit))),
            servers: self.servers.clone(),
            grantable,
            clock: self.clock.clone(),
            tasks: self.tasks(&laws, limit)?,
            by_method: asks(|conditions| conditions.methods.is_some()),
            by_hints: asks(|conditions| conditions.hints != Default::default()),
            warnings: Vec::new(),
            ids: self.rules.iter().map(|rule| intern::text(&rule.id.text)).collect(),
            laws,
            source: self,
        };
        tables.warnings = warning::find(&tables);
        Ok(Policy::new(
            intern::text(version.as_str()),
            digest.into(),
            Rules::Tables(Box::new(tables)),
        ))
    }

    /// What is decided about calls as tasks, if rules name these.
    fn tasks(&self, laws: &[Law], limit: usize) -> Result<Option<Tasks>, ConfigError> {
        let names = |law: &Law| {
            law.conditions.as_ref().is_some_and(|conditions| conditions.names(Right::BeginTask))
        };
        if !laws.iter().any(names) {
            return Ok(None);
        }
        let grants = |number: &usize| {
            laws.get(*number).is_some_and(|law| law.effect == Effect::Allow && names(law))
        };
        let mut patterns = self.patterns(Kind::Tools)?;
        patterns.retain(|(_, number)| grants(number));
        let granted =
            (!patterns.is_empty()).then(|| compiled(("tools", Kind::Tools), patterns, laws, limit));
        Ok(Some(Tasks { granted: granted.transpose()? }))
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

    fn patterns(&self, kind: Kind) -> Result<Vec<(Pattern, usize)>, ConfigError> {
        let mut patterns = Vec::new();
        for (number, rule) in self.rules.iter().enumerate() {
            let words = kind.words(rule);
            for Word { text, place } in words {
                let pattern = if kind == Kind::Resources {
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
            if kind.is_denied_whole(rule) {
                patterns.push((pattern::all(kind), number));
            }
        }
        Ok(patterns)
    }
}

fn compiled(
    (what, kind): (&str, Kind),
    patterns: Vec<(Pattern, usize)>,
    laws: &[Law],
    roles: usize,
) -> Result<Index, ConfigError> {
    Index::new(patterns, laws, roles, |name| kind.is_odd(name)).map_err(|error| {
        ConfigError::new(format!("the patterns of {what} do not compile: {}", error.kind()))
    })
}

#[cfg(test)]
mod tests;
