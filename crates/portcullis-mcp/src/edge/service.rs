//! The tower shell of the edge.

use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::CONNECTION;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response};
use portcullis_core::{GateBody, RequestFacts as _};
use tower_service::Service;

use super::check::{Head, Pass, Verdict, check};
use super::layer::{EdgeConfig, Source};
use super::{EdgeFuture, cors, strip};

/// Guards a service with the checks of [`EdgeLayer`](crate::EdgeLayer).
#[derive(Clone, Debug)]
#[must_use]
pub struct Edge<S> {
    inner: S,
    config: Arc<EdgeConfig>,
}

impl<S> Edge<S> {
    pub(crate) fn new(inner: S, config: Arc<EdgeConfig>) -> Self {
        Self { inner, config }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Edge<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = Response<GateBody<ResBody>>;
    type Error = S::Error;
    type Future = EdgeFuture<S::Future, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let head = Head {
            method: request.method(),
            uri: request.uri(),
            version: request.version(),
            headers: request.headers(),
        };
        let Verdict { origin, outcome, unread, strip } = check(&self.config, head);
        match (outcome, origin) {
            (Ok(Pass::Preflight), Some(origin)) => {
                EdgeFuture::own(cors::preflight(&self.config, origin, request.headers()))
            }
            (Ok(Pass::Preflight | Pass::Forward), origin) => {
                if let Some(Source(source)) = &self.config.source {
                    request = with_source(request, &**source);
                }
                if strip {
                    strip::strip(request.headers_mut(), self.config.keep_identity);
                }
                EdgeFuture::forward(self.inner.call(request), origin, unread)
            }
            (Err(denial), origin) => {
                let mut response = denial.into_response();
                cors::finish(response.headers_mut(), origin);
                if unread {
                    close(response.headers_mut());
                }
                EdgeFuture::own(response)
            }
        }
    }
}

/// The request, and where it comes from, if anybody can say it.
fn with_source<B>(
    request: Request<B>,
    source: &(dyn Fn(&Parts) -> Option<IpAddr> + Send + Sync),
) -> Request<B> {
    let (mut parts, body) = request.into_parts();
    match source(&parts) {
        Some(address) => parts.set_source_address(address),
        None => parts.clear_source_address(),
    }
    Request::from_parts(parts, body)
}

/// A server that answers before it has read the body closes the connection; a client that is not
/// told so sends its next request into it (RFC 9112 section 9.6).
pub(super) fn close(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
}
