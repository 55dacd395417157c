//! `signed_metadata`: a JWT that repeats members (RFC 9728 §2.2).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// Claims that are about the JWT and not about the resource.
const OF_THE_JWT: [&str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];

/// Checks what clients check, but for the signature, whose key only they are told about.
///
/// Clients must prefer the signed values to the plain ones, so the two may not differ.
pub(crate) fn check(value: &Value, members: &[(&str, Value)]) -> Result<(), &'static str> {
    const NOT_A_JWT: &str = "is not a signed JWT in compact form";
    let text = value.as_str().ok_or(NOT_A_JWT)?;
    let mut segments = text.split('.');
    let (Some(header), Some(claims), Some(signature), None) =
        (segments.next(), segments.next(), segments.next(), segments.next())
    else {
        return Err(NOT_A_JWT);
    };
    let header = object(header).ok_or(NOT_A_JWT)?;
    let claims = object(claims).ok_or(NOT_A_JWT)?;
    if decode(signature).is_none_or(|signature| signature.is_empty()) {
        return Err(NOT_A_JWT);
    }
    match header.get("alg").and_then(Value::as_str) {
        Some(alg) if !alg.eq_ignore_ascii_case("none") && !alg.starts_with("HS") => {}
        _ => return Err("is not signed with an asymmetric algorithm"),
    }
    if claims.get("iss").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err("does not say who signed it (iss)");
    }
    if claims.contains_key("signed_metadata") {
        return Err("holds signed_metadata itself");
    }
    let differs = claims.iter().any(|(name, claim)| {
        !OF_THE_JWT.contains(&name.as_str())
            && members.iter().all(|(member, value)| member != name || value != claim)
    });
    if differs { Err("says something else than the document") } else { Ok(()) }
}

fn object(segment: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&decode(segment)?).ok()
}

fn decode(segment: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(segment).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn jwt(header: &Value, claims: &Value) -> Value {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.c2ln", encode(header), encode(claims)).into()
    }

    #[test]
    fn signed_members_agree_with_the_document() {
        let es256 = json!({ "alg": "ES256" });
        let claims = json!({ "iss": "https://a", "iat": 1, "resource": "https://r" });
        let with = |name: &str, value: Value| {
            let mut claims = claims.clone();
            claims[name] = value;
            jwt(&es256, &claims)
        };
        let good = jwt(&es256, &claims);
        let text = good.as_str().unwrap();
        let rows = [
            ("as it should be", good.clone(), true),
            ("other resource", with("resource", json!("https://evil")), false),
            ("more than the document", with("scopes_supported", json!(["a"])), false),
            ("nobody signed", with("iss", json!("")), false),
            ("signed by a number", with("iss", json!(1)), false),
            ("signed twice", with("signed_metadata", json!("x")), false),
            ("none", jwt(&json!({ "alg": "nOnE" }), &claims), false),
            ("a shared secret", jwt(&json!({ "alg": "HS256" }), &claims), false),
            ("no algorithm", jwt(&json!({}), &claims), false),
            ("not text", json!({ "iss": "https://a" }), false),
            ("two segments", text.rsplit_once('.').unwrap().0.into(), false),
            ("four segments", format!("{text}.x").into(), false),
            ("no signature", text.trim_end_matches("c2ln").into(), false),
            ("padding", format!("{text}=").into(), false),
        ];
        let members = [("resource", json!("https://r"))];
        for (name, value, accepted) in rows {
            assert_eq!(check(&value, &members).is_ok(), accepted, "{name}");
        }
    }
}
