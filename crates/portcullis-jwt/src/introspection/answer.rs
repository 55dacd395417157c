//! What an introspection endpoint says (RFC 7662 §2.2), and what follows from it.

use std::time::Duration;

use portcullis_core::Reason;
use serde_json::{Map, Value};

use super::{MAX_CACHE, Terms};
use crate::binding::Confirmation;
use crate::check::{NOT_ACCESS, audience, check_claims};
use crate::claim::{self, Claims};
use crate::issuer::Rules;
use crate::json;

/// A sound answer.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    Active(Map<String, Value>),
    Inactive,
}

/// Reads an answer; `None` when it is not one that can be believed. `active` is nothing but a
/// boolean: there is no other way to say yes.
pub(super) fn read(body: &[u8]) -> Option<Answer> {
    let mut claims = json::object(body)?;
    match claims.remove("active")? {
        Value::Bool(true) => Some(Answer::Active(claims)),
        Value::Bool(false) => Some(Answer::Inactive),
        _ => None,
    }
}

/// Holds what is said about an active token to the rules of its issuer; returns the claims with what
/// they imply. `asked` is when the issuer was asked.
pub(super) fn check(
    rules: &Rules,
    terms: Terms,
    issuer: &str,
    mut claims: Map<String, Value>,
    asked: Duration,
    now: Duration,
) -> Result<Map<String, Value>, Reason> {
    match claims.get("iss") {
        Some(Value::String(iss)) if iss == issuer => {}
        None if !terms.require_iss => {}
        _ => return Err(Reason::BadIss),
    }
    access_token(&claims)?;
    let unlimited = terms.accept_missing_aud
        && !claims.contains_key("aud")
        && claims.contains_key("token_type");
    if !unlimited {
        audience(rules, &Claims::of(&claims))?;
    }
    if terms.accept_missing_exp && !claims.contains_key("exp") {
        let ends = asked.saturating_add(MAX_CACHE).as_secs();
        claims.insert("exp".to_owned(), Value::from(ends));
    }
    // As RFC 9068 §2.2 has it for a token without a person.
    if !claims.contains_key("sub")
        && let Some(client) = claim::text(&Claims::of(&claims), "client_id")?.map(Value::from)
    {
        claims.insert("sub".to_owned(), client);
    }
    check_claims(rules, &Claims::of(&claims), now)?;
    Ok(claims)
}

/// endpoints know refresh tokens too, and some of them ID tokens.
fn access_token(claims: &Map<String, Value>) -> Result<(), Reason> {
    let said = |name: &str, kinds: &[&str]| match claims.get(name) {
        None => Ok(false),
        Some(Value::String(kind)) if kinds.iter().any(|k| k.eq_ignore_ascii_case(kind)) => Ok(true),
        Some(_) => Err(Reason::BadTyp),
    };
    let type_known = said("token_type", &["Bearer", "DPoP"])?;
    // Keycloak, Ory Hydra and Amazon Cognito have names of their own.
    said("typ", &["Bearer", "DPoP", "at+jwt", "JWT"])?;
    said("token_use", &["access_token", "access"])?;
    let named = |kind: &str| {
        let is = |name| {
            claims
                .get(name)
                .and_then(Value::as_str)
                .is_some_and(|said| said.eq_ignore_ascii_case(kind))
        };
        is("token_type") || is("typ")
    };
    // What is called a DPoP token must be bound, so that it is nobody's bearer token.
    if named("DPoP") && Confirmation::of(&Claims::of(claims))?.key.is_none() {
        return Err(Reason::CnfMismatch);
    }
    if !type_known && NOT_ACCESS.iter().any(|name| claims.contains_key(*name)) {
        return Err(Reason::BadTyp);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
