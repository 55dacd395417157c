//! A client's own key, to which tokens can be bound.

use std::fmt;
use std::sync::Arc;

use portcullis_core::Clock;
use portcullis_jwt::Algorithm;
use serde_json::{Value, json};

use crate::testing::key::{SigningKey, base64url, random_id, sha256};

/// A client's key for DPoP (RFC 9449): [`Token::bound_to`](crate::testing::Token::bound_to) binds a
/// token to it, [`proof`](Self::proof) shows that the sender has it. `ES256`.
#[derive(Clone)]
pub struct DpopKey {
    key: Arc<SigningKey>,
    clock: Clock,
}

impl DpopKey {
    /// A new key.
    #[must_use]
    pub fn new() -> Self {
        Self { key: Arc::new(SigningKey::generate(Algorithm::Es256)), clock: Clock::system() }
    }

    /// Takes the time of proofs from `clock`; the system's by default.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The thumbprint of the key (RFC 7638), which is the `jkt` of tokens that are bound to it.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        let members = self.key.members();
        let members: Vec<_> =
            members.iter().map(|(name, value)| format!(r#""{name}":"{value}""#)).collect();
        sha256(format!("{{{}}}", members.join(",")).as_bytes())
    }

    /// A proof for one request with `method` and `token` to `uri`: the value of its `DPoP` field,
    /// beside `Authorization: DPoP` and the token.
    #[must_use]
    pub fn proof(&self, method: &str, uri: &str, token: &str) -> String {
        self.sign(method, uri, token, None)
    }

    /// A proof that holds the nonce which the last answer demanded.
    #[must_use]
    pub fn proof_with_nonce(&self, method: &str, uri: &str, token: &str, nonce: &str) -> String {
        self.sign(method, uri, token, Some(nonce))
    }

    fn sign(&self, method: &str, uri: &str, token: &str, nonce: Option<&str>) -> String {
        let algorithm = self.key.algorithm().as_str();
        let header = json!({
            "typ": "dpop+jwt",
            "alg": algorithm,
            "jwk": self.key.public_jwk(),
        });
        let mut claims = json!({
            "jti": random_id(),
            "htm": method,
            "htu": uri,
            "iat": self.clock.unix().as_secs(),
            "ath": sha256(token.as_bytes()),
        });
        if let (Some(nonce), Value::Object(claims)) = (nonce, &mut claims) {
            claims.insert("nonce".into(), json!(nonce));
        }
        let (header, claims) = (base64url(header.to_string()), base64url(claims.to_string()));
        let message = format!("{header}.{claims}");
        let signature = base64url(self.key.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }
}

impl Default for DpopKey {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for DpopKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DpopKey").finish_non_exhaustive()
    }
}
