//! Answers health checks and scrapes.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use portcullis_core::Buffered;
use tower_service::Service;

use crate::{Telemetry, text};

/// Answers `/live`, `/ready` and `/metrics`; made by [`Telemetry::health`].
///
/// It asks nobody who they are. Put it on a listener of its own that clients cannot reach (with the
/// feature `serve`: `Health::serve`): what it says is nobody's secret and nobody's business.
///
/// | path | says |
/// |---|---|
/// | `/live` | 200 as long as the process answers at all |
/// | `/ready` | 200 or 503, and why, as JSON: a [`Readiness`](crate::Readiness) |
/// | `/metrics` | Prometheus's text format, version 0.0.4 |
///
/// Everything else is 404, and methods other than `GET` and `HEAD` 405.
#[derive(Clone, Debug)]
#[must_use = "services do nothing unless called"]
pub struct Health {
    telemetry: Telemetry,
}

impl Health {
    pub(crate) fn new(telemetry: Telemetry) -> Self {
        Self { telemetry }
    }

    /// The answer to a request.
    #[must_use]
    pub fn answer(&self, method: &Method, path: &str) -> Response<Buffered> {
        let head = method == Method::HEAD;
        if !matches!(path, "/live" | "/ready" | "/metrics") {
            return plain(StatusCode::NOT_FOUND, "not found\n", head);
        }
        if !head && method != Method::GET {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n", head);
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match path {
            "/live" => plain(StatusCode::OK, "live\n", head),
            "/ready" => {
                let readiness = self.telemetry.readiness();
                let status =
                    if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                // Strings and numbers alone: it does not fail.
                let json = serde_json::to_vec(&readiness).unwrap_or_default();
                response(status, "application/json", json.into(), head)
            }
            _ => {
                let text = self.telemetry.metrics_text();
                response(StatusCode::OK, text::MEDIA_TYPE, text.into(), head)
            }
        }
    }
}

fn plain(status: StatusCode, text: &'static str, head: bool) -> Response<Buffered> {
    response(status, "text/plain; charset=utf-8", Bytes::from_static(text.as_bytes()), head)
}

fn response(
    status: StatusCode,
    media: &'static str,
    body: Bytes,
    head: bool,
) -> Response<Buffered> {
    let length = body.len();
    let mut response = Response::new(if head { Buffered::empty() } else { Buffered::new(body) });
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

impl<B> Service<Request<B>> for Health {
    type Response = Response<Buffered>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Buffered>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.answer(request.method(), request.uri().path())))
    }
}
