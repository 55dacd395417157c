//! Request time.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use portcullis_core::{Denial, GateBody, RequestFacts as _};
use tower_service::Service;

use super::take::Config;

/// Takes the client's certificate from a trusted proxy's header; made by
/// [`ClientCertLayer`](crate::ClientCertLayer).
#[derive(Clone, Debug)]
#[must_use = "a service does nothing until it is called"]
pub struct ClientCert<S> {
    inner: S,
    config: Arc<Config>,
}

impl<S> ClientCert<S> {
    pub(super) fn new(inner: S, config: Arc<Config>) -> Self {
        Self { inner, config }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for ClientCert<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = Response<GateBody<ResBody>>;
    type Error = S::Error; // a refusal is a response
    type Future = ClientCertFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        request.clear_client_certificate();
        let (mut parts, body) = request.into_parts();
        // INVARIANT: `inner.call` is reached without any header that names a certificate.
        let state = match self.config.take(&mut parts) {
            Ok(certificate) => {
                if let Some(certificate) = certificate {
                    parts.set_client_certificate(certificate);
                }
                State::Forward { inner: self.inner.call(Request::from_parts(parts, body)) }
            }
            Err(denial) => State::Refuse { denial: Some(denial) },
        };
        ClientCertFuture { state }
    }
}

pin_project! {
    /// Response future of [`ClientCert`]; `F` is the inner service's.
    #[must_use = "futures do nothing unless polled"]
    pub struct ClientCertFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Forward { #[pin] inner: F },
        Refuse { denial: Option<Denial> },
    }
}

impl<F, B, E> Future for ClientCertFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<GateBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Forward { inner } => {
                Poll::Ready(Ok(ready!(inner.poll(cx))?.map(GateBody::inner)))
            }
            #[expect(
                clippy::expect_used,
                reason = "polling a finished future is the caller's fault"
            )]
            StateProj::Refuse { denial } => {
                Poll::Ready(Ok(denial.take().expect("polled after completion").into_response()))
            }
        }
    }
}

impl<F> fmt::Debug for ClientCertFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertFuture").finish_non_exhaustive()
    }
}
