//! What somebody may use, and what a change of policy changes of it.

use std::collections::BTreeSet;

use portcullis_core::TargetKind;

use crate::index::Index;
use crate::judge::Entry;
use crate::kind::Kind;
use crate::policy::Rules;
use crate::rule::Effect;
use crate::tables::Tables;
use crate::who::{FIRST, Who};
use crate::{Policy, describe};

mod both;
mod words;

/// Of whom the access is.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Audience {
    /// Callers who have not signed in.
    Anonymous,
    /// Every signed-in caller: what needs no role.
    Everyone,
    /// Who has this role, and no other.
    Role(String),
    /// Who has these two roles, in order, and no other.
    Both(String, String),
}

/// That somebody may use something.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Access {
    /// What kind of thing.
    pub kind: TargetKind,
    /// Its name or URI, or the pattern of these, as some rule spells it.
    pub target: String,
    /// The rules that allow it, each under its own conditions. One without any is alone here.
    pub grants: Vec<Grant>,
    /// The rules that deny it again, each under its own conditions.
    pub except: Vec<Grant>,
}

/// What a rule gives or takes, and when.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub struct Grant {
    /// The scopes that it takes.
    pub scopes: Vec<String>,
    /// Its other conditions, in words.
    pub conditions: Vec<String>,
    /// The rule.
    pub rule: String,
}

/// What is different between two policies; made by [`Policy::changes_to`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Changes {
    /// Access that somebody gains, loses, or has under other conditions.
    pub access: Vec<AccessChange>,
    /// Lines of definitions that are new, such as `role reader: group staff`.
    pub defined: Vec<String>,
    /// Lines of definitions that are gone.
    pub undefined: Vec<String>,
    /// Whether there were too many changes, or too many targets, to tell all.
    pub incomplete: bool,
}

/// One change of access.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AccessChange {
    /// To whom.
    pub audience: Audience,
    /// What sort of change.
    pub direction: Direction,
    /// The access before; `None` for none.
    pub before: Option<Access>,
    /// The access after; `None` for none.
    pub after: Option<Access>,
}

/// A sort of change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Direction {
    /// There is more access.
    Gained,
    /// There is less.
    Lost,
    /// The conditions are others.
    Changed,
}

/// The most pairs of audience and target that are compared.
const MAX_COMPARED: usize = 2_000_000;
/// The most changes that are told.
const MAX_TOLD: usize = 10_000;

impl Policy {
    /// What `audience` may use, at the names and patterns that rules spell out. Where patterns
    /// overlap, the answer for a pattern is that for the names that no other pattern means.
    ///
    /// Conditions are told, not judged: this is what could be, not what is now. A policy made by
    /// [`Policy::danger_permit_all`] spells out nothing.
    #[must_use]
    pub fn visible(&self, audience: &Audience) -> Vec<Access> {
        let Rules::Tables(tables) = &self.rules else { return Vec::new() };
        let Some(who) = tables.audience(audience) else { return Vec::new() };
        let targets = tables.targets();
        targets.iter().filter_map(|target| tables.access(&who, target)).collect()
    }

    /// Who gains and who loses what when `newer` comes in this policy's place.
    #[must_use]
    pub fn changes_to(&self, newer: &Self) -> Changes {
        let mut changes = Changes::default();
        let empty;
        let (old, new) = match (&self.rules, &newer.rules) {
            (Rules::Tables(old), Rules::Tables(new)) => (old, new),
            (Rules::PermitAll, Rules::PermitAll) => return changes,
            // Everything changes for everybody; the side that has words tells what it can.
            (permit_all, tables) => {
                changes.incomplete = true;
                empty = Policy::deny_all();
                let Rules::Tables(nothing) = &empty.rules else { return changes };
                match (permit_all, tables) {
                    (Rules::Tables(old), _) => (old, nothing),
                    (_, Rules::Tables(new)) => (nothing, new),
                    _ => return changes,
                }
            }
        };
        let lines = |tables: &Tables| -> BTreeSet<String> {
            describe::definitions(&tables.source).into_iter().collect()
        };
        let (before, after) = (lines(old), lines(new));
        changes.defined = after.difference(&before).cloned().collect();
        changes.undefined = before.difference(&after).cloned().collect();
        let roles = |tables: &Tables| {
            let names = tables.source.roles.iter().map(|role| Audience::Role(role.name.clone()));
            names.collect::<BTreeSet<_>>()
        };
        let mut audiences = BTreeSet::from([Audience::Anonymous, Audience::Everyone]);
        audiences.extend(roles(old));
        audiences.extend(roles(new));
        let mut targets = old.targets();
        targets.extend(new.targets());
        if targets.len().saturating_mul(audiences.len()) > MAX_COMPARED {
            changes.incomplete = true;
            return changes;
        }
        for audience in &audiences {
            let who = (old.in_place_of(audience), new.in_place_of(audience));
            for target in &targets {
                let Some(change) = old.change_to(new, audience, &who, target) else { continue };
                if changes.access.len() == MAX_TOLD {
                    changes.incomplete = true;
                    return changes;
                }
                changes.access.push(change);
            }
        }
        old.changes_of_both(new, &audiences, &targets, &mut changes);
        changes
    }
}

impl Changes {
    /// Whether nothing that this can see is different.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.access.is_empty()
            && self.defined.is_empty()
            && self.undefined.is_empty()
            && !self.incomplete
    }
}

/// What rules give or take, whichever rules these are.
fn what(grants: &[Grant]) -> BTreeSet<(Vec<String>, Vec<String>)> {
    grants.iter().map(|grant| (grant.scopes.clone(), grant.conditions.clone())).collect()
}

fn direction(before: Option<&Access>, after: Option<&Access>) -> Option<Direction> {
    match (before, after) {
        (None, None) => None,
        (None, Some(_)) => Some(Direction::Gained),
        (Some(_), None) => Some(Direction::Lost),
        (Some(before), Some(after)) => {
            let (gave, gives) = (what(&before.grants), what(&after.grants));
            let (took, takes) = (what(&before.except), what(&after.except));
            if gave == gives && took == takes {
                return None;
            }
            let all =
                |set: &BTreeSet<(Vec<String>, Vec<String>)>| set.contains(&Default::default());
            let more = (all(&gives) || gives.is_superset(&gave)) && takes.is_subset(&took);
            let less = (all(&gave) || gave.is_superset(&gives)) && took.is_subset(&takes);
            Some(match (more, less) {
                (true, false) => Direction::Gained,
                (false, true) => Direction::Lost,
                _ => Direction::Changed,
            })
        }
    }
}

/// A target as some rule spells it, by kind.
type Target = (u8, String);

impl Tables {
    fn audience(&self, audience: &Audience) -> Option<Who> {
        Some(match audience {
            Audience::Anonymous => self.roles.anonymous().clone(),
            Audience::Everyone => self.roles.somebody([]),
            Audience::Role(name) => self.roles.somebody([self.role(name)?]),
            Audience::Both(one, other) => self.roles.somebody([self.role(one)?, self.role(other)?]),
        })
    }

    /// The number of a role.
    pub(crate) fn role(&self, name: &str) -> Option<usize> {
        self.source.roles.iter().position(|role| role.name == name).map(|number| FIRST + number)
    }

    /// The same, where who had a role that is not there had what everyone has.
    fn in_place_of(&self, audience: &Audience) -> Who {
        match audience {
            Audience::Anonymous => self.roles.anonymous().clone(),
            Audience::Everyone => self.roles.somebody([]),
            Audience::Role(name) => self.roles.somebody(self.role(name)),
            Audience::Both(one, other) => {
                self.roles.somebody([one, other].into_iter().filter_map(|name| self.role(name)))
            }
        }
    }

    /// What `newer` changes for an audience, as both see it, at a target.
    fn change_to(
        &self,
        newer: &Self,
        audience: &Audience,
        (had, has): &(Who, Who),
        target: &Target,
    ) -> Option<AccessChange> {
        let (before, after) = (self.access(had, target), newer.access(has, target));
        let direction = direction(before.as_ref(), after.as_ref())?;
        Some(AccessChange { audience: audience.clone(), direction, before, after })
    }

    /// Every name and pattern that rules spell out.
    fn targets(&self) -> BTreeSet<Target> {
        let mut targets = BTreeSet::new();
        for rule in &self.source.rules {
            for (number, kind) in
                [Kind::Tools, Kind::Prompts, Kind::Resources].into_iter().enumerate()
            {
                let number = u8::try_from(number).unwrap_or_default();
                targets.extend(kind.words(rule).iter().map(|word| (number, word.text.clone())));
            }
        }
        targets
    }

    fn access(&self, who: &Who, (number, target): &Target) -> Option<Access> {
        let (kind, list, index) = self.kind(*number);
        let sample = list.sample(target);
        let except = self.denials(who, index, &sample)?;
        let unconditional = match index.exact(&sample) {
            Some(entry) => entry.unconditional(Effect::Allow, &who.roles),
            None => index.matching(&sample, |mut entries| {
                entries.find_map(|entry| entry.unconditional(Effect::Allow, &who.roles))
            }),
        };
        let grants = match unconditional {
            Some(number) => vec![self.grant(number)],
            None => self.grants(who, numbers(index, &sample, Entry::allowing_if)),
        };
        (!grants.is_empty()).then(|| Access { kind, target: target.clone(), grants, except })
    }

    fn kind(&self, number: u8) -> (TargetKind, Kind, &Index) {
        match number {
            0 => (TargetKind::Tool, Kind::Tools, &self.tools),
            1 => (TargetKind::Prompt, Kind::Prompts, &self.prompts),
            _ => (TargetKind::Resource, Kind::Resources, &self.resources),
        }
    }

    /// The rules that deny under conditions; `None` where one denies without.
    fn denials(&self, who: &Who, index: &Index, sample: &str) -> Option<Vec<Grant>> {
        let unconditional = match index.exact(sample) {
            Some(entry) => entry.unconditional(Effect::Deny, &who.roles),
            None => index.matching(sample, |mut entries| {
                entries.find_map(|entry| entry.unconditional(Effect::Deny, &who.roles))
            }),
        };
        match unconditional {
            Some(_) => None,
            None => Some(self.grants(who, numbers(index, sample, Entry::denying_if))),
        }
    }

    /// Those of the rules that are about somebody.
    fn grants(&self, who: &Who, numbers: BTreeSet<usize>) -> Vec<Grant> {
        let meant = numbers
            .into_iter()
            .filter(|number| self.laws.get(*number).is_some_and(|law| law.roles.meets(&who.roles)));
        meant.map(|number| self.grant(number)).collect()
    }

    fn grant(&self, number: usize) -> Grant {
        let (Some(rule), Some(law)) = (self.source.rules.get(number), self.laws.get(number)) else {
            return Grant { scopes: Vec::new(), conditions: Vec::new(), rule: String::new() };
        };
        let parts = law.conditions.iter().flat_map(|conditions| conditions.parts());
        Grant {
            scopes: law.scope_names.clone(),
            conditions: parts.map(|part| describe::part(rule, part)).collect(),
            rule: rule.id.text.clone(),
        }
    }
}

/// Rules about a target, one entry for each pattern that means it.
fn numbers(index: &Index, sample: &str, of: fn(&Entry) -> &[usize]) -> BTreeSet<usize> {
    match index.exact(sample) {
        Some(entry) => of(entry).iter().copied().collect(),
        None => index.matching(sample, |entries| entries.flat_map(of).copied().collect()),
    }
}

#[cfg(test)]
#[cfg(feature = "yaml")]
mod tests;
