//! Every algorithm.

use portcullis_test::Mint;

use crate::JwkSet;
use crate::jose::Token;
use crate::jwk::Match;

fn mints() -> [Mint; 9] {
    [
        Mint::rs256("i"),
        Mint::rs384("i"),
        Mint::rs512("i"),
        Mint::ps256("i"),
        Mint::ps384("i"),
        Mint::ps512("i"),
        Mint::es256("i"),
        Mint::es384("i"),
        Mint::eddsa("i"),
    ]
}

#[test]
fn each_algorithm_verifies_what_its_key_signed() {
    for mint in mints() {
        let keys = JwkSet::from_json(mint.jwks()).unwrap();
        let text = mint.token().sign();
        let good = Token::parse(&text).unwrap();
        let name = mint.algorithm();
        assert_eq!(keys.verify(&good), Match::Verified, "{name}");
        assert_eq!(keys.verify(&good), Match::Verified, "{name}, again");

        let mut flipped = Token::parse(&text).unwrap();
        *flipped.signature.last_mut().unwrap() ^= 1;
        assert_ne!(keys.verify(&flipped), Match::Verified, "{name}: signature");

        let mut short = Token::parse(&text).unwrap();
        short.signature.pop();
        assert_ne!(keys.verify(&short), Match::Verified, "{name}: short signature");

        let mut zero = Token::parse(&text).unwrap();
        zero.signature.fill(0);
        assert_ne!(keys.verify(&zero), Match::Verified, "{name}: zeros");

        let other = mint.token().subject("mallory").sign();
        let mut moved = Token::parse(&other).unwrap();
        moved.signature.clone_from(&good.signature);
        assert_ne!(keys.verify(&moved), Match::Verified, "{name}: other claims");
    }
}

#[test]
fn an_rsa_signature_counts_for_its_own_algorithm_only() {
    let mints = mints();
    let rsa = || mints.iter().take(6);
    for made_with in rsa() {
        let signature = Token::parse(&made_with.token().sign()).unwrap().signature;
        for claimed in rsa().filter(|claimed| claimed.algorithm() != made_with.algorithm()) {
            let keys = JwkSet::from_json(claimed.jwks()).unwrap();
            let text = claimed.token().sign();
            let mut token = Token::parse(&text).unwrap();
            token.signature.clone_from(&signature);
            let name = format!("{} as {}", made_with.algorithm(), claimed.algorithm());
            assert_ne!(keys.verify(&token), Match::Verified, "{name}");
        }
    }
}

#[test]
fn an_algorithm_for_another_kind_of_key_never_verifies() {
    use portcullis_crypto::{KeyKind, PublicKey, SignatureAlgorithm as Algorithm};

    let mint = Mint::es256("i");
    let text = mint.token().sign();
    let token = Token::parse(&text).unwrap();
    let jwk = mint.jwk();
    let coordinate = |name: &str| crate::jose::decode(jwk[name].as_str().unwrap()).unwrap();
    let key = PublicKey::ec(KeyKind::P256, &coordinate("x"), &coordinate("y")).unwrap();
    let verify = |algorithm| key.verify(algorithm, token.signed, &token.signature);
    assert!(verify(Algorithm::Es256));
    for algorithm in [Algorithm::Es384, Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Ps256] {
        assert!(!verify(algorithm), "{algorithm:?}");
    }
}
