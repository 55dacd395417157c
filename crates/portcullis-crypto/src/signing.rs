//! Private keys, for signatures of our own.

use std::fmt;

use crate::library;

/// An Ed25519 private key (RFC 8032). Its signatures say nothing about it through time.
pub struct SigningKey(library::SigningKey);

impl SigningKey {
    /// The key of a seed: what a JWK calls `d` and PKCS#8 wraps as the private key.
    #[must_use]
    pub fn ed25519(seed: &[u8; 32]) -> Option<Self> {
        library::SigningKey::new(seed).map(Self)
    }

    /// The public key's 32 bytes: what a JWK calls `x`.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.0.public()
    }

    /// The signature of `message`; `None` when the library fails, for which there is no known cause.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Option<[u8; 64]> {
        self.0.sign(message)
    }
}

// By hand: it is a secret.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PublicKey, SignatureAlgorithm};

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        std::array::from_fn(|at| {
            u8::from_str_radix(hex.get(2 * at..2 * at + 2).unwrap(), 16).unwrap()
        })
    }

    #[test]
    fn a_published_example() {
        // RFC 8032 §7.1, test 2.
        let seed = bytes("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
        let key = SigningKey::ed25519(&seed).unwrap();
        let public = bytes("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        assert_eq!(key.public(), public);
        let signature = key.sign(&[0x72]).unwrap();
        let expected = concat!(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da",
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        );
        assert_eq!(signature, bytes(expected));
        let public = PublicKey::ed25519(&public).unwrap();
        assert!(public.verify(SignatureAlgorithm::EdDsa, &[0x72], &signature));
        assert!(!public.verify(SignatureAlgorithm::EdDsa, &[0x73], &signature));
        assert_eq!(format!("{key:?}"), "SigningKey { .. }");
    }
}
