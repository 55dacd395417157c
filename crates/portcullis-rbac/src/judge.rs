//! The decision about one name, for one caller.

use portcullis_core::{Reason, Text};

use crate::DenialStyle;
use crate::bits::Bits;
use crate::condition::{Case, Conditions};
use crate::rule::Effect;
use crate::who::Who;

/// A rule, ready to apply.
#[derive(Debug)]
pub(crate) struct Law {
    pub(crate) effect: Effect,
    pub(crate) roles: Bits,
    pub(crate) scopes: Bits,
    pub(crate) scope_names: Vec<String>,
    pub(crate) denial: Option<DenialStyle>,
    pub(crate) explanation: Option<Text>,
    pub(crate) conditions: Option<Box<Conditions>>,
}

impl Law {
    /// Whether roles alone do not decide.
    pub(crate) fn is_limited(&self) -> bool {
        self.conditions.is_some() || !self.scope_names.is_empty()
    }

    fn holds(&self, who: &Who, case: &Case<'_>) -> bool {
        self.conditions.as_ref().is_none_or(|conditions| conditions.hold(self.effect, who, case))
    }
}

/// The rules about one name or pattern, arranged by role so that their number does not matter.
#[derive(Debug)]
pub(crate) struct Entry {
    deny: ByRole,
    allow: ByRole,
    /// Rules that deny under conditions, in the order of the policy.
    deny_if: Box<[usize]>,
    /// Rules that allow under conditions or with scopes, in the order of the policy.
    allow_if: Box<[usize]>,
    /// The first rule that says how a denial looks.
    style: Option<usize>,
}

/// Which roles some rule is about, and for each of them, in order, the first such rule.
#[derive(Debug)]
struct ByRole {
    roles: Bits,
    first: Box<[usize]>,
}

/// A decision that names rules by number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    Allow(usize),
    /// A deny rule matches.
    Deny(usize),
    /// No rule allows. Shown as the rule with this number says.
    Nothing(Reason, Option<usize>),
    /// Only scopes are missing.
    Scopes(usize),
}

impl Entry {
    pub(crate) fn new(numbers: &[usize], laws: &[Law], empty: Bits) -> Self {
        let some = |effect: Effect, limited: bool| {
            numbers
                .iter()
                .filter_map(move |number| laws.get(*number).map(|law| (*number, law)))
                .filter(move |(_, law)| law.effect == effect && law.is_limited() == limited)
        };
        let styled = |(_, law): &(usize, &Law)| law.denial.is_some();
        let allows = some(Effect::Allow, false).chain(some(Effect::Allow, true));
        Self {
            deny: ByRole::new(some(Effect::Deny, false), empty.clone()),
            allow: ByRole::new(some(Effect::Allow, false), empty),
            deny_if: some(Effect::Deny, true).map(|(number, _)| number).collect(),
            allow_if: some(Effect::Allow, true).map(|(number, _)| number).collect(),
            style: allows.filter(styled).map(|(number, _)| number).min(),
        }
    }

    /// What [`judge`] says of this entry alone, where roles decide and no rule denies: nearly always.
    #[inline]
    pub(crate) fn at_once(&self, who: &Who) -> Option<Verdict> {
        if !self.deny_if.is_empty() || who.unsure || self.deny.roles.meets(&who.roles) {
            return None;
        }
        match self.allow.about(&who.roles) {
            Some(rule) => Some(Verdict::Allow(rule)),
            None if !self.allow_if.is_empty() => None,
            None => Some(Verdict::Nothing(Reason::DefaultDeny, self.style)),
        }
    }

    /// The rule that decides about these roles without conditions or scopes.
    pub(crate) fn unconditional(&self, effect: Effect, roles: &Bits) -> Option<usize> {
        match effect {
            Effect::Allow => self.allow.about(roles),
            Effect::Deny => self.deny.about(roles),
        }
    }

    /// The rules that allow under conditions or with scopes.
    pub(crate) fn allowing_if(&self) -> &[usize] {
        &self.allow_if
    }

    /// The rules that deny under conditions.
    pub(crate) fn denying_if(&self) -> &[usize] {
        &self.deny_if
    }

    /// The roles that may, or may not, whatever the conditions and scopes.
    pub(crate) fn roles(&self, effect: Effect) -> &Bits {
        match effect {
            Effect::Allow => &self.allow.roles,
            Effect::Deny => &self.deny.roles,
        }
    }
}

impl ByRole {
    #[expect(single_use_lifetimes, reason = "`impl Trait` cannot elide them")]
    fn new<'a>(laws: impl Iterator<Item = (usize, &'a Law)>, mut roles: Bits) -> Self {
        let mut first = std::collections::BTreeMap::new();
        for (number, law) in laws {
            roles.add_all(&law.roles);
            law.roles.iter().for_each(|role| _ = first.entry(role).or_insert(number));
        }
        Self { roles, first: first.into_values().collect() }
    }

    /// A rule about one of these roles.
    #[inline]
    fn about(&self, roles: &Bits) -> Option<usize> {
        self.roles.rank_of_first_common(roles).and_then(|rank| self.first.get(rank).copied())
    }
}

/// Deny beats allow; allow beats missing scopes; nothing is a denial.
#[expect(single_use_lifetimes, reason = "`impl Trait` cannot elide them")]
pub(crate) fn judge<'a>(
    laws: &[Law],
    who: &Who,
    case: &Case<'_>,
    entries: impl Iterator<Item = &'a Entry> + Clone,
) -> Verdict {
    if let Some(denied) = denied(laws, who, case, entries.clone()) {
        return denied;
    }
    if let Some(rule) = entries.clone().find_map(|entry| entry.allow.about(&who.roles)) {
        return Verdict::Allow(rule);
    }
    let limited = || {
        let numbers = entries.clone().flat_map(|entry| &entry.allow_if);
        numbers.filter_map(|number| laws.get(*number).map(|law| (*number, law)))
    };
    let mut lacking: Option<usize> = None;
    for (number, law) in limited() {
        if !law.roles.meets(&who.roles) || !law.holds(who, case) {
            continue;
        }
        if who.scopes.contains_all(&law.scopes) {
            return Verdict::Allow(number);
        }
        let can_be_had = |all: &Bits| all.contains_all_with(&who.scopes, &law.scopes);
        if case.grantable.is_none_or(can_be_had) {
            lacking = Some(lacking.map_or(number, |first| first.min(number)));
        }
    }
    if let Some(rule) = lacking {
        return Verdict::Scopes(rule);
    }
    let turns_on_groups = entries.clone().any(|entry| entry.allow.roles.meets(&who.perhaps))
        || limited().any(|(_, law)| law.roles.meets(&who.perhaps) && law.holds(who, case));
    let reason = if turns_on_groups { Reason::GroupsUnknown } else { Reason::DefaultDeny };
    Verdict::Nothing(reason, entries.filter_map(|entry| entry.style).min())
}

/// Whether a deny rule matches, or might if the caller's groups were known.
#[expect(single_use_lifetimes, reason = "`impl Trait` cannot elide them")]
pub(crate) fn denied<'a>(
    laws: &[Law],
    who: &Who,
    case: &Case<'_>,
    mut entries: impl Iterator<Item = &'a Entry> + Clone,
) -> Option<Verdict> {
    if let Some(rule) = entries.clone().find_map(|entry| entry.deny.about(&who.roles)) {
        return Some(Verdict::Deny(rule));
    }
    let limited = |roles: &Bits| {
        entries.clone().flat_map(|entry| &entry.deny_if).copied().find(|number| {
            laws.get(*number).is_some_and(|law| law.roles.meets(roles) && law.holds(who, case))
        })
    };
    if let Some(rule) = limited(&who.roles) {
        return Some(Verdict::Deny(rule));
    }
    let perhaps = limited(&who.perhaps).is_some()
        || entries.any(|entry| entry.deny.roles.meets(&who.perhaps));
    perhaps.then_some(Verdict::Nothing(Reason::GroupsUnknown, None))
}

impl Verdict {
    /// Whether this is a denial.
    pub(crate) fn denies(self) -> bool {
        matches!(self, Self::Deny(..) | Self::Nothing(..))
    }
}
