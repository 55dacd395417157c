//! Keys to sign with.

use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
    RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_jwt::Algorithm;
use serde_json::{Map, Value, json};

/// A key pair of one algorithm.
pub(crate) struct SigningKey {
    algorithm: Algorithm,
    pair: Pair,
}

enum Pair {
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>, &'static dyn RsaEncoding),
}

#[expect(clippy::expect_used, clippy::panic, reason = "a test fails when it has no key")]
impl SigningKey {
    /// A new key. RSA keys take a few tenths of a second.
    pub(crate) fn generate(algorithm: Algorithm) -> Self {
        const MADE: &str = "a new key";
        let rsa = |encoding: &'static dyn RsaEncoding| {
            Pair::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).expect(MADE)), encoding)
        };
        let pair = match algorithm {
            Algorithm::Rs256 => rsa(&RSA_PKCS1_SHA256),
            Algorithm::Rs384 => rsa(&RSA_PKCS1_SHA384),
            Algorithm::Rs512 => rsa(&RSA_PKCS1_SHA512),
            Algorithm::Ps256 => rsa(&RSA_PSS_SHA256),
            Algorithm::Ps384 => rsa(&RSA_PSS_SHA384),
            Algorithm::Ps512 => rsa(&RSA_PSS_SHA512),
            Algorithm::Es256 => {
                Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect(MADE))
            }
            Algorithm::Es384 => {
                Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect(MADE))
            }
            Algorithm::EdDsa => Pair::Ed25519(Ed25519KeyPair::generate().expect(MADE)),
            other => panic!("no keys for {}", other.as_str()),
        };
        Self { algorithm, pair }
    }

    /// A key that no authority has: one for each algorithm, because RSA keys take long.
    pub(crate) fn stranger(algorithm: Algorithm) -> Arc<Self> {
        static STRANGERS: Mutex<Vec<Arc<SigningKey>>> = Mutex::new(Vec::new());
        let mut strangers = STRANGERS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = strangers.iter().find(|key| key.algorithm == algorithm) {
            return Arc::clone(key);
        }
        let key = Arc::new(Self::generate(algorithm));
        strangers.push(Arc::clone(&key));
        key
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The JWS signature (RFC 7518 §3, RFC 8037 §3.1).
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        const SIGNED: &str = "a signature";
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ec(pair) => pair.sign(&random, message).expect(SIGNED).as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, message, &mut signature).expect(SIGNED);
                signature
            }
        }
    }

    /// The public key as the members of a JWK that make its thumbprint (RFC 7638 §3.2), in the
    /// order of their names.
    pub(crate) fn members(&self) -> Vec<(&'static str, String)> {
        let ec = |curve: &str, point: &[u8]| {
            // The uncompressed form: a tag, then both coordinates.
            let coordinates = point.get(1..).unwrap_or_default();
            let (x, y) = coordinates.split_at_checked(coordinates.len() / 2).unwrap_or_default();
            vec![
                ("crv", curve.to_owned()),
                ("kty", "EC".to_owned()),
                ("x", base64url(x)),
                ("y", base64url(y)),
            ]
        };
        match &self.pair {
            Pair::Ec(pair) if self.algorithm == Algorithm::Es384 => {
                ec("P-384", pair.public_key().as_ref())
            }
            Pair::Ec(pair) => ec("P-256", pair.public_key().as_ref()),
            Pair::Ed25519(pair) => vec![
                ("crv", "Ed25519".to_owned()),
                ("kty", "OKP".to_owned()),
                ("x", base64url(pair.public_key().as_ref())),
            ],
            Pair::Rsa(pair, _) => vec![
                ("e", "AQAB".to_owned()),
                ("kty", "RSA".to_owned()),
                // PKCS #1 DER of a 2048-bit key: a sequence of the modulus, whose 256 bytes follow
                // 9 bytes of tags, lengths and sign, and of the exponent 65537.
                ("n", base64url(pair.public_key().as_ref().get(9..265).unwrap_or_default())),
            ],
        }
    }

    /// The bare public key as a JWK.
    pub(crate) fn public_jwk(&self) -> Map<String, Value> {
        self.members().into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect()
    }

    /// The public key as an issuer publishes it.
    pub(crate) fn published_jwk(&self, kid: &str) -> Value {
        let mut jwk = self.public_jwk();
        jwk.insert("kid".into(), json!(kid));
        jwk.insert("alg".into(), json!(self.algorithm.as_str()));
        jwk.insert("use".into(), json!("sig"));
        Value::Object(jwk)
    }
}

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// 128 random bits as text.
#[expect(clippy::expect_used, reason = "a test fails when there is no randomness")]
pub(crate) fn random_id() -> String {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).expect("random bytes");
    base64url(bytes)
}

/// SHA-256 in base64url, as `ath`, `jkt` and `x5t#S256` are.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    base64url(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes))
}
