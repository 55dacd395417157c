//! Why a decision is what it is.

use portcullis_core::{Method, TargetKind, Text};

use crate::condition::{Case, Right};
use crate::judge::Law;
use crate::policy::Rules;
use crate::rule::Effect;
use crate::tables::Tables;
use crate::truth::Truth;
use crate::who::Who;
use crate::{Authorizer as _, Decision, Policy, Query, Rule, describe};

mod asked;
mod held;

use asked::Asked;
use held::held;

/// Why a policy decides a question as it does; made by [`Policy::explain`]. For people who write
/// policies, never for callers.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explanation {
    /// The decision, exactly as [`Policy::decide`] makes it.
    pub decision: Decision,
    /// The version of the policy.
    pub policy_version: Text,
    /// The roles of the caller, and what gave them.
    pub roles: Vec<RoleHeld>,
    /// The agents through which the caller calls, by the policy's names.
    pub agents: Vec<String>,
    /// The rules about the target, in the order of the policy, and what each has to say.
    pub rules: Vec<RuleReport>,
    /// Why no pattern can mean the target, where that is so.
    pub odd: Option<&'static str>,
}

/// A role that a caller has.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RoleHeld {
    /// Its name.
    pub role: String,
    /// What gave it, such as `group staff`. Empty where the token hides the caller's groups, and
    /// one of these could give it.
    pub because: Vec<String>,
}

/// What one rule says about a question.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RuleReport {
    /// The rule's id.
    pub id: String,
    /// Where it stands in the file: line and column, from 1.
    pub place: Option<(u64, u64)>,
    /// Whether it allows; otherwise it denies.
    pub allows: bool,
    /// Those of its patterns that mean the target.
    pub patterns: Vec<String>,
    /// The caller's role by which it applies (`everyone` for everybody), if it does.
    pub by_role: Option<String>,
    /// Whether it would apply if an unknown group were the right one.
    pub perhaps: bool,
    /// Its conditions, and whether they hold.
    pub conditions: Vec<ConditionReport>,
    /// The scopes it requires that the token does not cover.
    pub missing_scopes: Vec<String>,
    /// What it comes to.
    pub outcome: RuleOutcome,
}

/// One condition of a rule.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ConditionReport {
    /// The condition in words.
    pub condition: String,
    /// Whether it holds; `None` when nobody can say. That stops an allow rule, and not a deny rule.
    pub holds: Option<bool>,
}

/// What a rule comes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RuleOutcome {
    /// It allows.
    Allows,
    /// It denies.
    Denies,
    /// It would allow if the token had more scopes.
    NeedsScopes,
    /// It has nothing to say about this caller and these circumstances.
    Silent,
}

impl Policy {
    /// Says which rule decides, and what every rule about the target has to say.
    ///
    /// Takes time linear in the number of rules: it reads them one by one, as a person would, and
    /// not by the tables that decide.
    #[must_use]
    pub fn explain(&self, query: &Query<'_>) -> Explanation {
        let mut explanation = Explanation {
            decision: self.decide(query),
            policy_version: self.version(),
            roles: Vec::new(),
            agents: Vec::new(),
            rules: Vec::new(),
            odd: None,
        };
        if let Rules::Tables(tables) = &self.rules {
            tables.as_seen_by(self.id, query, |who| explain(tables, who, query, &mut explanation));
        }
        explanation
    }
}

fn explain(tables: &Tables, who: &Who, query: &Query<'_>, explanation: &mut Explanation) {
    let source = &tables.source;
    explanation.roles = held(tables, who, query.caller());
    let agents =
        source.agents.iter().enumerate().filter(|(number, _)| who.agents.contains(*number));
    explanation.agents = agents.map(|(_, agent)| agent.name.clone()).collect();
    let (kind, target) = query.target().unwrap_or((TargetKind::Task, ""));
    let asked = Asked::new(tables, query, kind, target);
    explanation.odd = asked.odd;
    let mut case = tables.case(query, kind, target);
    case.begins_task = query.runs_as_task() && tables.tasks.is_some();
    let grants = tables.tasks.as_ref().is_some_and(|tasks| tasks.granted.is_some());
    for (rule, law) in source.rules.iter().zip(&tables.laws) {
        let patterns = asked.patterns(rule);
        let whole = matches!((query.target(), query.method()), (None, Method::LoggingSetLevel))
            && rule.methods.iter().any(|word| word.text == Method::LoggingSetLevel.as_str());
        // Where rules grant it, those that say nothing of tasks do not.
        let begins = law.conditions.as_ref().is_some_and(|c| c.names(Right::BeginTask));
        if case.begins_task && law.effect == Effect::Allow && grants && !begins {
            continue;
        }
        if !patterns.is_empty() || whole {
            explanation.rules.push(report(tables, rule, law, who, &case, patterns));
        }
    }
}

fn report(
    tables: &Tables,
    rule: &Rule,
    law: &Law,
    who: &Who,
    case: &Case<'_>,
    patterns: Vec<String>,
) -> RuleReport {
    let parts = law.conditions.iter().flat_map(|conditions| {
        conditions.parts().map(|part| {
            let holds = match conditions.part(part, law.effect, who, case) {
                Truth::Yes => Some(true),
                Truth::No => Some(false),
                Truth::Unknown => None,
            };
            ConditionReport { condition: describe::part(rule, part), holds }
        })
    });
    let conditions: Vec<_> = parts.collect();
    let wanted = tables.source.wanted_scopes();
    let lacks = |scope: &&String| {
        let bit = wanted.iter().position(|wanted| wanted == *scope);
        !bit.is_some_and(|bit| who.scopes.contains(bit))
    };
    let missing_scopes: Vec<String> = law.scope_names.iter().filter(lacks).cloned().collect();
    let by_role = by_role(tables, law, who);
    let perhaps = law.roles.meets(&who.perhaps);
    let stops = match law.effect {
        Effect::Allow => conditions.iter().any(|condition| condition.holds != Some(true)),
        Effect::Deny => conditions.iter().any(|condition| condition.holds == Some(false)),
    };
    let outcome = match law.effect {
        _ if stops => RuleOutcome::Silent,
        Effect::Deny if by_role.is_some() || perhaps => RuleOutcome::Denies,
        Effect::Allow if by_role.is_some() && missing_scopes.is_empty() => RuleOutcome::Allows,
        Effect::Allow if by_role.is_some() => RuleOutcome::NeedsScopes,
        _ => RuleOutcome::Silent,
    };
    RuleReport {
        id: rule.id.text.clone(),
        place: rule.id.place.map(|place| (place.line, place.column)),
        allows: law.effect == Effect::Allow,
        patterns,
        by_role,
        perhaps,
        conditions,
        missing_scopes,
        outcome,
    }
}

fn by_role(tables: &Tables, law: &Law, who: &Who) -> Option<String> {
    if !law.roles.meets(&who.roles) {
        return None;
    }
    let roles = tables.source.roles.iter().enumerate();
    let mut common = roles.filter(|(number, _)| {
        let bit = crate::who::FIRST + number;
        law.roles.contains(bit) && who.roles.contains(bit)
    });
    Some(common.next().map_or_else(|| "everyone".to_owned(), |(_, role)| role.name.clone()))
}

#[cfg(test)]
#[cfg(feature = "yaml")]
mod tests;
