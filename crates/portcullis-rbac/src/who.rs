//! What a policy makes of a caller: sets of roles and scopes, worked out once per token.

use std::collections::HashMap;

use portcullis_core::{Principal, ScopeHierarchy};

use crate::bits::Bits;
use crate::role::Role;

/// Given to every signed-in caller.
pub(crate) const SIGNED_IN: usize = 0;
/// Given to every caller who has not signed in.
pub(crate) const ANONYMOUS: usize = 1;
/// The first configured role.
pub(crate) const FIRST: usize = 2;

/// A caller as policy sees them.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    /// The roles they have.
    pub(crate) roles: Bits,
    /// The roles they would have if the groups they are in, and we do not know, are the right ones.
    pub(crate) perhaps: Bits,
    /// Which of the scopes that rules ask for their token covers.
    pub(crate) scopes: Bits,
    pub(crate) signed_in: bool,
}

/// Who has which role.
#[derive(Debug)]
pub(crate) struct Roles {
    by_group: HashMap<String, Bits>,
    by_scope: HashMap<String, Covered>,
    by_claim: HashMap<String, Bits>,
    by_client: HashMap<String, Bits>,
    /// Roles that some group gives.
    by_any_group: Bits,
    nobody: Who,
    anonymous: Who,
}

#[derive(Debug)]
struct Covered {
    roles: Bits,
    scopes: Bits,
}

impl Roles {
    /// `wanted` are the scopes that rules ask for, in the order of their bits.
    pub(crate) fn new(roles: &[Role], wanted: &[String], hierarchy: &ScopeHierarchy) -> Self {
        let limit = FIRST + roles.len();
        let empty = Who {
            roles: Bits::new(limit),
            perhaps: Bits::new(limit),
            scopes: Bits::new(wanted.len()),
            signed_in: false,
        };
        let mut anonymous = empty.clone();
        anonymous.roles.insert(ANONYMOUS);
        let mut nobody = Who { signed_in: true, ..empty.clone() };
        nobody.roles.insert(SIGNED_IN);
        let mut this = Self {
            by_group: HashMap::new(),
            by_scope: HashMap::new(),
            by_claim: HashMap::new(),
            by_client: HashMap::new(),
            by_any_group: Bits::new(limit),
            nobody,
            anonymous,
        };
        let give = |map: &mut HashMap<String, Bits>, key: &String, bit| {
            map.entry(key.clone()).or_insert_with(|| Bits::new(limit)).insert(bit);
        };
        let held: Vec<&str> = wanted
            .iter()
            .chain(roles.iter().flat_map(|role| &role.scopes))
            .map(String::as_str)
            .chain(hierarchy.scopes())
            .collect();
        for scope in held {
            let mut covered = Covered { roles: Bits::new(limit), scopes: Bits::new(wanted.len()) };
            for (bit, role) in roles.iter().enumerate() {
                if role.scopes.iter().any(|named| hierarchy.covers(scope, named)) {
                    covered.roles.insert(FIRST + bit);
                }
            }
            for (bit, wanted) in wanted.iter().enumerate() {
                if hierarchy.covers(scope, wanted) {
                    covered.scopes.insert(bit);
                }
            }
            this.by_scope.insert(scope.to_owned(), covered);
        }
        for (bit, role) in roles.iter().enumerate() {
            let bit = FIRST + bit;
            role.groups.iter().for_each(|group| give(&mut this.by_group, group, bit));
            role.roles.iter().for_each(|role| give(&mut this.by_claim, role, bit));
            role.clients.iter().for_each(|client| give(&mut this.by_client, client, bit));
            if !role.groups.is_empty() {
                this.by_any_group.insert(bit);
            }
            if role.anonymous {
                this.anonymous.roles.insert(bit);
            }
        }
        this
    }

    pub(crate) fn anonymous(&self) -> &Who {
        &self.anonymous
    }

    pub(crate) fn of(&self, principal: &Principal) -> Who {
        let mut who = self.nobody.clone();
        let claims = principal.roles().iter().map(|role| self.by_claim.get(role));
        let client = principal.client_id().map(|client| self.by_client.get(client));
        for roles in claims.chain(client).flatten() {
            who.roles.add_all(roles);
        }
        for covered in principal.scopes().iter().filter_map(|scope| self.by_scope.get(scope)) {
            who.roles.add_all(&covered.roles);
            who.scopes.add_all(&covered.scopes);
        }
        if principal.groups_unknown() {
            who.perhaps.add_all(&self.by_any_group);
            who.perhaps.remove_all(&who.roles);
        } else {
            for roles in principal.groups().iter().filter_map(|group| self.by_group.get(group)) {
                who.roles.add_all(roles);
            }
        }
        who
    }
}
