//! Whether a token is meant for us, by someone we trust, now: everything but its signature.

use std::time::Duration;

use portcullis_core::Reason;

use crate::binding::Confirmation;
use crate::claim::{self, Claims};
use crate::issuer::Rules;
use crate::jose::Token;
use crate::json::Json;
use crate::subject::subject;

/// What ID tokens, logout tokens and security events carry and access tokens do not.
pub(crate) const NOT_ACCESS: [&str; 5] = ["nonce", "at_hash", "c_hash", "s_hash", "events"];

/// Checks everything about `token` that needs no key: cheap, and it keeps garbage away from the
/// signature. The first fault found is the reason.
pub(crate) fn check(
    rules: &Rules,
    token: &Token<'_>,
    claims: &Claims<'_>,
    now: Duration,
) -> Result<(), Reason> {
    if !rules.algorithms.contains(&token.algorithm) {
        return Err(Reason::BadAlg);
    }
    typ(rules, token.typ.as_deref(), claims)?;
    audience(rules, claims)?;
    check_claims(rules, claims, now)?;
    if client_id(rules, claims)?.is_none() && rules.jwt_typ_markers.is_none() {
        return Err(Reason::BadClaim);
    }
    Ok(())
}

/// Checks what is said about a token besides its audience, wherever it is said.
pub(crate) fn check_claims(
    rules: &Rules,
    claims: &Claims<'_>,
    now: Duration,
) -> Result<(), Reason> {
    times(rules, claims, now)?;
    // Whether the sender can prove it is asked of each request, not of the token.
    Confirmation::of(claims)?;
    subject(rules, claims)?;
    claim::text(claims, "jti")?;
    client_id(rules, claims)?;
    if !rules.required.iter().all(|rule| rule.holds(claims)) {
        return Err(Reason::ClaimMismatch);
    }
    Ok(())
}

/// The client id: of the first claim that is there, which must be a string.
pub(crate) fn client_id<'a>(
    rules: &Rules,
    claims: &'a Claims<'_>,
) -> Result<Option<&'a str>, Reason> {
    let found = rules.client_id_claims.iter().find_map(|path| path.get(claims));
    match found {
        None => Ok(None),
        Some(Json::String(text)) if !text.is_empty() => Ok(Some(text)),
        Some(_) => Err(Reason::BadClaim),
    }
}

/// Whatever else the header names (`logout+jwt`, `dpop+jwt`, …) is refused in every mode.
fn typ(rules: &Rules, typ: Option<&str>, claims: &Claims<'_>) -> Result<(), Reason> {
    let is = |name: &str| typ.is_some_and(|typ| typ.eq_ignore_ascii_case(name));
    if is("at+jwt") || is("application/at+jwt") {
        return Ok(());
    }
    let Some(markers) = &rules.jwt_typ_markers else {
        return Err(Reason::BadTyp);
    };
    let plain = typ.is_none() || is("JWT") || is("application/jwt");
    let marked = markers.iter().any(|marker| claims.contains_key(marker));
    let other = NOT_ACCESS.iter().any(|name| claims.contains_key(name));
    // Keycloak and Cognito say in a claim which kind of token this is.
    let kind = |name: &str, access: &str| match claims.get(name) {
        None => true,
        Some(kind) => kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case(access)),
    };
    // What is called a DPoP token must be bound, so that it is nobody's bearer token.
    let bound = claims.contains_key("cnf") && kind("typ", "DPoP");
    let access = (kind("typ", "Bearer") || bound) && kind("token_use", "access");
    if plain && marked && !other && access { Ok(()) } else { Err(Reason::BadTyp) }
}

/// byte equality with an accepted audience, and nothing but strings.
pub(crate) fn audience(rules: &Rules, claims: &Claims<'_>) -> Result<(), Reason> {
    let ours = |value: &Json<'_>| {
        value.as_str().is_some_and(|aud| rules.audiences.iter().any(|known| known == aud))
    };
    let accepted = match claims.get("aud") {
        Some(Json::Array(all)) => {
            all.iter().all(Json::is_string)
                && all.iter().any(ours)
                && (!rules.only_our_audiences || all.iter().all(ours))
        }
        Some(value) => ours(value),
        None => {
            let known = rules.clients_without_audience.as_deref().unwrap_or_default();
            client_id(rules, claims)?.is_some_and(|client| known.iter().any(|id| id == client))
        }
    };
    if accepted { Ok(()) } else { Err(Reason::BadAud) }
}

/// Until when a token that passes [`check`] now goes on to pass it.
pub(crate) fn until(rules: &Rules, claims: &Claims<'_>) -> Result<Duration, Reason> {
    let date = |name| claim::date(claims, name).map(|date| date.map(Duration::from_secs));
    let expires = date("exp")?.ok_or(Reason::BadClaim)?;
    let too_old = rules.max_age.zip(date("iat")?).map(|(age, issued)| issued.saturating_add(age));
    Ok(too_old.map_or(expires, |old| old.min(expires)).saturating_add(rules.leeway))
}

///
fn times(rules: &Rules, claims: &Claims<'_>, now: Duration) -> Result<(), Reason> {
    let date = |name| claim::date(claims, name).map(|date| date.map(Duration::from_secs));
    let expires = date("exp")?.ok_or(Reason::BadClaim)?;
    let (not_before, issued) = (date("nbf")?, date("iat")?);
    if now >= expires.saturating_add(rules.leeway) {
        return Err(Reason::Expired);
    }
    let future =
        |date: Option<Duration>| date.is_some_and(|date| date > now.saturating_add(rules.leeway));
    if future(not_before) || future(issued) {
        return Err(Reason::NotYetValid);
    }
    if expires.saturating_sub(issued.unwrap_or(now)) > rules.max_lifetime {
        return Err(Reason::Expired);
    }
    match (rules.max_age, issued) {
        (None, _) => Ok(()),
        (Some(_), None) => Err(Reason::BadClaim),
        (Some(age), Some(issued)) => {
            let until = issued.saturating_add(age).saturating_add(rules.leeway);
            if now > until { Err(Reason::Expired) } else { Ok(()) }
        }
    }
}
