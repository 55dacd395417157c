//! JWK sets (RFC 7517 §5).

use std::fmt;
use std::sync::Arc;

use portcullis_core::Reason;
use portcullis_crypto::{KeyKind, PublicKey};
use serde_json::{Map, Value};

use crate::ConfigError;
use crate::algorithm::Algorithm;
use crate::jose::{Token, decode};
use crate::json;

/// How many keys a set may hold.
const MAX_KEYS: usize = 100;

/// How many keys are tried for one token.
const MAX_TRIED: usize = 4;

/// Members that only a private key has (RFC 7518 §6).
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// The public keys of an issuer, checked and ready to verify with.
///
/// Only keys that are fit to verify signatures are kept: RSA of 2048 to 8192 bits, P-256,
/// P-384 and Ed25519; `use` absent or `sig`; `key_ops` absent or with `verify`. Symmetric keys, keys
/// with private members and keys of unknown types are left out, and one bad key never spoils the
/// others.
#[derive(Clone, Eq, PartialEq)]
pub struct JwkSet(Arc<[Jwk]>);

#[derive(Eq, PartialEq)]
struct Jwk {
    kid: Option<String>,
    algorithm: Option<Algorithm>,
    key: PublicKey,
}

/// What a key set says about a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Match {
    Verified,
    Refused(Reason),
    /// The token names a key that this set does not have; a newer one might.
    UnknownKid,
}

impl JwkSet {
    /// Reads a JWK set.
    ///
    /// # Errors
    /// When `json` is not a JWK set, repeats a member name, has more than 100 keys, or has none
    /// that is fit to verify with.
    pub fn from_json(json: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let set = json::object(json.as_ref())
            .ok_or_else(|| ConfigError::new("the JWK set is not a strict JSON object"))?;
        let Some(Value::Array(keys)) = set.get("keys") else {
            return Err(ConfigError::new("the JWK set has no array `keys`"));
        };
        if keys.len() > MAX_KEYS {
            return Err(ConfigError::new("the JWK set has more than 100 keys"));
        }
        let keys: Arc<[Jwk]> = keys.iter().filter_map(Jwk::read).collect();
        if keys.is_empty() {
            return Err(ConfigError::new("the JWK set has no key to verify signatures with"));
        }
        Ok(Self(keys))
    }

    /// How many keys are fit to verify with.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Verifies the signature of `token` with the keys it may have been made with:
    /// those of its `kid`, or, without one, those that fit its algorithm. There is no fallback.
    pub(crate) fn verify(&self, token: &Token<'_>) -> Match {
        let named = |jwk: &&Jwk| token.kid.is_none() || jwk.kid == token.kid;
        let fits = |jwk: &&Jwk| {
            jwk.key.kind() == token.algorithm.key_kind()
                && jwk.algorithm.is_none_or(|algorithm| algorithm == token.algorithm)
        };
        let tried = self.0.iter().filter(named).filter(fits).count();
        if tried == 0 {
            let known = token.kid.is_none() || self.0.iter().any(|jwk| named(&jwk));
            return if known { Match::Refused(Reason::BadAlg) } else { Match::UnknownKid };
        }
        if tried > MAX_TRIED {
            return Match::Refused(Reason::UnknownKid);
        }
        let verified = self.0.iter().filter(named).filter(fits).any(|jwk| {
            jwk.key.verify(token.algorithm.of_signature(), token.signed, &token.signature)
        });
        if verified { Match::Verified } else { Match::Refused(Reason::BadSig) }
    }
}

impl fmt::Debug for JwkSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwkSet").field("keys", &self.len()).finish_non_exhaustive()
    }
}

impl Jwk {
    fn read(jwk: &Value) -> Option<Self> {
        let jwk = jwk.as_object()?;
        if PRIVATE.iter().any(|name| jwk.contains_key(*name)) {
            tracing::warn!("a JWK set publishes a private key; the key is ignored");
            return None;
        }
        let for_signatures = match jwk.get("use") {
            None => true,
            Some(usage) => usage == "sig",
        };
        let verifies = match jwk.get("key_ops") {
            None => true,
            Some(operations) => operations.as_array()?.iter().any(|name| name == "verify"),
        };
        if !for_signatures || !verifies {
            return None;
        }
        let kid = match jwk.get("kid") {
            None => None,
            Some(kid) => Some(kid.as_str()?.to_owned()),
        };
        let algorithm = match jwk.get("alg") {
            None => None,
            Some(name) => Some(Algorithm::parse(name.as_str()?)?),
        };
        let key = public_key(jwk)?;
        if algorithm.is_some_and(|algorithm| algorithm.key_kind() != key.kind()) {
            return None;
        }
        Some(Self { kid, algorithm, key })
    }
}

/// The key that the header of a DPoP proof brings along (RFC 9449 §4.2): public, and of the kind
/// that `algorithm` needs.
pub(crate) fn embedded(jwk: &Map<String, Value>, algorithm: Algorithm) -> Option<PublicKey> {
    if PRIVATE.iter().chain(&["k"]).any(|name| jwk.contains_key(*name)) {
        return None;
    }
    let named = jwk.get("alg").is_none_or(|name| name == algorithm.as_str());
    public_key(jwk).filter(|key| named && key.kind() == algorithm.key_kind())
}

fn public_key(jwk: &Map<String, Value>) -> Option<PublicKey> {
    let text = |name: &str| jwk.get(name)?.as_str();
    let bytes = |name: &str| decode(text(name)?);
    match (text("kty")?, text("crv")) {
        ("RSA", _) => PublicKey::rsa(&bytes("n")?, &bytes("e")?),
        ("EC", Some("P-256")) => PublicKey::ec(KeyKind::P256, &bytes("x")?, &bytes("y")?),
        ("EC", Some("P-384")) => PublicKey::ec(KeyKind::P384, &bytes("x")?, &bytes("y")?),
        ("OKP", Some("Ed25519")) => PublicKey::ed25519(&bytes("x")?),
        _ => None,
    }
}

#[cfg(test)]
mod signatures;
#[cfg(test)]
mod tests;
