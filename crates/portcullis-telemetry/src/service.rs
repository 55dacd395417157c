//! The service.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use portcullis_core::{RequestFacts as _, Trail};
use tower_service::Service;

use crate::eye::{Ending, Eye};
use crate::layer::Look;
use crate::route::Route;
use crate::{ResponseFuture, WatchBody};

/// The service of a [`WatchLayer`](crate::WatchLayer).
#[derive(Clone, Debug)]
#[must_use = "services do nothing unless called"]
pub struct Watch<S> {
    inner: S,
    route: Arc<Route>,
    look: Arc<Look>,
}

impl<S> Watch<S> {
    pub(crate) fn new(inner: S, route: Arc<Route>, look: Arc<Look>) -> Self {
        Self { inner, route, look }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Watch<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: Body,
{
    type Response = Response<WatchBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let eye = Arc::new(Eye::open(&self.route, &self.look, &parts));
        let mut request = Request::from_parts(parts, body);
        let trail = match request.trail() {
            Some(outer) => outer.clone().observed_by(Arc::clone(&eye) as _),
            None => Trail::watched(Arc::clone(&eye) as _),
        };
        request.set_trail(trail);
        let span = eye.span().clone();
        // Before `call`: should the inner service panic, the request is over all the same.
        let ending = Ending::of(eye);
        let inner = span.in_scope(|| self.inner.call(request));
        ResponseFuture::new(inner, ending, span)
    }
}
