//! The service.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use portcullis_core::{RequestFacts as _, Trail};
use tower_service::Service;

use crate::debt::Debt;
use crate::hub::Hub;
use crate::site::Site;
use crate::trail::RequestTrail;
use crate::{AuditBody, ResponseFuture};

/// The service of an [`AuditLayer`](crate::AuditLayer).
#[derive(Clone, Debug)]
#[must_use = "services do nothing unless called"]
pub struct Audit<S> {
    inner: S,
    hub: Option<Arc<Hub>>,
    site: Option<Arc<Site>>,
}

impl<S> Audit<S> {
    pub(crate) fn new(inner: S, hub: Option<Arc<Hub>>, site: Option<Arc<Site>>) -> Self {
        Self { inner, hub, site }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Audit<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: Body,
{
    type Response = Response<AuditBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let Some(hub) = &self.hub else {
            return ResponseFuture::new(self.inner.call(request), Debt::new(None));
        };
        let (parts, body) = request.into_parts();
        let source_ip = hub.peer.as_ref().and_then(|peer| peer(&parts));
        let site = Arc::clone(self.site.as_ref().unwrap_or(&hub.site));
        let trail = Arc::new(RequestTrail::start(Arc::clone(hub), site, &parts, source_ip));
        let mut request = Request::from_parts(parts, body);
        // Before `call`: should the inner service panic, the debt is paid all the same.
        let debt = Debt::new(Some(Arc::clone(&trail)));
        request.set_trail(Trail::new(trail));
        ResponseFuture::new(self.inner.call(request), debt)
    }
}
