//! Asking the issuer about tokens that say nothing themselves (RFC 7662): settings.

mod answer;
mod asker;
mod client_auth;
mod client_key;
mod flight;
mod form;
mod introspector;
mod route;

use std::time::Duration;

use crate::ConfigError;

pub use client_auth::ClientAuth;
pub use client_key::ClientKey;
pub(crate) use flight::Flight;
pub(crate) use introspector::Introspector;
pub(crate) use route::check_routes;

/// The longest that an answer is used, and what an answer without an end counts for (R-135).
const MAX_CACHE: Duration = Duration::from_secs(60);

/// How many questions may be under way at once, unless told otherwise.
const IN_FLIGHT: usize = 32;

/// Asks an issuer's introspection endpoint about its tokens (RFC 7662, R-135); used by
/// [`Issuer::introspection`](crate::Issuer::introspection).
///
/// ```
/// use portcullis_jwt::{ClientAuth, Introspection, Issuer};
///
/// # fn secret() -> String { "secret".into() }
/// let issuer = Issuer::new("https://id.example.com").introspection(
///     Introspection::new(ClientAuth::secret_basic("mcp-gate", secret()))
///         .endpoint("https://id.example.com/introspect"),
/// );
/// ```
///
/// Opaque tokens, which are those without exactly two dots, go to the one issuer that takes them: a
/// token is never shown to one issuer after another. With several such issuers, all but one need a
/// [`token_prefix`](Self::token_prefix). JWTs are verified with keys and never sent, unless
/// [`jwts`](Self::jwts).
///
/// The answer must be JSON with `active: true`, and is then held to the rules of the [`Issuer`]
/// as the claims of a JWT are: `aud` must name this resource, `exp` must be there and not be
/// past, and `iss`, if there, must be the issuer's name. A `token_type` other than `Bearer` and `DPoP`
/// is refused, and so is what looks like a refresh or ID token. A token without `sub` is one of the
/// client `client_id` on its own behalf.
///
/// When the endpoint cannot be asked, fails, or answers with anything but status 200 and a sound
/// answer, requests are answered 503, never 401: also when it is our own credentials that it refuses.
/// A question takes at most 5 seconds. Requests with the same token share one question.
///
/// [`Issuer`]: crate::Issuer
#[derive(Clone, Debug)]
#[must_use = "nothing is asked until an issuer is given this"]
pub struct Introspection {
    auth: ClientAuth,
    endpoint: Option<String>,
    opaque: Opaque,
    jwts: bool,
    cache_for: Duration,
    in_flight: usize,
    terms: Terms,
}

/// Which opaque tokens an issuer is asked about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Opaque {
    /// Those that nobody else is asked about.
    Rest,
    Prefix(String),
    None,
}

/// What an answer may lack.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Terms {
    require_iss: bool,
    accept_missing_aud: bool,
    accept_missing_exp: bool,
}

impl Introspection {
    /// Asks as the client that `auth` says.
    pub fn new(auth: ClientAuth) -> Self {
        Self {
            auth,
            endpoint: None,
            opaque: Opaque::Rest,
            jwts: false,
            cache_for: MAX_CACHE,
            in_flight: IN_FLIGHT,
            terms: Terms::default(),
        }
    }

    /// Where to ask; by default where the metadata of the issuer say (`introspection_endpoint`),
    /// which takes [`Issuer::discover`](crate::Issuer::discover). `https` only, no redirects and no
    /// private addresses, unless [`Issuer::internal`](crate::Issuer::internal).
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// Asks about opaque tokens that start with `prefix` only, such as `ory_at_`.
    pub fn token_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.opaque = Opaque::Prefix(prefix.into());
        self
    }

    /// Asks also about JWTs whose `iss` is this issuer, in place of verifying them with keys: what
    /// was revoked at the issuer is then refused.
    pub fn jwts(mut self) -> Self {
        self.jwts = true;
        self
    }

    /// Asks about JWTs as [`jwts`](Self::jwts) says, and about no opaque tokens.
    pub fn jwts_only(mut self) -> Self {
        self.opaque = Opaque::None;
        self.jwts()
    }

    /// For how long an answer is used without asking again, and so how late a revocation at the
    /// issuer is noticed: at most 60 seconds, which is the default, and never past `exp`. Zero asks
    /// for each request. That a token is not active is remembered for 5 seconds at most.
    pub fn cache_for(mut self, time: Duration) -> Self {
        self.cache_for = time;
        self
    }

    /// How many questions may be under way at once: 32 by default. Eight times as many may wait;
    /// requests with further tokens are answered 503 at once, so that a flood of made-up tokens does
    /// not reach the issuer.
    pub fn max_in_flight(mut self, questions: usize) -> Self {
        self.in_flight = questions;
        self
    }

    /// Refuses answers without `iss`, which is optional there. With it, an answer cannot come from
    /// another issuer behind the same endpoint.
    pub fn require_iss(mut self) -> Self {
        self.terms.require_iss = true;
        self
    }

    /// Accepts answers that do not say whom the token is for, if they have a `token_type`, which
    /// refresh tokens have not.
    ///
    /// Danger: a token that was issued for any other service of this issuer then opens this one,
    /// and whoever runs that service can use it here.
    pub fn danger_accept_missing_audience(mut self) -> Self {
        self.terms.accept_missing_aud = true;
        self
    }

    /// Accepts answers that do not say when the token ends. It then counts as ending 60 seconds
    /// after the issuer was asked. `iat`, if there, is still held to
    /// [`Issuer::max_lifetime`](crate::Issuer::max_lifetime).
    ///
    /// Danger: a token that leaks may be of use for ever.
    pub fn danger_accept_missing_expiry(mut self) -> Self {
        self.terms.accept_missing_exp = true;
        self
    }

    /// Whether the endpoint is known without metadata.
    pub(crate) fn has_endpoint(&self) -> bool {
        self.endpoint.is_some()
    }

    /// Refuses settings that cannot be honoured.
    fn check(&self) -> Result<(), ConfigError> {
        self.auth.check()?;
        let fault = if self.cache_for > MAX_CACHE {
            "answers about tokens are used for at most 60 seconds"
        } else if !(1..=10_000).contains(&self.in_flight) {
            "between 1 and 10 000 questions about tokens may be under way"
        } else if matches!(&self.opaque, Opaque::Prefix(prefix) if prefix.is_empty()) {
            "the prefix of opaque tokens is empty"
        } else {
            return Ok(());
        };
        Err(ConfigError::new(fault))
    }
}
