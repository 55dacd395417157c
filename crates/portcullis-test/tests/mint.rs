#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use jwt_simple::prelude::*;
use portcullis_test::Mint;
use serde_json::{Value, json};

const ISSUER: &str = "https://id.example";

/// `jwt-simple` verifies every algorithm under the public key that the mint publishes.
#[test]
fn signatures_verify_under_the_published_key() {
    fn bare(mint: &Mint) -> String {
        let jwk = mint.jwk();
        assert_eq!(jwk["kid"], mint.kid());
        assert_eq!(jwk["alg"], mint.algorithm());
        assert_eq!(jwk["use"], "sig");
        assert!(jwk.get("d").is_none(), "{}: the private key is published", mint.algorithm());
        jwk.to_string()
    }
    macro_rules! row {
        ($mint:ident, $public:ident) => {{
            let mint = Mint::$mint(ISSUER);
            let token = mint.token().scope("a b").claim("groups", json!(["staff"])).sign();
            let key = $public::from_jwk(&bare(&mint)).unwrap();
            let claims = key.verify_token::<Value>(&token, None).expect(stringify!($mint));
            assert_eq!(claims.subject.as_deref(), Some("alice"));
            assert_eq!(claims.issuer.as_deref(), Some(ISSUER));
            assert_eq!(claims.custom["scope"], "a b");
            assert_eq!(claims.custom["groups"], json!(["staff"]));
        }};
    }
    row!(es256, ES256PublicKey);
    row!(es384, ES384PublicKey);
    row!(eddsa, Ed25519PublicKey);
    row!(rs256, RS256PublicKey);
    row!(rs384, RS384PublicKey);
    row!(rs512, RS512PublicKey);
    row!(ps256, PS256PublicKey);
    row!(ps384, PS384PublicKey);
    row!(ps512, PS512PublicKey);
}

#[test]
fn a_secret_signs_hs256() {
    let public = Mint::es256(ISSUER).public_pem();
    let token = Mint::hs256_with(ISSUER, public.as_bytes()).token().sign();
    let key = HS256Key::from_bytes(public.as_bytes());
    key.verify_token::<NoCustomClaims>(&token, None).unwrap();
}

#[test]
fn raw_bytes_survive() {
    let mint = Mint::es256(ISSUER);
    let token = mint.sign_raw(r#"{"alg":"ES256","alg":"none"}"#, "not json");
    let decoded: Vec<String> = token
        .split('.')
        .take(2)
        .map(|s| {
            String::from_utf8(Base64UrlSafeNoPadding::decode_to_vec(s, None).unwrap()).unwrap()
        })
        .collect();
    assert_eq!(decoded, [r#"{"alg":"ES256","alg":"none"}"#, "not json"]);
}

#[test]
fn claims_change_and_go() {
    let mint = Mint::es256(ISSUER).with_kid("k1");
    let token = mint.token().at(1_000).without("jti").header("typ", "JWT");
    assert_eq!(
        serde_json::from_str::<Value>(&token.claims_json()).unwrap(),
        json!({
            "iss": ISSUER, "sub": "alice", "aud": "https://mcp.example.com/mcp",
            "client_id": "client-1", "iat": 1_000, "exp": 4_600,
        })
    );
    assert_eq!(
        serde_json::from_str::<Value>(&token.header_json()).unwrap(),
        json!({ "alg": "ES256", "typ": "JWT", "kid": "k1" })
    );
    assert!(token.expires_in(5).claims_json().contains("1005"));
}
