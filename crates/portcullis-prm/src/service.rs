//! Request time.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use portcullis_core::{Buffered, Denial, GateBody};
use tower_service::Service;

use crate::answer::{Served, answer};
use crate::{PrmLayer, ResourceMetadata, ResponseFuture};

/// Serves metadata documents in front of `S`; made by [`PrmLayer`].
#[derive(Clone, Debug)]
#[must_use = "a service does nothing until it is called"]
pub struct Prm<S> {
    inner: S,
    served: Arc<Served>,
}

impl<S> Prm<S> {
    pub(crate) fn new(inner: S, served: Arc<Served>) -> Self {
        Self { inner, served }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Prm<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = Response<GateBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        match answer(&self.served, request.method(), request.uri().path()) {
            Some(response) => ResponseFuture::answer(response),
            None => ResponseFuture::forward(self.inner.call(request)),
        }
    }
}

/// Serves metadata documents and answers 404 to everything else; made by
/// [`PrmLayer::into_service`], or from one [`ResourceMetadata`].
#[derive(Clone, Debug)]
#[must_use = "a service does nothing until it is called"]
pub struct PrmService {
    served: Arc<Served>,
}

impl PrmService {
    pub(crate) fn new(served: Arc<Served>) -> Self {
        Self { served }
    }
}

impl From<ResourceMetadata> for PrmService {
    fn from(metadata: ResourceMetadata) -> Self {
        PrmLayer::new(metadata).into_service()
    }
}

impl<ReqBody> Service<Request<ReqBody>> for PrmService {
    type Response = Response<GateBody<Buffered>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let answer = answer(&self.served, request.method(), request.uri().path());
        ready(Ok(answer.unwrap_or_else(|| Denial::not_found().into_response())))
    }
}
