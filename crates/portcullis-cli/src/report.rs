//! What the rules say about one target, in the form of reports.

use portcullis_rbac::{Decision, Explanation, RoleHeld, RuleOutcome, RuleReport};
use schemars::JsonSchema;
use serde::Serialize;

use crate::names;

/// A role of the caller.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct RoleReport {
    /// Its name in the policy.
    pub(crate) role: String,
    /// What gave it. Empty where it is assumed, or where the token hides the caller's groups and one
    /// of these could give it.
    pub(crate) because: Vec<String>,
}

/// What is decided about one target, and what each rule about it says.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct TargetReport {
    /// Its place in a batch, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) element: Option<usize>,
    /// `tool`, `prompt`, `resource` or `resource_template`; absent for methods without a target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<&'static str>,
    /// Its name or URI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// Whether this is about running the call as a task. Where it may not, a client of 2025-11-25 is refused, and
    /// a call of one of 2026-07-28 does not run as a task.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) as_task: bool,
    /// `allow`, `deny` or `challenge`.
    pub(crate) decision: &'static str,
    /// The rule that decided; absent when no rule did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rule: Option<String>,
    /// How a denial looks: `hide`, `explain` or `tool_result`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) style: Option<&'static str>,
    /// Every scope that the operation needs, where some are missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) scopes: Vec<String>,
    /// Why no pattern can mean the target, where that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) odd: Option<&'static str>,
    /// The rules about the target, in the order of the policy.
    pub(crate) rules: Vec<RuleSaid>,
}

/// What one rule says.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct RuleSaid {
    /// The rule's id.
    pub(crate) id: String,
    /// The line of the policy file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<u64>,
    /// Its effect: `allow` or `deny`.
    pub(crate) effect: &'static str,
    /// What it comes to: `allows`, `denies`, `needs_scopes` or `silent`.
    pub(crate) outcome: &'static str,
    /// Those of its patterns that mean the target.
    pub(crate) patterns: Vec<String>,
    /// The caller's role by which it applies (`everyone` for everybody), if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) by_role: Option<String>,
    /// Whether it would apply if an unknown group were the right one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) perhaps: bool,
    /// Its conditions.
    pub(crate) conditions: Vec<ConditionSaid>,
    /// The scopes that it requires and the token does not have.
    pub(crate) missing_scopes: Vec<String>,
}

/// A condition, and whether it holds.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct ConditionSaid {
    /// The condition in words.
    pub(crate) condition: String,
    /// Whether it holds; null when nobody can say.
    pub(crate) holds: Option<bool>,
}

impl TargetReport {
    pub(crate) fn new(
        element: Option<usize>,
        target: Option<(portcullis_core::TargetKind, &str)>,
        explanation: &Explanation,
    ) -> Self {
        let decision = &explanation.decision;
        let (style, scopes) = match decision {
            Decision::Deny { style, .. } => (Some(names::style(*style)), Vec::new()),
            Decision::NeedsScopes { scopes, .. } => (None, scopes.clone()),
            _ => (None, Vec::new()),
        };
        Self {
            element,
            kind: target.map(|(kind, _)| kind.as_str()),
            name: target.map(|(_, name)| name.to_owned()),
            as_task: false,
            decision: names::decision(decision),
            rule: names::rule(decision).map(str::to_owned),
            style,
            scopes,
            odd: explanation.odd,
            rules: explanation.rules.iter().map(RuleSaid::new).collect(),
        }
    }
}

impl RuleSaid {
    fn new(rule: &RuleReport) -> Self {
        let conditions = rule.conditions.iter().map(|condition| ConditionSaid {
            condition: condition.condition.clone(),
            holds: condition.holds,
        });
        Self {
            id: rule.id.clone(),
            line: rule.place.map(|(line, _)| line),
            effect: if rule.allows { "allow" } else { "deny" },
            outcome: match rule.outcome {
                RuleOutcome::Allows => "allows",
                RuleOutcome::Denies => "denies",
                RuleOutcome::NeedsScopes => "needs_scopes",
                _ => "silent",
            },
            patterns: rule.patterns.clone(),
            by_role: rule.by_role.clone(),
            perhaps: rule.perhaps,
            conditions: conditions.collect(),
            missing_scopes: rule.missing_scopes.clone(),
        }
    }
}

pub(crate) fn roles(held: &[RoleHeld]) -> Vec<RoleReport> {
    let role =
        |role: &RoleHeld| RoleReport { role: role.role.clone(), because: role.because.clone() };
    held.iter().map(role).collect()
}
