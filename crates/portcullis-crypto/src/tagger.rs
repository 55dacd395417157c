//! Names for byte strings that nobody else can make.

use std::fmt;

use crate::{NoRandomBytes, fill_random, library};

/// Tells byte strings apart by tags of 16 bytes under a random key that this value alone has.
///
/// To find, or to make, a byte string with the tag of another is to forge a message authentication
/// code without ever seeing one: never show a tag. Which code it is depends on the library; a tag is
/// of no use anywhere else.
pub struct Tagger(library::Tagger);

impl Tagger {
    /// One with a key of its own.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub fn random() -> Result<Self, NoRandomBytes> {
        let mut key = [0; 32];
        fill_random(&mut key)?;
        Ok(Self(library::Tagger::new(&key)))
    }

    /// The tag of `bytes`; `None` when the library fails, for which there is no known cause.
    #[must_use]
    pub fn tag(&self, bytes: &[u8]) -> Option<[u8; 16]> {
        self.0.tag(bytes)
    }
}

// By hand: it is a secret.
impl fmt::Debug for Tagger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tagger").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_of_one_key_and_of_all_bytes() {
        let (tagger, other) = (Tagger::random().unwrap(), Tagger::random().unwrap());
        let message = vec![7; 1000];
        let tag = tagger.tag(&message).unwrap();
        assert_eq!(tagger.tag(&message).unwrap(), tag);
        assert_ne!(other.tag(&message).unwrap(), tag);
        for at in 0..message.len() {
            let mut changed = message.clone();
            changed[at] ^= 0x80;
            assert_ne!(tagger.tag(&changed).unwrap(), tag, "byte {at}");
            assert_ne!(tagger.tag(&message[..at]).unwrap(), tag, "{at} bytes");
        }
    }
}
