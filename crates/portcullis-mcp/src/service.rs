//! Inspection at request time.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use portcullis_core::{AnonymousReason, Buffered, Caller, Denial, RequestFacts as _};
use tower_service::Service;

use crate::config::InspectConfig;
use crate::courier::{self, Route};
use crate::inspect::{self, Plan};
use crate::{FilterBody, ResponseFuture};

/// Middleware that reads MCP requests strictly and filters their answers; made by
/// [`InspectLayer`](crate::InspectLayer).
#[derive(Clone, Debug)]
#[must_use = "services do nothing unless called"]
pub struct Inspect<S> {
    inner: S,
    config: Arc<InspectConfig>,
}

impl<S> Inspect<S> {
    pub(crate) fn new(inner: S, config: Arc<InspectConfig>) -> Self {
        Self { inner, config }
    }

    /// The service that was polled ready: it has what was reserved, and a fresh clone has not.
    fn take_ready(&mut self) -> S
    where
        S: Clone,
    {
        let clone = self.inner.clone();
        std::mem::replace(&mut self.inner, clone)
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Inspect<S>
where
    S: Service<Request<Buffered>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send,
    ReqBody: Body,
    ResBody: Body<Data = Bytes>,
{
    type Response = Response<FilterBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, S::Future, ReqBody, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        request.clear_message();
        let caller = match (request.caller(), request.anonymous_pass()) {
            (Some(caller), _) => caller.clone(),
            (None, Some(pass)) => {
                pass.heed();
                Caller::Anonymous(AnonymousReason::NoCredentials)
            }
            (None, None) => {
                return ResponseFuture::refuse(Denial::miswired("inspection found no caller"));
            }
        };
        let config = Arc::clone(&self.config);
        let plan = inspect::check_head(&config, &caller, request.method(), request.headers());
        // INVARIANT: a request without credentials goes on only to have its message read.
        if let (Caller::Anonymous(_), Some(pass)) = (&caller, request.anonymous_pass())
            && !matches!(plan, Ok(Plan::ReadBody))
        {
            return ResponseFuture::refuse(pass.refusal());
        }
        match plan {
            Err(denial) => {
                courier::settle(&config, || {
                    Route::new(self.inner.clone(), request.uri(), request.headers())
                });
                ResponseFuture::refuse(denial)
            }
            Ok(Plan::NoBody(inspected)) => {
                let (parts, _) = request.into_parts();
                ResponseFuture::forward(self.take_ready(), config, caller, parts, *inspected)
            }
            Ok(Plan::ReadBody) => ResponseFuture::read(self.take_ready(), config, caller, request),
        }
    }
}
