//! From a caller to a signed assertion.

use std::time::Duration;

use http::HeaderValue;
use jwt_simple::algorithms::{ECDSAP256KeyPairLike as _, EdDSAKeyPairLike as _};
use jwt_simple::claims::{Audiences, JWTClaims};
use jwt_simple::common::HeaderOptions;
use jwt_simple::prelude::Duration as JwtDuration;
use portcullis_core::Principal;

use crate::SigningKey;
use crate::claims::Claims;
use crate::key::Pair;

/// The `typ` of assertions, so that nobody takes one for an access token (RFC 8725 §3.11).
const TYP: &str = "portcullis-assertion+jwt";

/// The gate lets a token in some seconds after its end, because clocks differ; its assertion then
/// lives this long.
const GRACE: Duration = Duration::from_secs(5);

/// Who asserts to whom, for how long.
pub(crate) struct Terms {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) lifetime: Duration,
    /// The one issuer whose subjects are told plainly.
    pub(crate) plain_for: Option<String>,
}

/// An assertion, and for how long it may be used for further requests.
pub(crate) struct Signed {
    pub(crate) header: HeaderValue,
    pub(crate) reuse_until: Duration,
}

/// Why there is no assertion, for the error log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SignError {
    /// Plain subjects were promised for another issuer.
    OtherIssuer,
    /// The signature library failed.
    Failed,
}

impl Terms {
    /// Signs an assertion about `principal`, made `now`.
    pub(crate) fn sign(
        &self,
        key: &SigningKey,
        principal: &Principal,
        now: Duration,
    ) -> Result<Signed, SignError> {
        let subject = self.subject(principal)?;
        // Whole seconds are what `iat` and `exp` carry.
        let issued = Duration::from_secs(now.as_secs());
        let expires = self.expires(principal, issued);
        let seconds = |time: Duration| Some(JwtDuration::from_secs(time.as_secs()));
        let claims = JWTClaims {
            issued_at: seconds(issued),
            expires_at: seconds(expires),
            invalid_before: None,
            issuer: Some(self.issuer.clone()),
            subject: Some(subject),
            audiences: Some(Audiences::AsString(self.audience.clone())),
            jwt_id: Some(uuid::Uuid::now_v7().to_string()),
            nonce: None,
            custom: Claims::of(principal),
        };
        let options = HeaderOptions { content_type: None, signature_type: Some(TYP.to_owned()) };
        let token = match &*key.pair {
            Pair::Es256(pair) => pair.sign_with_options(claims, &options),
            Pair::Ed25519(pair) => pair.sign_with_options(claims, &options),
        };
        let mut header = token
            .ok()
            .and_then(|token| HeaderValue::try_from(token).ok())
            .ok_or(SignError::Failed)?;
        header.set_sensitive(true);
        Ok(Signed { header, reuse_until: issued + (expires - issued) / 2 })
    }

    /// One name for one caller, whatever issuers there are: an issuer has no fragment.
    fn subject(&self, principal: &Principal) -> Result<String, SignError> {
        match &self.plain_for {
            None => Ok(format!("{}#{}", principal.issuer(), principal.subject())),
            Some(issuer) if issuer == principal.issuer() => Ok(principal.subject().to_owned()),
            Some(_) => Err(SignError::OtherIssuer),
        }
    }

    fn expires(&self, principal: &Principal, issued: Duration) -> Duration {
        let full = issued + self.lifetime;
        let proof_ends = principal.expires_at().unwrap_or(full);
        full.min(proof_ends.max(issued + GRACE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn terms() -> Terms {
        let (issuer, audience) = ("gate".to_owned(), "service".to_owned());
        Terms { issuer, audience, lifetime: at(60), plain_for: None }
    }

    #[test]
    fn an_assertion_does_not_outlive_the_proof() {
        let rows = [
            (None, 1060),
            (Some(5000), 1060),
            (Some(1030), 1030),
            (Some(1001), 1005),
            (Some(990), 1005),
        ];
        for (ends, expected) in rows {
            let mut principal = Principal::builder("i", "s");
            if let Some(ends) = ends {
                principal = principal.expires_at(at(ends));
            }
            assert_eq!(terms().expires(&principal.build(), at(1000)), at(expected), "{ends:?}");
        }
    }

    #[test]
    fn subjects_of_two_issuers_are_never_one_name() {
        let (a, b) = (
            Principal::builder("https://a", "s").build(),
            Principal::builder("https://b", "s").build(),
        );
        let terms = terms();
        assert_eq!(terms.subject(&a).unwrap(), "https://a#s");
        assert_ne!(terms.subject(&a), terms.subject(&b));
        let plain = Terms { plain_for: Some("https://a".to_owned()), ..terms };
        assert_eq!(plain.subject(&a).unwrap(), "s");
        assert_eq!(plain.subject(&b), Err(SignError::OtherIssuer));
    }
}
