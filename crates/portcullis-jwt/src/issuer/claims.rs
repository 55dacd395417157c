//! What the claims of an issuer's tokens must be, and how they are read.

use crate::claim::ClaimPath;
use crate::{ClaimRule, Issuer};

fn paths<S: AsRef<str>>(claims: impl IntoIterator<Item = S>) -> Vec<ClaimPath> {
    claims.into_iter().map(|claim| ClaimPath::new(claim.as_ref())).collect()
}

impl Issuer {
    /// Refuses tokens that do not keep `rule`; may be called for several, which must all be kept.
    ///
    /// ```
    /// use portcullis_jwt::{ClaimRule, Issuer};
    ///
    /// // Only these applications may call on behalf of our people.
    /// let issuer = Issuer::new("https://id.example.com")
    ///     .require_claim(ClaimRule::one_of("client_id", ["ide", "agent"]));
    /// ```
    pub fn require_claim(mut self, rule: ClaimRule) -> Self {
        self.rules.required.push(rule);
        self
    }

    /// Knows callers by these claims in place of `sub`, which then is optional: for issuers whose
    /// `sub` is not durable, or differs from client to client (R-129). Several claims are joined by
    /// `.`, and may then not hold one. They must be there; but tokens of clients on their own behalf
    /// may lack them and are then known by `sub`.
    ///
    /// [`Revocation::subject`](crate::Revocation::subject) means this subject. Never name an e-mail
    /// address, a login name or a display name: they change hands.
    pub fn subject_claims<S: AsRef<str>>(mut self, claims: impl IntoIterator<Item = S>) -> Self {
        self.rules.subject_claims = paths(claims);
        self
    }

    /// Reads roles from all of these claims, each an array of strings; `roles` by default. A role
    /// that two of them name is one role: name only claims that mean the same by it.
    pub fn roles_claims<S: AsRef<str>>(mut self, claims: impl IntoIterator<Item = S>) -> Self {
        self.rules.roles_claims = paths(claims);
        self
    }

    /// Reads groups from all of these claims, each an array of strings; `groups` by default. When
    /// one of them does not list them all, the groups are unknown (R-132).
    pub fn groups_claims<S: AsRef<str>>(mut self, claims: impl IntoIterator<Item = S>) -> Self {
        self.rules.groups_claims = paths(claims);
        self
    }

    /// Puts `prefix` before each scope of a token; nothing by default.
    ///
    /// For issuers that have to be asked for `api://notes/read` and then write `read` into the
    /// token, as Entra ID does. With the prefix `api://notes/`, policy, metadata and challenges all
    /// say `api://notes/read`, which is what clients repeat to the issuer.
    pub fn scope_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.rules.scope_prefix = prefix.into();
        self
    }

    /// Takes tokens that keep one of `rules` for those of a client on its own behalf, with no person
    /// behind it (R-130), besides those whose `sub` is the client id or whose `idtyp` is `app`.
    ///
    /// People must not be able to bring these claims about: a client may be excused from
    /// [`StepUp`](crate::StepUp).
    pub fn client_only_when(mut self, rules: impl IntoIterator<Item = ClaimRule>) -> Self {
        self.rules.client_marks = rules.into_iter().collect();
        self
    }

    /// Accepts tokens without `aud` when these clients hold them. A token that has an `aud` must
    /// still name an accepted one.
    ///
    /// This is a weakening: such a token does not say for whom it is, so every service that these
    /// clients talk to could use it here. Only for issuers that cannot do better, with clients that
    /// talk to this resource alone, and a [`require_claim`](Self::require_claim) on a scope that
    /// only this resource has.
    pub fn danger_clients_without_audience<S: Into<String>>(
        mut self,
        clients: impl IntoIterator<Item = S>,
    ) -> Self {
        self.rules.clients_without_audience = Some(clients.into_iter().map(Into::into).collect());
        self
    }

    /// Why the settings of this file cannot be honoured.
    pub(super) fn claims_fault(&self) -> Option<String> {
        let rules = &self.rules;
        let marks = rules.required.iter().chain(&rules.client_marks);
        if let Some(fault) = marks.filter_map(ClaimRule::fault).next() {
            return Some(fault.to_owned());
        }
        let clients = rules.clients_without_audience.as_ref();
        if clients.is_some_and(|clients| clients.is_empty() || clients.contains(&String::new())) {
            return Some("accepts tokens without audience from no client in particular".to_owned());
        }
        let names = rules.identifying;
        let open = !names.is_empty() && !rules.required.iter().any(|rule| rule.narrows(names));
        open.then(|| {
            let names = names.join(", ");
            format!("issues tokens to strangers and has no rule on any of the claims {names}")
        })
    }
}
