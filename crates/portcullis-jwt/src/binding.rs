//! What a token is bound to (`cnf`, RFC 7800 §3.1).

use portcullis_core::Reason;
use serde_json::Value;

use crate::claim::Claims;

/// The keys that the sender of a token must prove to have. Both absent: a bearer token.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Confirmation<'a> {
    /// The thumbprint of the key of DPoP proofs (`jkt`, RFC 9449 §6.1).
    pub(crate) key: Option<&'a str>,
    /// The thumbprint of the TLS client certificate (`x5t#S256`, RFC 8705 §3.1).
    pub(crate) certificate: Option<&'a str>,
}

impl<'a> Confirmation<'a> {
    /// Reads `cnf`. A member we do not know is a proof we cannot ask for, so it is refused.
    pub(crate) fn of(claims: &'a Claims) -> Result<Self, Reason> {
        let Some(cnf) = claims.get("cnf") else {
            return Ok(Self::default());
        };
        let mut confirmation = Self::default();
        for (name, value) in cnf.as_object().ok_or(Reason::CnfMismatch)? {
            let slot = match name.as_str() {
                "jkt" => &mut confirmation.key,
                "x5t#S256" => &mut confirmation.certificate,
                _ => return Err(Reason::CnfMismatch),
            };
            *slot = Some(thumbprint(value).ok_or(Reason::CnfMismatch)?);
        }
        if confirmation == Self::default() {
            return Err(Reason::CnfMismatch);
        }
        Ok(confirmation)
    }

    /// How a token so bound is presented, for records.
    pub(crate) fn method(self) -> &'static str {
        match (self.key, self.certificate) {
            (Some(_), _) => "dpop",
            (None, Some(_)) => "mtls",
            (None, None) => "bearer",
        }
    }

    /// Refuses a token that is bound to anything.
    pub(crate) fn bearer_only(self) -> Result<(), Reason> {
        if self == Self::default() { Ok(()) } else { Err(Reason::CnfMismatch) }
    }
}

/// A SHA-256 in base64url.
fn thumbprint(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| text.len() == 43)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unknown_and_malformed_confirmations_are_refused() {
        let hash = "A".repeat(43);
        let hash = hash.as_str();
        let (key, certificate) = (Some(hash), Some(hash));
        let refused = Err(Reason::CnfMismatch);
        let rows = [
            (json!({}), Ok(Confirmation::default())),
            (json!({"cnf": {"jkt": hash}}), Ok(Confirmation { key, certificate: None })),
            (json!({"cnf": {"x5t#S256": hash}}), Ok(Confirmation { key: None, certificate })),
            (
                json!({"cnf": {"jkt": hash, "x5t#S256": hash}}),
                Ok(Confirmation { key, certificate }),
            ),
            (json!({"cnf": {}}), refused),
            (json!({"cnf": null}), refused),
            (json!({"cnf": hash}), refused),
            (json!({"cnf": {"jkt": ""}}), refused),
            (json!({"cnf": {"jkt": 1}}), refused),
            (json!({"cnf": {"jkt": null}}), refused),
            (json!({"cnf": {"jkt": hash, "kid": "x"}}), refused),
            (json!({"cnf": {"jwk": {}}}), refused),
            (json!({"cnf": {"x5t": hash}}), refused),
        ];
        for (claims, expected) in rows {
            assert_eq!(Confirmation::of(claims.as_object().unwrap()), expected, "{claims}");
        }
    }
}
