//! Dynamic client registration (RFC 7591).

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::json;

use super::error::OAuthError;
use super::link;
use super::state::{Client, State};

/// How many redirect URIs a client may register.
const MAX_REDIRECT_URIS: usize = 10;

#[derive(Deserialize)]
struct Registration {
    #[serde(default)]
    client_name: Option<String>,
    #[serde(default)]
    redirect_uris: Vec<String>,
}

/// Registers a public client, whatever authentication it asks for (RFC 7591 §3.2.1 lets the server
/// replace what was asked).
pub(crate) async fn register(
    Shared(state): Shared<Arc<State>>,
    body: Bytes,
) -> Result<Response, OAuthError> {
    let registration: Registration = serde_json::from_slice(&body)
        .map_err(|_| OAuthError::new("invalid_client_metadata", "not the JSON of a client"))?;
    let uris = registration.redirect_uris;
    let count_ok = (1..=MAX_REDIRECT_URIS).contains(&uris.len());
    if !count_ok || !uris.iter().all(|uri| link::is_redirect_uri(uri)) {
        let description = "redirect_uris must be 1 to 10 of https, loopback http, or an app's own";
        return Err(OAuthError::new("invalid_redirect_uri", description));
    }
    let now = state.clock.unix();
    let name: String = registration.client_name.unwrap_or_default().chars().take(100).collect();
    let client = Client { name: name.clone(), redirect_uris: uris.clone() };
    let client_id = state.clients.put(client, now);
    let answer = json!({
        "client_id": client_id,
        "client_id_issued_at": now.as_secs(),
        "client_name": name,
        "redirect_uris": uris,
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    });
    let headers = [(header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::CREATED, headers, Json(answer)).into_response())
}
