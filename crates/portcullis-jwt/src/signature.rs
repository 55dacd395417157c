//! The only place that touches a signature library.
//!
//! `jsonwebtoken` looks its back end up in a process-wide default, and panics where Cargo's
//! feature unification has turned both of its back ends on. Here the back end is named, so what
//! else is in the tree makes no difference.

use aws_lc_rs::signature as aws;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;

use crate::algorithm::{Algorithm, KeyKind};

/// The sizes of an RSA modulus that are accepted, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// A public key that was checked when it was loaded.
#[derive(Clone)]
pub(crate) struct PublicKey {
    kind: KeyKind,
    key: DecodingKey,
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
        aws::RsaPublicKeyComponents { n: modulus, e: exponent }
            .to_parsed_public_key(&aws::RSA_PKCS1_2048_8192_SHA256)
            .ok()?;
        let key = DecodingKey::from_rsa_raw_components(modulus, exponent);
        Some(Self { kind: KeyKind::Rsa, key })
    }

    /// A point on P-256 or P-384, given by coordinates of full length (RFC 7518 §6.2.1.2).
    pub(crate) fn ec(kind: KeyKind, x: &[u8], y: &[u8]) -> Option<Self> {
        let (length, algorithm): (usize, &'static dyn aws::VerificationAlgorithm) = match kind {
            KeyKind::P256 => (32, &aws::ECDSA_P256_SHA256_FIXED),
            KeyKind::P384 => (48, &aws::ECDSA_P384_SHA384_FIXED),
            KeyKind::Rsa | KeyKind::Ed25519 => return None,
        };
        if x.len() != length || y.len() != length {
            return None;
        }
        let point = [&[4], x, y].concat();
        aws::ParsedPublicKey::new(algorithm, &point).ok()?;
        Some(Self { kind, key: DecodingKey::from_ec_der(&point) })
    }

    /// An Ed25519 key.
    pub(crate) fn ed25519(x: &[u8]) -> Option<Self> {
        // The library takes a key in DER too; a JWK never holds one.
        if x.len() != 32 {
            return None;
        }
        aws::ParsedPublicKey::new(&aws::ED25519, x).ok()?;
        Some(Self { kind: KeyKind::Ed25519, key: DecodingKey::from_ed_der(x) })
    }

    pub(crate) fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Whether `signature` is this key's over `message`. An algorithm for another kind of key
    /// never is.
    pub(crate) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &Vec<u8>) -> bool {
        self.kind == algorithm.key_kind()
            && (DEFAULT_PROVIDER.verifier_factory)(&algorithm.into(), &self.key)
                .is_ok_and(|verifier| verifier.verify(message, signature).is_ok())
    }
}

/// A big-endian number without leading zeros.
fn unpadded(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

impl From<Algorithm> for jsonwebtoken::Algorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Rs256 => Self::RS256,
            Algorithm::Rs384 => Self::RS384,
            Algorithm::Rs512 => Self::RS512,
            Algorithm::Ps256 => Self::PS256,
            Algorithm::Ps384 => Self::PS384,
            Algorithm::Ps512 => Self::PS512,
            Algorithm::Es256 => Self::ES256,
            Algorithm::Es384 => Self::ES384,
            Algorithm::EdDsa => Self::EdDSA,
        }
    }
}
