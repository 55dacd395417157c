//! The authorization endpoint (RFC 6749 §4.1.1, RFC 7636, RFC 8707, RFC 9207).

use std::sync::Arc;

use axum::extract::{Query, State as Shared};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::error::OAuthError;
use super::params::Params;
use super::person::Person;
use super::state::{Client, Code, Grant, State};
use super::{link, page};

pub(crate) async fn authorize(
    Shared(state): Shared<Arc<State>>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Response {
    let request = match Params::new(pairs).and_then(|params| Request::parse(&state, params)) {
        Ok(request) => request,
        // Nobody is sent to an address that is not known to be the client's.
        Err(error) => return page::refusal(error),
    };
    if let Err(error) = request.check() {
        return request.refuse(&state, error);
    }
    match request.params.get("login_hint") {
        None => page::sign_in(&state, &request),
        Some(name) => match state.person(name) {
            None => {
                request.refuse(&state, OAuthError::new("access_denied", "nobody has that name"))
            }
            Some(person) => request.grant(&state, person),
        },
    }
}

/// A request from a known client, to be answered at one of its own addresses.
pub(crate) struct Request {
    pub(crate) params: Params,
    pub(crate) client: Client,
    client_id: String,
    redirect_uri: String,
}

impl Request {
    fn parse(state: &State, params: Params) -> Result<Self, OAuthError> {
        let client_id = params.require("client_id")?.to_owned();
        let redirect_uri = params.require("redirect_uri")?.to_owned();
        let client = state.clients.get(&client_id, state.clock.unix());
        let client =
            client.ok_or(OAuthError::new("invalid_client", "the client is not registered"))?;
        if !client.redirect_uris.iter().any(|known| link::same_redirect(known, &redirect_uri)) {
            let description = "the redirect_uri is not one that the client registered";
            return Err(OAuthError::new("invalid_request", description));
        }
        Ok(Self { params, client, client_id, redirect_uri })
    }

    fn check(&self) -> Result<(), OAuthError> {
        if self.params.require("response_type")? != "code" {
            return Err(OAuthError::new("unsupported_response_type", "only code is offered"));
        }
        let challenge = self.params.get("code_challenge").unwrap_or_default();
        let base64url = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        // 43 characters are the 32 bytes of a SHA-256 hash.
        let challenge_ok = challenge.len() == 43 && challenge.bytes().all(base64url);
        if !challenge_ok || self.params.get("code_challenge_method") != Some("S256") {
            return Err(OAuthError::new("invalid_request", "PKCE with S256 is required"));
        }
        check_resource(self.params.get("resource"))
    }

    /// The scopes that `person` would grant.
    pub(crate) fn scopes(&self, person: &Person) -> Vec<String> {
        person.granted(self.params.get("scope"))
    }

    fn grant(&self, state: &State, person: &Person) -> Response {
        let scopes = self.scopes(person);
        if scopes.is_empty() {
            let description = "this person may have none of the requested scopes";
            return self.refuse(state, OAuthError::new("access_denied", description));
        }
        let code = Code {
            grant: Grant {
                person: person.name.clone(),
                client_id: self.client_id.clone(),
                resource: self.params.get("resource").unwrap_or_default().to_owned(),
                scopes,
            },
            redirect_uri: self.redirect_uri.clone(),
            challenge: self.params.get("code_challenge").unwrap_or_default().to_owned(),
        };
        let code = state.codes.put(code, state.clock.unix());
        self.send_back(state, &[("code", &code)])
    }

    fn refuse(&self, state: &State, error: OAuthError) -> Response {
        self.send_back(state, &[("error", error.code), ("error_description", error.description)])
    }

    fn send_back(&self, state: &State, params: &[(&str, &str)]) -> Response {
        let request_state = self.params.get("state").map(|value| ("state", value));
        let params = params.iter().copied().chain(request_state).chain([("iss", &*state.issuer)]);
        let location = link::with_query(&self.redirect_uri, params);
        let headers = [
            (header::LOCATION, location.as_str()),
            (header::CACHE_CONTROL, "no-store"),
            (header::REFERRER_POLICY, "no-referrer"),
        ];
        (StatusCode::FOUND, headers).into_response()
    }
}

/// RFC 8707 §2: an absolute URI without a fragment. Required here, because MCP clients must send it
/// and a token without an audience is good for nothing.
pub(crate) fn check_resource(resource: Option<&str>) -> Result<(), OAuthError> {
    let resource = resource.unwrap_or_default();
    let absolute = resource.starts_with("https://") || resource.starts_with("http://");
    if !absolute || resource.contains('#') {
        let description = "resource must be the absolute URI of the MCP server";
        return Err(OAuthError::new("invalid_target", description));
    }
    Ok(())
}
