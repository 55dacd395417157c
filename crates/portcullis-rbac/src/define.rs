//! Checks what a policy defines for its rules to name.

use std::collections::HashMap;

use portcullis_core::{Challenge, ScopeHierarchy};

use crate::argument::find::Pointer;
use crate::argument::scalar::Scalar;
use crate::bits::Bits;
use crate::check::check_text;
use crate::rule::Word;
use crate::who::FIRST;
use crate::{Agent, ConfigError, PolicyBuilder, Role, Server};

impl PolicyBuilder {
    pub(crate) fn server_numbers(&self) -> Result<HashMap<&str, usize>, ConfigError> {
        let mut numbers = HashMap::new();
        for (number, Server { name, place, .. }) in self.servers.iter().enumerate() {
            let fail = |message: String| Err(ConfigError::new(message).at(*place));
            if let Err(message) = check_text("a server's name", name) {
                return fail(message);
            }
            if numbers.insert(name.as_str(), number).is_some() {
                return fail(format!("the server {name} is defined twice"));
            }
        }
        Ok(numbers)
    }

    pub(crate) fn agent_numbers(&self) -> Result<HashMap<&str, usize>, ConfigError> {
        let mut numbers = HashMap::new();
        for (number, Agent { name, clients, actors, place, .. }) in self.agents.iter().enumerate() {
            let fail = |message: String| Err(ConfigError::new(message).at(*place));
            if let Err(message) = check_text("an agent's name", name) {
                return fail(message);
            }
            if matches!(name.as_str(), "direct" | "agent") {
                return fail(format!("the agent's name {name} has another meaning"));
            }
            if clients.is_empty() && actors.is_empty() {
                return fail(format!(
                    "nothing is known of the agent {name}: give it clients or actors"
                ));
            }
            if clients.iter().chain(actors).any(String::is_empty) {
                return fail(format!("the agent {name} has an empty string among its names"));
            }
            if numbers.insert(name.as_str(), number).is_some() {
                return fail(format!("the agent {name} is defined twice"));
            }
        }
        Ok(numbers)
    }

    pub(crate) fn role_bits(&self) -> Result<HashMap<&str, usize>, ConfigError> {
        let mut bits = HashMap::new();
        for (bit, role) in self.roles.iter().enumerate() {
            let fail = |message: String| Err(ConfigError::new(message).at(role.place));
            let Role { name, groups, scopes, roles, clients, subjects, issuers, tenants, .. } =
                role;
            if let Err(message) = check_text("a role's name", name) {
                return fail(message);
            }
            if !role.has_sources() && !role.anonymous && !role.is_limited() {
                return fail(format!(
                    "nobody can have the role {name}: give it groups, scopes, roles, clients, subjects, claims, from or anonymous"
                ));
            }
            if role.anonymous && role.is_limited() {
                return fail(format!(
                    "the role {name} is for callers from somewhere, and who has not signed in is from nowhere"
                ));
            }
            let sources = [groups, scopes, roles, clients, subjects, issuers, tenants];
            if sources.into_iter().flatten().any(String::is_empty) {
                return fail(format!("the role {name} has an empty string among its claims"));
            }
            for (claim, values) in &role.claims {
                if let Err(message) = Pointer::parse(claim) {
                    return fail(format!("role {name}: {message}"));
                }
                if values.is_empty() || !values.iter().all(|value| Scalar::of(value).is_some()) {
                    return fail(format!(
                        "role {name}: the claim {claim} needs values that are strings, numbers or booleans"
                    ));
                }
            }
            if bits.insert(name.as_str(), FIRST + bit).is_some() {
                return fail(format!("the role {name} is defined twice"));
            }
        }
        Ok(bits)
    }

    /// The roles, with the ids of groups in place of their names.
    pub(crate) fn roles_with_ids(&self) -> Result<Vec<Role>, ConfigError> {
        let mut ids: HashMap<&str, &[String]> = HashMap::new();
        for (Word { text, place }, named) in &self.groups {
            let fail = |message: String| Err(ConfigError::new(message).at(*place));
            if named.is_empty() || text.is_empty() || named.iter().any(String::is_empty) {
                return fail(format!("the group {text:?} needs a name and ids that are not empty"));
            }
            if ids.insert(text, named).is_some() {
                return fail(format!("the group {text} is defined twice"));
            }
        }
        let mut roles = self.roles.clone();
        if ids.is_empty() {
            return Ok(roles);
        }
        for role in &mut roles {
            let mut groups = Vec::new();
            for name in &role.groups {
                let Some(named) = ids.get(name.as_str()) else {
                    let message = format!("the role {} names the unknown group {name}", role.name);
                    return Err(ConfigError::new(message).at(role.place));
                };
                groups.extend_from_slice(named);
            }
            role.groups = groups;
        }
        Ok(roles)
    }

    pub(crate) fn grantable(&self, wanted: &[String]) -> Result<Option<Bits>, ConfigError> {
        let Some(grantable) = &self.grantable else { return Ok(None) };
        let mut bits = Bits::new(wanted.len());
        for Word { text, place } in grantable {
            Challenge::check_scope(text).map_err(|error| {
                ConfigError::new(format!("grantable_scopes: {error}")).at(*place)
            })?;
            if let Some(bit) = wanted.iter().position(|scope| scope == text) {
                bits.insert(bit);
            }
        }
        Ok(Some(bits))
    }

    pub(crate) fn hierarchy(&self) -> Result<ScopeHierarchy, ConfigError> {
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

    pub(crate) fn wanted_scopes(&self) -> Vec<String> {
        let mut wanted: Vec<String> = Vec::new();
        for Word { text, .. } in self.rules.iter().flat_map(|rule| &rule.requires_scopes) {
            if !wanted.contains(text) {
                wanted.push(text.clone());
            }
        }
        wanted
    }
}
