//! The builder of a principal.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Map, Value};

use super::{Actor, Claims, Known, Memo, Principal, TokenInfo};

impl Principal {
    /// Starts a principal known to `issuer` as `subject`.
    pub fn builder(issuer: impl Into<String>, subject: impl Into<String>) -> PrincipalBuilder {
        PrincipalBuilder(Known {
            issuer: issuer.into(),
            subject: subject.into(),
            client_id: None,
            tenant: None,
            audiences: Vec::new(),
            scopes: Vec::new(),
            groups: Vec::new(),
            groups_unknown: false,
            roles: Vec::new(),
            actors: Vec::new(),
            method: "unspecified",
            expires_at: None,
            is_client: false,
            token: TokenInfo::default(),
            claims: Claims::default(),
        })
    }
}

/// Builds a [`Principal`]; made by [`Principal::builder`].
#[derive(Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct PrincipalBuilder(Known);

// As of `Principal`.
impl fmt::Debug for PrincipalBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PrincipalBuilder").field(&self.clone().build()).finish()
    }
}

impl PrincipalBuilder {
    /// Sets the OAuth client that holds the token.
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.0.client_id = Some(id.into());
        self
    }

    /// Sets the issuer's tenant.
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.0.tenant = Some(tenant.into());
        self
    }

    /// Sets the audiences.
    pub fn audiences(mut self, audiences: Vec<String>) -> Self {
        self.0.audiences = audiences;
        self
    }

    /// Adds one scope.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.0.scopes.push(scope.into());
        self
    }

    /// Sets the scopes.
    pub fn scopes(mut self, scopes: Vec<String>) -> Self {
        self.0.scopes = scopes;
        self
    }

    /// Adds one group.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.0.groups.push(group.into());
        self
    }

    /// Sets the groups.
    pub fn groups(mut self, groups: Vec<String>) -> Self {
        self.0.groups = groups;
        self
    }

    /// Says that the groups are not all known.
    pub fn groups_unknown(mut self) -> Self {
        self.0.groups_unknown = true;
        self
    }

    /// Adds one role.
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.0.roles.push(role.into());
        self
    }

    /// Sets the roles.
    pub fn roles(mut self, roles: Vec<String>) -> Self {
        self.0.roles = roles;
        self
    }

    /// Sets who acts for the principal, nearest first.
    pub fn actors(mut self, actors: Vec<Actor>) -> Self {
        self.0.actors = actors;
        self
    }

    /// Sets how the caller was authenticated; `unspecified` by default.
    pub fn method(mut self, method: &'static str) -> Self {
        self.0.method = method;
        self
    }

    /// Sets when the proof ends, as time since the Unix epoch.
    pub fn expires_at(mut self, unix: Duration) -> Self {
        self.0.expires_at = Some(unix);
        self
    }

    /// Says that no person is behind this caller.
    pub fn client_only(mut self) -> Self {
        self.0.is_client = true;
        self
    }

    /// Sets what may be recorded of the token.
    pub fn token(mut self, token: TokenInfo) -> Self {
        self.0.token = token;
        self
    }

    /// Sets all claims.
    pub fn claims(mut self, claims: Map<String, Value>) -> Self {
        self.0.claims = Claims { text: None, read: claims.into() };
        self
    }

    /// Sets all claims, as the text of a JSON object that `read` makes a map of when they are asked
    /// for. `text` must have been checked: a fault that only `read` finds is found too late.
    pub fn claims_text(
        mut self,
        text: impl Into<Box<str>>,
        read: fn(&str) -> Map<String, Value>,
    ) -> Self {
        self.0.claims = Claims { text: Some((text.into(), read)), read: OnceLock::new() };
        self
    }

    /// The principal.
    #[must_use]
    pub fn build(self) -> Principal {
        Principal { known: Arc::new(self.0), memo: Memo::default() }
    }
}
