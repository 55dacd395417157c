//! The tower shell of the edge.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use portcullis_core::GateBody;
use tower_service::Service;

use super::check::{Head, Pass, Verdict, check};
use super::layer::EdgeConfig;
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
        let Verdict { origin, outcome } = check(&self.config, head);
        match (outcome, origin) {
            (Ok(Pass::Preflight), Some(origin)) => {
                EdgeFuture::own(cors::preflight(&self.config, origin, request.headers()))
            }
            (Ok(Pass::Preflight | Pass::Forward), origin) => {
                strip::strip(request.headers_mut(), self.config.keep_identity);
                EdgeFuture::forward(self.inner.call(request), origin)
            }
            (Err(denial), origin) => {
                let mut response = denial.into_response();
                cors::finish(response.headers_mut(), origin);
                EdgeFuture::own(response)
            }
        }
    }
}
