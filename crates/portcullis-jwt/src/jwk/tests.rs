use portcullis_test::Mint;
use serde_json::json;

use super::*;

const ISSUER: &str = "https://id.example.com";

fn set(keys: &[Value]) -> Result<JwkSet, ConfigError> {
    JwkSet::from_json(json!({ "keys": keys }).to_string())
}

/// The JWK of `mint` with `members` set, or removed where they are null.
fn changed(mint: &Mint, members: &Value) -> Value {
    let mut jwk = mint.jwk();
    let own = jwk.as_object_mut().unwrap();
    for (name, value) in members.as_object().unwrap() {
        if value.is_null() {
            own.remove(name);
        } else {
            own.insert(name.clone(), value.clone());
        }
    }
    jwk
}

fn base64url(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

/// Verifies with the set alone: no claim is looked at.
fn verify(set: &JwkSet, token: &str) -> Match {
    set.verify(&Token::parse(token).ok().unwrap())
}

/// R-118, X-26: one row per check of the key filter.
#[test]
fn only_keys_fit_to_verify_are_kept() {
    let ec = Mint::es256(ISSUER);
    let p384 = Mint::es384(ISSUER);
    let ed = Mint::eddsa(ISSUER);
    let rsa = Mint::rs256(ISSUER);
    let modulus = |bits: usize| {
        let mut bytes = vec![0xFF_u8; bits.div_ceil(8)];
        if !bits.is_multiple_of(8) {
            bytes[0] = (1 << (bits % 8)) - 1;
        }
        base64url(&bytes)
    };
    let x = |mint: &Mint| mint.jwk()["x"].as_str().unwrap().to_owned();
    let rows = [
        ("P-256", ec.jwk(), true),
        ("P-384", p384.jwk(), true),
        ("Ed25519", ed.jwk(), true),
        ("RSA", rsa.jwk(), true),
        (
            "without use, alg and kid",
            changed(&ec, &json!({"use": null, "alg": null, "kid": null})),
            true,
        ),
        ("key_ops verify", changed(&ec, &json!({"key_ops": ["verify"]})), true),
        ("use enc", changed(&ec, &json!({"use": "enc"})), false),
        ("use a number", changed(&ec, &json!({"use": 1})), false),
        ("key_ops sign", changed(&ec, &json!({"key_ops": ["sign"]})), false),
        ("key_ops empty", changed(&ec, &json!({"key_ops": []})), false),
        ("key_ops a string", changed(&ec, &json!({"key_ops": "verify"})), false),
        ("kid a number", changed(&ec, &json!({"kid": 1})), false),
        ("alg of another kind", changed(&ec, &json!({"alg": "RS256"})), false),
        ("alg of another curve", changed(&ec, &json!({"alg": "ES384"})), false),
        ("alg for encryption", changed(&rsa, &json!({"alg": "RSA-OAEP"})), false),
        ("alg symmetric", changed(&rsa, &json!({"alg": "HS256"})), false),
        ("private d", changed(&ec, &json!({"d": "AA"})), false),
        ("private p", changed(&rsa, &json!({"p": "AA"})), false),
        ("private oth", changed(&rsa, &json!({"oth": []})), false),
        ("oct", json!({"kty": "oct", "k": "c2VjcmV0"}), false),
        ("unknown kty", json!({"kty": "AKP", "pub": "AA"}), false),
        ("no kty", changed(&ec, &json!({"kty": null})), false),
        ("X25519", changed(&ed, &json!({"crv": "X25519", "alg": null})), false),
        ("secp256k1", changed(&ec, &json!({"crv": "secp256k1", "alg": null})), false),
        ("no curve", changed(&ec, &json!({"crv": null})), false),
        ("point off the curve", changed(&ec, &json!({"x": x(&Mint::es256(ISSUER))})), false),
        (
            "point at zero",
            changed(&ec, &json!({"x": base64url(&[0; 32]), "y": base64url(&[0; 32])})),
            false,
        ),
        ("short coordinate", changed(&ec, &json!({"x": "AA"})), false),
        ("coordinates of another curve", changed(&ec, &json!({"x": x(&p384)})), false),
        ("padded base64", changed(&ec, &json!({"x": format!("{}=", x(&ec))})), false),
        ("long Ed25519 key", changed(&ed, &json!({"x": base64url(&[1; 33])})), false),
        ("RSA 1024 bits", changed(&rsa, &json!({"n": modulus(1024)})), false),
        ("RSA 2047 bits", changed(&rsa, &json!({"n": modulus(2047)})), false),
        (
            "RSA 1024 bits with zeros before",
            changed(&rsa, &json!({"n": base64url(&[vec![0; 128], vec![0xFF; 128]].concat())})),
            false,
        ),
        ("RSA 2048 bits", changed(&rsa, &json!({"n": modulus(2048)})), true),
        ("RSA 8200 bits", changed(&rsa, &json!({"n": modulus(8200)})), false),
        ("RSA even modulus", changed(&rsa, &json!({"n": base64url(&[0xFE; 256])})), false),
        ("RSA exponent 1", changed(&rsa, &json!({"e": "AQ"})), false),
        ("RSA exponent 2", changed(&rsa, &json!({"e": "Ag"})), false),
        ("RSA exponent 3", changed(&rsa, &json!({"e": "Aw"})), true),
        ("RSA exponent even", changed(&rsa, &json!({"e": base64url(&[1, 0, 0])})), false),
        (
            "RSA exponent over 2^32",
            changed(&rsa, &json!({"e": base64url(&[1, 0, 0, 0, 1])})),
            false,
        ),
        ("RSA exponent empty", changed(&rsa, &json!({"e": ""})), false),
        ("RSA modulus missing", changed(&rsa, &json!({"n": null})), false),
        ("not an object", json!("key"), false),
    ];
    for (name, jwk, kept) in rows {
        assert_eq!(set(std::slice::from_ref(&jwk)).is_ok(), kept, "{name}");
        let other = Mint::es256(ISSUER);
        let both = set(&[jwk, other.jwk()]).unwrap();
        assert_eq!(both.len(), 1 + usize::from(kept), "{name}: spoils no other key");
        assert_eq!(verify(&both, &other.token().sign()), Match::Verified, "{name}");
    }
}

#[test]
fn what_is_no_set_is_refused() {
    let key = Mint::es256(ISSUER).jwk();
    let rows = [
        ("empty object", "{}".to_owned()),
        ("no keys", r#"{"keys":[]}"#.to_owned()),
        ("keys not an array", r#"{"keys":{}}"#.to_owned()),
        ("HTML", "<html></html>".to_owned()),
        ("array", format!("[{key}]")),
        ("a lone key", key.to_string()),
        ("repeated member", format!(r#"{{"keys":[],"keys":[{key}]}}"#)),
    ];
    for (name, json) in rows {
        assert!(JwkSet::from_json(json).is_err(), "{name}");
    }
    assert!(set(&vec![key.clone(); 100]).is_ok());
    assert!(set(&vec![key; 101]).is_err());
}

/// R-107: every algorithm with the key it is for, and with no other.
#[test]
fn the_key_decides() {
    let mints = [
        Mint::rs256(ISSUER),
        Mint::rs384(ISSUER),
        Mint::rs512(ISSUER),
        Mint::ps256(ISSUER),
        Mint::ps384(ISSUER),
        Mint::ps512(ISSUER),
        Mint::es256(ISSUER),
        Mint::es384(ISSUER),
        Mint::eddsa(ISSUER),
    ];
    for mint in &mints {
        let with_alg = set(&[mint.jwk()]).unwrap();
        let without_alg = set(&[changed(mint, &json!({"alg": null}))]).unwrap();
        for other in &mints {
            let token = other.token().header("kid", mint.kid()).sign();
            let same = mint.algorithm() == other.algorithm();
            let expected = if same { Match::Verified } else { Match::Refused(Reason::BadAlg) };
            let pair = format!("{} key, {} token", mint.algorithm(), other.algorithm());
            assert_eq!(verify(&with_alg, &token), expected, "{pair}");
            let rsa = |mint: &Mint| mint.jwk()["kty"] == "RSA";
            let same = same || (rsa(mint) && rsa(other));
            let expected = if same { Match::Verified } else { Match::Refused(Reason::BadAlg) };
            assert_eq!(verify(&without_alg, &token), expected, "{pair}, no alg in the key");
        }
    }
}

/// R-119.
#[test]
fn the_kid_selects_and_nothing_falls_back() {
    let (a, b) = (Mint::es256(ISSUER).with_kid("a"), Mint::es256(ISSUER).with_kid("b"));
    let keys = set(&[a.jwk(), b.jwk()]).unwrap();
    assert_eq!(verify(&keys, &a.token().sign()), Match::Verified);
    assert_eq!(verify(&keys, &a.token().header("kid", "b").sign()), Match::Refused(Reason::BadSig));
    assert_eq!(verify(&keys, &a.token().header("kid", "c").sign()), Match::UnknownKid);
    assert_eq!(verify(&keys, &b.token().without_header("kid").sign()), Match::Verified);

    let nameless = set(&[changed(&a, &json!({"kid": null}))]).unwrap();
    assert_eq!(verify(&nameless, &a.token().sign()), Match::UnknownKid);
    assert_eq!(verify(&nameless, &a.token().without_header("kid").sign()), Match::Verified);
}

#[test]
fn at_most_four_keys_are_tried() {
    let mints: Vec<Mint> = (0..5).map(|_| Mint::es256(ISSUER).with_kid("same")).collect();
    let jwks: Vec<Value> = mints.iter().map(Mint::jwk).collect();
    for without_kid in [false, true] {
        let token = |mint: &Mint| {
            let token = mint.token();
            if without_kid { token.without_header("kid") } else { token }.sign()
        };
        let four = set(&jwks[..4]).unwrap();
        for mint in &mints[..4] {
            assert_eq!(verify(&four, &token(mint)), Match::Verified);
        }
        let five = set(&jwks).unwrap();
        assert_eq!(verify(&five, &token(&mints[0])), Match::Refused(Reason::UnknownKid));
    }
}

/// X-12.
#[test]
fn signatures_have_one_form() {
    let mint = Mint::es256(ISSUER);
    let keys = set(&[mint.jwk()]).unwrap();
    let token = mint.token().sign();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let raw = decode(signature).unwrap();
    let (r, s) = raw.split_at(32);
    let integer = |bytes: &[u8]| [&[2, 33, 0], bytes].concat();
    let (r_der, s_der) = (integer(r), integer(s));
    let der = [&[0x30, 70], r_der.as_slice(), s_der.as_slice()].concat();
    let rows = [
        ("zeros", vec![0; 64]),
        ("DER", der),
        ("short", raw[..63].to_vec()),
        ("long", [raw.as_slice(), &[0]].concat()),
        ("swapped", [s, r].concat()),
        ("s zero", [r, &[0; 32]].concat()),
        ("all ones", vec![0xFF; 64]),
    ];
    assert_eq!(verify(&keys, &token), Match::Verified);
    for (name, signature) in rows {
        let token = format!("{signed}.{}", base64url(&signature));
        assert_eq!(verify(&keys, &token), Match::Refused(Reason::BadSig), "{name}");
    }
}

/// The dev-dependencies turn both back ends of the library on. Its own default then panics; ours,
/// used by every other test here, is named and does not.
#[test]
fn this_tree_has_both_back_ends() {
    let key = jsonwebtoken::DecodingKey::from_secret(b"k");
    let panicked = std::panic::catch_unwind(|| {
        let _ = jsonwebtoken::crypto::verify("AA", b"m", &key, jsonwebtoken::Algorithm::HS256);
    });
    assert!(panicked.is_err(), "without both back ends this test proves nothing");
}

#[test]
fn debug_shows_no_key() {
    let keys = set(&[Mint::es256(ISSUER).jwk()]).unwrap();
    assert_eq!(format!("{keys:?}"), "JwkSet { keys: 1, .. }");
}
