//! Signatures by Ed25519 keys.

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::Signer as _;
use proptest::prelude::*;
use rsa::BigUint;
use rsa::sha2::{Digest as _, Sha512};

use super::{Algorithm, Both, MESSAGE};
use crate::signature::Material;
use crate::{aws_lc, pure_rust};

/// The order of the base point, little-endian.
const L: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// `S + times * L`, as long as it fits.
fn unreduced(signature: &[u8], times: u32) -> Vec<u8> {
    let sum = BigUint::from_bytes_le(&signature[32..]) + BigUint::from_bytes_le(&L) * times;
    let mut sum = sum.to_bytes_le();
    sum.resize(32, 0);
    [&signature[..32], &sum].concat()
}

#[test]
fn ed25519_signatures() {
    let key = ed25519_dalek::SigningKey::from_bytes(&[5; 32]);
    let both = Both::ed25519(&key);
    let good = key.sign(MESSAGE).to_bytes();
    assert!(both.verify(Algorithm::EdDsa, MESSAGE, &good));
    let rows = [
        ("S + L", unreduced(&good, 1)),
        ("S + 2L", unreduced(&good, 2)),
        ("S + 7L", unreduced(&good, 7)),
        ("S is L", unreduced(&[&good[..32], &[0; 32]].concat(), 1)),
        ("S zero", [&good[..32], &[0; 32]].concat()),
        ("R zero", [&[0; 32], &good[32..]].concat()),
        ("R is p", [&[0xed], &[0xff; 30][..], &[0x7f], &good[32..]].concat()),
        ("other sign of R", {
            let mut changed = good.to_vec();
            changed[31] ^= 0x80;
            changed
        }),
        ("high bit of S", {
            let mut changed = good.to_vec();
            changed[63] |= 0x80;
            changed
        }),
        ("zero after", [&good[..], &[0]].concat()),
        ("short", good[..63].to_vec()),
        ("R alone", good[..32].to_vec()),
        ("nothing", Vec::new()),
    ];
    for (name, signature) in rows {
        assert!(!both.verify(Algorithm::EdDsa, MESSAGE, &signature), "{name}");
    }
}

/// Who has the private key can make signatures on which verifiers of different strictness disagree
/// (<https://eprint.iacr.org/2020/1244>): with an `R` of small order, with a key that has a part of
/// small order.
#[test]
fn ed25519_signatures_with_parts_of_small_order() {
    let secret = ed25519_dalek::SigningKey::from_bytes(&[5; 32]);
    let (a, base) = (secret.to_scalar(), secret.verifying_key());
    let base = CompressedEdwardsY(base.to_bytes()).decompress().unwrap();
    let hash = |r: &[u8], key: &[u8], message: &[u8]| {
        let digest = Sha512::new().chain_update(r).chain_update(key).chain_update(message);
        Scalar::from_bytes_mod_order_wide(&digest.finalize().into())
    };
    let mut seen = [0, 0];
    for torsion in EIGHT_TORSION {
        let key = (base + torsion).compress().to_bytes();
        let both = Both::new(Material::ed25519(&key)).unwrap();
        for small in EIGHT_TORSION {
            let r = small.compress().to_bytes();
            for message in 0_u8..16 {
                let s = hash(&r, &key, &[message]) * a;
                let signature = [r, s.to_bytes()].concat();
                seen[usize::from(both.verify(Algorithm::EdDsa, &[message], &signature))] += 1;
            }
        }
    }
    assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}");
}

proptest! {
    #[test]
    fn ed25519_signers_agree(seed: [u8; 32], message: Vec<u8>) {
        let one = aws_lc::SigningKey::new(&seed).unwrap();
        let other = pure_rust::SigningKey::new(&seed).unwrap();
        prop_assert_eq!(one.public(), other.public());
        prop_assert_eq!(one.sign(&message).unwrap(), other.sign(&message).unwrap());
    }
}
