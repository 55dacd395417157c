//! Signatures, verified with keys that are parsed once.

use std::sync::OnceLock;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents,
};

use crate::signature::{Material, SignatureAlgorithm as Algorithm};

/// A key in the library's own form.
pub(crate) enum VerifyingKey {
    Rsa(Box<Rsa>),
    One(ParsedPublicKey),
}

/// The library binds a parsed key to one algorithm, and an RSA key may serve six; those that tokens
/// use are parsed when the first one comes.
#[derive(Default)]
pub(crate) struct Rsa {
    rs256: OnceLock<Option<ParsedPublicKey>>,
    rs384: OnceLock<Option<ParsedPublicKey>>,
    rs512: OnceLock<Option<ParsedPublicKey>>,
    ps256: OnceLock<Option<ParsedPublicKey>>,
    ps384: OnceLock<Option<ParsedPublicKey>>,
    ps512: OnceLock<Option<ParsedPublicKey>>,
}

impl VerifyingKey {
    /// The key, unless the library refuses it: a point off the curve, a modulus it will not use.
    pub(crate) fn new(material: &Material) -> Option<Self> {
        match material {
            Material::Rsa { modulus, exponent } => {
                let rsa = Box::<Rsa>::default();
                let parsed = parse_rsa(modulus, exponent, &RSA_PKCS1_2048_8192_SHA256)?;
                rsa.rs256.set(Some(parsed)).ok()?;
                Some(Self::Rsa(rsa))
            }
            Material::P256(point) => {
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).ok().map(Self::One)
            }
            Material::P384(point) => {
                ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).ok().map(Self::One)
            }
            Material::Ed25519(x) => ParsedPublicKey::new(&ED25519, x).ok().map(Self::One),
        }
    }

    /// `algorithm` must be one for this kind of key, which the caller has checked.
    pub(crate) fn verify(
        &self,
        material: &Material,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let key = match (self, material) {
            (Self::One(key), _) => Some(key),
            (Self::Rsa(rsa), Material::Rsa { modulus, exponent }) => {
                rsa.parsed(modulus, exponent, algorithm)
            }
            // INVARIANT: a key was made of its material.
            (Self::Rsa(_), _) => None,
        };
        key.is_some_and(|key| key.verify_sig(message, signature).is_ok())
    }
}

impl Rsa {
    fn parsed(
        &self,
        modulus: &[u8],
        exponent: &[u8],
        algorithm: Algorithm,
    ) -> Option<&ParsedPublicKey> {
        let (place, parameters): (_, &'static RsaParameters) = match algorithm {
            Algorithm::Rs256 => (&self.rs256, &RSA_PKCS1_2048_8192_SHA256),
            Algorithm::Rs384 => (&self.rs384, &RSA_PKCS1_2048_8192_SHA384),
            Algorithm::Rs512 => (&self.rs512, &RSA_PKCS1_2048_8192_SHA512),
            Algorithm::Ps256 => (&self.ps256, &RSA_PSS_2048_8192_SHA256),
            Algorithm::Ps384 => (&self.ps384, &RSA_PSS_2048_8192_SHA384),
            Algorithm::Ps512 => (&self.ps512, &RSA_PSS_2048_8192_SHA512),
            Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => return None,
        };
        place.get_or_init(|| parse_rsa(modulus, exponent, parameters)).as_ref()
    }
}

fn parse_rsa(
    modulus: &[u8],
    exponent: &[u8],
    parameters: &'static RsaParameters,
) -> Option<ParsedPublicKey> {
    RsaPublicKeyComponents { n: modulus, e: exponent }.to_parsed_public_key(parameters).ok()
}
