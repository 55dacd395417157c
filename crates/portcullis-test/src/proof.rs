//! One DPoP proof in the making.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::Clock;
use serde_json::{Map, Value, json};
use superboring::reexports::hmac_sha256;

use crate::{Mint, random};

/// A DPoP proof (RFC 9449 §4.2) that is not signed yet. Made by [`Mint::proof`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ProofBuilder {
    mint: Mint,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl ProofBuilder {
    pub(crate) fn new(mint: Mint, jwk: &Value, method: &str, uri: &str, token: &str) -> Self {
        let header = json!({"typ": "dpop+jwt", "alg": mint.algorithm(), "jwk": jwk});
        let claims = json!({
            "jti": random::id(),
            "htm": method,
            "htu": uri,
            "iat": Clock::system().unix().as_secs(),
            "ath": sha256(token.as_bytes()),
        });
        let map = |value: Value| value.as_object().unwrap().clone();
        Self { header: map(header), claims: map(claims), mint }
    }

    /// Sets `iat`.
    pub fn at(self, unix: u64) -> Self {
        self.claim("iat", json!(unix))
    }

    /// Sets any claim to any value.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Removes a claim.
    pub fn without(mut self, claim: &str) -> Self {
        self.claims.remove(claim);
        self
    }

    /// Sets any header parameter to any value.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// Removes a header parameter.
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// The header as it stands, as JSON.
    #[must_use]
    pub fn header_json(&self) -> String {
        Value::Object(self.header.clone()).to_string()
    }

    /// The claims as they stand, as JSON.
    #[must_use]
    pub fn claims_json(&self) -> String {
        Value::Object(self.claims.clone()).to_string()
    }

    /// The compact serialization.
    #[must_use]
    pub fn sign(self) -> String {
        self.mint.sign_raw(&self.header_json(), &self.claims_json())
    }
}

/// The SHA-256 of `bytes` in base64url: `ath`, `jkt` and `x5t#S256` are such.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(hmac_sha256::Hash::hash(bytes))
}
