//! The decision about one name, for one caller.

use portcullis_core::{Reason, Text};

use crate::DenialStyle;
use crate::bits::Bits;
use crate::rule::Effect;
use crate::who::Who;

/// A rule, ready to apply.
#[derive(Debug)]
pub(crate) struct Law {
    pub(crate) id: Text,
    pub(crate) effect: Effect,
    pub(crate) roles: Bits,
    pub(crate) scopes: Bits,
    pub(crate) scope_names: Vec<String>,
    pub(crate) denial: Option<DenialStyle>,
}

/// The rules about one name or pattern, arranged by role so that their number does not matter.
#[derive(Debug)]
pub(crate) struct Entry {
    deny: ByRole,
    allow: ByRole,
    /// Rules that allow when the token has the right scopes, in the order of the policy.
    with_scopes: Box<[usize]>,
    /// The first rule that says how a denial looks.
    style: Option<(usize, DenialStyle)>,
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
    Deny(usize, DenialStyle),
    /// No rule allows.
    Nothing(Reason, DenialStyle),
    /// Only scopes are missing.
    Scopes(usize),
}

impl Entry {
    pub(crate) fn new(numbers: &[usize], laws: &[Law], empty: Bits) -> Self {
        let some = |wanted: fn(&Law) -> bool| {
            numbers
                .iter()
                .filter_map(move |number| laws.get(*number).map(|law| (*number, law)))
                .filter(move |(_, law)| wanted(law))
        };
        let allows = |law: &Law| law.effect == Effect::Allow;
        Self {
            deny: ByRole::new(some(|law| law.effect == Effect::Deny), empty.clone()),
            allow: ByRole::new(
                some(|law| law.effect == Effect::Allow && law.scope_names.is_empty()),
                empty,
            ),
            with_scopes: some(|law| law.effect == Effect::Allow && !law.scope_names.is_empty())
                .map(|(number, _)| number)
                .collect(),
            style: some(|_| true)
                .filter(|(_, law)| allows(law))
                .find_map(|(number, law)| law.denial.map(|style| (number, style))),
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
    fn about(&self, roles: &Bits) -> Option<usize> {
        self.roles.rank_of_first_common(roles).and_then(|rank| self.first.get(rank).copied())
    }
}

/// Deny beats allow; allow beats missing scopes; nothing is a denial.
#[expect(single_use_lifetimes, reason = "`impl Trait` cannot elide them")]
pub(crate) fn judge<'a>(
    laws: &[Law],
    who: &Who,
    entries: impl Iterator<Item = &'a Entry> + Clone,
) -> Verdict {
    if let Some(denied) = denied(laws, who, entries.clone()) {
        return denied;
    }
    if let Some(rule) = entries.clone().find_map(|entry| entry.allow.about(&who.roles)) {
        return Verdict::Allow(rule);
    }
    let mut lacking: Option<usize> = None;
    for number in entries.clone().flat_map(|entry| &entry.with_scopes) {
        let Some(law) = laws.get(*number).filter(|law| law.roles.meets(&who.roles)) else {
            continue;
        };
        if who.scopes.contains_all(&law.scopes) {
            return Verdict::Allow(*number);
        }
        lacking = Some(lacking.map_or(*number, |first| first.min(*number)));
    }
    if let Some(rule) = lacking {
        return Verdict::Scopes(rule);
    }
    let turns_on_groups = entries.clone().any(|entry| {
        let with_scopes = entry.with_scopes.iter().filter_map(|number| laws.get(*number));
        entry.allow.roles.meets(&who.perhaps)
            || with_scopes.into_iter().any(|law| law.roles.meets(&who.perhaps))
    });
    let reason = if turns_on_groups { Reason::GroupsUnknown } else { Reason::DefaultDeny };
    let style = entries.filter_map(|entry| entry.style).min_by_key(|(number, _)| *number);
    Verdict::Nothing(reason, shown(who, style.map(|(_, style)| style)))
}

/// Whether a deny rule matches, or might if the caller's groups were known.
#[expect(single_use_lifetimes, reason = "`impl Trait` cannot elide them")]
pub(crate) fn denied<'a>(
    laws: &[Law],
    who: &Who,
    mut entries: impl Iterator<Item = &'a Entry> + Clone,
) -> Option<Verdict> {
    if let Some(rule) = entries.clone().find_map(|entry| entry.deny.about(&who.roles)) {
        return Some(Verdict::Deny(rule, shown(who, laws.get(rule).and_then(|law| law.denial))));
    }
    entries
        .any(|entry| entry.deny.roles.meets(&who.perhaps))
        .then_some(Verdict::Nothing(Reason::GroupsUnknown, DenialStyle::Hide))
}

/// To somebody who has not signed in, nothing is explained.
fn shown(who: &Who, style: Option<DenialStyle>) -> DenialStyle {
    style.filter(|_| who.signed_in).unwrap_or_default()
}

impl Verdict {
    /// Whether this is a denial.
    pub(crate) fn denies(self) -> bool {
        matches!(self, Self::Deny(..) | Self::Nothing(..))
    }
}
