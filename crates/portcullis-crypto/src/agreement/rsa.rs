//! Signatures by RSA keys.

use rsa::rand_core::OsRng;
use rsa::sha2::{Digest as _, Sha256};
use rsa::traits::{PrivateKeyParts as _, PublicKeyParts as _};
use rsa::{BigUint, Pss};

use super::{Algorithm, Both, MESSAGE, RSA, padded, rsa_keys, rsa_sign};
use crate::signature::Material;

#[test]
fn rsa_signatures() {
    for key in rsa_keys() {
        let (both, n, size) = (Both::rsa(key), key.n(), key.size());
        for algorithm in RSA {
            let good = rsa_sign(key, algorithm, MESSAGE);
            let number = BigUint::from_bytes_be(&good);
            assert!(both.verify(algorithm, MESSAGE, &good), "{algorithm:?}");
            let rows = [
                ("zero before", [&[0], &good[..]].concat()),
                ("zero after", [&good[..], &[0]].concat()),
                ("short", good[1..].to_vec()),
                ("nothing", Vec::new()),
                ("zero", vec![0; size]),
                ("one", padded(&BigUint::from(1_u8), size)),
                ("minus one", padded(&(n - 1_u8), size)),
                ("n", padded(n, size)),
                ("the negative", padded(&(n - &number), size)),
                ("not reduced, and longer", (&number + n * 256_u32).to_bytes_be()),
                ("the largest", vec![0xff; size]),
            ];
            for (name, signature) in rows {
                assert!(!both.verify(algorithm, MESSAGE, &signature), "{algorithm:?}: {name}");
            }
            if (&number + n).bits() <= size * 8 {
                assert!(!both.verify(algorithm, MESSAGE, &padded(&(&number + n), size)));
            }
            for other in RSA.into_iter().filter(|other| *other != algorithm) {
                assert!(!both.verify(other, MESSAGE, &good), "{algorithm:?} as {other:?}");
            }
        }
    }
}

/// A signature that is not reduced has the right length only now and then: look for one.
#[test]
fn rsa_signatures_that_are_not_reduced() {
    let key = &rsa_keys()[0];
    let both = Both::rsa(key);
    for algorithm in [Algorithm::Rs256, Algorithm::Ps256] {
        let (message, signature) = (0_u32..10_000)
            .find_map(|counter| {
                let message = counter.to_be_bytes();
                let sum = BigUint::from_bytes_be(&rsa_sign(key, algorithm, &message)) + key.n();
                (sum.bits() <= 2048).then(|| (message, padded(&sum, 256)))
            })
            .unwrap();
        assert!(!both.verify(algorithm, &message, &signature), "{algorithm:?}");
    }
}

/// RFC 8017 §9.2: the one right padding, and others that have fooled verifiers.
#[test]
fn rsa_paddings_of_pkcs1() {
    const PREFIX: [u8; 19] = [
        0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
        0x05, 0x00, 0x04, 0x20,
    ];
    const WITHOUT_NULL: [u8; 17] = [
        0x30, 0x2f, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
        0x04, 0x20,
    ];
    let digest = Sha256::digest(MESSAGE);
    for key in rsa_keys() {
        let (both, size) = (Both::rsa(key), key.size());
        let verify = |start: &[u8], fill: u8, end: &[&[u8]]| {
            let end = end.concat();
            let middle = vec![fill; size - start.len() - end.len()];
            let padding = BigUint::from_bytes_be(&[start, &middle, &end].concat());
            let signature = padded(&padding.modpow(key.d(), key.n()), size);
            both.verify(Algorithm::Rs256, MESSAGE, &signature)
        };
        assert!(verify(&[0, 1], 0xff, &[&[0], &PREFIX, &digest]), "right");
        assert!(!verify(&[0, 1], 0xff, &[&[0], &WITHOUT_NULL, &digest]), "no NULL");
        assert!(!verify(&[0, 1], 0xff, &[&[0], &digest]), "no algorithm");
        assert!(!verify(&[0, 2], 0xff, &[&[0], &PREFIX, &digest]), "block type 2");
        assert!(!verify(&[0, 0], 0, &[&[0], &PREFIX, &digest]), "block type 0");
        assert!(!verify(&[0, 1], 0xfe, &[&[0], &PREFIX, &digest]), "another filling");
        assert!(!verify(&[0, 1], 0xff, &[&PREFIX, &digest]), "no end of the filling");
        let short =
            [&[0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0][..], &PREFIX, &digest];
        assert!(!verify(&short.concat(), 0, &[]), "garbage after the digest");
    }
}

#[test]
fn rsa_salts() {
    for key in rsa_keys() {
        let both = Both::rsa(key);
        for (length, good) in
            [(0, false), (20, false), (31, false), (32, true), (33, false), (222, false)]
        {
            let scheme = Pss::new_with_salt::<Sha256>(length);
            let signature =
                key.sign_with_rng(&mut OsRng, scheme, &Sha256::digest(MESSAGE)).unwrap();
            let name = format!("{length} bytes, {} bits", key.n().bits());
            assert_eq!(both.verify(Algorithm::Ps256, MESSAGE, &signature), good, "{name}");
        }
    }
}

#[test]
fn rsa_keys_at_the_limits() {
    let loads = |bits: usize, exponent: &[u8]| {
        let mut modulus = vec![0xff; bits.div_ceil(8)];
        modulus[0] >>= (8 - bits % 8) % 8;
        Both::new(Material::rsa(&modulus, exponent)).is_some()
    };
    let rows: [(usize, &[u8], bool); 11] = [
        (2047, &[3], false),
        (2048, &[3], true),
        (2049, &[1, 0, 1], true),
        (4096, &[1, 0, 1], true),
        (4104, &[1, 0, 1], true),
        (8192, &[0xff, 0xff, 0xff, 0xff], true),
        (8193, &[3], false),
        (2048, &[1], false),
        (2048, &[2], false),
        (2048, &[], false),
        (2048, &[1, 0, 0, 0, 1], false),
    ];
    for (bits, exponent, good) in rows {
        assert_eq!(loads(bits, exponent), good, "{bits} bits, exponent {exponent:?}");
    }
}
