//! The compact serialization of a JWS (RFC 7515 §7.1) and its header.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::Reason;

use crate::algorithm::Algorithm;
use crate::claim::Claims;
use crate::json::{self, Json, Object};

/// The longest token that is looked at, in bytes (R-104).
pub(crate) const MAX_TOKEN: usize = 16 * 1024;

/// The longest key id, in bytes (R-110).
const MAX_KID: usize = 256;

/// Header parameters that say where a key comes from, or what a verifier must understand. We look
/// nowhere but in configuration and understand no extension (R-109, R-111).
const REFUSED: [&str; 6] = ["jku", "x5u", "jwk", "x5c", "crit", "b64"];

/// A token taken apart. Nothing in it is to be believed before its signature is verified.
pub(crate) struct Token<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: Option<String>,
    pub(crate) typ: Option<String>,
    /// The text of the claims.
    payload: String,
    /// The bytes that were signed.
    pub(crate) signed: &'a [u8],
    pub(crate) signature: Vec<u8>,
}

impl<'a> Token<'a> {
    /// Takes `token` apart.
    ///
    /// The algorithm is checked to be one this crate knows before anything else is read, so that
    /// `none` and `HS…` end here whatever the keys are (R-106).
    pub(crate) fn parse(token: &'a str) -> Result<Self, Reason> {
        const MALFORMED: Reason = Reason::MalformedToken;
        if token.len() > MAX_TOKEN {
            return Err(MALFORMED);
        }
        let Jws { signed, header, claims, signature } = split(token).ok_or(MALFORMED)?;
        let header = text(header).ok_or(MALFORMED)?;
        let header = json::parse(&header).ok_or(MALFORMED)?;
        let algorithm = match header.get("alg") {
            Some(Json::String(name)) => Algorithm::parse(name).ok_or(Reason::BadAlg)?,
            _ => return Err(Reason::BadAlg),
        };
        if REFUSED.iter().any(|name| header.contains_key(name)) {
            return Err(MALFORMED);
        }
        let kid = string(&header, "kid")?;
        if kid.as_deref().is_some_and(|kid| !is_kid(kid)) {
            return Err(MALFORMED);
        }
        let typ = string(&header, "typ").map_err(|_| Reason::BadTyp)?;
        let signature = decode(signature).filter(|bytes| !bytes.is_empty()).ok_or(MALFORMED)?;
        let payload = text(claims).ok_or(MALFORMED)?;
        Ok(Self { algorithm, kid, typ, payload, signed: signed.as_bytes(), signature })
    }

    /// What the token says: one strict JSON object.
    pub(crate) fn claims(&self) -> Result<Claims<'_>, Reason> {
        json::parse(&self.payload).ok_or(Reason::MalformedToken)
    }

    /// The text of the claims.
    pub(crate) fn into_payload(self) -> String {
        self.payload
    }
}

/// Who a token says it is from, whatever else it says. Not to be believed.
#[cfg(feature = "jwks-client")]
pub(crate) fn issuer_of(token: &str) -> Option<String> {
    let claims = text(split(token)?.claims)?;
    json::parse(&claims)?.get("iss").and_then(Json::as_str).map(str::to_owned)
}

/// The parts of a compact serialization, still encoded.
pub(crate) struct Jws<'a> {
    /// The bytes that were signed: header and claims, as they are.
    pub(crate) signed: &'a str,
    pub(crate) header: &'a str,
    pub(crate) claims: &'a str,
    pub(crate) signature: &'a str,
}

/// Takes the three parts apart.
pub(crate) fn split(jws: &str) -> Option<Jws<'_>> {
    let (signed, signature) = jws.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    (!claims.contains('.')).then_some(Jws { signed, header, claims, signature })
}

/// Base64url without padding; refuses other alphabets, padding, white space and trailing bits, so
/// that one token has one spelling.
pub(crate) fn decode(segment: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(segment).ok()
}

/// The text that a segment encodes.
fn text(segment: &str) -> Option<String> {
    String::from_utf8(decode(segment)?).ok()
}

fn string(header: &Object<'_>, name: &str) -> Result<Option<String>, Reason> {
    match header.get(name) {
        None => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.to_string())),
        Some(_) => Err(Reason::MalformedToken),
    }
}

fn is_kid(kid: &str) -> bool {
    !kid.is_empty() && kid.len() <= MAX_KID && !kid.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reason(token: &str) -> Option<Reason> {
        Token::parse(token).and_then(|token| token.claims().map(drop)).err()
    }

    #[test]
    fn segments_are_three_and_strictly_encoded() {
        let good = "eyJhbGciOiJFUzI1NiJ9.e30.AA";
        assert_eq!(reason(good), None);
        let rows = [
            ("empty", String::new()),
            ("two parts", "eyJhbGciOiJFUzI1NiJ9.e30".into()),
            ("four parts", format!("{good}.AA")),
            ("five parts", format!("{good}.AA.AA")),
            ("padding", "eyJhbGciOiJFUzI1NiJ9.e30=.AA".into()),
            ("trailing bits", "eyJhbGciOiJFUzI1NiJ9.e30.AB".into()),
            ("standard alphabet", "eyJhbGciOiJFUzI1NiJ9.e30.++++".into()),
            ("line break", "eyJhbGciOiJFUzI1NiJ9.e3\n0.AA".into()),
            ("leading space", format!(" {good}")),
            ("no signature", "eyJhbGciOiJFUzI1NiJ9.e30.".into()),
            ("empty header", ".e30.AA".into()),
            ("too long", format!("{good}{}", "A".repeat(MAX_TOKEN))),
            ("JSON serialization", r#"{"payload":"e30","signature":"AA"}"#.into()),
        ];
        for (name, token) in rows {
            assert_eq!(reason(&token), Some(Reason::MalformedToken), "{name}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(token in "[A-Za-z0-9_.=+/-]{0,80}") {
            let _ = reason(&token);
        }
    }
}
