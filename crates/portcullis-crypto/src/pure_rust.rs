//! The work, done by the RustCrypto crates.

mod signature;

use aes_gcm_siv::aead::inout::InOutBuf;
use aes_gcm_siv::{AeadInOut as _, Aes256GcmSiv, KeyInit as _};
use ed25519_dalek::Signer as _;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

pub(crate) use signature::VerifyingKey;

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

pub(crate) fn fill_random(bytes: &mut [u8]) -> Option<()> {
    getrandom::fill(bytes).ok()
}

pub(crate) fn same(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

#[derive(Clone)]
pub(crate) struct MacKey(Hmac<Sha256>);

pub(crate) struct MacContext(Hmac<Sha256>);

impl MacKey {
    pub(crate) fn new(key: &[u8]) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC is defined for keys of any length")]
        Self(Hmac::new_from_slice(key).expect("any length will do"))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 32] {
        self.0.clone().chain_update(message).finalize().into_bytes().into()
    }

    pub(crate) fn begin(&self) -> MacContext {
        MacContext(self.0.clone())
    }
}

impl MacContext {
    pub(crate) fn update(&mut self, part: &[u8]) {
        self.0.update(part);
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        self.0.finalize().into_bytes().into()
    }
}

pub(crate) struct SealKey(Aes256GcmSiv);

impl SealKey {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(Aes256GcmSiv::new(key.into()))
    }

    pub(crate) fn seal(
        &self,
        nonce: [u8; 12],
        associated: &[u8],
        inside: &mut Vec<u8>,
    ) -> Option<()> {
        let buffer = InOutBuf::from(inside.as_mut_slice());
        let tag = self.0.encrypt_inout_detached(&nonce.into(), associated, buffer).ok()?;
        inside.extend_from_slice(&tag);
        Some(())
    }

    pub(crate) fn open<'a>(
        &self,
        nonce: [u8; 12],
        associated: &[u8],
        sealed: &'a mut [u8],
    ) -> Option<&'a [u8]> {
        let (inside, tag) = sealed.split_last_chunk_mut::<{ crate::SealKey::TAG }>()?;
        let buffer = InOutBuf::from(&mut *inside);
        self.0
            .decrypt_inout_detached(&nonce.into(), associated, buffer, &(*tag).into())
            .ok()
            .map(|()| &*inside)
    }
}

pub(crate) struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    #[expect(clippy::unnecessary_wraps, reason = "the other library may fail")]
    pub(crate) fn new(seed: &[u8; 32]) -> Option<Self> {
        Some(Self(ed25519_dalek::SigningKey::from_bytes(seed)))
    }

    pub(crate) fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Option<[u8; 64]> {
        self.0.try_sign(message).ok().map(|signature| signature.to_bytes())
    }
}

/// HMAC-SHA-256, cut to 16 bytes.
pub(crate) struct Tagger(MacKey);

impl Tagger {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(MacKey::new(key))
    }

    pub(crate) fn tag(&self, bytes: &[u8]) -> Option<[u8; 16]> {
        self.0.sign(bytes).first_chunk().copied()
    }
}
