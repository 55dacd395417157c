//! What a policy makes of a caller: sets of roles and scopes, worked out once per token.

use std::collections::HashMap;

use portcullis_core::{Principal, ScopeHierarchy};
use serde_json::Value;

use crate::agent::Agent;
use crate::argument::find::Pointer;
use crate::argument::scalar::Scalar;
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
    /// Whether there are any of these.
    pub(crate) unsure: bool,
    /// Which of the scopes that rules ask for their token covers.
    pub(crate) scopes: Bits,
    pub(crate) signed_in: bool,
    /// The agents, by their numbers, through which they call.
    pub(crate) agents: Bits,
    /// Whether they call through any agent, one that the policy does not name included.
    pub(crate) through_agent: bool,
}

/// Who has which role.
#[derive(Debug)]
pub(crate) struct Roles {
    by_group: HashMap<String, Bits>,
    by_scope: HashMap<String, Covered>,
    by_claim: HashMap<String, Bits>,
    by_client: HashMap<String, Bits>,
    by_subject: HashMap<String, Bits>,
    by_value: Vec<(Pointer, Vec<(Scalar, Bits)>)>,
    /// Roles that some group gives.
    by_any_group: Bits,
    /// Roles for callers from somewhere.
    limited: Vec<Limited>,
    agents: Vec<Agent>,
    nobody: Who,
    anonymous: Who,
}

#[derive(Debug)]
struct Covered {
    roles: Bits,
    scopes: Bits,
}

#[derive(Debug)]
struct Limited {
    role: usize,
    issuers: Vec<String>,
    tenants: Vec<String>,
    /// Whether being from there is enough.
    all: bool,
}

impl Roles {
    /// `wanted` are the scopes that rules ask for, in the order of their bits.
    pub(crate) fn new(
        roles: &[Role],
        agents: &[Agent],
        wanted: &[String],
        hierarchy: &ScopeHierarchy,
    ) -> Self {
        let limit = FIRST + roles.len();
        let empty = Who {
            roles: Bits::new(limit),
            perhaps: Bits::new(limit),
            unsure: false,
            scopes: Bits::new(wanted.len()),
            signed_in: false,
            agents: Bits::new(agents.len()),
            through_agent: false,
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
            by_subject: HashMap::new(),
            by_value: Vec::new(),
            by_any_group: Bits::new(limit),
            limited: Vec::new(),
            agents: agents.to_vec(),
            nobody,
            anonymous,
        };
        this.give_by_scope(roles, wanted, hierarchy);
        let give = |map: &mut HashMap<String, Bits>, key: &String, bit| {
            map.entry(key.clone()).or_insert_with(|| Bits::new(limit)).insert(bit);
        };
        for (bit, role) in roles.iter().enumerate() {
            let bit = FIRST + bit;
            role.groups.iter().for_each(|group| give(&mut this.by_group, group, bit));
            role.roles.iter().for_each(|role| give(&mut this.by_claim, role, bit));
            role.clients.iter().for_each(|client| give(&mut this.by_client, client, bit));
            role.subjects.iter().for_each(|subject| give(&mut this.by_subject, subject, bit));
            role.claims.iter().for_each(|(claim, values)| this.give_by_value(claim, values, bit));
            if !role.groups.is_empty() {
                this.by_any_group.insert(bit);
            }
            if role.is_limited() {
                this.limited.push(Limited {
                    role: bit,
                    issuers: role.issuers.clone(),
                    tenants: role.tenants.clone(),
                    all: !role.has_sources() && !role.anonymous,
                });
            }
            if role.anonymous {
                this.anonymous.roles.insert(bit);
            }
        }
        this
    }

    fn give_by_scope(&mut self, roles: &[Role], wanted: &[String], hierarchy: &ScopeHierarchy) {
        let named = roles.iter().flat_map(|role| &role.scopes);
        let held = wanted.iter().chain(named).map(String::as_str).chain(hierarchy.scopes());
        for scope in held {
            let mut covered =
                Covered { roles: Bits::new(FIRST + roles.len()), scopes: Bits::new(wanted.len()) };
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
            self.by_scope.insert(scope.to_owned(), covered);
        }
    }

    fn give_by_value(&mut self, claim: &str, values: &[Value], bit: usize) {
        // The builder has checked both.
        let Ok(pointer) = Pointer::parse(claim) else { return };
        let at = match self.by_value.iter().position(|(other, _)| *other == pointer) {
            Some(at) => at,
            None => {
                self.by_value.push((pointer, Vec::new()));
                self.by_value.len() - 1
            }
        };
        let Some((_, table)) = self.by_value.get_mut(at) else { return };
        for value in values.iter().filter_map(Scalar::of) {
            let mut bits = self.by_any_group.clone();
            bits.clear();
            bits.insert(bit);
            table.push((value, bits));
        }
    }

    pub(crate) fn anonymous(&self) -> &Who {
        &self.anonymous
    }

    /// Somebody who has signed in and has exactly these roles.
    pub(crate) fn somebody(&self, roles: impl IntoIterator<Item = usize>) -> Who {
        let mut who = self.nobody.clone();
        roles.into_iter().for_each(|role| who.roles.insert(role));
        who
    }

    pub(crate) fn of(&self, principal: &Principal) -> Who {
        let mut who = self.nobody.clone();
        let claims = principal.roles().iter().map(|role| self.by_claim.get(role));
        let client = principal.client_id().map(|client| self.by_client.get(client));
        let subject = [self.by_subject.get(principal.subject())];
        for roles in claims.chain(client).chain(subject).flatten() {
            who.roles.add_all(roles);
        }
        for (pointer, table) in &self.by_value {
            if let Some(value) = claim(principal, pointer) {
                let given = table.iter().filter(|(wanted, _)| is_or_holds(value, wanted));
                given.for_each(|(_, roles)| who.roles.add_all(roles));
            }
        }
        for covered in principal.scopes().iter().filter_map(|scope| self.by_scope.get(scope)) {
            who.roles.add_all(&covered.roles);
            who.scopes.add_all(&covered.scopes);
        }
        if principal.groups_unknown() {
            who.perhaps.add_all(&self.by_any_group);
        } else {
            for roles in principal.groups().iter().filter_map(|group| self.by_group.get(group)) {
                who.roles.add_all(roles);
            }
        }
        for limited in &self.limited {
            if !limited.is_from(principal) {
                who.roles.remove(limited.role);
                who.perhaps.remove(limited.role);
            } else if limited.all {
                who.roles.insert(limited.role);
            }
        }
        who.perhaps.remove_all(&who.roles);
        who.unsure = !who.perhaps.is_empty();
        who.through_agent = !principal.actors().is_empty();
        for (number, agent) in self.agents.iter().enumerate() {
            if acts(agent, principal) {
                who.agents.insert(number);
                who.through_agent = true;
            }
        }
        who
    }
}

impl Limited {
    fn is_from(&self, principal: &Principal) -> bool {
        let any = |names: &[String], name: Option<&str>| {
            names.is_empty() || name.is_some_and(|name| names.iter().any(|other| other == name))
        };
        any(&self.issuers, Some(principal.issuer())) && any(&self.tenants, principal.tenant())
    }
}

/// Whether `principal` calls through `agent`.
fn acts(agent: &Agent, principal: &Principal) -> bool {
    let vouched = |by: &str| match &agent.issuer {
        Some(issuer) => issuer == by,
        None => by == principal.issuer(),
    };
    let is_client = principal.client_id().is_some_and(|id| agent.clients.iter().any(|c| c == id));
    // Only the current actor counts (RFC 8693 §4.1).
    let is_actor = principal.actors().first().is_some_and(|actor| {
        vouched(actor.issuer().unwrap_or(principal.issuer()))
            && agent.actors.iter().any(|subject| subject == actor.subject())
    });
    is_actor || is_client && vouched(principal.issuer())
}

fn claim<'a>(principal: &'a Principal, pointer: &Pointer) -> Option<&'a Value> {
    let (first, rest) = pointer.tokens().split_first()?;
    let mut value = principal.claims().get(&**first)?;
    for token in rest {
        value = match value {
            Value::Object(members) => members.get(&**token)?,
            Value::Array(items) => items.get(token.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(value)
}

fn is_or_holds(value: &Value, wanted: &Scalar) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| Scalar::of(item).as_ref() == Some(wanted)),
        value => Scalar::of(value).as_ref() == Some(wanted),
    }
}
