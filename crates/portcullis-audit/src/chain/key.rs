//! Keys for checkpoints: Ed25519, from PKCS#8 or JWK.

use std::{fmt, io};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use portcullis_crypto::{PublicKey, SignatureAlgorithm, sha256};
use serde::Deserialize;

use crate::error::{ConfigError, ConfigErrorKind};

/// Signs checkpoints, on the sink's thread. [`SigningKey`] does so itself; so does a
/// [`VerifyingKey`] paired with a function, which may ask a key service.
///
/// When [`key_id`](Self::key_id) changes, the next checkpoint names the key before it, too.
pub trait CheckpointSigner: Send + 'static {
    /// The id of the key: see [`VerifyingKey::id`].
    fn key_id(&self) -> String;

    /// The Ed25519 signature of `message` (RFC 8032, not prehashed).
    ///
    /// # Errors
    /// The checkpoint is left out and tried again a few seconds later. Records are written all the
    /// same.
    fn sign(&mut self, message: &[u8]) -> io::Result<[u8; 64]>;
}

impl<F> CheckpointSigner for (VerifyingKey, F)
where
    F: FnMut(&[u8]) -> io::Result<[u8; 64]> + Send + 'static,
{
    fn key_id(&self) -> String {
        self.0.id().to_owned()
    }

    fn sign(&mut self, message: &[u8]) -> io::Result<[u8; 64]> {
        let signature = (self.1)(message)?;
        // A service that signs with another key would otherwise be noticed by the auditor alone.
        if self.0.verify(message, &signature) {
            Ok(signature)
        } else {
            Err(io::Error::other("the signature is not by the key that was named"))
        }
    }
}

/// A private key for checkpoints.
pub struct SigningKey {
    key: portcullis_crypto::SigningKey,
    public: VerifyingKey,
}

/// A public key for checkpoints.
#[derive(Clone, Eq, PartialEq)]
pub struct VerifyingKey {
    key: PublicKey,
    id: String,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: String,
    x: String,
    d: Option<String>,
}

const PRIVATE: &str = "PRIVATE KEY";
const PUBLIC: &str = "PUBLIC KEY";
/// PKCS#8 around an Ed25519 seed (RFC 8410 §7), version 1 and 2. In version 2 the public key follows.
const PKCS8: [&[u8]; 2] = [
    &[0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20],
    &[0x30, 0x51, 2, 1, 1, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20],
];
const PKCS8_PUBLIC: &[u8] = &[0x81, 0x21, 0];
/// A SubjectPublicKeyInfo of Ed25519 (RFC 8410 §4).
const SPKI: &[u8] = &[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

fn unusable() -> ConfigError {
    let message = "not an Ed25519 key in PEM (PKCS#8, SubjectPublicKeyInfo) or JWK";
    ConfigError::new(ConfigErrorKind::Key, message)
}

impl SigningKey {
    /// Reads a private key: PEM (`PRIVATE KEY`, PKCS#8) or a JWK (`kty` `OKP`, with `d`).
    /// `openssl genpkey -algorithm ed25519` makes one.
    ///
    /// # Errors
    /// The text is neither, or the key is not one of Ed25519.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let text = text.trim();
        if text.starts_with('{') {
            return Self::from_jwk(text).ok_or_else(unusable);
        }
        Self::from_pem(text).ok_or_else(unusable)
    }

    /// Reads a private key from a file: see [`parse`](Self::parse).
    ///
    /// # Errors
    /// As [`parse`](Self::parse); or the file cannot be read.
    #[cfg(feature = "file")]
    pub fn open(path: impl AsRef<std::path::Path>) -> Result<Self, ConfigError> {
        Self::parse(&read(path.as_ref())?)
    }

    /// The key of a seed of 32 bytes, which must be secret and random.
    ///
    /// # Errors
    /// The library refuses it, for which there is no known cause.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, ConfigError> {
        Self::new(seed).ok_or_else(unusable)
    }

    fn new(seed: &[u8; 32]) -> Option<Self> {
        let key = portcullis_crypto::SigningKey::ed25519(seed)?;
        let public = VerifyingKey::new(&key.public())?;
        Some(Self { key, public })
    }

    fn from_pem(text: &str) -> Option<Self> {
        let der = pem(text, PRIVATE)?;
        let rest = PKCS8.iter().find_map(|prefix| der.strip_prefix(*prefix))?;
        let (seed, rest) = rest.split_first_chunk::<32>()?;
        let key = Self::new(seed)?;
        let public = rest.strip_prefix(PKCS8_PUBLIC);
        let agrees = public.map_or(rest.is_empty(), |public| public == key.key.public());
        agrees.then_some(key)
    }

    fn from_jwk(text: &str) -> Option<Self> {
        let jwk: Jwk = serde_json::from_str(text).ok()?;
        let public = VerifyingKey::from_jwk(&jwk)?;
        let seed: [u8; 32] = URL_SAFE_NO_PAD.decode(jwk.d?).ok()?.try_into().ok()?;
        Self::new(&seed).filter(|key| key.public == public)
    }

    /// The public key.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        self.public.clone()
    }
}

impl CheckpointSigner for SigningKey {
    fn key_id(&self) -> String {
        self.public.id.clone()
    }

    fn sign(&mut self, message: &[u8]) -> io::Result<[u8; 64]> {
        self.key.sign(message).ok_or_else(|| io::Error::other("the library failed"))
    }
}

impl VerifyingKey {
    /// Reads a public key: PEM (`PUBLIC KEY`) or a JWK (`kty` `OKP`). A private key will do; only its
    /// public half is kept.
    ///
    /// # Errors
    /// The text is neither, or the key is not one of Ed25519.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let text = text.trim();
        let key = if text.starts_with('{') {
            serde_json::from_str(text).ok().and_then(|jwk| Self::from_jwk(&jwk))
        } else if let Some(der) = pem(text, PUBLIC) {
            der.strip_prefix(SPKI).and_then(Self::new)
        } else {
            SigningKey::from_pem(text).map(|key| key.public)
        };
        key.ok_or_else(unusable)
    }

    /// Reads a public key from a file: see [`parse`](Self::parse).
    ///
    /// # Errors
    /// As [`parse`](Self::parse); or the file cannot be read.
    #[cfg(feature = "file")]
    pub fn open(path: impl AsRef<std::path::Path>) -> Result<Self, ConfigError> {
        Self::parse(&read(path.as_ref())?)
    }

    /// The key's id, by which checkpoints name it: its JWK thumbprint (RFC 7638, RFC 8037 §2).
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether `signature` is this key's over `message`.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify(SignatureAlgorithm::EdDsa, message, signature)
    }

    fn new(x: &[u8]) -> Option<Self> {
        let key = PublicKey::ed25519(x)?;
        let x = URL_SAFE_NO_PAD.encode(x);
        let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        Some(Self { key, id: URL_SAFE_NO_PAD.encode(sha256(members.as_bytes())) })
    }

    fn from_jwk(jwk: &Jwk) -> Option<Self> {
        if jwk.kty != "OKP" || jwk.crv != "Ed25519" {
            return None;
        }
        Self::new(&URL_SAFE_NO_PAD.decode(&jwk.x).ok()?)
    }
}

/// The bytes inside PEM armour (RFC 7468) of one label.
fn pem(text: &str, label: &str) -> Option<Vec<u8>> {
    let text = text.strip_prefix(&format!("-----BEGIN {label}-----"))?;
    let text = text.strip_suffix(&format!("-----END {label}-----"))?;
    let inside: String = text.split_ascii_whitespace().collect();
    STANDARD.decode(inside).ok()
}

#[cfg(feature = "file")]
fn read(path: &std::path::Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|cause| {
        let message = format!("cannot read the key file {path:?}");
        ConfigError::from_io(ConfigErrorKind::File, message, cause)
    })
}

// By hand: it is a secret.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.public.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VerifyingKey").field(&self.id).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 8410 §10.3 and RFC 8037 appendix A.
    const PEM_V1: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
        -----END PRIVATE KEY-----\n";
    const PEM_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
        -----END PUBLIC KEY-----\n";
    const JWK: &str = r#"{"kty":"OKP","crv":"Ed25519",
        "d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    #[test]
    fn published_keys_are_read() {
        let key = SigningKey::parse(PEM_V1).unwrap();
        let public = VerifyingKey::parse(PEM_PUBLIC).unwrap();
        assert_eq!(key.verifying_key(), public);
        assert_eq!(VerifyingKey::parse(PEM_V1).unwrap(), public, "a private key will do");
        let jwk = SigningKey::parse(JWK).unwrap().verifying_key();
        assert_eq!(jwk.id(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "RFC 8037 A.3");
        assert_eq!(VerifyingKey::parse(JWK).unwrap(), jwk);
        assert_ne!(jwk, public);
    }

    #[test]
    fn version_2_names_the_public_key_too() {
        let der = |public: &[u8]| {
            let seed = [0x9d; 32];
            let der = [PKCS8[1], &seed, PKCS8_PUBLIC, public].concat();
            format!("-----BEGIN {PRIVATE}-----\n{}\n-----END {PRIVATE}-----", STANDARD.encode(der))
        };
        let right = SigningKey::from_seed(&[0x9d; 32]).unwrap().key.public();
        assert!(SigningKey::parse(&der(&right)).is_ok());
        assert!(SigningKey::parse(&der(&[1; 32])).is_err(), "of another key");
    }

    #[test]
    fn what_is_no_key() {
        let rows = [
            ("nothing", String::new()),
            ("another label", PEM_V1.replace("PRIVATE", "EC PRIVATE")),
            ("a public key", PEM_PUBLIC.to_owned()),
            ("cut", PEM_V1.replace("VhC", "")),
            ("another curve", JWK.replace("Ed25519", "X25519")),
            ("another pair", JWK.replace("nWGx", "nWGy")),
            ("no private half", JWK.replace("\"d\"", "\"e\"")),
        ];
        for (name, text) in rows {
            let error = SigningKey::parse(&text).unwrap_err();
            assert_eq!(error.kind(), ConfigErrorKind::Key, "{name}");
        }
        let shown = format!("{:?}", SigningKey::parse(JWK).unwrap());
        assert!(!shown.contains("nWGx"), "{shown}");
    }

    #[test]
    fn a_function_that_signs_with_another_key_is_refused() {
        let public = VerifyingKey::parse(PEM_PUBLIC).unwrap();
        let mut right = SigningKey::parse(PEM_V1).unwrap();
        let mut wrong = SigningKey::parse(JWK).unwrap();
        assert!((public.clone(), move |m: &[u8]| right.sign(m)).sign(b"m").is_ok());
        assert!((public, move |m: &[u8]| wrong.sign(m)).sign(b"m").is_err());
    }
}
