//! How long the service behind the gate takes, so that the rest is known to be the gate's.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use http::{Request, Response};
use pin_project_lite::pin_project;
use portcullis_core::{Clock, Note, RequestFacts as _, Trail};
use tower_layer::Layer;
use tower_service::Service;

/// Measures the service behind the gate: put it directly around that, inside all other layers. Made
/// by [`Telemetry::stopwatch`](crate::Telemetry::stopwatch).
#[derive(Clone, Debug)]
#[must_use = "nothing is measured until the layer is applied"]
pub struct StopwatchLayer {
    clock: Clock,
}

impl StopwatchLayer {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock }
    }
}

impl<S> Layer<S> for StopwatchLayer {
    type Service = Stopwatch<S>;

    fn layer(&self, inner: S) -> Stopwatch<S> {
        Stopwatch { inner, clock: self.clock.clone() }
    }
}

/// The service of a [`StopwatchLayer`].
#[derive(Clone, Debug)]
#[must_use = "services do nothing unless called"]
pub struct Stopwatch<S> {
    inner: S,
    clock: Clock,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Stopwatch<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = StopwatchFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let trail = request.trail().cloned();
        let started = self.clock.instant();
        let inner = self.inner.call(request);
        StopwatchFuture { inner, trail, clock: self.clock.clone(), started }
    }
}

pin_project! {
    /// Response future of [`Stopwatch`].
    pub struct StopwatchFuture<F> {
        #[pin]
        inner: F,
        trail: Option<Trail>,
        clock: Clock,
        started: Instant,
    }
}

impl<F, B, E> Future for StopwatchFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(this.inner.poll(cx));
        if let Some(trail) = this.trail.take() {
            let took = this.clock.instant().saturating_duration_since(*this.started);
            trail.note(Note::Answered { took });
        }
        Poll::Ready(answer)
    }
}

impl<F> fmt::Debug for StopwatchFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopwatchFuture").finish_non_exhaustive()
    }
}
