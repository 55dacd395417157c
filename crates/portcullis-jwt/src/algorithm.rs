//! The signature algorithms that can be allowed.

use std::fmt;

use portcullis_crypto::{KeyKind, SignatureAlgorithm};

/// A JWS signature algorithm (RFC 7518 §3.1, RFC 8037 §3.1).
///
/// There is no `none` and no `HS…`: a resource server that could verify a symmetric token could
/// also make one. There is no `ES512`: the verifying library does not offer it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Algorithm {
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

impl Algorithm {
    const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// What an issuer may use unless told otherwise.
    pub(crate) const DEFAULT: [Self; 4] = [Self::Rs256, Self::Ps256, Self::Es256, Self::EdDsa];

    /// The algorithm with exactly this `alg` name; letter case counts (RFC 7515 §4.1.1).
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    /// The `alg` value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// What the keys call this algorithm.
    pub(crate) const fn of_signature(self) -> SignatureAlgorithm {
        match self {
            Self::Rs256 => SignatureAlgorithm::Rs256,
            Self::Rs384 => SignatureAlgorithm::Rs384,
            Self::Rs512 => SignatureAlgorithm::Rs512,
            Self::Ps256 => SignatureAlgorithm::Ps256,
            Self::Ps384 => SignatureAlgorithm::Ps384,
            Self::Ps512 => SignatureAlgorithm::Ps512,
            Self::Es256 => SignatureAlgorithm::Es256,
            Self::Es384 => SignatureAlgorithm::Es384,
            Self::EdDsa => SignatureAlgorithm::EdDsa,
        }
    }

    /// The kind of key this algorithm needs.
    pub(crate) const fn key_kind(self) -> KeyKind {
        self.of_signature().key_kind()
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_exact_and_asymmetric() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::parse(algorithm.as_str()), Some(algorithm));
        }
        for name in ["", "none", "None", "NONE", "HS256", "HS512", "rs256", "EDDSA", "ES256K"] {
            assert_eq!(Algorithm::parse(name), None, "{name:?}");
        }
    }
}
