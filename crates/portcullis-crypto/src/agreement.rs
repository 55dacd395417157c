//! Both libraries say the same, about what is good and about what no signer makes.

use std::sync::OnceLock;

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::Signer as _;
use proptest::prelude::*;
use rsa::rand_core::OsRng;
use rsa::sha2::{Digest as _, Sha256, Sha384, Sha512};
use rsa::traits::{PrivateKeyParts as _, PublicKeyParts as _};
use rsa::{BigUint, Pkcs1v15Sign, Pss, RsaPrivateKey};

use crate::signature::{KeyKind, Material, SignatureAlgorithm as Algorithm};
use crate::{aws_lc, pure_rust};

const MESSAGE: &[u8] = b"header.claims";

const RSA: [Algorithm; 6] = [
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
    Algorithm::Ps256,
    Algorithm::Ps384,
    Algorithm::Ps512,
];

/// One key in both libraries.
struct Both {
    material: Material,
    aws_lc: aws_lc::VerifyingKey,
    pure_rust: pure_rust::VerifyingKey,
}

impl Both {
    /// `None` when both refuse the key.
    fn new(material: Option<Material>) -> Option<Self> {
        let material = material?;
        match (aws_lc::VerifyingKey::new(&material), pure_rust::VerifyingKey::new(&material)) {
            (Some(aws_lc), Some(pure_rust)) => Some(Self { material, aws_lc, pure_rust }),
            (None, None) => None,
            (one, other) => panic!("{} {}", one.is_some(), other.is_some()),
        }
    }

    fn rsa(key: &RsaPrivateKey) -> Self {
        let number = |number: &BigUint| number.to_bytes_be();
        Self::new(Material::rsa(&number(key.n()), &number(key.e()))).unwrap()
    }

    fn p256(key: &p256::ecdsa::SigningKey) -> Self {
        let point = key.verifying_key().to_sec1_point(false);
        Self::new(Material::ec(KeyKind::P256, point.x().unwrap(), point.y().unwrap())).unwrap()
    }

    fn p384(key: &p384::ecdsa::SigningKey) -> Self {
        let point = key.verifying_key().to_sec1_point(false);
        Self::new(Material::ec(KeyKind::P384, point.x().unwrap(), point.y().unwrap())).unwrap()
    }

    fn ed25519(key: &ed25519_dalek::SigningKey) -> Self {
        Self::new(Material::ed25519(key.verifying_key().as_bytes())).unwrap()
    }

    #[track_caller]
    fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let Self { material, aws_lc, pure_rust } = self;
        let verified = aws_lc.verify(material, algorithm, message, signature);
        let other = pure_rust.verify(material, algorithm, message, signature);
        assert_eq!(verified, other, "{algorithm:?}: {signature:x?}");
        verified
    }
}

/// Keys of several sizes and exponents, made once: that takes long.
fn rsa_keys() -> &'static [RsaPrivateKey; 3] {
    static KEYS: OnceLock<[RsaPrivateKey; 3]> = OnceLock::new();
    KEYS.get_or_init(|| {
        [(2048, 65_537_u32), (2048, 3), (2056, 17)].map(|(bits, exponent)| {
            RsaPrivateKey::new_with_exp(&mut OsRng, bits, &BigUint::from(exponent)).unwrap()
        })
    })
}

fn p256_key() -> p256::ecdsa::SigningKey {
    p256::ecdsa::SigningKey::from_slice(&[3; 32]).unwrap()
}

fn p384_key() -> p384::ecdsa::SigningKey {
    p384::ecdsa::SigningKey::from_slice(&[3; 48]).unwrap()
}

fn rsa_sign(key: &RsaPrivateKey, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
    let (sha256, sha384, sha512) =
        (Sha256::digest(message), Sha384::digest(message), Sha512::digest(message));
    match algorithm {
        Algorithm::Rs256 => key.sign(Pkcs1v15Sign::new::<Sha256>(), &sha256),
        Algorithm::Rs384 => key.sign(Pkcs1v15Sign::new::<Sha384>(), &sha384),
        Algorithm::Rs512 => key.sign(Pkcs1v15Sign::new::<Sha512>(), &sha512),
        Algorithm::Ps256 => key.sign_with_rng(&mut OsRng, Pss::new::<Sha256>(), &sha256),
        Algorithm::Ps384 => key.sign_with_rng(&mut OsRng, Pss::new::<Sha384>(), &sha384),
        Algorithm::Ps512 => key.sign_with_rng(&mut OsRng, Pss::new::<Sha512>(), &sha512),
        other => panic!("{other:?}"),
    }
    .unwrap()
}

/// `number` with zeros before it.
fn padded(number: &BigUint, length: usize) -> Vec<u8> {
    let bytes = number.to_bytes_be();
    [vec![0; length.checked_sub(bytes.len()).unwrap()], bytes].concat()
}

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

#[test]
fn what_is_not_the_same_has_the_same_form() {
    let mut key = [0; 32];
    pure_rust::fill_random(&mut key).unwrap();
    assert_ne!(key, [0; 32]);
    let (one, other) = (aws_lc::Tagger::new(&key), pure_rust::Tagger::new(&key));
    assert!(one.tag(b"token").is_some() && other.tag(b"token").is_some());
    assert_ne!(other.tag(b"token"), other.tag(b"Token"));
}

fn algorithms() -> impl Strategy<Value = Algorithm> {
    prop_oneof![
        3 => prop::sample::select(&RSA[..]),
        1 => Just(Algorithm::Es256),
        1 => Just(Algorithm::Es384),
        1 => Just(Algorithm::EdDsa),
    ]
}

/// What is done to a good signature, at a place given in parts of its length.
#[derive(Clone, Debug)]
enum Change {
    Nothing,
    Flip(usize, u8),
    Fill(usize, usize, u8),
    Cut(usize),
    Add(Vec<u8>),
}

impl Change {
    fn of(self, mut signature: Vec<u8>) -> Vec<u8> {
        let length = signature.len();
        match self {
            Self::Nothing => {}
            Self::Flip(at, bit) => signature[at % length] ^= 1 << (bit % 8),
            Self::Fill(at, count, byte) => {
                signature.iter_mut().skip(at % length).take(count).for_each(|b| *b = byte);
            }
            Self::Cut(at) => signature.truncate(at % length),
            Self::Add(bytes) => signature.extend(bytes),
        }
        signature
    }
}

fn changes() -> impl Strategy<Value = Change> {
    prop_oneof![
        Just(Change::Nothing),
        (any::<usize>(), any::<u8>()).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (any::<usize>(), 1_usize..40, any::<u8>())
            .prop_map(|(at, n, byte)| Change::Fill(at, n, byte)),
        any::<usize>().prop_map(Change::Cut),
        prop::collection::vec(any::<u8>(), 1..4).prop_map(Change::Add),
    ]
}

proptest! {
    #[test]
    fn on_changed_signatures(
        algorithm in algorithms(),
        claimed in algorithms(),
        change in changes(),
        message in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let (both, good) = match algorithm {
            Algorithm::Es256 => {
                let signature: p256::ecdsa::Signature = p256_key().sign(&message);
                (Both::p256(&p256_key()), signature.to_bytes().to_vec())
            }
            Algorithm::Es384 => {
                let signature: p384::ecdsa::Signature = p384_key().sign(&message);
                (Both::p384(&p384_key()), signature.to_bytes().to_vec())
            }
            Algorithm::EdDsa => {
                let key = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
                (Both::ed25519(&key), key.sign(&message).to_bytes().to_vec())
            }
            _ => {
                let key = &rsa_keys()[0];
                (Both::rsa(key), rsa_sign(key, algorithm, &message))
            }
        };
        let untouched = matches!(change, Change::Nothing);
        let signature = change.of(good.clone());
        let verified = both.verify(algorithm, &message, &signature);
        prop_assert_eq!(verified, untouched || signature == good);
        if claimed.key_kind() == algorithm.key_kind() {
            let verified = both.verify(claimed, &message, &good);
            prop_assert_eq!(verified, claimed == algorithm);
        }
    }

    #[test]
    fn on_any_bytes_for_a_key(
        x in prop::collection::vec(any::<u8>(), 0..50),
        y in prop::collection::vec(any::<u8>(), 0..50),
        long in prop::collection::vec(any::<u8>(), 250..270),
        signature in prop::collection::vec(any::<u8>(), 60..70),
    ) {
        let materials = [
            Material::ed25519(&x),
            x.first_chunk::<32>().and_then(|x| Material::ed25519(x)),
            Material::ec(KeyKind::P256, &x, &y),
            x.first_chunk::<32>().zip(y.first_chunk::<32>())
                .and_then(|(x, y)| Material::ec(KeyKind::P256, x, y)),
            Material::rsa(&long, &y),
            Material::rsa(&long, &[1, 0, 1]),
        ];
        for material in materials {
            if let Some(both) = Both::new(material) {
                let algorithm = match both.material.kind() {
                    KeyKind::Rsa => Algorithm::Rs256,
                    KeyKind::P256 => Algorithm::Es256,
                    KeyKind::P384 => Algorithm::Es384,
                    KeyKind::Ed25519 => Algorithm::EdDsa,
                };
                both.verify(algorithm, MESSAGE, &signature);
                both.verify(algorithm, MESSAGE, &long);
            }
        }
    }

    #[test]
    fn on_everything_symmetric(
        key in any::<[u8; 32]>(),
        long_key in prop::collection::vec(any::<u8>(), 0..200),
        nonce in any::<[u8; 12]>(),
        outside in prop::collection::vec(any::<u8>(), 0..100),
        inside in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        prop_assert_eq!(aws_lc::sha256(&inside), pure_rust::sha256(&inside));
        prop_assert_eq!(aws_lc::same(&inside, &outside), pure_rust::same(&inside, &outside));
        let (one, other) = (aws_lc::MacKey::new(&long_key), pure_rust::MacKey::new(&long_key));
        prop_assert_eq!(one.sign(&inside), other.sign(&inside));
        let (mut one, mut other) = (one.begin(), other.begin());
        for part in inside.chunks(7) {
            one.update(part);
            other.update(part);
        }
        prop_assert_eq!(one.finish(), other.finish());

        let (one, other) = (aws_lc::SealKey::new(&key), pure_rust::SealKey::new(&key));
        let (mut sealed, mut again) = (inside.clone(), inside.clone());
        one.seal(nonce, &outside, &mut sealed).unwrap();
        other.seal(nonce, &outside, &mut again).unwrap();
        prop_assert_eq!(&sealed, &again);
        prop_assert_eq!(other.open(nonce, &outside, &mut sealed), Some(&inside[..]));
        prop_assert_eq!(one.open(nonce, &outside, &mut again), Some(&inside[..]));
    }
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
