//! One caller for all requests.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::Request;
use portcullis_core::{Caller, Principal, RequestFacts as _};
use tower_layer::Layer;
use tower_service::Service;

/// Says that one principal makes every request.
#[derive(Clone, Debug)]
pub struct NamedLayer(Arc<Principal>);

impl NamedLayer {
    pub(super) fn new(principal: Principal) -> Self {
        Self(Arc::new(principal))
    }
}

impl<S> Layer<S> for NamedLayer {
    type Service = Named<S>;

    fn layer(&self, inner: S) -> Named<S> {
        Named { inner, principal: Arc::clone(&self.0) }
    }
}

/// Made by [`NamedLayer`].
#[derive(Clone, Debug)]
pub struct Named<S> {
    inner: S,
    principal: Arc<Principal>,
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for Named<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        request.clear_caller();
        request.set_caller(Caller::Verified(Arc::clone(&self.principal)));
        self.inner.call(request)
    }
}
