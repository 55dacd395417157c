//! The verifier and its builder.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use portcullis_core::{Clock, Principal, Reason};

use crate::binding::Confirmation;
use crate::issuer::Rules;
use crate::keys::{KeySource, Obstacle, Turn};
use crate::{ConfigError, Issuer, TokenError};

/// Verifies access tokens for one resource; cheap to clone.
///
/// With [`Issuer::jwks_url`], one task per issuer keeps the keys fresh. It ends when the last clone
/// of the verifier is dropped.
#[derive(Clone)]
pub struct Verifier(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) clock: Clock,
    resource: String,
    pub(crate) issuers: HashMap<String, Trusted>,
}

/// A trusted issuer.
pub(crate) struct Trusted {
    pub(crate) rules: Rules,
    pub(crate) keys: KeySource,
}

impl Verifier {
    /// Starts a verifier for the resource with this URI: the canonical URI of the MCP server
    /// (RFC 8707 §2), which is the audience that tokens must name.
    pub fn builder(resource: impl Into<String>) -> VerifierBuilder {
        VerifierBuilder { resource: resource.into(), issuers: Vec::new(), clock: Clock::system() }
    }

    /// The URI of the resource.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.0.resource
    }

    /// The issuers whose tokens are accepted, in no order.
    pub fn issuers(&self) -> impl Iterator<Item = &str> {
        self.0.issuers.keys().map(String::as_str)
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
            Err(Obstacle::Wait(keys)) => {
                keys.await;
                self.verify_again(token)?
            }
        };
        Confirmation::of(principal.claims())
            .and_then(Confirmation::bearer_only)
            .map_err(TokenError::refused)?;
        Ok(principal)
    }

    pub(crate) fn now(&self) -> Duration {
        self.0.clock.unix()
    }

    // INVARIANT: whether the sender may use a token that is bound (`cnf`) is for the caller of this
    // and of `verify_again` to ask.
    pub(crate) fn verify(&self, token: &str) -> Result<Principal, Obstacle> {
        self.0.verify(token, Turn::First)
    }

    /// The verdict after waiting for keys.
    pub(crate) fn verify_again(&self, token: &str) -> Result<Principal, TokenError> {
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
            .field("issuers", &self.issuers().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// Builds a [`Verifier`]; made by [`Verifier::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct VerifierBuilder {
    resource: String,
    issuers: Vec<Issuer>,
    clock: Clock,
}

impl VerifierBuilder {
    /// Trusts an issuer; may be called for several. A token is checked against the rules and the
    /// keys of the issuer it names, never against another's.
    pub fn issuer(mut self, issuer: Issuer) -> Self {
        self.issuers.push(issuer);
        self
    }

    /// Takes the time from `clock`; the system's by default.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The verifier. Starts fetching keys where issuers have a URL for them; this does not wait.
    ///
    /// # Errors
    /// When the resource is not an absolute URI without fragment; there is no issuer, or one twice;
    /// an issuer has no keys, or a setting that cannot be honoured; or keys are to be fetched and
    /// no tokio runtime is running.
    pub fn build(self) -> Result<Verifier, ConfigError> {
        let Self { resource, issuers, clock } = self;
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
        for mut issuer in issuers {
            issuer.check(&resource)?;
            if trusted.contains_key(&issuer.name) {
                return Err(ConfigError::new(format!("the issuer {} is there twice", issuer.name)));
            }
            let keys = key_source(&issuer, &clock)?;
            trusted.insert(issuer.name, Trusted { rules: issuer.rules, keys });
        }
        Ok(Verifier(Arc::new(Shared { clock, resource, issuers: trusted })))
    }
}

#[cfg(feature = "jwks-client")]
fn key_source(issuer: &Issuer, clock: &Clock) -> Result<KeySource, ConfigError> {
    use crate::cache::RemoteKeys;
    use crate::fetch::HttpFetch;

    match (&issuer.keys, &issuer.jwks_url) {
        (Some(_), Some(_)) => Err(ConfigError::new(format!(
            "the issuer {} has both fixed keys and a URL for keys",
            issuer.name
        ))),
        (Some(keys), None) => Ok(KeySource::Fixed(keys.clone())),
        (None, Some(url)) => {
            let fetch = HttpFetch::new(url, issuer.internal)?;
            RemoteKeys::start(&issuer.name, fetch, clock.clone(), issuer.max_stale)
                .map(KeySource::Remote)
        }
        (None, None) => Err(no_keys(issuer)),
    }
}

#[cfg(not(feature = "jwks-client"))]
fn key_source(issuer: &Issuer, _: &Clock) -> Result<KeySource, ConfigError> {
    issuer.keys.clone().map(KeySource::Fixed).ok_or_else(|| no_keys(issuer))
}

fn no_keys(issuer: &Issuer) -> ConfigError {
    ConfigError::new(format!("the issuer {} has no keys", issuer.name))
}
