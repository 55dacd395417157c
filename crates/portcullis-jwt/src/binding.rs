//! What a token is bound to (`cnf`, RFC 7800 §3.1).

use portcullis_core::{Principal, Reason};

use crate::claim::Claims;

/// How a token that is bound to nothing is presented.
const BEARER: &str = "bearer";

/// How long a SHA-256 is in base64url.
const THUMBPRINT: usize = 43;

/// The keys that the sender of a token must prove to have. Both absent: a bearer token.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Confirmation<'a> {
    /// The thumbprint of the key of DPoP proofs (`jkt`, RFC 9449 §6.1).
    pub(crate) key: Option<&'a str>,
    /// The thumbprint of the TLS client certificate (`x5t#S256`, RFC 8705 §3.1).
    pub(crate) certificate: Option<&'a str>,
}

/// Whether the principal's token may be bound to anything.
pub(crate) fn is_bound(principal: &Principal) -> bool {
    // Said of those without `cnf` alone, and spares most principals the reading of all claims.
    principal.method() != BEARER
}

impl<'a> Confirmation<'a> {
    /// Reads `cnf`. A member we do not know is a proof we cannot ask for, so it is refused.
    pub(crate) fn of(claims: &'a Claims<'_>) -> Result<Self, Reason> {
        match claims.get("cnf") {
            None => Ok(Self::default()),
            Some(cnf) => {
                let members = cnf.as_object().ok_or(Reason::CnfMismatch)?.iter();
                Self::read(members.map(|(name, value)| (name, value.as_str())))
            }
        }
    }

    /// As [`of`](Self::of), of a principal's claims.
    pub(crate) fn of_principal(principal: &'a Principal) -> Result<Self, Reason> {
        if !is_bound(principal) {
            return Ok(Self::default());
        }
        match principal.claims().get("cnf") {
            None => Ok(Self::default()),
            Some(cnf) => {
                let members = cnf.as_object().ok_or(Reason::CnfMismatch)?.iter();
                Self::read(members.map(|(name, value)| (name.as_str(), value.as_str())))
            }
        }
    }

    fn read(cnf: impl Iterator<Item = (&'a str, Option<&'a str>)>) -> Result<Self, Reason> {
        let mut confirmation = Self::default();
        for (name, value) in cnf {
            let slot = match name {
                "jkt" => &mut confirmation.key,
                "x5t#S256" => &mut confirmation.certificate,
                _ => return Err(Reason::CnfMismatch),
            };
            *slot = Some(value.filter(|text| text.len() == THUMBPRINT).ok_or(Reason::CnfMismatch)?);
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
            (None, None) => BEARER,
        }
    }

    /// Refuses a token that is bound to anything.
    pub(crate) fn bearer_only(self) -> Result<(), Reason> {
        if self == Self::default() { Ok(()) } else { Err(Reason::CnfMismatch) }
    }
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
            let members = claims.as_object().unwrap();
            assert_eq!(Confirmation::of(&Claims::of(members)), expected, "{claims}");
            let method = expected.map_or("refused", Confirmation::method);
            let principal = Principal::builder("i", "s").method(method).claims(members.clone());
            assert_eq!(Confirmation::of_principal(&principal.build()), expected, "{claims}");
        }
    }
}
