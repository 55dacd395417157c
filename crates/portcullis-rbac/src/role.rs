//! Roles, as configured.

use serde_json::Value;

use crate::error::Place;

/// A role, and who has it: a caller with **any one** of the groups, scopes, role claims, client
/// ids, subjects or claims named here. Strings are compared exactly.
///
/// [`from_issuer`](Self::from_issuer) and [`from_tenant`](Self::from_tenant) limit all of these to
/// callers from there; a role with nothing else is for everybody from there.
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
    pub(crate) subjects: Vec<String>,
    pub(crate) claims: Vec<(String, Vec<Value>)>,
    pub(crate) issuers: Vec<String>,
    pub(crate) tenants: Vec<String>,
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
            subjects: Vec::new(),
            claims: Vec::new(),
            issuers: Vec::new(),
            tenants: Vec::new(),
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

    /// The person or program known as `subject` (`sub`) has it. Subjects are unique within an
    /// issuer only: where there are several, use [`from_issuer`](Self::from_issuer) too.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subjects.push(subject.into());
        self
    }

    /// Tokens whose claim is one of `values`, or a list that holds one, have it. `claim` is the name
    /// of a claim, or a JSON Pointer (RFC 6901) when it starts with a slash.
    pub fn claim<T: Into<Value>>(
        mut self,
        claim: impl Into<String>,
        values: impl IntoIterator<Item = T>,
    ) -> Self {
        self.claims.push((claim.into(), values.into_iter().map(T::into).collect()));
        self
    }

    /// Only callers from this issuer have it, or from another one named so.
    pub fn from_issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuers.push(issuer.into());
        self
    }

    /// Only callers from this tenant have it, or from another one named so. A tenant's id means
    /// something at its issuer only: name that too.
    pub fn from_tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenants.push(tenant.into());
        self
    }

    /// Whether it names something that a caller may have.
    pub(crate) fn has_sources(&self) -> bool {
        let Self { groups, scopes, roles, clients, subjects, claims, .. } = self;
        [groups, scopes, roles, clients, subjects].iter().any(|values| !values.is_empty())
            || !claims.is_empty()
    }

    /// Whether it is only for callers from somewhere.
    pub(crate) fn is_limited(&self) -> bool {
        !(self.issuers.is_empty() && self.tenants.is_empty())
    }

    /// Callers who have not signed in have it, where a deployment lets such callers in. Signed-in
    /// callers do not get it this way: give the rule to [`everyone`](crate::Rule::everyone) too.
    pub fn anonymous(mut self) -> Self {
        self.anonymous = true;
        self
    }
}
