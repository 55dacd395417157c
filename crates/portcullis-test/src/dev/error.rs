//! OAuth errors as JSON (RFC 6749 §5.2).

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// An error code and what to do about it. The description must be plain ASCII.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OAuthError {
    pub(crate) code: &'static str,
    pub(crate) description: &'static str,
}

impl OAuthError {
    pub(crate) const fn new(code: &'static str, description: &'static str) -> Self {
        Self { code, description }
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.code, "error_description": self.description });
        let headers = [(header::CACHE_CONTROL, "no-store")];
        (StatusCode::BAD_REQUEST, headers, Json(body)).into_response()
    }
}
