//! Signing keys of every algorithm that tests need.

use std::sync::OnceLock;

use jwt_simple::prelude::*;
use p256::ecdsa::signature::Signer as _;
use superboring::hash::MessageDigest;
use superboring::pkey::PKey;
use superboring::rsa::Padding;
use superboring::sign::Signer;

/// A JWS algorithm (RFC 7518 §3, RFC 8037 §3.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Algorithm {
    Es256,
    Es384,
    EdDsa,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Hs256,
}

impl Algorithm {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Hs256 => "HS256",
        }
    }
}

pub(crate) enum Key {
    P256(ES256KeyPair),
    P384(ES384KeyPair),
    Ed25519(Box<Ed25519KeyPair>),
    Rsa(&'static RS256KeyPair),
    Secret(HS256Key),
}

impl Key {
    /// A new key for `algorithm`; the RSA key is one per process, because making it takes long.
    pub(crate) fn generate(algorithm: Algorithm) -> Self {
        static RSA: OnceLock<RS256KeyPair> = OnceLock::new();
        match algorithm {
            Algorithm::Es256 => Self::P256(ES256KeyPair::generate()),
            Algorithm::Es384 => Self::P384(ES384KeyPair::generate()),
            Algorithm::EdDsa => Self::Ed25519(Box::new(Ed25519KeyPair::generate())),
            Algorithm::Hs256 => Self::Secret(HS256Key::generate()),
            _ => Self::Rsa(RSA.get_or_init(|| RS256KeyPair::generate(2048).unwrap())),
        }
    }

    pub(crate) fn secret(secret: &[u8]) -> Self {
        Self::Secret(HS256Key::from_bytes(secret))
    }

    /// The JWS signature of `message` (RFC 7518 §3: ECDSA as `r || s`).
    pub(crate) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        match self {
            Self::P256(pair) => {
                let signature: p256::ecdsa::Signature = pair.key_pair().as_ref().sign(message);
                signature.to_bytes().to_vec()
            }
            Self::P384(pair) => {
                let signature: p384::ecdsa::Signature = pair.key_pair().as_ref().sign(message);
                signature.to_bytes().to_vec()
            }
            Self::Ed25519(pair) => pair.key_pair().as_ref().sk.sign(message, None).to_vec(),
            Self::Rsa(pair) => rsa_sign(pair, algorithm, message),
            Self::Secret(key) => key.authentication_tag(message),
        }
    }

    /// The public key as JWK members, without `kid`, `alg` and `use`; `null` for a secret.
    pub(crate) fn public_jwk(&self) -> serde_json::Value {
        let jwk = match self {
            Self::P256(pair) => pair.public_key().to_jwk(),
            Self::P384(pair) => pair.public_key().to_jwk(),
            Self::Ed25519(pair) => pair.public_key().to_jwk(),
            Self::Rsa(pair) => pair.public_key().to_jwk(),
            Self::Secret(_) => return serde_json::Value::Null,
        };
        let mut jwk: serde_json::Value = serde_json::from_str(&jwk).unwrap();
        for member in ["alg", "use", "kid"] {
            jwk.as_object_mut().unwrap().remove(member);
        }
        jwk
    }

    pub(crate) fn thumbprint(&self) -> String {
        match self {
            Self::P256(pair) => pair.jwk_thumbprint(),
            Self::P384(pair) => pair.jwk_thumbprint(),
            Self::Ed25519(pair) => pair.jwk_thumbprint(),
            Self::Rsa(pair) => pair.public_key().jwk_thumbprint(),
            Self::Secret(_) => "secret".to_owned(),
        }
    }

    pub(crate) fn public_der(&self) -> Vec<u8> {
        match self {
            Self::P256(pair) => pair.public_key().to_der().unwrap(),
            Self::P384(pair) => pair.public_key().to_der().unwrap(),
            Self::Ed25519(pair) => pair.public_key().to_der(),
            Self::Rsa(pair) => pair.public_key().to_der().unwrap(),
            Self::Secret(_) => Vec::new(),
        }
    }

    pub(crate) fn public_pem(&self) -> String {
        match self {
            Self::P256(pair) => pair.public_key().to_pem().unwrap(),
            Self::P384(pair) => pair.public_key().to_pem().unwrap(),
            Self::Ed25519(pair) => pair.public_key().to_pem(),
            Self::Rsa(pair) => pair.public_key().to_pem().unwrap(),
            Self::Secret(_) => String::new(),
        }
    }
}

fn rsa_sign(pair: &RS256KeyPair, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
    let digest = match algorithm {
        Algorithm::Rs384 | Algorithm::Ps384 => MessageDigest::sha384(),
        Algorithm::Rs512 | Algorithm::Ps512 => MessageDigest::sha512(),
        _ => MessageDigest::sha256(),
    };
    let padding = match algorithm {
        Algorithm::Ps256 | Algorithm::Ps384 | Algorithm::Ps512 => Padding::PKCS1_PSS,
        _ => Padding::PKCS1,
    };
    let key = PKey::from_rsa(pair.key_pair().as_ref().clone()).unwrap();
    let mut signer = Signer::new(digest, &key).unwrap();
    signer.set_rsa_padding(padding).unwrap();
    signer.update(message).unwrap();
    signer.sign_to_vec().unwrap()
}
