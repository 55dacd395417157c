//! Configuration time.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use portcullis_core::{AnonymousTerms, Challenge, Method, ScopeHierarchy};
use tower_layer::Layer;

use crate::admission::Admission;
use crate::{ApiKeys, ConfigError, Dpop};
use crate::{Jwt, StepUp, Verifier};

/// Lets in only requests with a valid bearer token; see the [crate docs](crate).
#[derive(Clone, Debug)]
#[must_use = "nothing is guarded until the layer is applied"]
pub struct JwtLayer {
    verifier: Verifier,
    challenge: Challenge,
    /// The methods that need no token.
    optional_for: Vec<Method>,
    admission: Admission,
}

impl JwtLayer {
    /// Requires a token that `verifier` accepts, and answers others with `challenge`.
    pub fn new(verifier: Verifier, challenge: Challenge) -> Self {
        Self { verifier, challenge, optional_for: Vec::new(), admission: Admission::default() }
    }

    /// Accepts tokens that are bound to a key, with the scheme `DPoP` and a proof for the
    /// resource's own URI (RFC 9449). Challenges say so from now on.
    ///
    /// # Errors
    /// When the resource's URI is not one that proofs can name.
    pub fn dpop(mut self, dpop: Dpop) -> Result<Self, ConfigError> {
        let dpop = dpop.for_resource(self.verifier.resource())?;
        self.challenge = dpop.challenge(&self.challenge)?;
        self.admission.dpop = Some(dpop);
        Ok(self)
    }

    /// Accepts tokens that are bound to a TLS client certificate (RFC 8705 §3), which
    /// `certificate` says: the leaf certificate in DER that the client proved to have in the
    /// handshake of this very connection, as your TLS layer left it in the request's extensions;
    /// [`ClientCertificate::leaf_of`](portcullis_core::ClientCertificate::leaf_of), where it is left
    /// as that fact.
    ///
    /// Never take it from a header yourself: anybody can send one. Behind a proxy that ends
    /// TLS, `portcullis_forwarded::ClientCertLayer` takes that proxy's word for it.
    pub fn client_certificate(
        mut self,
        certificate: impl Fn(&Parts) -> Option<Bytes> + Send + Sync + 'static,
    ) -> Self {
        self.admission.certificate = Some(Arc::new(certificate));
        self
    }

    /// Accepts API keys besides tokens. A credential that starts with `pck_` is then never taken
    /// for a token.
    pub fn api_keys(mut self, keys: ApiKeys) -> Self {
        self.admission.api_keys = Some(keys);
        self
    }

    /// Lets in only people who signed in as `step_up` says; others are answered 401 with what is
    /// accepted (RFC 9470).
    pub fn step_up(mut self, step_up: StepUp) -> Self {
        self.admission.step_up = Some(step_up);
        self
    }

    /// The verifier of tokens, which all copies of the layer and of its services share.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Lets in only tokens that have every base scope, those that the challenge names
    /// ([`Challenge::scopes`]), or scopes that stand for them by `hierarchy`. API keys too.
    ///
    /// Others are answered 403 `insufficient_scope` with all base scopes. The body is unread then,
    /// so the answer has no JSON-RPC id, and what the operation itself needs is not in it: give the
    /// tools' scopes to policy, which asks for all of an operation at once.
    ///
    /// # Errors
    /// When the challenge names no scopes.
    pub fn require_base_scopes(mut self, hierarchy: ScopeHierarchy) -> Result<Self, ConfigError> {
        if self.challenge.scopes().is_empty() {
            return Err(ConfigError::new("there are no base scopes to require"));
        }
        self.admission.base_scopes = Some(hierarchy);
        Ok(self)
    }

    /// The challenge that refused requests get, for other layers that answer with it.
    #[must_use]
    pub fn challenge(&self) -> &Challenge {
        &self.challenge
    }

    /// Lets requests without any `Authorization` in for these MCP methods, as
    /// [`Caller::Anonymous`](portcullis_core::Caller::Anonymous). A bad token is refused
    /// all the same, and policy still decides. Call it again for further methods.
    ///
    /// For every other method the answer is the 401 of a missing token, and so it is for batches
    /// with one such message, for `GET` and `DELETE`, for a client's responses, and for what is not
    /// MCP. Legacy clients begin with `initialize` and `notifications/initialized`: without both
    /// they get no further. All callers without a token count as one, also for sessions and limits.
    ///
    /// This layer does not read bodies: `portcullis-mcp` inside it does, and enforces this. Where it
    /// is missing, services inside find no caller, and the answer is withheld (500).
    pub fn danger_optional_for(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.optional_for.extend(methods);
        self
    }
}

impl<S> Layer<S> for JwtLayer {
    type Service = Jwt<S>;

    fn layer(&self, inner: S) -> Jwt<S> {
        let (verifier, challenge) = (self.verifier.clone(), self.challenge.clone());
        let methods = &self.optional_for;
        let anonymous = (!methods.is_empty())
            .then(|| AnonymousTerms::new(challenge.clone(), methods.iter().copied()));
        Jwt::new(inner, verifier, challenge, anonymous, Arc::new(self.admission.clone()))
    }
}
