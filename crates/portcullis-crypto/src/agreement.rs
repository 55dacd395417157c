//! Both libraries say the same, about what is good and about what no signer makes.

use std::sync::OnceLock;

use ::rsa::rand_core::OsRng;
use ::rsa::sha2::{Digest as _, Sha256, Sha384, Sha512};
use ::rsa::traits::PublicKeyParts as _;
use ::rsa::{BigUint, Pkcs1v15Sign, Pss, RsaPrivateKey};
use ed25519_dalek::Signer as _;
use proptest::prelude::*;

use crate::signature::{KeyKind, Material, SignatureAlgorithm as Algorithm};
use crate::{aws_lc, pure_rust};

mod ecdsa;
mod ed25519;
mod rsa;

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
