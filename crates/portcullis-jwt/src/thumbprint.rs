//! Names of keys and certificates by what they are (RFC 7638, RFC 8705 §3.1).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_crypto::sha256 as raw;
use serde_json::{Map, Value};

use crate::jose::decode;

/// The SHA-256 of `bytes` in base64url, as `jkt`, `x5t#S256` and `ath` have it.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(raw(bytes))
}

/// The thumbprint of a public JWK (RFC 7638 §3); `None` for a key of another type than RSA, EC
/// and OKP.
pub(crate) fn of_jwk(jwk: &Map<String, Value>) -> Option<String> {
    // Required members in lexicographic order, and nothing else (RFC 7638 §3.2, RFC 8037 §2).
    let members: &[&str] = match jwk.get("kty")?.as_str()? {
        "RSA" => &["e", "kty", "n"],
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        _ => return None,
    };
    let mut text = String::from("{");
    for name in members {
        let value = jwk.get(*name)?.as_str()?;
        // What follows needs no escapes in JSON: names of types and curves, and strict base64url.
        let plain = matches!(*name, "kty" | "crv")
            && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !plain && decode(value).is_none() {
            return None;
        }
        if text.len() > 1 {
            text.push(',');
        }
        for piece in ["\"", name, "\":\"", value, "\""] {
            text.push_str(piece);
        }
    }
    text.push('}');
    Some(sha256(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The examples of RFC 7638 §3.1 and RFC 8037 appendix A.3.
    #[test]
    fn published_examples() {
        let rsa = json!({
            "kty": "RSA",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
            "e": "AQAB",
            "alg": "RS256",
            "kid": "2011-04-29"
        });
        let okp = json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
        });
        let rows = [
            (rsa, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),
            (okp, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
        ];
        for (jwk, expected) in rows {
            assert_eq!(of_jwk(jwk.as_object().unwrap()).as_deref(), Some(expected), "{jwk}");
        }
    }

    #[test]
    fn what_is_not_a_public_key_has_none() {
        for jwk in [
            json!({}),
            json!({"kty": "oct", "k": "AA"}),
            json!({"kty": "EC", "crv": "P-256", "x": "AA"}),
            json!({"kty": "OKP", "crv": "Ed25519\",\"kty\":\"x", "x": "AA"}),
            json!({"kty": "OKP", "crv": "Ed25519", "x": "A A"}),
            json!({"kty": "OKP", "crv": "Ed25519", "x": 1}),
        ] {
            assert_eq!(of_jwk(jwk.as_object().unwrap()), None, "{jwk}");
        }
    }
}
