//! Roles, as configured.

use crate::error::Place;

/// A role, and who has it: a caller with **any one** of the groups, scopes, role claims or client
/// ids named here. Strings are compared exactly.
///
/// A token whose list of groups is incomplete gives no role by group, and a deny rule for such a
/// role then applies.
#[derive(Clone, Debug)]
#[must_use = "a role does nothing until it is added to a policy"]
pub struct Role {
    pub(crate) name: String,
    pub(crate) groups: Vec<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) roles: Vec<String>,
    pub(crate) clients: Vec<String>,
    pub(crate) anonymous: bool,
    pub(crate) place: Option<Place>,
}

impl Role {
    /// A role that nobody has yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            groups: Vec::new(),
            scopes: Vec::new(),
            roles: Vec::new(),
            clients: Vec::new(),
            anonymous: false,
            place: None,
        }
    }

    /// Members of `group` have it.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.groups.push(group.into());
        self
    }

    /// Tokens with `scope` have it, or with a scope that implies it.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// Callers to whom the issuer assigned `role` have it.
    pub fn claimed(mut self, role: impl Into<String>) -> Self {
        self.roles.push(role.into());
        self
    }

    /// Tokens issued to this OAuth client have it.
    pub fn client(mut self, client_id: impl Into<String>) -> Self {
        self.clients.push(client_id.into());
        self
    }

    /// Callers who have not signed in have it, where a deployment lets such callers in. Signed-in
    /// callers do not get it this way: give the rule to [`everyone`](crate::Rule::everyone) too.
    pub fn anonymous(mut self) -> Self {
        self.anonymous = true;
        self
    }
}
