//! The token endpoint (RFC 6749 §4.1.3, §4.4, §6).

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State as Shared};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use superboring::reexports::hmac_sha256;

use super::authorize::check_resource;
use super::error::OAuthError;
use super::params::Params;
use super::state::{Grant, Refresh, State, TOKEN_LIFETIME};
use crate::random;

const BAD_CODE: OAuthError =
    OAuthError::new("invalid_grant", "the code is unknown, used, expired or another client's");
const BAD_REFRESH: OAuthError = OAuthError::new(
    "invalid_grant",
    "the refresh token is unknown, used, expired or another client's",
);

pub(crate) async fn token(
    Shared(state): Shared<Arc<State>>,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Result<Response, OAuthError> {
    let Ok(Form(pairs)) = form else {
        return Err(OAuthError::new("invalid_request", "the body must be a form"));
    };
    let params = Params::new(pairs)?;
    let answer = match params.require("grant_type")? {
        "authorization_code" => by_code(&state, &params),
        "refresh_token" => by_refresh_token(&state, &params),
        "client_credentials" => by_client_credentials(&state, &params),
        _ => Err(OAuthError::new("unsupported_grant_type", "see grant_types_supported")),
    }?;
    Ok(([(header::CACHE_CONTROL, "no-store")], axum::Json(answer)).into_response())
}

fn by_code(state: &State, params: &Params) -> Result<Value, OAuthError> {
    let now = state.clock.unix();
    // Taken before it is checked: a code is good for one attempt.
    let code = state.codes.take(params.require("code")?, now).ok_or(BAD_CODE)?;
    let verifier = params.require("code_verifier")?;
    let challenge = URL_SAFE_NO_PAD.encode(hmac_sha256::Hash::hash(verifier.as_bytes()));
    let bound = params.require("client_id")? == code.grant.client_id
        && params.require("redirect_uri")? == code.redirect_uri;
    if !bound || challenge != code.challenge {
        return Err(BAD_CODE);
    }
    same_resource(params, &code.grant)?;
    Ok(answer(state, code.grant, None, None))
}

fn by_refresh_token(state: &State, params: &Params) -> Result<Value, OAuthError> {
    let now = state.clock.unix();
    let (line, given) = params.require("refresh_token")?.split_once('.').ok_or(BAD_REFRESH)?;
    // Taken before it is checked: whoever shows an old token ends the line for the thief too.
    let refresh = state.refresh.take(line, now).ok_or(BAD_REFRESH)?;
    let client_id = params.require("client_id")?;
    if refresh.latest != given || refresh.grant.client_id != client_id {
        return Err(BAD_REFRESH);
    }
    let narrowed = narrowed(params, &refresh.grant);
    let checked = same_resource(params, &refresh.grant).and(narrowed);
    match checked {
        Ok(scopes) => Ok(answer(state, refresh.grant, Some(line), scopes)),
        Err(error) => {
            // A mistake in the request is no theft: the token stays good.
            state.refresh.put_as(line.to_owned(), refresh, now);
            Err(error)
        }
    }
}

/// Each person doubles as a client, so that scripts need no browser.
fn by_client_credentials(state: &State, params: &Params) -> Result<Value, OAuthError> {
    let person = state.person(params.require("client_id")?);
    let person = person.ok_or(OAuthError::new("invalid_client", "nobody has that name"))?;
    check_resource(params.get("resource"))?;
    let scopes = person.granted(params.get("scope"));
    if scopes.is_empty() {
        let description = "this person may have none of the requested scopes";
        return Err(OAuthError::new("invalid_scope", description));
    }
    let grant = Grant {
        person: person.name.clone(),
        client_id: person.name.clone(),
        resource: params.get("resource").unwrap_or_default().to_owned(),
        scopes,
    };
    let token = state.access_token(&grant, &grant.scopes);
    Ok(json!({
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": TOKEN_LIFETIME,
        "scope": grant.scopes.join(" "),
    }))
}

/// An access token and the next refresh token of the line, or the first of a new one.
fn answer(state: &State, grant: Grant, line: Option<&str>, scopes: Option<Vec<String>>) -> Value {
    let scopes = scopes.unwrap_or_else(|| grant.scopes.clone());
    let token = state.access_token(&grant, &scopes);
    let line = line.map_or_else(random::id, str::to_owned);
    let latest = random::id();
    let refresh = Refresh { grant, latest: latest.clone() };
    state.refresh.put_as(line.clone(), refresh, state.clock.unix());
    json!({
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": TOKEN_LIFETIME,
        "refresh_token": format!("{line}.{latest}"),
        "scope": scopes.join(" "),
    })
}

/// The resource may be named again, not changed (RFC 8707 §2.2).
fn same_resource(params: &Params, grant: &Grant) -> Result<(), OAuthError> {
    match params.get("resource") {
        Some(resource) if resource != grant.resource => {
            Err(OAuthError::new("invalid_target", "the grant is for another resource"))
        }
        _ => Ok(()),
    }
}

/// The scopes asked for, which must all have been granted (RFC 6749 §6).
fn narrowed(params: &Params, grant: &Grant) -> Result<Option<Vec<String>>, OAuthError> {
    let Some(scope) = params.get("scope") else { return Ok(None) };
    let scopes: Vec<String> = scope.split_ascii_whitespace().map(str::to_owned).collect();
    if scopes.is_empty() || !scopes.iter().all(|scope| grant.scopes.contains(scope)) {
        return Err(OAuthError::new("invalid_scope", "a scope was not granted"));
    }
    Ok(Some(scopes))
}
