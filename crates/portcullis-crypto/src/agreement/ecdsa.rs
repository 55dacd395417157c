//! Signatures by keys on the curves of NIST.

use ed25519_dalek::Signer as _;
use rsa::BigUint;

use super::{Algorithm, Both, MESSAGE, p256_key, p384_key, padded};
use crate::signature::KeyKind;

/// The order of a curve, big-endian.
fn order(kind: KeyKind) -> BigUint {
    let hex = match kind {
        KeyKind::P256 => "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
        KeyKind::P384 => {
            "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196a\
             ccc52973"
        }
        other => panic!("{other:?}"),
    };
    BigUint::parse_bytes(hex.as_bytes(), 16).unwrap()
}

#[test]
fn ecdsa_signatures() {
    let p256: p256::ecdsa::Signature = p256_key().sign(MESSAGE);
    let p384: p384::ecdsa::Signature = p384_key().sign(MESSAGE);
    let rows = [
        (
            Both::p256(&p256_key()),
            Algorithm::Es256,
            p256.to_bytes().to_vec(),
            p256.to_der().as_bytes().to_vec(),
        ),
        (
            Both::p384(&p384_key()),
            Algorithm::Es384,
            p384.to_bytes().to_vec(),
            p384.to_der().as_bytes().to_vec(),
        ),
    ];
    for (both, algorithm, good, der) in rows {
        let n = order(algorithm.key_kind());
        let half = good.len() / 2;
        let (r, s) = (BigUint::from_bytes_be(&good[..half]), BigUint::from_bytes_be(&good[half..]));
        let pair = |r: &BigUint, s: &BigUint| [padded(r, half), padded(s, half)].concat();
        let zero = BigUint::from(0_u8);
        let largest = BigUint::from_bytes_be(&vec![0xff; half]);
        assert!(both.verify(algorithm, MESSAGE, &pair(&r, &s)));
        // RFC 7518 §3.4 does not ask for the smaller of the two.
        assert!(both.verify(algorithm, MESSAGE, &pair(&r, &(&n - &s))), "the other s");
        assert!(!both.verify(algorithm, b"another", &good));
        let rows = [
            ("r zero", pair(&zero, &s)),
            ("s zero", pair(&r, &zero)),
            ("both zero", pair(&zero, &zero)),
            ("r one, s one", pair(&BigUint::from(1_u8), &BigUint::from(1_u8))),
            ("r is n", pair(&n, &s)),
            ("s is n", pair(&r, &n)),
            ("both are n", pair(&n, &n)),
            ("r largest", pair(&largest, &s)),
            ("s largest", pair(&r, &largest)),
            ("the other r", pair(&(&n - &r), &s)),
            ("swapped", pair(&s, &r)),
            ("DER", der),
            ("zero before", [&[0], &good[..]].concat()),
            ("zero after", [&good[..], &[0]].concat()),
            ("short", good[..good.len() - 1].to_vec()),
            ("r alone", good[..half].to_vec()),
            ("nothing", Vec::new()),
            ("wider", [vec![0], padded(&r, half), vec![0], padded(&s, half)].concat()),
        ];
        for (name, signature) in rows {
            assert!(!both.verify(algorithm, MESSAGE, &signature), "{algorithm:?}: {name}");
        }
    }
}
