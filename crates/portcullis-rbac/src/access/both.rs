//! What a change of policy changes for who has two roles: one of them is denied what the other gives.

use std::collections::BTreeSet;

use super::{AccessChange, Audience, Changes, Grant, MAX_COMPARED, MAX_TOLD, Target, what};
use crate::tables::Tables;
use crate::who::Who;

impl Tables {
    /// Adds what changes for two roles together, and not for either alone. That is so only where other rules
    /// deny something to one of them, so only there is it looked for.
    pub(super) fn changes_of_both(
        &self,
        newer: &Self,
        audiences: &BTreeSet<Audience>,
        targets: &BTreeSet<Target>,
        changes: &mut Changes,
    ) {
        let mut seen = BTreeSet::new();
        let mut compared = targets.len().saturating_mul(audiences.len());
        for audience in audiences {
            let Audience::Role(denied) = audience else { continue };
            let who = (self.in_place_of(audience), newer.in_place_of(audience));
            for target in targets.iter().filter(|target| self.denies_otherwise(newer, &who, target))
            {
                for other in audiences {
                    let Audience::Role(given) = other else { continue };
                    let (one, two) = (denied.min(given), denied.max(given));
                    let both = Audience::Both(one.clone(), two.clone());
                    if one == two || !seen.insert((both.clone(), target)) {
                        continue;
                    }
                    compared = compared.saturating_add(1);
                    if compared > MAX_COMPARED || changes.access.len() == MAX_TOLD {
                        changes.incomplete = true;
                        return;
                    }
                    changes.access.extend(self.change_of_both(
                        newer,
                        (audience, other),
                        &both,
                        target,
                    ));
                }
            }
        }
    }

    fn denies_otherwise(&self, newer: &Self, (had, has): &(Who, Who), target: &Target) -> bool {
        let denials = |tables: &Self, who: &Who| {
            let (_, kind, index) = tables.kind(target.0);
            let denials = tables.denials(who, index, &kind.sample(&target.1));
            denials.map(|denials: Vec<Grant>| what(&denials))
        };
        denials(self, had) != denials(newer, has)
    }

    /// `None` where it is the same, and where it goes the way of the change for one of the two.
    fn change_of_both(
        &self,
        newer: &Self,
        (one, other): (&Audience, &Audience),
        both: &Audience,
        target: &Target,
    ) -> Option<AccessChange> {
        let of = |audience: &Audience| {
            let who = (self.in_place_of(audience), newer.in_place_of(audience));
            self.change_to(newer, audience, &who, target)
        };
        let change = of(both)?;
        let told = |alone: Option<AccessChange>| {
            alone.is_some_and(|alone| alone.direction == change.direction)
        };
        (!told(of(one)) && !told(of(other))).then_some(change)
    }
}
