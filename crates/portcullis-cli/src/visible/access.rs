//! That somebody may use something, as reports say it.

use portcullis_rbac::{Access, Grant};
use schemars::JsonSchema;
use serde::Serialize;

/// That somebody may use something.
#[derive(Clone, JsonSchema, Serialize)]
pub(crate) struct AccessReport {
    /// `tool`, `prompt` or `resource`.
    pub(crate) kind: &'static str,
    /// Its name or URI, or the pattern of these.
    pub(crate) target: String,
    /// The rules that allow it, each under its own conditions.
    pub(crate) grants: Vec<GrantReport>,
    /// The rules that deny it again, each under its own conditions.
    pub(crate) except: Vec<GrantReport>,
}

/// What a rule gives or takes, and when.
#[derive(Clone, JsonSchema, Serialize)]
pub(crate) struct GrantReport {
    /// The rule.
    pub(crate) rule: String,
    /// The scopes that it takes.
    pub(crate) scopes: Vec<String>,
    /// Its other conditions, in words.
    pub(crate) conditions: Vec<String>,
}

impl AccessReport {
    pub(crate) fn new(access: &Access) -> Self {
        Self {
            kind: access.kind.as_str(),
            target: access.target.clone(),
            grants: access.grants.iter().map(GrantReport::new).collect(),
            except: access.except.iter().map(GrantReport::new).collect(),
        }
    }

    /// The conditions in words; empty when there are none.
    pub(crate) fn terms(&self) -> String {
        let mut terms = String::new();
        for grant in &self.grants {
            if !terms.is_empty() {
                terms.push_str("; or ");
            }
            terms.push_str(&grant.terms());
        }
        for denied in &self.except {
            if !terms.is_empty() {
                terms.push_str("; ");
            }
            terms.push_str("except ");
            terms.push_str(&denied.terms());
        }
        terms
    }

    pub(crate) fn rules(&self) -> String {
        self.grants.iter().map(|grant| grant.rule.as_str()).collect::<Vec<_>>().join(", ")
    }
}

impl GrantReport {
    fn new(grant: &Grant) -> Self {
        Self {
            rule: grant.rule.clone(),
            scopes: grant.scopes.clone(),
            conditions: grant.conditions.clone(),
        }
    }

    pub(super) fn terms(&self) -> String {
        let mut terms = self.conditions.clone();
        if !self.scopes.is_empty() {
            terms.push(format!("with scopes {}", self.scopes.join(" ")));
        }
        terms.join(" and ")
    }
}
