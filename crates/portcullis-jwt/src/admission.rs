//! What is asked of a request besides a good token: that its sender may use that token.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request};
use portcullis_core::{Challenge, Denial, Principal, Reason, ScopeHierarchy};

use crate::api_key::ApiKeys;
use crate::binding::{Confirmation, is_bound};
use crate::credentials::{Credentials, Scheme};
use crate::dpop::{Dpop, Presented};
use crate::replay::{FirstUse, ProofUse};
use crate::step_up::StepUp;
use crate::thumbprint;

/// When a store cannot say whether a proof was used, ask again after this.
const RETRY_AFTER: Duration = Duration::from_secs(5);

type Certificate = dyn Fn(&Parts) -> Option<Bytes> + Send + Sync;

/// What a layer asks for besides a token. By default nothing, and bound tokens are refused.
#[derive(Clone, Default)]
pub(crate) struct Admission {
    pub(crate) step_up: Option<StepUp>,
    /// Whether the base scopes are required, and what else grants them.
    pub(crate) base_scopes: Option<ScopeHierarchy>,
    pub(crate) dpop: Option<Dpop>,
    pub(crate) certificate: Option<Arc<Certificate>>,
    pub(crate) api_keys: Option<ApiKeys>,
}

/// What shows that the sender of a request may use a token.
pub(crate) struct Sent<'a> {
    pub(crate) method: &'a Method,
    pub(crate) credentials: &'a Credentials,
    pub(crate) certificate: Option<Bytes>,
}

impl Admission {
    /// The client's certificate, where `principal`'s token may be bound to one.
    pub(crate) fn certificate<B>(
        &self,
        request: Request<B>,
        principal: &Principal,
    ) -> (Request<B>, Option<Bytes>) {
        let Some(certificate) = self.certificate.as_ref().filter(|_| is_bound(principal)) else {
            return (request, None);
        };
        let (parts, body) = request.into_parts();
        let certificate = certificate(&parts);
        (Request::from_parts(parts, body), certificate)
    }

    /// Whether the sender of this request may speak for `principal`, whose token is good. What may
    /// be left to wait for is whether a DPoP proof is used for the first time.
    pub(crate) fn check(
        &self,
        sent: &Sent<'_>,
        principal: &Principal,
        now: impl Fn() -> Duration,
        challenge: &Challenge,
    ) -> Result<Option<FirstUse>, Denial> {
        let bound = Confirmation::of_principal(principal)
            .map_err(|reason| Denial::invalid_token(challenge, reason))?;
        let first_use = self.possession(sent, bound, &now, challenge)?;
        if let Some(step_up) = &self.step_up
            && !step_up.is_met_by(principal, now())
        {
            let (acr_values, max_age) = step_up.accepted();
            return Err(Denial::insufficient_authentication(challenge, acr_values, max_age));
        }
        if let Some(hierarchy) = &self.base_scopes {
            let wanted = challenge.scopes();
            if !wanted.iter().all(|wanted| hierarchy.grants(principal.scopes(), wanted)) {
                return Err(Denial::insufficient_base_scope(challenge));
            }
        }
        match first_use.map(FirstUse::settled) {
            None => Ok(None),
            Some(Ok(answer)) => first(answer, challenge).map(|()| None),
            Some(Err(asked)) => Ok(Some(asked)),
        }
    }
}

impl Admission {
    /// Whether `DPoP` is a scheme of ours.
    pub(crate) fn takes_dpop(&self) -> bool {
        self.dpop.is_some()
    }

    /// Whether API keys are accepted.
    pub(crate) fn takes_api_keys(&self) -> bool {
        self.api_keys.is_some()
    }

    /// Whose API key was sent, when it is one that was sent and API keys are accepted.
    pub(crate) fn api_key(
        &self,
        credentials: &Credentials,
        now: Duration,
    ) -> Option<Result<Arc<Principal>, Reason>> {
        let keys = self.api_keys.as_ref()?;
        let key = credentials.token();
        ApiKeys::claims(key).then(|| keys.verify(key, now))
    }

    /// Whether the sender has what the token is bound to.
    fn possession(
        &self,
        sent: &Sent<'_>,
        bound: Confirmation<'_>,
        now: impl Fn() -> Duration,
        challenge: &Challenge,
    ) -> Result<Option<FirstUse>, Denial> {
        let Sent { method, credentials, certificate } = sent;
        let first_use = match (credentials.scheme(), bound.key, &self.dpop) {
            (Scheme::Bearer, None, None) => None,
            (Scheme::Bearer, None, Some(dpop)) if !dpop.is_required() => None,
            (Scheme::Dpop, Some(key), Some(dpop)) => {
                let (token, now) = (credentials.token(), now());
                let request = Presented { method, token, key, now };
                Some(dpop.verify(credentials.proof(), &request, challenge)?)
            }
            // A bound token without its proof, or a proof for a token that is not bound.
            _ => return Err(Denial::invalid_token(challenge, Reason::CnfMismatch)),
        };
        if let Some(expected) = bound.certificate
            && certificate.as_ref().is_none_or(|der| thumbprint::sha256(der) != expected)
        {
            return Err(Denial::invalid_token(challenge, Reason::CnfMismatch));
        }
        Ok(first_use)
    }
}

/// What follows from how often a proof was used.
pub(crate) fn first(proof: ProofUse, challenge: &Challenge) -> Result<(), Denial> {
    match proof {
        ProofUse::First => Ok(()),
        ProofUse::Repeated => Err(Denial::invalid_dpop_proof(challenge, Reason::DpopReplayed)),
        ProofUse::Unknown => {
            Err(Denial::keys_unavailable(RETRY_AFTER).because(Reason::ReplayUnavailable))
        }
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Admission");
        shown
            .field("dpop", &self.dpop)
            .field("certificate", &self.certificate.is_some())
            .field("api_keys", &self.api_keys);
        shown.field("step_up", &self.step_up).finish()
    }
}
