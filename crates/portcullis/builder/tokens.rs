//! The choices of a gate whose callers bring tokens.

use portcullis_core::{Method, ScopeHierarchy};
use portcullis_jwt::{Dpop, Issuer, JwtLayer, VerifierBuilder};

use super::{Builder, Chosen};

impl<R, P> Builder<R, Chosen<Vec<Issuer>>, P> {
    /// One more issuer that may vouch for callers.
    pub fn issuer(mut self, issuer: Issuer) -> Self {
        self.issuers.0.push(issuer);
        self
    }

    /// Accepts tokens that are bound to a key, with a proof for each request (DPoP, RFC 9449). The
    /// metadata and all challenges then say so.
    pub fn dpop(mut self, dpop: Dpop) -> Self {
        self.options.dpop = Some(dpop);
        self
    }

    /// Lets requests without a token in for these MCP methods, as
    /// [`Caller::Anonymous`](crate::Caller::Anonymous); see
    /// [`JwtLayer::danger_optional_for`]. Policy still decides: name a role that is
    /// [`anonymous`](portcullis_rbac::Role::anonymous).
    pub fn danger_optional_for(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.options.optional_for.extend(methods);
        self
    }

    /// Repeats the metadata of `issuer` at `/.well-known/oauth-authorization-server` of the resource's
    /// origin, where clients of revision 2025-03-26 look for an authorization server; these know no
    /// other place. Nothing is served there by default, and nothing ever at `/authorize`,
    /// `/token` and `/register`.
    ///
    /// The document is the issuer's own, byte for byte, as its discovery last fetched it: its
    /// `issuer` is not this server, and its endpoints lead to the issuer. Until it has been fetched,
    /// clients are told to come back (503); once the issuer is removed, it is gone (404).
    #[cfg(feature = "jwks-client")]
    pub fn mirror_issuer_metadata(mut self, issuer: impl Into<String>) -> Self {
        self.options.mirror = Some(issuer.into());
        self
    }

    /// Lets in only tokens that have every base [`scope`](Builder::scope), or scopes that stand for
    /// them; see [`JwtLayer::require_base_scopes`].
    pub fn require_base_scopes(mut self, hierarchy: ScopeHierarchy) -> Self {
        self.options.require_base_scopes = Some(hierarchy);
        self
    }

    /// Adjusts how tokens are verified: a list of revoked tokens
    /// ([`revocations`](VerifierBuilder::revocations)), how many verified ones are remembered
    /// ([`token_cache`](VerifierBuilder::token_cache)).
    pub fn verification(
        mut self,
        customize: impl FnOnce(VerifierBuilder) -> VerifierBuilder + Send + 'static,
    ) -> Self {
        self.options.verification = Some(Box::new(customize));
        self
    }

    /// Adjusts the layer that verifies tokens: client certificates (RFC 8705), step-up
    /// authentication (RFC 9470), API keys. For DPoP, prefer [`dpop`](Self::dpop).
    pub fn tokens(mut self, customize: impl FnOnce(JwtLayer) -> JwtLayer + Send + 'static) -> Self {
        self.options.tokens = Some(Box::new(customize));
        self
    }
}
