//! What a child answers, as a response.

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderValue, Response, StatusCode};

use super::events::Events;
use crate::ProxyBody;

const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What a child answers.
pub(super) enum Outcome {
    /// There is nothing to answer.
    Nothing,
    /// An answer, and its code when it is one error.
    Document {
        body: Bytes,
        code: Option<i64>,
    },
    Events(Events),
}

impl Outcome {
    pub(super) fn into_legacy(self) -> Response<ProxyBody> {
        match self {
            Self::Nothing => empty(StatusCode::ACCEPTED),
            Self::Document { body, .. } => document(StatusCode::OK, body),
            Self::Events(body) => events(body),
        }
    }

    /// The same, with the status of errors that MCP 2026-07-28 gives one.
    pub(super) fn into_modern(self) -> Response<ProxyBody> {
        match self {
            Self::Document { body, code: Some(code) } => {
                let status = match code {
                    -32601 => StatusCode::NOT_FOUND,
                    -32700 | -32600 | -32022..=-32020 => StatusCode::BAD_REQUEST,
                    _ => StatusCode::OK,
                };
                document(status, body)
            }
            other => other.into_legacy(),
        }
    }
}

pub(super) fn empty(status: StatusCode) -> Response<ProxyBody> {
    let mut response = Response::new(ProxyBody::empty());
    *response.status_mut() = status;
    response
}

fn document(status: StatusCode, body: Bytes) -> Response<ProxyBody> {
    let mut response = Response::new(ProxyBody::full(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(super) fn events(body: Events) -> Response<ProxyBody> {
    let mut response = Response::new(ProxyBody::events(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}
