//! Public keys, and the signatures they verify.
//!
//! A key is parsed when it is loaded: to parse an RSA key for every token costs a fifth of the
//! signature.

mod aws_lc;

use std::sync::Arc;

use crate::algorithm::{Algorithm, KeyKind};

/// The sizes of an RSA modulus that are accepted, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// A public key that was checked when it was loaded.
#[derive(Clone)]
pub(crate) struct PublicKey(Arc<Loaded>);

struct Loaded {
    material: Material,
    key: aws_lc::Key,
}

/// What makes a key this key and no other.
#[derive(Eq, PartialEq)]
enum Material {
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
    /// An RSA key of acceptable size, with an odd exponent from 3 to 2^32.
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
        Self::load(Material::Rsa { modulus: modulus.to_vec(), exponent: exponent.to_vec() })
    }

    /// A point on P-256 or P-384, given by coordinates of full length (RFC 7518 §6.2.1.2).
    pub(crate) fn ec(kind: KeyKind, x: &[u8], y: &[u8]) -> Option<Self> {
        let point = [&[4], x, y].concat();
        match kind {
            KeyKind::P256 if (x.len(), y.len()) == (32, 32) => Self::load(Material::P256(point)),
            KeyKind::P384 if (x.len(), y.len()) == (48, 48) => Self::load(Material::P384(point)),
            _ => None,
        }
    }

    /// An Ed25519 key.
    pub(crate) fn ed25519(x: &[u8]) -> Option<Self> {
        // A library may take a key in DER too; a JWK never holds one.
        if x.len() != 32 {
            return None;
        }
        Self::load(Material::Ed25519(x.to_vec()))
    }

    fn load(material: Material) -> Option<Self> {
        let key = aws_lc::Key::new(&material)?;
        Some(Self(Arc::new(Loaded { material, key })))
    }

    pub(crate) fn kind(&self) -> KeyKind {
        match &self.0.material {
            Material::Rsa { .. } => KeyKind::Rsa,
            Material::P256(_) => KeyKind::P256,
            Material::P384(_) => KeyKind::P384,
            Material::Ed25519(_) => KeyKind::Ed25519,
        }
    }

    /// Whether `signature` is this key's over `message`. An algorithm for another kind of key
    /// never is.
    pub(crate) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.kind() == algorithm.key_kind()
            && self.0.key.verify(&self.0.material, algorithm, message, signature)
    }
}

/// The same key: what tells whether a key set has changed.
impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.material == other.0.material
    }
}

impl Eq for PublicKey {}

/// A big-endian number without leading zeros.
fn unpadded(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests;
