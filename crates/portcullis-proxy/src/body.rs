//! The body of an answer, wherever it comes from.

use std::fmt;
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use portcullis_core::{Buffered, Denial, GateBody};
use tokio::time::{Instant, Sleep};

#[cfg(all(feature = "stdio", unix))]
use crate::stdio::Events;
use crate::{ProxyError, ProxyErrorKind};

/// The body of an answer: an upstream's own, frame by frame as it arrives, or one made here.
///
/// Nothing is read ahead of who reads this body, and dropping it drops the upstream's answer.
/// Trailers are left out.
pub struct ProxyBody {
    state: State,
}

enum State {
    Own(GateBody<Buffered>),
    Upstream(Incoming, Patience),
    #[cfg(all(feature = "stdio", unix))]
    Events(Pin<Box<Events>>),
}

impl ProxyBody {
    /// A body of exactly these bytes.
    #[must_use]
    pub fn full(bytes: Bytes) -> Self {
        Self { state: State::Own(GateBody::own(bytes)) }
    }

    /// No body.
    #[must_use]
    pub fn empty() -> Self {
        Self::full(Bytes::new())
    }

    /// A refusal, as every layer answers one.
    pub(crate) fn refuse(denial: Denial) -> Response<Self> {
        denial.into_response().map(|body| Self { state: State::Own(body) })
    }

    /// What an HTTP upstream answers.
    pub(crate) fn upstream(body: Incoming, patience: Patience) -> Self {
        Self { state: State::Upstream(body, patience) }
    }

    /// What a command says while it is read.
    #[cfg(all(feature = "stdio", unix))]
    pub(crate) fn events(body: Events) -> Self {
        Self { state: State::Events(Box::pin(body)) }
    }
}

impl Body for ProxyBody {
    type Data = Bytes;
    type Error = ProxyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ProxyError>>> {
        match &mut self.get_mut().state {
            State::Own(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            State::Upstream(body, patience) => loop {
                return match Pin::new(&mut *body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => {
                        // Trailers could say anything that the head may not.
                        let Ok(data) = frame.into_data() else { continue };
                        patience.reward();
                        Poll::Ready(Some(Ok(Frame::data(data))))
                    }
                    Poll::Ready(Some(Err(error))) => {
                        Poll::Ready(Some(Err(ProxyError::broken(error))))
                    }
                    Poll::Ready(None) => Poll::Ready(None),
                    Poll::Pending => patience
                        .poll_lost(cx)
                        .map(|()| Some(Err(ProxyError::new(ProxyErrorKind::TimedOut)))),
                };
            },
            #[cfg(all(feature = "stdio", unix))]
            State::Events(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Own(body) => body.is_end_stream(),
            State::Upstream(body, _) => body.is_end_stream(),
            #[cfg(all(feature = "stdio", unix))]
            State::Events(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Own(body) => body.size_hint(),
            State::Upstream(body, _) => body.size_hint(),
            #[cfg(all(feature = "stdio", unix))]
            State::Events(_) => SizeHint::default(),
        }
    }
}

impl fmt::Debug for ProxyBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyBody").finish_non_exhaustive()
    }
}

/// How long to wait for an upstream that says nothing.
pub(crate) struct Patience {
    limit: Option<Duration>,
    /// Whether `limit` is that of each silence, not of the whole body.
    each: bool,
    started: Instant,
    /// There as soon as there is something to wait for: most documents come with their head.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// The whole body has to be there after `limit`.
    pub(crate) fn in_all(limit: Duration) -> Self {
        Self { limit: Some(limit), each: false, started: Instant::now(), sleep: None }
    }

    /// No silence may last longer than `limit`.
    pub(crate) fn each_time(limit: Option<Duration>) -> Self {
        Self { limit, each: true, started: Instant::now(), sleep: None }
    }

    fn reward(&mut self) {
        if let Some(limit) = self.limit.filter(|_| self.each) {
            self.started = Instant::now();
            if let Some(sleep) = &mut self.sleep {
                sleep.as_mut().reset(self.started + limit);
            }
        }
    }

    fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(limit) = self.limit else { return Poll::Pending };
        let until = self.started + limit;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        sleep.as_mut().poll(cx)
    }
}
