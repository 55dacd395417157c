//! One access token in the making.

use portcullis_core::Clock;
use serde_json::{Map, Value, json};

use crate::{Mint, random};

/// The lifetime of a token unless changed, in seconds.
const LIFETIME: u64 = 3_600;

/// An access token (RFC 9068) that is not signed yet. Made by [`Mint::token`].
///
/// Unless changed: `typ` is `at+jwt`, `sub` is `alice`, `aud` is `https://mcp.example.com/mcp`,
/// `client_id` is `client-1`, `iat` is now, `exp` is an hour later, and `jti` is random.
#[derive(Clone, Debug)]
#[must_use]
pub struct TokenBuilder {
    mint: Mint,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl TokenBuilder {
    pub(crate) fn new(mint: Mint) -> Self {
        let header = [
            ("alg", json!(mint.algorithm())),
            ("typ", json!("at+jwt")),
            ("kid", json!(mint.kid())),
        ];
        let claims = [
            ("iss", json!(mint.issuer())),
            ("sub", json!("alice")),
            ("aud", json!("https://mcp.example.com/mcp")),
            ("client_id", json!("client-1")),
            ("jti", json!(random::id())),
        ];
        let map = |members: &[(&str, Value)]| {
            members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
        };
        let (header, claims) = (map(&header), map(&claims));
        Self { mint, header, claims }.at(Clock::system().unix().as_secs())
    }

    /// Sets `sub`.
    pub fn subject(self, subject: &str) -> Self {
        self.claim("sub", json!(subject))
    }

    /// Sets `aud` to one string; for an array, set the claim.
    pub fn audience(self, audience: &str) -> Self {
        self.claim("aud", json!(audience))
    }

    /// Sets `client_id`.
    pub fn client(self, client_id: &str) -> Self {
        self.claim("client_id", json!(client_id))
    }

    /// Sets `scope`, space separated.
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", json!(scope))
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

    /// Sets any header parameter to any value, `alg` and `kid` included.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// Removes a header parameter.
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// Issues the token at `unix` seconds: sets `iat`, and `exp` an hour later.
    pub fn at(self, unix: u64) -> Self {
        self.claim("iat", json!(unix)).claim("exp", json!(unix + LIFETIME))
    }

    /// Sets `exp` to `seconds` after `iat`.
    pub fn expires_in(self, seconds: u64) -> Self {
        let issued = self.claims.get("iat").and_then(Value::as_u64).unwrap_or_default();
        self.claim("exp", json!(issued + seconds))
    }

    /// The claims as they stand, as JSON.
    #[must_use]
    pub fn claims_json(&self) -> String {
        Value::Object(self.claims.clone()).to_string()
    }

    /// The header as it stands, as JSON.
    #[must_use]
    pub fn header_json(&self) -> String {
        Value::Object(self.header.clone()).to_string()
    }

    /// The compact serialization.
    #[must_use]
    pub fn sign(self) -> String {
        self.mint.sign_raw(&self.header_json(), &self.claims_json())
    }
}
