//! Tokens that count only with a proof of possession (DPoP, RFC 9449).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method};
use portcullis_core::{Challenge, Denial, Reason};
use portcullis_crypto::{fill_random, sha256};

use crate::nonce::Nonces;
use crate::proof::{self, Expected};
use crate::replay::{FirstUse, MemoryReplay, ProofId, ReplayStore};
use crate::{Algorithm, ConfigError, htu};

/// The shortest key of nonces, in bytes.
const MIN_NONCE_KEY: usize = 32;

/// How many proofs are remembered unless a store says otherwise.
const REMEMBERED: usize = 100_000;

/// Accepts tokens that are bound to a key (`cnf.jkt`) when they come with a proof made with that key
/// (RFC 9449); made by [`Dpop::builder`], used by [`JwtLayer::dpop`](crate::JwtLayer::dpop).
///
/// A proof must be for the method and for the URI of the resource as configured, whatever `Host`
/// says; it must name the token, be at most 5 minutes old, and not have been seen before. A
/// proof with the claim `content_digest` is refused: the body is not read here.
#[derive(Clone)]
pub struct Dpop(Arc<DpopBuilder>);

impl Dpop {
    /// Starts with the defaults: `ES256` and `EdDSA`, not required, no nonces, proofs remembered in
    /// memory.
    pub fn builder() -> DpopBuilder {
        DpopBuilder {
            algorithms: vec![Algorithm::Es256, Algorithm::EdDsa],
            required: false,
            window: Duration::from_secs(300),
            uris: Vec::new(),
            nonce_keys: Vec::new(),
            random_nonces: false,
            nonces: None,
            store: None,
        }
    }

    /// The algorithms of proofs, for `dpop_signing_alg_values_supported` (RFC 9728 §2).
    #[must_use]
    pub fn algorithms(&self) -> &[Algorithm] {
        &self.0.algorithms
    }

    /// Whether bearer tokens are refused, for `dpop_bound_access_tokens_required` (RFC 9728 §2).
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.0.required
    }

    /// `challenge`, saying that DPoP is accepted.
    pub(crate) fn challenge(&self, challenge: &Challenge) -> Result<Challenge, ConfigError> {
        let names: Vec<_> = self.0.algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
        challenge.dpop(&names, self.0.required).map_err(|e| ConfigError::new(e.to_string()))
    }

    /// The same for `resource`, which proofs must be for.
    pub(crate) fn for_resource(self, resource: &str) -> Result<Self, ConfigError> {
        let mut settings = Arc::unwrap_or_clone(self.0);
        settings.uris.insert(0, uri(resource)?);
        Ok(Self(Arc::new(settings)))
    }

    /// Whether the sender of `token`, which is bound to `key`, has that key: a proof that may have
    /// been used before is all that is left to ask about.
    pub(crate) fn verify(
        &self,
        proof: Option<&HeaderValue>,
        request: &Presented<'_>,
        challenge: &Challenge,
    ) -> Result<FirstUse, Denial> {
        let settings = &*self.0;
        let expected = Expected {
            algorithms: &settings.algorithms,
            method: request.method.as_str(),
            uris: &settings.uris,
            token: request.token,
            key: request.key,
            now: request.now,
            window: settings.window,
        };
        let proof = proof
            .and_then(|line| line.to_str().ok())
            .and_then(|proof| proof::verify(proof, &expected))
            .ok_or_else(|| Denial::invalid_dpop_proof(challenge, Reason::DpopInvalid))?;
        if let Some(nonces) = &settings.nonces {
            let nonce = proof.nonce.as_deref();
            if !nonce.is_some_and(|nonce| nonces.accept(nonce, request.now)) {
                let fresh = nonces.current(request.now).unwrap_or_default();
                return Err(Denial::use_dpop_nonce(challenge, &fresh));
            }
        }
        let until = proof.issued.saturating_add(settings.window);
        let id = ProofId::new(sha256(request.key.as_bytes()), sha256(proof.id.as_bytes()));
        Ok(match &settings.store {
            Some(store) => store.first_use(id, request.now, until),
            // INVARIANT: `build` sets a store. Were there none, nothing would be certain.
            None => FirstUse::known(crate::ProofUse::Unknown),
        })
    }
}

/// What the proof has to fit.
pub(crate) struct Presented<'a> {
    pub(crate) method: &'a Method,
    pub(crate) token: &'a str,
    /// The thumbprint in the token.
    pub(crate) key: &'a str,
    pub(crate) now: Duration,
}

// By hand: keys of nonces.
impl fmt::Debug for Dpop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dpop")
            .field("algorithms", &self.0.algorithms)
            .field("required", &self.0.required)
            .finish_non_exhaustive()
    }
}

/// Builds a [`Dpop`]; made by [`Dpop::builder`].
#[derive(Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct DpopBuilder {
    algorithms: Vec<Algorithm>,
    required: bool,
    window: Duration,
    /// Normalized by `build`.
    uris: Vec<String>,
    nonce_keys: Vec<Vec<u8>>,
    random_nonces: bool,
    nonces: Option<Arc<Nonces>>,
    store: Option<Arc<dyn ReplayStore>>,
}

impl DpopBuilder {
    /// Accepts proofs signed with one of these; `ES256` and `EdDSA` by default.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Refuses tokens that are not bound to a key, and API keys too. Challenges then name the
    /// scheme `DPoP` only, which clients without DPoP cannot follow.
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// How far the `iat` of a proof may be from now, both ways: 5 minutes by default, at most 10.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.window = age;
        self
    }

    /// Accepts proofs for this URI besides the resource's own: for servers that answer at several
    /// addresses or paths.
    pub fn uri(mut self, uri: impl Into<String>) -> Self {
        self.uris.push(uri.into());
        self
    }

    /// Demands a nonce of ours in each proof (RFC 9449 §9), under a random key: for one process.
    /// A nonce is accepted for 5 to 10 minutes.
    pub fn nonces(mut self) -> Self {
        self.random_nonces = true;
        self
    }

    /// Demands a nonce of ours in each proof, made with `key`, at least 32 random bytes which
    /// replicas share. Call it again for keys that were used before: the first makes nonces, all
    /// recognise them.
    pub fn nonce_key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.nonce_keys.push(key.into());
        self
    }

    /// Remembers used proofs in `store`: replicas must share one. By default in memory, up to
    /// 100 000 of them.
    pub fn replay_store(mut self, store: impl ReplayStore) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// The settings, checked.
    ///
    /// # Errors
    /// When there is no algorithm; the age is zero or above 10 minutes; a URI is not a plain
    /// `http` or `https` one; a key of nonces is short; or there are no random bytes.
    pub fn build(mut self) -> Result<Dpop, ConfigError> {
        if self.algorithms.is_empty() {
            return Err(ConfigError::new("DPoP allows no algorithm"));
        }
        if self.window.is_zero() || self.window > Duration::from_secs(600) {
            return Err(ConfigError::new("the age of DPoP proofs is not within 10 minutes"));
        }
        if self.nonce_keys.iter().any(|key| key.len() < MIN_NONCE_KEY) {
            return Err(ConfigError::new("a key of DPoP nonces has fewer than 32 bytes"));
        }
        if self.random_nonces && self.nonce_keys.is_empty() {
            let mut key = [0; MIN_NONCE_KEY];
            fill_random(&mut key)?;
            self.nonce_keys.push(key.to_vec());
        }
        for each in &mut self.uris {
            *each = uri(each)?;
        }
        let keys = std::mem::take(&mut self.nonce_keys);
        self.nonces = (!keys.is_empty()).then(|| Arc::new(Nonces::new(&keys)));
        self.store.get_or_insert_with(|| Arc::new(MemoryReplay::new(REMEMBERED)));
        Ok(Dpop(Arc::new(self)))
    }
}

fn uri(text: &str) -> Result<String, ConfigError> {
    htu::normalized(text)
        .ok_or_else(|| ConfigError::new(format!("{text:?} is not a URI that DPoP proofs can name")))
}

impl fmt::Debug for DpopBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DpopBuilder")
            .field("algorithms", &self.algorithms)
            .field("required", &self.required)
            .finish_non_exhaustive()
    }
}
