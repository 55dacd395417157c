//! The work, done by AWS-LC.

mod signature;

use aws_lc_rs::aead::{AES_256_GCM, AES_256_GCM_SIV, Aad, Algorithm, LessSafeKey, Nonce};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use aws_lc_rs::{aead, constant_time, hmac, rand};

pub(crate) use signature::VerifyingKey;

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    first(digest(&SHA256, bytes).as_ref())
}

pub(crate) fn fill_random(bytes: &mut [u8]) -> Option<()> {
    rand::fill(bytes).ok()
}

pub(crate) fn same(one: &[u8], other: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(one, other).is_ok()
}

#[derive(Clone)]
pub(crate) struct MacKey(hmac::Key);

pub(crate) struct MacContext(hmac::Context);

impl MacKey {
    pub(crate) fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 32] {
        first(hmac::sign(&self.0, message).as_ref())
    }

    pub(crate) fn begin(&self) -> MacContext {
        MacContext(hmac::Context::with_key(&self.0))
    }
}

impl MacContext {
    pub(crate) fn update(&mut self, part: &[u8]) {
        self.0.update(part);
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        first(self.0.sign().as_ref())
    }
}

pub(crate) struct SealKey(LessSafeKey);

impl SealKey {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(aead_key(&AES_256_GCM_SIV, key))
    }

    pub(crate) fn seal(
        &self,
        nonce: [u8; 12],
        associated: &[u8],
        inside: &mut Vec<u8>,
    ) -> Option<()> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.0.seal_in_place_append_tag(nonce, Aad::from(associated), inside).ok()
    }

    pub(crate) fn open<'a>(
        &self,
        nonce: [u8; 12],
        associated: &[u8],
        sealed: &'a mut [u8],
    ) -> Option<&'a [u8]> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.0.open_in_place(nonce, Aad::from(associated), sealed).ok().map(|inside| &*inside)
    }
}

pub(crate) struct SigningKey {
    pair: Ed25519KeyPair,
    public: [u8; 32],
}

impl SigningKey {
    pub(crate) fn new(seed: &[u8; 32]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let public = pair.public_key().as_ref().try_into().ok()?;
        Some(Self { pair, public })
    }

    pub(crate) fn public(&self) -> [u8; 32] {
        self.public
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Option<[u8; 64]> {
        self.pair.try_sign(message).ok()?.as_ref().try_into().ok()
    }
}

/// AES-256-GMAC: several times faster here than HMAC.
pub(crate) struct Tagger(LessSafeKey);

impl Tagger {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(aead_key(&AES_256_GCM, key))
    }

    /// Nothing is encrypted and no tag is ever shown, so that one nonce may serve for all: with it,
    /// GMAC is a universal hash under a secret key.
    pub(crate) fn tag(&self, bytes: &[u8]) -> Option<[u8; 16]> {
        let nonce = Nonce::assume_unique_for_key([0; aead::NONCE_LEN]);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(bytes), &mut []).ok()?;
        tag.as_ref().try_into().ok()
    }
}

fn aead_key(algorithm: &'static Algorithm, key: &[u8; 32]) -> LessSafeKey {
    #[expect(clippy::expect_used, reason = "the length is right by its type")]
    LessSafeKey::new(aead::UnboundKey::new(algorithm, key).expect("32 bytes are a key"))
}

/// SHA-256 has 32 bytes in this library's wrapper of any length.
fn first(digest: &[u8]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "the length is right by the algorithm")]
    digest.try_into().expect("a SHA-256 has 32 bytes")
}
