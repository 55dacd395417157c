//! The builder of a verifier.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use http::Uri;
use portcullis_core::Clock;

use super::trusted::{trust, twice};
use super::{Shared, Verifier};
#[cfg(feature = "jwks-client")]
use crate::introspection::check_routes;
use crate::revocation::Revocations;
use crate::token_cache::{self, TokenCache};
use crate::{ConfigError, Issuer};

impl Verifier {
    /// Starts a verifier for the resource with this URI: the canonical URI of the MCP server
    /// (RFC 8707 §2), which is the audience that tokens must name.
    pub fn builder(resource: impl Into<String>) -> VerifierBuilder {
        VerifierBuilder {
            resource: resource.into(),
            issuers: Vec::new(),
            clock: Clock::system(),
            token_cache: token_cache::CAPACITY,
            revocations: None,
        }
    }
}

/// Builds a [`Verifier`]; made by [`Verifier::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct VerifierBuilder {
    resource: String,
    issuers: Vec<Issuer>,
    clock: Clock,
    token_cache: usize,
    revocations: Option<Revocations>,
}

impl VerifierBuilder {
    /// Trusts an issuer; may be called for several. A token is checked against the rules and the
    /// keys of the issuer it names, never against another's.
    pub fn issuer(mut self, issuer: Issuer) -> Self {
        self.issuers.push(issuer);
        self
    }

    /// Trusts several issuers, such as one for each tenant of
    /// an identity provider that several companies share.
    pub fn issuers(mut self, issuers: impl IntoIterator<Item = Issuer>) -> Self {
        self.issuers.extend(issuers);
        self
    }

    /// Takes the time from `clock`; the system's by default.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// How many verified tokens are remembered: 10 000 by default; 0 remembers none. What takes the
    /// room are their claims: about 2.5 KB for a token with twenty groups, 25 MB for 10 000 of them.
    /// Policies that ask for [`Principal::claims`](portcullis_core::Principal::claims) double that.
    ///
    /// A request with a remembered token costs no signature. A token is found by a keyed digest of
    /// all its bytes, and is itself not kept. It is verified anew once it, its keys, its issuer or
    /// a revocation has changed or run out.
    pub fn token_cache(mut self, capacity: usize) -> Self {
        self.token_cache = capacity;
        self
    }

    /// Shares a list of revoked tokens; by default the verifier has one of its own.
    pub fn revocations(mut self, revocations: Revocations) -> Self {
        self.revocations = Some(revocations);
        self
    }

    /// The verifier. Starts fetching keys where issuers have a URL for them; this does not wait.
    ///
    /// # Errors
    /// When the resource is not an absolute URI without fragment; there is no issuer, or one twice;
    /// an issuer has no keys, or a setting that cannot be honoured; or keys are to be fetched and
    /// no tokio runtime is running.
    pub fn build(self) -> Result<Verifier, ConfigError> {
        let Self { resource, issuers, clock, token_cache, revocations } = self;
        let revocations = revocations.unwrap_or_else(|| Revocations::new(clock.clone()));
        let absolute = resource
            .parse::<Uri>()
            .is_ok_and(|uri| uri.scheme().is_some() && uri.authority().is_some());
        if !absolute || resource.contains('#') {
            return Err(ConfigError::new(
                "the resource is not an absolute URI without fragment (RFC 8707 section 2)",
            ));
        }
        if issuers.is_empty() {
            return Err(ConfigError::new("there is no issuer"));
        }
        let mut trusted = HashMap::with_capacity(issuers.len());
        for issuer in issuers {
            let (name, issuer) = trust(issuer, &resource, &clock)?;
            if trusted.contains_key(&name) {
                return Err(twice(&name));
            }
            revocations.cover(issuer.rules.max_lifetime, issuer.rules.leeway);
            trusted.insert(name, Arc::new(issuer));
        }
        #[cfg(feature = "jwks-client")]
        check_routes(trusted.values())?;
        Ok(Verifier(Arc::new(Shared {
            clock,
            resource,
            issuers: ArcSwap::from_pointee(trusted),
            changing: Mutex::default(),
            generation: AtomicU64::default(),
            tokens: (token_cache > 0).then(|| TokenCache::new(token_cache)).transpose()?,
            revocations,
        })))
    }
}
