//! Public keys, and the signatures they verify.
//!
//! A key is parsed when it is loaded: to parse an RSA key for every token costs a fifth of the
//! signature.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::library;

/// The sizes of an RSA modulus that are accepted, in bits.
pub(crate) const RSA_BITS: RangeInclusive<usize> = 2048..=8192;

/// A JWS signature algorithm (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "internal: who matches wants to hear of a new one")]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// ECDSA with P-384 and SHA-384.
    Es384,
    /// EdDSA with Ed25519.
    EdDsa,
}

/// The kind of key an algorithm needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "internal: who matches wants to hear of a new one")]
pub enum KeyKind {
    /// RSA, for six algorithms.
    Rsa,
    /// An elliptic curve, for ES256.
    P256,
    /// An elliptic curve, for ES384.
    P384,
    /// An elliptic curve, for EdDSA.
    Ed25519,
}

impl SignatureAlgorithm {
    /// The kind of key this algorithm needs.
    #[must_use]
    pub const fn key_kind(self) -> KeyKind {
        match self {
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => {
                KeyKind::Rsa
            }
            Self::Es256 => KeyKind::P256,
            Self::Es384 => KeyKind::P384,
            Self::EdDsa => KeyKind::Ed25519,
        }
    }
}

/// A public key that was checked when it was loaded; cheap to clone.
///
/// Two are equal when they are the same key.
#[derive(Clone)]
pub struct PublicKey(Arc<Loaded>);

struct Loaded {
    material: Material,
    key: library::VerifyingKey,
}

/// What makes a key this key and no other.
#[derive(Eq, PartialEq)]
pub(crate) enum Material {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// An uncompressed point (SEC 1 §2.3.3).
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl PublicKey {
    /// An RSA key of 2048 to 8192 bits with an odd exponent from 3 to 2^32, both as big-endian
    /// numbers.
    #[must_use]
    pub fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        Self::load(Material::rsa(modulus, exponent)?)
    }

    /// A point on P-256 or P-384, given by coordinates of full length (RFC 7518 §6.2.1.2).
    #[must_use]
    pub fn ec(kind: KeyKind, x: &[u8], y: &[u8]) -> Option<Self> {
        Self::load(Material::ec(kind, x, y)?)
    }

    /// An Ed25519 key.
    #[must_use]
    pub fn ed25519(x: &[u8]) -> Option<Self> {
        Self::load(Material::ed25519(x)?)
    }

    fn load(material: Material) -> Option<Self> {
        let key = library::VerifyingKey::new(&material)?;
        Some(Self(Arc::new(Loaded { material, key })))
    }

    /// What kind of key this is.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        self.0.material.kind()
    }

    /// Whether `signature` is this key's over `message`. An algorithm for another kind of key
    /// never is.
    #[must_use]
    pub fn verify(&self, algorithm: SignatureAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        self.kind() == algorithm.key_kind()
            && self.0.key.verify(&self.0.material, algorithm, message, signature)
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.material == other.0.material
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PublicKey").field(&self.kind()).finish()
    }
}

impl Material {
    pub(crate) fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        let (modulus, exponent) = (unpadded(modulus), unpadded(exponent));
        let bits = modulus.len() * 8 - modulus.first()?.leading_zeros() as usize;
        let odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
        if !RSA_BITS.contains(&bits) || !odd(modulus) || !odd(exponent) || exponent == [1] {
            return None;
        }
        // The largest odd number up to 2^32 has four bytes.
        if exponent.len() > 4 {
            return None;
        }
        Some(Self::Rsa { modulus: modulus.to_vec(), exponent: exponent.to_vec() })
    }

    pub(crate) fn ec(kind: KeyKind, x: &[u8], y: &[u8]) -> Option<Self> {
        let point = || [&[4], x, y].concat();
        match kind {
            KeyKind::P256 if (x.len(), y.len()) == (32, 32) => Some(Self::P256(point())),
            KeyKind::P384 if (x.len(), y.len()) == (48, 48) => Some(Self::P384(point())),
            _ => None,
        }
    }

    pub(crate) fn ed25519(x: &[u8]) -> Option<Self> {
        // A library may take a key in DER too; a JWK never holds one.
        let x = <&[u8; 32]>::try_from(x).ok()?;
        (!is_weak(x)).then(|| Self::Ed25519(x.to_vec()))
    }

    pub(crate) fn kind(&self) -> KeyKind {
        match self {
            Self::Rsa { .. } => KeyKind::Rsa,
            Self::P256(_) => KeyKind::P256,
            Self::P384(_) => KeyKind::P384,
            Self::Ed25519(_) => KeyKind::Ed25519,
        }
    }
}

/// Whether an Ed25519 key is one that no honest issuer has: of small order, so that one signature
/// fits many messages, or with a `y` that is not reduced (RFC 8032 §5.1.3). Libraries differ in what
/// they make of those.
fn is_weak(key: &[u8; 32]) -> bool {
    /// p - 1, little-endian: the `y` of the point of order 2, and the largest reduced one.
    const LARGEST: [u8; 32] = {
        let mut largest = [0xff; 32];
        largest[0] = 0xec;
        largest[31] = 0x7f;
        largest
    };
    const ONE: [u8; 32] = {
        let mut one = [0; 32];
        one[0] = 1;
        one
    };
    /// The `y` of the other points of small order: 1, 4, 8 and 8.
    const SMALL_ORDER: [[u8; 32]; 4] = [
        ONE,
        [0; 32],
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef,
            0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88,
            0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10,
            0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77,
            0x92, 0xac, 0x03, 0x7a,
        ],
    ];
    let mut y = *key;
    // The highest bit is the sign of `x`, and both signs are of the same order.
    if let Some(last) = y.last_mut() {
        *last &= 0x7f;
    }
    // Little-endian numbers compare from their end.
    y.iter().rev().ge(LARGEST.iter().rev()) || SMALL_ORDER.contains(&y)
}

/// A big-endian number without leading zeros.
fn unpadded(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests;
