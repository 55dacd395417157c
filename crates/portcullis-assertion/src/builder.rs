//! From settings to a layer.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use portcullis_core::Clock;
use serde_json::{Value, json};

use crate::attach::Attacher;
use crate::cache::Cache;
use crate::name::is_reserved;
use crate::sign::Terms;
use crate::{AssertionLayer, ConfigError, SigningKey};

const HEADER: &str = "x-portcullis-assertion";
const LIFETIME: Duration = Duration::from_secs(60);

/// The bounds of a lifetime: shorter breaks on clocks that differ, longer is a token to steal.
const LIFETIMES: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(10)..=Duration::from_secs(300);

/// Settings of an [`AssertionLayer`]; made by [`AssertionLayer::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct AssertionLayerBuilder {
    issuer: String,
    audience: String,
    header: String,
    lifetime: Duration,
    plain_for: Option<String>,
    key: Option<SigningKey>,
    published: Vec<SigningKey>,
    clock: Clock,
}

impl AssertionLayerBuilder {
    pub(crate) fn new(issuer: String, audience: String) -> Self {
        Self {
            issuer,
            audience,
            header: HEADER.to_owned(),
            lifetime: LIFETIME,
            plain_for: None,
            key: None,
            published: Vec::new(),
            clock: Clock::system(),
        }
    }

    /// Signs with this key. Required.
    pub fn key(mut self, key: SigningKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Publishes the public half of another key too: the next one, before replicas sign with it, or
    /// the last one, until its assertions have ended.
    pub fn also_publish(mut self, key: SigningKey) -> Self {
        self.published.push(key);
        self
    }

    /// Sets the header; `X-Portcullis-Assertion` by default.
    pub fn header(mut self, name: impl Into<String>) -> Self {
        self.header = name.into();
        self
    }

    /// Sets how long an assertion is valid, in whole seconds from 10 to 300; 60 by default. It
    /// serves further requests of the same caller for half of that.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Makes `sub` the subject as the caller's issuer names it, for callers of this one issuer.
    /// Callers of any other are answered 500, because two issuers may use one name for two people.
    ///
    /// By default `sub` is the issuer, `#` and the subject, which is unique whatever issuers the
    /// gate trusts.
    pub fn plain_subjects(mut self, issuer: impl Into<String>) -> Self {
        self.plain_for = Some(issuer.into());
        self
    }

    /// Takes the time from `clock`; the system's by default.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The layer.
    ///
    /// # Errors
    /// When there is no key; issuer, audience or the issuer of plain subjects is empty; the header
    /// is not a name, or one that HTTP or MCP uses; or the lifetime is out of bounds.
    pub fn build(self) -> Result<AssertionLayer, ConfigError> {
        let key = self.key.ok_or(ConfigError::new("there is no key to sign assertions with"))?;
        let blank = |text: &str| text.trim().is_empty();
        if blank(&self.issuer) || blank(&self.audience) {
            return Err(ConfigError::new("the issuer or the audience of assertions is empty"));
        }
        if self.plain_for.as_deref().is_some_and(blank) {
            return Err(ConfigError::new("the issuer of plain subjects is empty"));
        }
        let name = HeaderName::try_from(self.header)
            .ok()
            .filter(|name| !is_reserved(name.as_str()))
            .ok_or(ConfigError::new("the header cannot carry an assertion"))?;
        if !LIFETIMES.contains(&self.lifetime) || self.lifetime.subsec_nanos() != 0 {
            return Err(ConfigError::new(
                "the lifetime of assertions is not 10 to 300 seconds, in whole seconds",
            ));
        }
        let jwks = jwks(&key, &self.published)?;
        let terms = Terms {
            issuer: self.issuer,
            audience: self.audience,
            lifetime: self.lifetime,
            plain_for: self.plain_for,
        };
        let attacher = Attacher { name, key, terms, clock: self.clock, cache: Cache::new() };
        Ok(AssertionLayer { attacher: Arc::new(attacher), jwks: jwks.to_string().into() })
    }
}

fn jwks(key: &SigningKey, others: &[SigningKey]) -> Result<Value, ConfigError> {
    let mut keys: Vec<Value> = Vec::new();
    for key in std::iter::once(key).chain(others) {
        let jwk = key.public_jwk().ok_or(ConfigError::new("a key has no public half"))?;
        if !keys.contains(&jwk) {
            keys.push(jwk);
        }
    }
    Ok(json!({ "keys": keys }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_honoured_is_an_error() {
        let good = || {
            AssertionLayer::builder("https://gate", "https://service")
                .key(SigningKey::generate_ed25519())
        };
        assert!(good().build().is_ok());
        assert!(good().header("X-Who").lifetime(Duration::from_secs(300)).build().is_ok());
        let rows = [
            ("no key", AssertionLayer::builder("i", "a")),
            ("no issuer", AssertionLayer::builder("", "a").key(SigningKey::generate_ed25519())),
            ("no audience", AssertionLayer::builder("i", " ").key(SigningKey::generate_ed25519())),
            ("no header", good().header("")),
            ("not a header", good().header("a b")),
            ("authorization", good().header("Authorization")),
            ("host", good().header("Host")),
            ("an MCP header", good().header("Mcp-Session-Id")),
            ("too short", good().lifetime(Duration::from_secs(9))),
            ("too long", good().lifetime(Duration::from_secs(301))),
            ("not whole seconds", good().lifetime(Duration::from_millis(10_500))),
            ("plain subjects of nobody", good().plain_subjects("")),
        ];
        for (name, builder) in rows {
            assert!(builder.build().is_err(), "{name}");
        }
    }

    #[test]
    fn keys_are_published_once_each() {
        let (one, two) = (SigningKey::generate_es256(), SigningKey::generate_ed25519());
        let layer = AssertionLayer::builder("i", "a")
            .key(one.clone())
            .also_publish(two.clone())
            .also_publish(one.clone())
            .build()
            .unwrap();
        let jwks: Value = serde_json::from_slice(&layer.jwks()).unwrap();
        let kids: Vec<_> = jwks["keys"].as_array().unwrap().iter().map(|key| &key["kid"]).collect();
        assert_eq!(kids, [one.kid(), two.kid()]);
        assert!(!jwks.to_string().contains("\"d\""));
    }
}
