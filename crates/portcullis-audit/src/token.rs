//! A name for a token that has none of its own.

use http::HeaderValue;
use portcullis_crypto::sha256;
use serde::{Serialize, Serializer};

/// The first 12 hexadecimal digits of a token's SHA-256: enough to find it again, nothing to use it
/// with.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct TokenDigest([u8; 6]);

impl TokenDigest {
    /// The digest of the token in an `Authorization` field, if there is one.
    pub(crate) fn of(authorization: &HeaderValue) -> Option<Self> {
        let (scheme, token) = authorization.to_str().ok()?.split_once(' ')?;
        let token = token.trim_matches(' ');
        let known = ["bearer", "dpop"].iter().any(|name| scheme.eq_ignore_ascii_case(name));
        if !known || token.is_empty() {
            return None;
        }
        sha256(token.as_bytes()).first_chunk().copied().map(Self)
    }

    pub(crate) fn hex(self) -> [u8; 12] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = [b'0'; 12];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0) {
            for (digit, nibble) in pair.iter_mut().zip([byte >> 4, byte & 0x0f]) {
                *digit = DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
            }
        }
        hex
    }
}

impl Serialize for TokenDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.hex()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_named_by_their_digest() {
        let rows = [
            ("bearer", "Bearer abc", Some("ba7816bf8f01")),
            ("scheme in another case", "bEARER  abc ", Some("ba7816bf8f01")),
            ("proof of possession", "DPoP abc", Some("ba7816bf8f01")),
            ("a password is never hashed", "Basic YWxpY2U6aHVudGVyMg==", None),
            ("no token", "Bearer ", None),
            ("no scheme", "abc", None),
        ];
        for (name, field, expected) in rows {
            let digest = TokenDigest::of(&HeaderValue::from_static(field)).map(TokenDigest::hex);
            let digest = digest.as_ref().map(|hex| std::str::from_utf8(hex).unwrap());
            assert_eq!(digest, expected, "{name}");
        }
    }
}
