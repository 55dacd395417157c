//! The private key of a client, and what it signs.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::SignatureScheme;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::sign::SigningKey;
use serde_json::{Value, json};

use crate::connect::provider;
use crate::{Algorithm, ConfigError};

/// A private key that signs client assertions (RFC 7523). `Debug` shows the algorithm and key id
/// only.
#[derive(Clone)]
pub struct ClientKey {
    algorithm: Algorithm,
    key_id: Option<String>,
    key: Arc<dyn SigningKey>,
    provider: Arc<CryptoProvider>,
}

impl ClientKey {
    /// The key in `pem` (PKCS #8, PKCS #1 or SEC 1), to sign by `algorithm`.
    ///
    /// # Errors
    /// When there is no private key in `pem`, or none for that algorithm.
    pub fn from_pem(algorithm: Algorithm, pem: &str) -> Result<Self, ConfigError> {
        let provider = provider().ok_or(ConfigError::new(
            "there is no library to sign with: turn on the feature aws-lc-rs, or install a default \
             CryptoProvider of rustls first",
        ))?;
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| ConfigError::new("there is no private key in the PEM text"))?;
        let key = provider
            .key_provider
            .load_private_key(der)
            .map_err(|_| ConfigError::new("the private key is of no use"))?;
        let key = Self { algorithm, key_id: None, key, provider };
        // Signing is tried at once, so that it does not fail later.
        if key.raw_signature(b"").is_none() {
            return Err(ConfigError::new(format!("the private key is not one for {algorithm}")));
        }
        Ok(key)
    }

    /// Sets the `kid` of assertions, which an issuer needs that knows several keys of ours.
    #[must_use]
    pub fn key_id(mut self, key_id: impl Into<String>) -> Self {
        self.key_id = Some(key_id.into());
        self
    }

    /// `claims` as a JWS in compact form.
    pub(super) fn sign(&self, claims: &Value) -> Option<String> {
        let mut header = json!({ "alg": self.algorithm.as_str(), "typ": "JWT" });
        if let (Some(key_id), Some(header)) = (&self.key_id, header.as_object_mut()) {
            header.insert("kid".to_owned(), Value::from(key_id.as_str()));
        }
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.raw_signature(signed.as_bytes())?);
        Some(format!("{signed}.{signature}"))
    }

    /// A name that nobody has used before.
    pub(super) fn random_id(&self) -> Option<String> {
        let mut bytes = [0; 16];
        self.provider.secure_random.fill(&mut bytes).ok()?;
        Some(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// A signature as JWS has it (RFC 7518 §3).
    fn raw_signature(&self, message: &[u8]) -> Option<Vec<u8>> {
        let (scheme, half) = match self.algorithm {
            Algorithm::Rs256 => (SignatureScheme::RSA_PKCS1_SHA256, None),
            Algorithm::Rs384 => (SignatureScheme::RSA_PKCS1_SHA384, None),
            Algorithm::Rs512 => (SignatureScheme::RSA_PKCS1_SHA512, None),
            Algorithm::Ps256 => (SignatureScheme::RSA_PSS_SHA256, None),
            Algorithm::Ps384 => (SignatureScheme::RSA_PSS_SHA384, None),
            Algorithm::Ps512 => (SignatureScheme::RSA_PSS_SHA512, None),
            Algorithm::Es256 => (SignatureScheme::ECDSA_NISTP256_SHA256, Some(32)),
            Algorithm::Es384 => (SignatureScheme::ECDSA_NISTP384_SHA384, Some(48)),
            Algorithm::EdDsa => (SignatureScheme::ED25519, None),
        };
        let signature = self.key.choose_scheme(&[scheme])?.sign(message).ok()?;
        match half {
            None => Some(signature),
            Some(size) => halves(&signature, size),
        }
    }
}

/// The two numbers of an ECDSA signature in DER (RFC 3279 §2.2.3), `size` bytes each.
fn halves(der: &[u8], size: usize) -> Option<Vec<u8>> {
    let numbers = element(0x30, der).filter(|(_, rest)| rest.is_empty())?.0;
    let (r, rest) = element(0x02, numbers)?;
    let (s, rest) = element(0x02, rest)?;
    let mut raw = Vec::with_capacity(2 * size);
    for number in [r, s] {
        let number = match number {
            [0, rest @ ..] => rest,
            number => number,
        };
        raw.resize(raw.len() + size.checked_sub(number.len())?, 0);
        raw.extend_from_slice(number);
    }
    rest.is_empty().then_some(raw)
}

/// The content of the first element of `der`, which has this tag, and what follows it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    match der {
        [first, length @ 0..0x80, rest @ ..] if *first == tag => {
            rest.split_at_checked(usize::from(*length))
        }
        _ => None,
    }
}

// By hand: it is a secret.
impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientKey")
            .field("algorithm", &self.algorithm)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_padded_to_their_size() {
        let der = [0x30, 8, 2, 1, 5, 2, 3, 0, 0x80, 1];
        assert_eq!(halves(&der, 4).unwrap(), [0, 0, 0, 5, 0, 0, 0x80, 1]);
        let rows: [&[u8]; 6] = [
            &[],
            &[0x30, 3, 2, 1, 5],
            &[0x30, 9, 2, 1, 5, 2, 3, 0, 0x80, 1],
            &[0x30, 8, 2, 1, 5, 2, 3, 0, 0x80, 1, 0],
            &[0x30, 7, 2, 5, 1, 1, 1, 1, 1],
            &[0x30, 9, 2, 1, 5, 2, 1, 5, 2, 1, 5],
        ];
        for der in rows {
            assert_eq!(halves(der, 4), None, "{der:?}");
        }
    }
}
