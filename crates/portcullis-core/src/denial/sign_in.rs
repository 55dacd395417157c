//! Refusals of sign-in (recipes 4.1, 4.2, 4.3, 4.16).

use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode, header};

use super::{Body, Denial, DenialKind};
use crate::challenge::{INVALID_REQUEST, INVALID_TOKEN};
use crate::rejection::json_string;
use crate::{Challenge, Reason, Text};

/// Sign-in (recipes 4.1, 4.2, 4.3, 4.16).
impl Denial {
    /// No credentials: 401 without an `error` parameter (recipe 4.1).
    #[must_use]
    pub fn no_token(challenge: &Challenge) -> Self {
        challenge.signed_out(|| {
            Self::oauth(
                DenialKind::NoToken,
                Reason::NoToken,
                StatusCode::UNAUTHORIZED,
                challenge.no_token(),
                r#"{"error":"unauthorized","error_description":"Authentication required"}"#,
            )
            .and_second_line(challenge)
        })
    }

    /// Credentials that do not verify: the same 401 whatever `reason` says (recipe 4.2, R-133).
    #[must_use]
    pub fn invalid_token(challenge: &Challenge, reason: Reason) -> Self {
        const BODY: &str = r#"{"error":"invalid_token","error_description":"The access token is invalid or expired"}"#;
        debug_assert!(BODY.contains(INVALID_TOKEN), "header and body say the same");
        Self::oauth(
            DenialKind::InvalidToken,
            reason,
            StatusCode::UNAUTHORIZED,
            challenge.invalid_token(),
            BODY,
        )
        .and_second_line(challenge)
    }

    /// A DPoP proof that is missing, does not verify or was used before: the same 401 whatever
    /// `reason` says (recipe 4.2, R-137).
    #[must_use]
    pub fn invalid_dpop_proof(challenge: &Challenge, reason: Reason) -> Self {
        let Some(line) = challenge.invalid_dpop_proof() else {
            return Self::miswired("a DPoP proof was asked for, and no challenge says so");
        };
        Self::oauth(
            DenialKind::InvalidToken,
            reason,
            StatusCode::UNAUTHORIZED,
            line,
            r#"{"error":"invalid_dpop_proof","error_description":"The DPoP proof is invalid"}"#,
        )
    }

    /// A DPoP proof without a nonce of ours: 401 with the one to use (RFC 9449 §9, R-138).
    #[must_use]
    pub fn use_dpop_nonce(challenge: &Challenge, nonce: &str) -> Self {
        let (Some(line), Ok(nonce)) = (challenge.use_dpop_nonce(), HeaderValue::try_from(nonce))
        else {
            return Self::miswired("a DPoP nonce was asked for, and no challenge can carry it");
        };
        Self::oauth(
            DenialKind::InvalidToken,
            Reason::DpopNonce,
            StatusCode::UNAUTHORIZED,
            line,
            r#"{"error":"use_dpop_nonce","error_description":"The DPoP proof needs this nonce"}"#,
        )
        .with(HeaderName::from_static("dpop-nonce"), nonce)
    }

    /// A person who signed in too weakly or too long ago: 401 that names what is accepted
    /// (RFC 9470 §3, R-140). `max_age` is said in whole seconds.
    #[must_use]
    pub fn insufficient_authentication(
        challenge: &Challenge,
        acr_values: &[String],
        max_age: Option<Duration>,
    ) -> Self {
        let max_age = max_age.map(|age| age.as_secs());
        let Ok(line) = challenge.insufficient_authentication(acr_values, max_age) else {
            return Self::miswired("an authentication is required that no challenge can carry");
        };
        Self::oauth(
            DenialKind::InvalidToken,
            Reason::WeakAuthentication,
            StatusCode::UNAUTHORIZED,
            line,
            r#"{"error":"insufficient_user_authentication","error_description":"A more recent or stronger sign-in is required"}"#,
        )
    }

    /// Credentials in the wrong number or place: 400 (recipe 4.2).
    #[must_use]
    pub fn invalid_credentials(challenge: &Challenge, reason: Reason) -> Self {
        const BODY: &str = r#"{"error":"invalid_request","error_description":"Exactly one access token in the Authorization header is required"}"#;
        debug_assert!(BODY.contains(INVALID_REQUEST), "header and body say the same");
        Self::oauth(
            DenialKind::InvalidCredentials,
            reason,
            StatusCode::BAD_REQUEST,
            challenge.invalid_request(),
            BODY,
        )
    }

    /// The issuer's keys are out of reach: 503, never 401, so that clients keep good tokens
    /// (recipe 4.16, R-117).
    #[must_use]
    pub fn keys_unavailable(retry_after: Duration) -> Self {
        Self::new(
            DenialKind::KeysUnavailable,
            Reason::JwksUnavailable,
            StatusCode::SERVICE_UNAVAILABLE,
            Body::Json(
                r#"{"error":"temporarily_unavailable","error_description":"Token verification is temporarily unavailable"}"#,
            ),
        )
        .with(header::RETRY_AFTER, HeaderValue::from(retry_after.as_secs()))
        .no_store()
    }

    /// A new token with `scopes` would help: 403 with a challenge that names all the scopes of the
    /// operation (recipe 4.3, R-163). Scopes that a challenge cannot carry turn this into a
    /// wiring fault: policies are checked when they are built.
    #[must_use]
    pub fn insufficient_scope(challenge: &Challenge, id: &Text, scopes: Vec<String>) -> Self {
        Self::more_scope(challenge, Some(id), scopes)
    }

    /// The same before the body is read: there is no id, and the base scopes are asked for.
    #[must_use]
    pub fn insufficient_base_scope(challenge: &Challenge) -> Self {
        Self::more_scope(challenge, None, challenge.scopes().to_vec())
    }

    fn more_scope(challenge: &Challenge, id: Option<&Text>, scopes: Vec<String>) -> Self {
        let scope = scopes.join(" ");
        let Ok(line) = challenge.insufficient_scope(&scope) else {
            return Self::miswired("a policy requires a scope that no challenge can carry");
        };
        let data = format!(r#"{{"reason":"insufficient_scope","scope":{}}}"#, json_string(&scope));
        Self::rpc(
            DenialKind::InsufficientScope,
            Reason::InsufficientScope,
            StatusCode::FORBIDDEN,
            id,
            (-31403, "Insufficient scope", Some(&data)),
        )
        .with(header::WWW_AUTHENTICATE, line)
        .no_store()
        .change(|inner| inner.scopes = scopes)
    }
}
