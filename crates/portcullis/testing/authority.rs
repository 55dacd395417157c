//! The authority.

use std::fmt;
use std::io;
use std::sync::Arc;

use portcullis_core::Clock;
use portcullis_jwt::{Algorithm, Issuer, JwkSet};
use serde_json::Value;
use tokio::task::AbortHandle;

use crate::testing::http_server::Listening;
use crate::testing::published::Published;
use crate::testing::{Outage, Token};

/// The issuer identifier unless told otherwise.
const ISSUER: &str = "https://authority.example";

/// An authorization server for tests: signs any token for anyone; see the
/// [module](crate::testing).
///
/// [`in_process`](Self::in_process) hands its keys to the gate directly. [`start`](Self::start)
/// serves metadata and keys over HTTP on loopback, where the gate finds them as it finds a real
/// issuer's; nobody can sign in there through a browser. Clones share everything; the server ends
/// with the last one.
#[derive(Clone)]
pub struct Authority {
    inner: Arc<Inner>,
}

struct Inner {
    issuer: String,
    algorithm: Algorithm,
    clock: Clock,
    published: Arc<Published>,
    server: Option<AbortHandle>,
}

impl Authority {
    /// An authority that is not on any network, `https://authority.example`.
    #[must_use]
    pub fn in_process() -> Self {
        Self::builder().in_process()
    }

    /// An authority on a free port of `127.0.0.1`.
    ///
    /// # Errors
    /// When there is no such port.
    pub async fn start() -> io::Result<Self> {
        Self::builder().start().await
    }

    /// An authority with another algorithm, name or clock.
    pub fn builder() -> AuthorityBuilder {
        AuthorityBuilder {
            issuer: ISSUER.to_owned(),
            algorithm: Algorithm::Es256,
            clock: Clock::system(),
        }
    }

    /// The issuer identifier: the `iss` of its tokens. The URL of its server, if it has one.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.issuer
    }

    /// This authority as an issuer to trust: with discovery if it has a server, else with the keys
    /// that it has now.
    pub fn issuer(&self) -> Issuer {
        let issuer = Issuer::new(self.name()).algorithms([self.inner.algorithm]);
        match self.inner.server {
            Some(_) => issuer.discover().internal(),
            None => issuer.keys(self.jwk_set()),
        }
    }

    /// The public keys that it publishes now.
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "INVARIANT: the keys were made to be published"
    )]
    #[must_use]
    pub fn jwk_set(&self) -> JwkSet {
        JwkSet::from_json(self.jwks()).expect("a JWK set")
    }

    /// The same as JSON (RFC 7517 §5).
    #[must_use]
    pub fn jwks(&self) -> String {
        self.inner.published.jwks()
    }

    /// A token for the resource with this URI, which a gate lets in unless it is changed.
    pub fn token(&self, resource: &str) -> Token {
        Token::new(self.clone(), resource)
    }

    /// Signs with a new key from now on, and publishes it beside the old ones. Tokens signed before
    /// stay good.
    ///
    /// A gate finds the new key as soon as a token names it, and then not again for 30 seconds: for
    /// two rotations in one test, move its [`Clock`] on.
    pub fn rotate(&self) {
        self.inner.published.add_key(self.inner.algorithm);
    }

    /// Signs with a new key from now on and withdraws all others, as after a breach. A gate refuses
    /// tokens signed before once it has fetched the keys anew.
    pub fn rotate_and_withdraw(&self) {
        self.rotate();
        self.inner.published.withdraw_old_keys();
    }

    /// Fails from now on, until [`recover`](Self::recover). Only a server can.
    pub fn fail(&self, outage: Outage) {
        self.inner.published.set_outage(Some(outage));
    }

    /// Ends the outage.
    pub fn recover(&self) {
        self.inner.published.set_outage(None);
    }

    /// How many requests have reached its server.
    #[must_use]
    pub fn fetches(&self) -> usize {
        self.inner.published.fetches()
    }

    /// Changes a member of its metadata (RFC 8414 §2), or removes it with `null`: an issuer of
    /// another name, no `S256`.
    pub fn set_metadata(&self, member: &str, value: impl Into<Value>) {
        self.inner.published.set_metadata(member, value.into());
    }

    pub(crate) fn published(&self) -> &Published {
        &self.inner.published
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.inner.algorithm
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("name", &self.name()).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.abort();
        }
    }
}

/// Settings of an [`Authority`]; made by [`Authority::builder`].
#[derive(Clone, Debug)]
#[must_use = "settings do nothing until the authority is made"]
pub struct AuthorityBuilder {
    issuer: String,
    algorithm: Algorithm,
    clock: Clock,
}

impl AuthorityBuilder {
    /// Signs with this algorithm; `ES256` by default.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Calls itself `issuer`, in the place of a real issuer. Only without a server, whose name is
    /// its URL.
    pub fn name(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = issuer.into();
        self
    }

    /// Issues tokens at the time of `clock`, which you give to the gate too; the system's by
    /// default.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// An authority that is not on any network.
    #[must_use]
    pub fn in_process(self) -> Authority {
        let published = Arc::new(Published::new(&self.issuer, self.algorithm));
        self.with(published, None)
    }

    /// An authority on a free port of `127.0.0.1`.
    ///
    /// # Errors
    /// When there is no such port.
    pub async fn start(mut self) -> io::Result<Authority> {
        let (listening, addr) = Listening::new().await?;
        self.issuer = format!("http://{addr}");
        let published = Arc::new(Published::new(&self.issuer, self.algorithm));
        let server = listening.serve(Arc::clone(&published));
        Ok(self.with(published, Some(server)))
    }

    fn with(self, published: Arc<Published>, server: Option<AbortHandle>) -> Authority {
        let Self { issuer, algorithm, clock } = self;
        Authority { inner: Arc::new(Inner { issuer, algorithm, clock, published, server }) }
    }
}
