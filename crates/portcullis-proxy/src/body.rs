//! The body of an answer, wherever it comes from.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use portcullis_core::{Buffered, Denial, GateBody};
use tokio::time::{Instant, Sleep};

use crate::channel::Channel;
use crate::{ProxyError, ProxyErrorKind};

pin_project! {
    /// The body of an answer: an upstream's own, frame by frame as it arrives, or one made here.
    ///
    /// Nothing is read ahead of who reads this body, and dropping it drops the upstream's answer.
    /// Trailers are left out.
    pub struct ProxyBody {
        #[pin]
        state: State,
    }
}

pin_project! {
    #[project = StateProj]
    enum State {
        Own { body: GateBody<Buffered> },
        Upstream { #[pin] body: Incoming, #[pin] patience: Patience },
        Channel { body: Channel },
    }
}

impl ProxyBody {
    /// A body of exactly these bytes.
    #[must_use]
    pub fn full(bytes: Bytes) -> Self {
        Self { state: State::Own { body: GateBody::own(bytes) } }
    }

    /// No body.
    #[must_use]
    pub fn empty() -> Self {
        Self::full(Bytes::new())
    }

    /// A refusal, as every layer answers one.
    pub(crate) fn refuse(denial: Denial) -> Response<Self> {
        denial.into_response().map(|body| Self { state: State::Own { body } })
    }

    /// What an HTTP upstream answers.
    pub(crate) fn upstream(body: Incoming, patience: Patience) -> Self {
        Self { state: State::Upstream { body, patience } }
    }

    /// What somebody writes while it is read.
    pub(crate) fn channel(body: Channel) -> Self {
        Self { state: State::Channel { body } }
    }
}

impl Body for ProxyBody {
    type Data = Bytes;
    type Error = ProxyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ProxyError>>> {
        match self.project().state.project() {
            StateProj::Own { body } => {
                Pin::new(body).poll_frame(cx).map_err(|never| match never {})
            }
            StateProj::Upstream { mut body, mut patience } => loop {
                return match body.as_mut().poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => {
                        // Trailers could say anything that the head may not.
                        let Ok(data) = frame.into_data() else { continue };
                        patience.as_mut().rewarded();
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
            StateProj::Channel { body } => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Own { body } => body.is_end_stream(),
            State::Upstream { body, .. } => body.is_end_stream(),
            State::Channel { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Own { body } => body.size_hint(),
            State::Upstream { body, .. } => body.size_hint(),
            State::Channel { .. } => SizeHint::default(),
        }
    }
}

impl fmt::Debug for ProxyBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyBody").finish_non_exhaustive()
    }
}

pin_project! {
    /// How long to wait for an upstream that says nothing.
    pub(crate) struct Patience {
        #[pin]
        sleep: Option<Sleep>,
        // Of each silence, where it is not of the whole body.
        silence: Option<Duration>,
    }
}

impl Patience {
    /// The whole body has to be there after `limit`.
    pub(crate) fn in_all(limit: Option<Duration>) -> Self {
        Self { sleep: limit.map(tokio::time::sleep), silence: None }
    }

    /// No silence may last longer than `limit`.
    pub(crate) fn each_time(limit: Option<Duration>) -> Self {
        Self { sleep: limit.map(tokio::time::sleep), silence: limit }
    }

    fn rewarded(self: Pin<&mut Self>) {
        let this = self.project();
        if let (Some(sleep), Some(silence)) = (this.sleep.as_pin_mut(), *this.silence) {
            sleep.reset(Instant::now() + silence);
        }
    }

    fn poll_lost(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.project().sleep.as_pin_mut() {
            Some(sleep) => sleep.poll(cx),
            None => Poll::Pending,
        }
    }
}
