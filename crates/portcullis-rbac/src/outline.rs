//! What a policy says, for programs that show it.

use portcullis_core::{AnonymousReason, Caller, Principal};

use crate::policy::Rules;
use crate::rule::{Effect, Word};
use crate::tables::Tables;
use crate::{Audience, DenialStyle, Policy, Rule, describe};

/// What a policy says, in words; made by [`Policy::outline`]. Names are as the policy's author wrote
/// them: escape them before they go to a terminal.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Outline {
    /// The roles, in the order of the policy.
    pub roles: Vec<RoleOutline>,
    /// The names of groups, and the issuer's ids for each.
    pub groups: Vec<(String, Vec<String>)>,
    /// The names of agents.
    pub agents: Vec<String>,
    /// The names of servers.
    pub servers: Vec<String>,
    /// The rules, in the order of the policy.
    pub rules: Vec<RuleOutline>,
}

/// A role, and who has it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RoleOutline {
    /// Its name.
    pub name: String,
    /// Where it stands in the file: line and column, from 1.
    pub place: Option<(u64, u64)>,
    /// What gives it, and what limits it: `group staff`, `only from issuer https://id.example`.
    pub sources: Vec<String>,
}

/// A rule.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RuleOutline {
    /// Its id.
    pub id: String,
    /// Where it stands in the file: line and column, from 1.
    pub place: Option<(u64, u64)>,
    /// Whether it allows; otherwise it denies.
    pub allows: bool,
    /// The names and patterns of tools.
    pub tools: Vec<String>,
    /// The names and patterns of prompts.
    pub prompts: Vec<String>,
    /// The URIs and patterns of resources.
    pub resources: Vec<String>,
    /// The roles it is about.
    pub roles: Vec<String>,
    /// Whether it is about everyone.
    pub everyone: bool,
    /// The scopes that it requires.
    pub scopes: Vec<String>,
    /// Its other conditions, in words.
    pub conditions: Vec<String>,
    /// How a denial looks, where the rule says so.
    pub denial: Option<DenialStyle>,
    /// What callers are told who are refused.
    pub explanation: Option<String>,
    /// What its author says that it is for.
    pub description: Option<String>,
}

impl Policy {
    /// What the policy says. One made by [`Policy::danger_permit_all`] says nothing.
    #[must_use]
    pub fn outline(&self) -> Outline {
        let Rules::Tables(tables) = &self.rules else { return Outline::default() };
        let source = &tables.source;
        let role = |role: &crate::Role| RoleOutline {
            name: role.name.clone(),
            place: role.place.map(|place| (place.line, place.column)),
            sources: describe::sources(role),
        };
        Outline {
            roles: source.roles.iter().map(role).collect(),
            groups: source
                .groups
                .iter()
                .map(|(name, ids)| (name.text.clone(), ids.clone()))
                .collect(),
            agents: source.agents.iter().map(|agent| agent.name.clone()).collect(),
            servers: source.servers.iter().map(|server| server.name.clone()).collect(),
            rules: (0..)
                .zip(&source.rules)
                .map(|(number, rule)| told(tables, number, rule))
                .collect(),
        }
    }

    /// A caller of whom this policy thinks that they are `audience`, to ask what such callers may do;
    /// `None` when the policy has no such role.
    ///
    /// Only this policy thinks so, and only as long as this very value is asked about (a clone of
    /// the [`Principal`] inside starts anew). It is nobody: it has no scopes, groups or claims.
    #[must_use]
    pub fn stand_in(&self, audience: &Audience) -> Option<Caller> {
        let names = match audience {
            Audience::Anonymous => return Some(Caller::Anonymous(AnonymousReason::NoCredentials)),
            Audience::Everyone => Vec::new(),
            Audience::Role(name) => vec![name],
            Audience::Both(one, other) => vec![one, other],
        };
        let Rules::Tables(tables) = &self.rules else {
            return names.is_empty().then(|| Caller::Verified(nobody().into()));
        };
        let roles: Vec<_> =
            names.into_iter().map(|name| tables.role(name)).collect::<Option<_>>()?;
        let principal = nobody();
        principal.memo(self.id, || tables.roles.somebody(roles))?;
        Some(Caller::Verified(principal.into()))
    }
}

fn nobody() -> Principal {
    Principal::builder("", "").build()
}

fn told(tables: &Tables, number: usize, rule: &Rule) -> RuleOutline {
    let texts = |words: &[Word]| words.iter().map(|word| word.text.clone()).collect();
    let conditions = tables.laws.get(number).and_then(|law| law.conditions.as_ref());
    let parts = conditions.iter().flat_map(|conditions| conditions.parts());
    RuleOutline {
        id: rule.id.text.clone(),
        place: rule.id.place.map(|place| (place.line, place.column)),
        allows: rule.effect == Effect::Allow,
        tools: texts(&rule.tools),
        prompts: texts(&rule.prompts),
        resources: texts(&rule.resources),
        roles: texts(&rule.roles),
        everyone: rule.everyone,
        scopes: texts(&rule.requires_scopes),
        conditions: parts.map(|part| describe::part(rule, part)).collect(),
        denial: rule.denial,
        explanation: rule.explanation.as_ref().map(|word| word.text.clone()),
        description: rule.description.clone(),
    }
}

#[cfg(test)]
#[cfg(feature = "yaml")]
mod tests {
    use portcullis_core::{Method, TargetKind, Version};

    use super::*;
    use crate::{Decision, Query};

    const POLICY: &str = "
groups: { staff: [g1, g2] }
agents: { bot: { clients: [c] } }
roles:
  reader: { groups: [staff], from: { tenants: [t] } }
  admin: { subjects: [eve] }
rules:
  - id: read
    description: Everybody reads.
    allow: { tools: ['get_*'], prompts: [sum] }
    roles: [reader]
    requires_scopes: [notes]
    arguments: { n: { max: 5 } }
    denial: explain
    explanation: Ask.
  - id: no-bots
    deny: { tools: [get_secret] }
    everyone: true
    through: [bot]
";

    #[test]
    fn an_outline_leaves_nothing_out() {
        let outline = Policy::from_yaml(POLICY).unwrap().outline();
        assert_eq!(outline.groups, [("staff".to_owned(), vec!["g1".to_owned(), "g2".to_owned()])]);
        assert_eq!(outline.agents, ["bot"]);
        assert_eq!((&*outline.roles[0].name, outline.roles[0].place), ("admin", Some((6, 10))));
        assert_eq!(outline.roles[1].sources, ["group staff", "only from tenant t"]);
        let [read, bots] = outline.rules.as_slice() else { panic!("{outline:?}") };
        assert!(read.allows && !bots.allows && bots.everyone);
        assert_eq!((read.tools.as_slice(), read.prompts.len()), (&["get_*".to_owned()][..], 1));
        assert_eq!((read.scopes.len(), read.denial), (1, Some(DenialStyle::Explain)));
        assert_eq!(read.conditions, ["argument n is at most 5"]);
        assert_eq!(bots.conditions, ["through bot"]);
        assert_eq!(read.description.as_deref(), Some("Everybody reads."));
        assert_eq!(read.explanation.as_deref(), Some("Ask."));
        assert!(Policy::danger_permit_all().outline().rules.is_empty());
    }

    #[test]
    fn a_stand_in_has_its_role_and_nothing_else() {
        let policy = Policy::from_yaml(POLICY).unwrap();
        let other = Policy::from_yaml(POLICY).unwrap();
        let ask = |policy: &Policy, caller: &Caller| {
            let query = Query::new(caller, Version::V2026_07_28, Method::ToolsCall);
            policy.decide(&query.on(TargetKind::Tool, "get_note").in_a_list())
        };
        let reader = policy.stand_in(&Audience::Role("reader".into())).unwrap();
        assert!(matches!(ask(&policy, &reader), Decision::NeedsScopes { .. }));
        assert!(matches!(ask(&other, &reader), Decision::Deny { .. }), "to no other policy");
        for audience in [Audience::Role("admin".into()), Audience::Everyone, Audience::Anonymous] {
            let caller = policy.stand_in(&audience).unwrap();
            assert!(matches!(ask(&policy, &caller), Decision::Deny { .. }), "{audience:?}");
        }
        assert!(policy.stand_in(&Audience::Role("nobody".into())).is_none());
        let all = Policy::danger_permit_all();
        assert!(all.stand_in(&Audience::Role("x".into())).is_none());
        let anybody = all.stand_in(&Audience::Everyone).unwrap();
        assert!(matches!(ask(&all, &anybody), Decision::Allow { .. }));
    }
}
