//! Authenticated encryption.

use std::fmt;

use crate::library;

/// A key for AES-256-GCM-SIV (RFC 8452), which forgives a nonce that is used twice: it then tells
/// whether two messages are the same, and nothing else.
pub struct SealKey(library::SealKey);

impl SealKey {
    /// How many bytes sealing adds.
    pub const TAG: usize = 16;

    /// A key of 32 secret bytes.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self(library::SealKey::new(key))
    }

    /// Encrypts `inside` in place and appends a tag, by which [`open`](Self::open) knows it and
    /// `associated` again. `None`, when the message is too long, leaves nothing of use in `inside`.
    #[must_use]
    pub fn seal(&self, nonce: [u8; 12], associated: &[u8], inside: &mut Vec<u8>) -> Option<()> {
        self.0.seal(nonce, associated, inside)
    }

    /// What was sealed with the same `nonce` and `associated`, decrypted in place; `None` for
    /// anything else.
    #[must_use]
    pub fn open<'a>(
        &self,
        nonce: [u8; 12],
        associated: &[u8],
        sealed: &'a mut [u8],
    ) -> Option<&'a [u8]> {
        self.0.open(nonce, associated, sealed)
    }
}

// By hand: it is a secret.
impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unhex(text: &str) -> Vec<u8> {
        let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
    }

    /// RFC 8452 appendix C.2, the second example.
    #[test]
    fn published_example() {
        let mut key = [0; 32];
        key[0] = 1;
        let mut nonce = [0; 12];
        nonce[0] = 3;
        let mut sealed = unhex("0100000000000000");
        let key = SealKey::new(&key);
        key.seal(nonce, b"", &mut sealed).unwrap();
        assert_eq!(sealed, unhex("c2ef328e5c71c83b843122130f7364b761e0b97427e3df28"));
        assert_eq!(key.open(nonce, b"", &mut sealed).unwrap(), unhex("0100000000000000"));
    }

    #[test]
    fn nothing_but_what_was_sealed_opens() {
        let key = SealKey::new(&[1; 32]);
        let mut sealed = b"inside".to_vec();
        key.seal([2; 12], b"outside", &mut sealed).unwrap();
        assert_eq!(sealed.len(), 6 + SealKey::TAG);
        let open = |key: &SealKey, nonce, associated: &[u8], sealed: &[u8]| {
            key.open(nonce, associated, &mut sealed.to_vec()).map(<[u8]>::to_vec)
        };
        assert_eq!(open(&key, [2; 12], b"outside", &sealed).as_deref(), Some(&b"inside"[..]));
        assert_eq!(open(&SealKey::new(&[3; 32]), [2; 12], b"outside", &sealed), None, "key");
        assert_eq!(open(&key, [3; 12], b"outside", &sealed), None, "nonce");
        assert_eq!(open(&key, [2; 12], b"Outside", &sealed), None, "associated");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(open(&key, [2; 12], b"outside", &changed), None, "byte {at}");
            assert_eq!(open(&key, [2; 12], b"outside", &sealed[..at]), None, "{at} bytes");
        }
    }
}
