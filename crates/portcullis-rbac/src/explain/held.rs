//! Which roles a caller has, and what gave them.

use portcullis_core::{Caller, Principal};

use super::RoleHeld;
use crate::tables::Tables;
use crate::who::Who;

/// The caller's roles, and those of their facts that give them.
pub(super) fn held(tables: &Tables, who: &Who, caller: &Caller) -> Vec<RoleHeld> {
    let roles = tables.source.roles.iter().enumerate();
    roles
        .filter(|(number, _)| {
            let bit = crate::who::FIRST + number;
            who.roles.contains(bit) || who.perhaps.contains(bit)
        })
        .map(|(_, role)| {
            let because = match caller.principal() {
                Some(principal) => facts(tables, role, principal),
                None => vec!["who has not signed in".to_owned()],
            };
            RoleHeld { role: role.name.clone(), because }
        })
        .collect()
}

/// The sources of a role that this caller has, in the words of [`describe::sources`].
fn facts(tables: &Tables, role: &crate::Role, principal: &Principal) -> Vec<String> {
    // Each source alone, so that the engine's own reading tells.
    let with = |change: &dyn Fn(&mut crate::Role)| {
        let mut one = crate::Role::new(role.name.clone());
        one.issuers.clone_from(&role.issuers);
        one.tenants.clone_from(&role.tenants);
        change(&mut one);
        one
    };
    let mut singles = Vec::new();
    let named = |name: &String| {
        let ids = tables.source.groups.iter().find(|(word, _)| word.text == *name);
        ids.map_or_else(|| vec![name.clone()], |(_, ids)| ids.clone())
    };
    for group in &role.groups {
        singles.push((format!("group {group}"), with(&|one| one.groups = named(group))));
    }
    for scope in &role.scopes {
        singles.push((format!("scope {scope}"), with(&|one| one.scopes.push(scope.clone()))));
    }
    for claim in &role.roles {
        singles.push((format!("role claim {claim}"), with(&|one| one.roles.push(claim.clone()))));
    }
    for client in &role.clients {
        singles.push((format!("client {client}"), with(&|one| one.clients.push(client.clone()))));
    }
    for subject in &role.subjects {
        singles
            .push((format!("subject {subject}"), with(&|one| one.subjects.push(subject.clone()))));
    }
    for (claim, values) in &role.claims {
        for value in values {
            let pair = (claim.clone(), vec![value.clone()]);
            singles.push((
                format!("claim {claim} {value}"),
                with(&|one| one.claims.push(pair.clone())),
            ));
        }
    }
    if singles.is_empty() {
        singles.push(("from there".to_owned(), with(&|_| {})));
    }
    let hierarchy = tables.source.hierarchy().unwrap_or_default();
    let gives = |role: &crate::Role| {
        let roles = crate::who::Roles::new(std::slice::from_ref(role), &[], &[], &hierarchy);
        roles.of(principal).roles.contains(crate::who::FIRST)
    };
    singles.into_iter().filter(|(_, role)| gives(role)).map(|(text, _)| text).collect()
}
