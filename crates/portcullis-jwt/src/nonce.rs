//! Nonces for DPoP proofs (RFC 9449 §9) that need no store.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_crypto::{MacKey, same};

use crate::jose::decode;

/// How long one nonce is handed out, in seconds; it is accepted for as long again.
const PERIOD: u64 = 300;

/// How many bytes of the MAC make a nonce.
const LENGTH: usize = 16;

/// Makes and recognises nonces. A nonce is a MAC over the number of the period in which it was made,
/// so every replica with the same key knows it, and none remembers it.
pub(crate) struct Nonces {
    /// The first makes nonces; all recognise them, so that keys can be changed in operation.
    keys: Vec<MacKey>,
}

impl Nonces {
    pub(crate) fn new(keys: &[impl AsRef<[u8]>]) -> Self {
        Self { keys: keys.iter().map(|bytes| MacKey::new(bytes.as_ref())).collect() }
    }

    /// The nonce of this period; none without a key.
    pub(crate) fn current(&self, now: Duration) -> Option<String> {
        let key = self.keys.first()?;
        Some(URL_SAFE_NO_PAD.encode(tag(key, period(now))))
    }

    /// Whether `nonce` is of this period or the last.
    pub(crate) fn accept(&self, nonce: &str, now: Duration) -> bool {
        let Some(nonce) = decode(nonce) else { return false };
        let period = period(now);
        self.keys.iter().any(|key| {
            let periods = [period, period.saturating_sub(1)];
            periods.into_iter().any(|period| same(&tag(key, period), &nonce))
        })
    }
}

fn period(now: Duration) -> u64 {
    now.as_secs() / PERIOD
}

fn tag(key: &MacKey, period: u64) -> Vec<u8> {
    let mut message = b"portcullis DPoP nonce ".to_vec();
    message.extend_from_slice(&period.to_be_bytes());
    key.sign(&message).into_iter().take(LENGTH).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_lives_for_two_periods() {
        let at = Duration::from_secs;
        let nonces = Nonces::new(&[[7; 32]]);
        let start = 1_700_000_100; // A multiple of the period.
        let nonce = nonces.current(at(start)).unwrap();
        assert_eq!(nonces.current(at(start + 299)), Some(nonce.clone()));
        assert_ne!(nonces.current(at(start + 300)), Some(nonce.clone()));
        let rows = [(-1, false), (0, true), (299, true), (300, true), (599, true), (600, false)];
        for (offset, accepted) in rows {
            let now = at(start.checked_add_signed(offset).unwrap());
            assert_eq!(nonces.accept(&nonce, now), accepted, "{offset} seconds later");
        }
    }

    #[test]
    fn only_our_own_nonces_are_accepted() {
        let now = Duration::from_secs(1_700_000_000);
        let (old, other) = (Nonces::new(&[[1; 32]]), Nonces::new(&[[9; 32]]));
        let new = Nonces::new(&[[2; 32], [1; 32]]);
        let nonce = old.current(now).unwrap();
        assert!(new.accept(&nonce, now), "a key that was replaced is still known");
        assert_ne!(new.current(now), Some(nonce.clone()));
        assert!(!other.accept(&nonce, now));
        for wrong in ["", "x", nonce.get(..20).unwrap(), &format!("{nonce}AA")] {
            assert!(!old.accept(wrong, now), "{wrong:?}");
        }
    }
}
