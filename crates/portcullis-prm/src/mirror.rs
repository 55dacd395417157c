//! The authorization server's metadata, repeated at the resource's origin (R-172).

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use portcullis_core::{Denial, GateBody};

use crate::answer::fields;

/// Where clients of revision 2025-03-26 look: at the origin, without the path of the resource.
pub(crate) const PATH: &str = "/.well-known/oauth-authorization-server";

/// Servers change their metadata rarely, and clients read it when they sign in.
const CACHE_CONTROL: &str = "public, max-age=600";

/// Tells clients to come back.
const RETRY_AFTER: &str = "5";

const PENDING: &str = r#"{"error":"temporarily_unavailable","error_description":"The metadata of the authorization server is not available yet"}"#;

/// What there is to repeat of an authorization server's metadata (RFC 8414).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ServerMetadata {
    /// The document as the server itself publishes it, byte for byte.
    Document(Bytes),
    /// It has not been fetched yet: clients are told to come back (503).
    Pending,
    /// There is none, or no longer (404).
    Absent,
}

/// Where it comes from.
#[derive(Clone)]
pub(crate) struct Mirror(Arc<dyn Fn() -> ServerMetadata + Send + Sync>);

impl Mirror {
    pub(crate) fn new(source: impl Fn() -> ServerMetadata + Send + Sync + 'static) -> Self {
        Self(Arc::new(source))
    }

    /// The answer to a `GET`, or, without its body, to a `HEAD`.
    pub(crate) fn answer<B>(&self, head_only: bool) -> Response<GateBody<B>> {
        let (status, body, age) = match (self.0)() {
            ServerMetadata::Document(document) => {
                let age = (header::CACHE_CONTROL, HeaderValue::from_static(CACHE_CONTROL));
                (StatusCode::OK, document, vec![age])
            }
            ServerMetadata::Pending => (
                StatusCode::SERVICE_UNAVAILABLE,
                Bytes::from_static(PENDING.as_bytes()),
                vec![
                    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
                    (header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER)),
                ],
            ),
            ServerMetadata::Absent => return Denial::not_found().into_response(),
        };
        let length = HeaderValue::from(body.len());
        let mut response =
            Response::new(GateBody::own(if head_only { Bytes::new() } else { body }));
        *response.status_mut() = status;
        *response.headers_mut() = with_age(age, length);
        response
    }
}

fn with_age(age: Vec<(HeaderName, HeaderValue)>, length: HeaderValue) -> HeaderMap {
    let mut headers = fields([
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
        // The bytes are another server's: no browser shall guess what they are.
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CONTENT_LENGTH, length),
    ]);
    for (name, value) in age {
        headers.append(name, value);
    }
    headers
}

impl fmt::Debug for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mirror")
    }
}
