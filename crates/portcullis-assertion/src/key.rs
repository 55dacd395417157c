//! The gate's signing keys.

use std::fmt;
use std::sync::Arc;

use jwt_simple::prelude::{ES256KeyPair, Ed25519KeyPair};
use serde_json::{Value, json};

use crate::ConfigError;

/// A private key that signs assertions. Cheap to clone; `Debug` shows its `kid` only.
#[derive(Clone)]
pub struct SigningKey {
    pub(crate) pair: Arc<Pair>,
    kid: String,
}

pub(crate) enum Pair {
    Es256(Box<ES256KeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

impl SigningKey {
    /// A new key for `ES256`, which every JWT library knows. For one process, or for tests:
    /// replicas need the same key, or each other's public keys.
    #[must_use]
    pub fn generate_es256() -> Self {
        Self::es256(ES256KeyPair::generate())
    }

    /// A new key for `EdDSA` (Ed25519), which signs and verifies faster.
    #[must_use]
    pub fn generate_ed25519() -> Self {
        Self::ed25519(Ed25519KeyPair::generate())
    }

    /// A P-256 key for `ES256`, from PKCS #8 in PEM.
    ///
    /// # Errors
    /// When `pem` is something else.
    pub fn es256_from_pem(pem: &str) -> Result<Self, ConfigError> {
        ES256KeyPair::from_pem(pem)
            .map(Self::es256)
            .map_err(|_| ConfigError::new("not a private P-256 key as PKCS #8 in PEM"))
    }

    /// An Ed25519 key for `EdDSA`, from PKCS #8 in PEM.
    ///
    /// # Errors
    /// When `pem` is something else.
    pub fn ed25519_from_pem(pem: &str) -> Result<Self, ConfigError> {
        Ed25519KeyPair::from_pem(pem)
            .map(Self::ed25519)
            .map_err(|_| ConfigError::new("not a private Ed25519 key as PKCS #8 in PEM"))
    }

    fn es256(pair: ES256KeyPair) -> Self {
        let kid = pair.jwk_thumbprint();
        Self { pair: Arc::new(Pair::Es256(Box::new(pair.with_key_id(&kid)))), kid }
    }

    fn ed25519(pair: Ed25519KeyPair) -> Self {
        let kid = pair.jwk_thumbprint();
        Self { pair: Arc::new(Pair::Ed25519(Box::new(pair.with_key_id(&kid)))), kid }
    }

    /// The `kid` of its assertions: the thumbprint of the public key (RFC 7638).
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public key as a JWK. Only the members of a public key are taken over.
    pub(crate) fn public_jwk(&self) -> Option<Value> {
        let (jwk, alg) = match &*self.pair {
            Pair::Es256(pair) => (pair.public_key().to_jwk(), "ES256"),
            Pair::Ed25519(pair) => (pair.public_key().to_jwk(), "EdDSA"),
        };
        let jwk: Value = serde_json::from_str(&jwk).ok()?;
        let mut members = serde_json::Map::new();
        for name in ["kty", "crv", "x", "y"] {
            if let Some(value) = jwk.get(name) {
                members.insert(name.to_owned(), value.clone());
            }
        }
        members.insert("kid".to_owned(), json!(self.kid));
        members.insert("alg".to_owned(), json!(alg));
        members.insert("use".to_owned(), json!("sig"));
        Some(Value::Object(members))
    }
}

// By hand: it is a private key.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_private_is_shown() {
        for key in [SigningKey::generate_es256(), SigningKey::generate_ed25519()] {
            let jwk = key.public_jwk().unwrap();
            assert!(jwk.get("d").is_none() && jwk.get("x").is_some(), "{jwk}");
            assert_eq!(jwk["kid"], key.kid());
            assert!(format!("{key:?}").contains(key.kid()));
        }
    }

    #[test]
    fn a_key_of_the_other_kind_is_refused() {
        let es256 = ES256KeyPair::generate().to_pem().unwrap();
        let ed25519 = Ed25519KeyPair::generate().to_pem();
        assert!(SigningKey::es256_from_pem(&es256).is_ok());
        assert!(SigningKey::ed25519_from_pem(&ed25519).is_ok());
        assert!(SigningKey::es256_from_pem(&ed25519).is_err());
        assert!(SigningKey::ed25519_from_pem(&es256).is_err());
        assert!(SigningKey::es256_from_pem("").is_err());
    }
}
