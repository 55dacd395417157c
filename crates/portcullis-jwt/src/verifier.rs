//! The verifier.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use portcullis_core::{Clock, Principal, Reason};

#[cfg(feature = "jwks-client")]
use crate::IssuerMetadata;
use crate::binding::Confirmation;
#[cfg(feature = "jwks-client")]
use crate::introspection::check_routes;
use crate::keys::{Obstacle, Turn};
use crate::revocation::{Revocation, Revocations};
use crate::status::{KeyStatus, TokenCacheStatus};
use crate::token_cache::TokenCache;
use crate::verify::Unknown;
use crate::wait::Waited;
use crate::{ConfigError, Issuer, TokenError};

mod builder;
mod trusted;

pub use builder::VerifierBuilder;
pub(crate) use trusted::Trusted;
use trusted::{trust, twice};

/// Verifies access tokens for one resource; cheap to clone.
///
/// With [`Issuer::jwks_url`], one task per issuer keeps the keys fresh. It ends when the last clone
/// of the verifier is dropped.
#[derive(Clone)]
pub struct Verifier(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) clock: Clock,
    resource: String,
    pub(crate) issuers: ArcSwap<Issuers>,
    /// Held while the issuers change, so that no change is lost.
    changing: Mutex<()>,
    /// Grows when the issuers change. A verdict that was reached under a smaller number is void.
    pub(crate) generation: AtomicU64,
    pub(crate) tokens: Option<TokenCache>,
    pub(crate) revocations: Revocations,
}

pub(crate) type Issuers = HashMap<String, Arc<Trusted>>;

impl Shared {
    fn change<T>(&self, change: impl FnOnce(&mut Issuers) -> T) -> T {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut issuers = Issuers::clone(&self.issuers.load());
        let outcome = change(&mut issuers);
        self.issuers.store(Arc::new(issuers));
        // After the store: who reads the new number sees the new issuers.
        self.generation.fetch_add(1, Ordering::AcqRel);
        if let Some(tokens) = &self.tokens {
            tokens.clear();
        }
        outcome
    }
}

impl Verifier {
    /// The URI of the resource.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.0.resource
    }

    /// The issuers whose tokens are accepted now, in no order.
    #[must_use]
    pub fn issuers(&self) -> Vec<String> {
        self.0.issuers.load().keys().cloned().collect()
    }

    /// Whether tokens of this issuer are accepted, and clients are to be sent there to sign in: see
    /// [`Issuer::unlisted`].
    #[must_use]
    pub fn is_listed(&self, iss: &str) -> bool {
        self.0.issuers.load().get(iss).is_some_and(|issuer| issuer.listed)
    }

    /// Trusts one more issuer from now on, for all clones of this verifier.
    ///
    /// # Errors
    /// When the issuer is trusted already (remove it first), and as
    /// [`VerifierBuilder::build`] says.
    pub fn add_issuer(&self, issuer: Issuer) -> Result<(), ConfigError> {
        let (name, trusted) = trust(issuer, &self.0.resource, &self.0.clock)?;
        self.0.revocations.cover(trusted.rules.max_lifetime, trusted.rules.leeway);
        let trusted = Arc::new(trusted);
        self.0.change(|issuers| {
            #[cfg(feature = "jwks-client")]
            check_routes(issuers.values().chain([&trusted]))?;
            match issuers.entry(name) {
                Entry::Occupied(entry) => Err(twice(entry.key())),
                Entry::Vacant(entry) => {
                    entry.insert(trusted);
                    Ok(())
                }
            }
        })
    }

    /// Stops trusting an issuer, for all clones of this verifier: its tokens are refused from the
    /// next request on, also those that wait for its keys, and its keys are no longer fetched.
    /// Returns whether it was trusted.
    pub fn remove_issuer(&self, iss: &str) -> bool {
        self.0.change(|issuers| issuers.remove(iss)).is_some()
    }

    /// Refuses tokens that would verify, from the next request on and for all clones of this
    /// verifier, also where they were verified before. See [`Revocations`].
    pub fn revoke(&self, revocation: Revocation) {
        self.0.revocations.revoke(revocation);
    }

    /// What the issuer says about itself (RFC 8414), as last fetched; `None` before that, and for
    /// issuers without [`Issuer::discover`].
    #[cfg(feature = "jwks-client")]
    #[must_use]
    pub fn issuer_metadata(&self, iss: &str) -> Option<Arc<IssuerMetadata>> {
        self.0.issuers.load().get(iss)?.metadata.load_full()
    }

    /// Why the latest fetch of the issuer's metadata or keys failed, for operators: the text may
    /// name URLs. `None` when it succeeded, when nothing is fetched, and when the issuer is not
    /// trusted. Waits for the first fetch to end: at most about 5 seconds.
    #[cfg(feature = "jwks-client")]
    pub async fn fetch_fault(&self, iss: &str) -> Option<String> {
        let trusted = Arc::clone(self.0.issuers.load().get(iss)?);
        trusted.keys.fault().await
    }

    /// How it stands with the keys of each issuer that is trusted now, in the order of their names.
    #[must_use]
    pub fn key_status(&self) -> Vec<KeyStatus> {
        let issuers = self.0.issuers.load();
        let mut status: Vec<_> =
            issuers.iter().map(|(name, issuer)| issuer.keys.status(name)).collect();
        status.sort_unstable_by(|a, b| a.issuer.cmp(&b.issuer));
        status
    }

    /// How it stands with the cache of verified tokens; `None` when there is none.
    #[must_use]
    pub fn token_cache_status(&self) -> Option<TokenCacheStatus> {
        self.0.tokens.as_ref().map(TokenCache::status)
    }

    /// Verifies `token`, the bare token without a scheme, as [`JwtLayer`](crate::JwtLayer) would
    /// verify a bearer token. Waits for keys when they are being fetched: at most about 5 seconds.
    /// A token that is bound to a key or a certificate is refused: there is no proof here.
    ///
    /// # Errors
    /// Says why the token is not accepted. Do not pass that on to the sender.
    pub async fn verify_token(&self, token: &str) -> Result<Principal, TokenError> {
        let principal = match self.verify(token) {
            Ok(principal) => principal,
            Err(Obstacle::Refused(error)) => return Err(error),
            Err(Obstacle::Wait(wait)) => {
                let waited = wait.await;
                self.verify_again(token, &waited)?
            }
        };
        Confirmation::of_principal(&principal)
            .and_then(Confirmation::bearer_only)
            .map_err(TokenError::refused)?;
        Ok(Arc::unwrap_or_clone(principal))
    }

    pub(crate) fn now(&self) -> Duration {
        self.0.clock.unix()
    }

    // INVARIANT: whether the sender may use a token that is bound (`cnf`) is for the caller of this
    // and of those that follow to ask.
    pub(crate) fn verify(&self, token: &str) -> Result<Arc<Principal>, Obstacle> {
        self.0.verify(token, Turn::First)
    }

    /// As [`verify`](Self::verify), as far as that is remembered. `token` need not be one.
    pub(crate) fn recall(&self, token: &[u8]) -> Result<Arc<Principal>, Unknown> {
        self.0.recall(token)
    }

    /// The rest of it.
    pub(crate) fn verify_unknown(
        &self,
        token: &str,
        unknown: Unknown,
    ) -> Result<Arc<Principal>, Obstacle> {
        self.0.verify_unknown(token, Turn::First, unknown)
    }

    /// The verdict after waiting.
    pub(crate) fn verify_again(
        &self,
        token: &str,
        waited: &Waited,
    ) -> Result<Arc<Principal>, TokenError> {
        match waited {
            Waited::Keys => {}
            #[cfg(feature = "jwks-client")]
            Waited::Answer(flight) => return self.0.conclude(token, flight),
        }
        self.0.verify(token, Turn::Last).map_err(|obstacle| match obstacle {
            Obstacle::Refused(error) => error,
            // INVARIANT: nothing waits on the last turn. Were it to, refusing is safe.
            Obstacle::Wait(_) => TokenError::refused(Reason::UnknownKid),
        })
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("resource", &self.0.resource)
            .field("issuers", &self.issuers())
            .finish_non_exhaustive()
    }
}
