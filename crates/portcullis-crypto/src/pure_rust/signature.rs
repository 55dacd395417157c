//! Signatures, verified with keys that are parsed once.

use ed25519_dalek::Verifier as _;
use rsa::sha2::{Digest as _, Sha256, Sha384, Sha512};
use rsa::traits::PublicKeyParts as _;
use rsa::{BigUint, Pkcs1v15Sign, Pss, RsaPublicKey};

use crate::signature::{Material, RSA_BITS, SignatureAlgorithm as Algorithm};

/// A key in the library's own form.
pub(crate) enum VerifyingKey {
    Rsa(RsaPublicKey),
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    /// `None` when no point has this name: such a key verifies nothing, and AWS-LC does not look at
    /// it before the first signature.
    Ed25519(Option<ed25519_dalek::VerifyingKey>),
}

impl VerifyingKey {
    /// The key, unless the library refuses it: a point off the curve, a modulus it will not use.
    pub(crate) fn new(material: &Material) -> Option<Self> {
        match material {
            Material::Rsa { modulus, exponent } => {
                let [modulus, exponent] = [modulus, exponent].map(|n| BigUint::from_bytes_be(n));
                RsaPublicKey::new_with_max_size(modulus, exponent, *RSA_BITS.end())
                    .ok()
                    .map(Self::Rsa)
            }
            Material::P256(point) => {
                p256::ecdsa::VerifyingKey::from_sec1_bytes(point).ok().map(Self::P256)
            }
            Material::P384(point) => {
                p384::ecdsa::VerifyingKey::from_sec1_bytes(point).ok().map(Self::P384)
            }
            Material::Ed25519(x) => {
                let x = x.as_slice().try_into().ok()?;
                Some(Self::Ed25519(ed25519_dalek::VerifyingKey::from_bytes(x).ok()))
            }
        }
    }

    /// `algorithm` must be one for this kind of key, which the caller has checked.
    pub(crate) fn verify(
        &self,
        _: &Material,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        match self {
            Self::Rsa(key) => rsa(key, algorithm, message, signature),
            Self::P256(key) => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Self::P384(key) => p384::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Self::Ed25519(key) => key.as_ref().is_some_and(|key| {
                ed25519_dalek::Signature::from_slice(signature)
                    .is_ok_and(|signature| key.verify(message, &signature).is_ok())
            }),
        }
    }
}

fn rsa(key: &RsaPublicKey, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
    // RFC 8017 §5.2.2: the library asks this for one of the two paddings only.
    if BigUint::from_bytes_be(signature) >= *key.n() {
        return false;
    }
    let pkcs1 = |scheme: Pkcs1v15Sign, digest: &[u8]| key.verify(scheme, digest, signature);
    // The salt is as long as the digest (RFC 7518 §3.5).
    let pss = |scheme: Pss, digest: &[u8]| key.verify(scheme, digest, signature);
    match algorithm {
        Algorithm::Rs256 => pkcs1(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message)),
        Algorithm::Rs384 => pkcs1(Pkcs1v15Sign::new::<Sha384>(), &Sha384::digest(message)),
        Algorithm::Rs512 => pkcs1(Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(message)),
        Algorithm::Ps256 => pss(Pss::new::<Sha256>(), &Sha256::digest(message)),
        Algorithm::Ps384 => pss(Pss::new::<Sha384>(), &Sha384::digest(message)),
        Algorithm::Ps512 => pss(Pss::new::<Sha512>(), &Sha512::digest(message)),
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => return false,
    }
    .is_ok()
}
