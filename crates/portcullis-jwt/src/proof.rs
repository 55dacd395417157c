//! One DPoP proof (RFC 9449 §4).

use std::time::Duration;

use serde_json::{Map, Value};

use crate::algorithm::Algorithm;
use crate::claim::{self, Claims};
use crate::jose::{self, decode};
use crate::{htu, json, jwk, thumbprint};

/// The longest proof that is looked at, in bytes.
const MAX_PROOF: usize = 8 * 1024;

/// The longest `jti`, in bytes.
const MAX_JTI: usize = 256;

/// Header parameters that no proof needs and none may have.
const REFUSED: [&str; 5] = ["jku", "x5u", "x5c", "crit", "b64"];

/// What a proof must be for.
pub(crate) struct Expected<'a> {
    pub(crate) algorithms: &'a [Algorithm],
    /// As the request line has it; letter case counts.
    pub(crate) method: &'a str,
    /// The normalized URIs of the resource, from configuration.
    pub(crate) uris: &'a [String],
    /// The access token that comes with the proof.
    pub(crate) token: &'a str,
    /// The thumbprint of the key that the token is bound to.
    pub(crate) key: &'a str,
    pub(crate) now: Duration,
    /// How far `iat` may be from now, in the past and in the future.
    pub(crate) window: Duration,
}

/// A proof that was verified, except that it may have been used before.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Proof {
    pub(crate) id: String,
    pub(crate) issued: Duration,
    pub(crate) nonce: Option<String>,
}

/// The checks of RFC 9449 §4.3, in cheap to dear order; `None` when any fails.
pub(crate) fn verify(proof: &str, expected: &Expected<'_>) -> Option<Proof> {
    if proof.len() > MAX_PROOF {
        return None;
    }
    let jws = jose::split(proof)?;
    let header = json::object(&decode(jws.header)?)?;
    let algorithm = Algorithm::parse(text(&header, "alg")?)?;
    if !expected.algorithms.contains(&algorithm)
        || !text(&header, "typ")?.eq_ignore_ascii_case("dpop+jwt")
        || REFUSED.iter().any(|name| header.contains_key(*name))
    {
        return None;
    }
    let claims = json::object(&decode(jws.claims)?)?;
    let issued = claim::date(&Claims::of(&claims), "iat").ok()?.map(Duration::from_secs)?;
    let fresh = issued.abs_diff(expected.now) <= expected.window;
    let id = text(&claims, "jti").filter(|id| !id.is_empty() && id.len() <= MAX_JTI)?;
    let uri = htu::normalized(text(&claims, "htu")?)?;
    let nonce = match claims.get("nonce") {
        None => None,
        Some(nonce) => Some(nonce.as_str()?.to_owned()),
    };
    if !fresh
        || text(&claims, "htm")? != expected.method
        || !expected.uris.contains(&uri)
        || text(&claims, "ath")? != thumbprint::sha256(expected.token.as_bytes())
        // It binds the proof to a body that nobody has read yet: to ignore it would be to say that
        // it was checked.
        || claims.contains_key("content_digest")
    {
        return None;
    }
    let jwk = header.get("jwk")?.as_object()?;
    if thumbprint::of_jwk(jwk)? != expected.key {
        return None;
    }
    let key = jwk::embedded(jwk, algorithm)?;
    key.verify(algorithm.of_signature(), jws.signed.as_bytes(), &decode(jws.signature)?)
        .then(|| Proof { id: id.to_owned(), issued, nonce })
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}
