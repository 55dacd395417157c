//! Names for things that must not be recorded themselves.

use std::fmt;

use portcullis_crypto::{MacKey, fill_random};
use serde::{Serialize, Serializer};

use crate::chain::hex::push_hex;
use crate::error::{ConfigError, ConfigErrorKind};

/// Names byte strings by keyed digests: who has no key can neither find what a digest stands for by
/// trying, nor make one.
#[derive(Clone)]
pub(crate) struct Digests(MacKey);

/// The first 16 bytes of an HMAC-SHA-256.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Digest([u8; 16]);

/// The shortest key that is taken, in bytes.
const KEY_MIN: usize = 32;

impl Digests {
    /// Under a key of this process: digests mean nothing to another.
    pub(crate) fn random() -> Result<Self, ConfigError> {
        let mut key = [0; 32];
        fill_random(&mut key)
            .map_err(|_| ConfigError::new(ConfigErrorKind::Random, "no random bytes to be had"))?;
        Ok(Self(MacKey::new(&key)))
    }

    pub(crate) fn new(key: &[u8]) -> Result<Self, ConfigError> {
        if key.len() < KEY_MIN {
            let message = "the key for digests is shorter than 32 bytes";
            return Err(ConfigError::new(ConfigErrorKind::Key, message));
        }
        Ok(Self(MacKey::new(key)))
    }

    /// The digest of `bytes`. What they are is part of it: the same bytes in another role have
    /// another digest.
    pub(crate) fn of(&self, role: &'static str, bytes: &[u8]) -> Digest {
        let mut mac = self.0.begin();
        mac.update(role.as_bytes());
        mac.update(b"\0");
        mac.update(bytes);
        let [a @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = mac.finish();
        Digest(a)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = Vec::with_capacity(32);
        push_hex(&self.0, &mut digits);
        f.write_str(std::str::from_utf8(&digits).unwrap_or_default())
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

// By hand: it is a secret.
impl fmt::Debug for Digests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Digests").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_depend_on_key_role_and_bytes() {
        let digests = Digests::new(&[7; 32]).unwrap();
        let name = digests.of("session", b"abc");
        assert_eq!(digests.of("session", b"abc"), name);
        assert_ne!(digests.of("session", b"abd"), name);
        assert_ne!(digests.of("arguments", b"abc"), name);
        assert_ne!(Digests::new(&[8; 32]).unwrap().of("session", b"abc"), name);
        assert_ne!(Digests::random().unwrap().of("session", b"abc"), name);
        assert_eq!(name.to_string().len(), 32);
        assert!(Digests::new(&[7; 31]).is_err());
    }
}
