//! What clients read first.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::state::State;

/// Authorization server metadata (RFC 8414 §2), the same at both well-known paths.
pub(crate) async fn metadata(Shared(state): Shared<Arc<State>>) -> Json<Value> {
    let issuer = &state.issuer;
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "registration_endpoint": format!("{issuer}/register"),
        "jwks_uri": format!("{issuer}/jwks"),
        "scopes_supported": state.scopes(),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "token_endpoint_auth_methods_supported": ["none"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        // OpenID Connect Discovery §3 requires these two; no ID token is ever issued.
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "service_documentation": format!("{issuer}/"),
        "development_only": "Anyone can sign in as anyone. Never trust this issuer in production.",
    }))
}

/// The public keys (RFC 7517 §5).
pub(crate) async fn jwks(Shared(state): Shared<Arc<State>>) -> Response {
    ([(header::CONTENT_TYPE, "application/jwk-set+json")], state.mint.jwks()).into_response()
}
