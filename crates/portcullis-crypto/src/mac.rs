//! Digests and message authentication codes.

use std::fmt;

use crate::library;

/// The SHA-256 of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    library::sha256(bytes)
}

/// A key for HMAC-SHA-256 (RFC 2104).
#[derive(Clone)]
pub struct MacKey(library::MacKey);

/// The code of a message that comes in parts; made by [`MacKey::begin`].
#[must_use = "a code that nobody asks for is not needed"]
pub struct MacContext(library::MacContext);

impl MacKey {
    /// A key of any length. Whether it is long enough to be secret is for the caller to see to.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        Self(library::MacKey::new(key))
    }

    /// The code of `message`.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 32] {
        self.0.sign(message)
    }

    /// Whether `tag` is the whole code of `message`, in a time that says nothing about where they
    /// differ.
    #[must_use]
    pub fn verify(&self, message: &[u8], tag: &[u8]) -> bool {
        library::same(&self.sign(message), tag)
    }

    /// Starts the code of a message that comes in parts.
    pub fn begin(&self) -> MacContext {
        MacContext(self.0.begin())
    }
}

impl MacContext {
    /// Goes on with `part`. Where one part ends and the next begins makes no difference.
    pub fn update(&mut self, part: &[u8]) {
        self.0.update(part);
    }

    /// The code of all parts.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        self.0.finish()
    }
}

impl fmt::Debug for MacContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MacContext").finish_non_exhaustive()
    }
}

// By hand: it is a secret.
impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MacKey").finish_non_exhaustive()
    }
}

/// Whether two byte strings are the same, in a time that says nothing about where they differ. It may
/// tell whether their lengths do.
#[must_use]
pub fn same(one: &[u8], other: &[u8]) -> bool {
    library::same(one, other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_examples() {
        // FIPS 180-4, and test case 2 of RFC 4231.
        let hex = |bytes: [u8; 32]| bytes.map(|byte| format!("{byte:02x}")).concat();
        assert_eq!(
            hex(sha256(b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let key = MacKey::new(b"Jefe");
        let tag = key.sign(b"what do ya want for nothing?");
        assert_eq!(hex(tag), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let mut parts = key.begin();
        parts.update(b"what do ya want ");
        parts.update(b"for nothing?");
        assert_eq!(parts.finish(), tag);
    }

    #[test]
    fn only_the_whole_code_is_the_code() {
        let key = MacKey::new(&[7; 100]);
        let tag = key.sign(b"message");
        assert!(key.verify(b"message", &tag));
        assert!(!key.verify(b"Message", &tag));
        assert!(!MacKey::new(&[7; 99]).verify(b"message", &tag));
        for wrong in [&tag[..31], &tag[..16], &[], &[tag.as_slice(), &[0]].concat()] {
            assert!(!key.verify(b"message", wrong), "{} bytes", wrong.len());
        }
        assert!(same(b"", b"") && !same(b"a", b"") && !same(b"a", b"b"));
        assert_eq!(format!("{key:?} {:?}", key.begin()), "MacKey { .. } MacContext { .. }");
    }
}
