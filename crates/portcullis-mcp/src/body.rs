//! The response body of inspection.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use portcullis_core::GateBody;

use crate::crowd::Seat;
use crate::events::Stream;

pin_project! {
    /// A response body that inspection has read, or reads as it passes.
    ///
    /// A JSON answer is here whole. A stream is read and passed on event by event; dropping this
    /// body drops the inner one, which is how a client's disconnect reaches the service behind
    ///
    #[derive(Debug)]
    pub struct FilterBody<B> {
        #[pin]
        state: State<B>,
        // Given back with the body, however it ends.
        seat: Option<Seat>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StateProj]
    enum State<B> {
        Gate { #[pin] body: GateBody<B> },
        Events { stream: Pin<Box<Stream<B>>> },
    }
}

impl<B> FilterBody<B> {
    /// A body that is as it should be.
    pub(crate) fn gate(body: GateBody<B>) -> Self {
        Self { state: State::Gate { body }, seat: None }
    }

    /// An answer of our own.
    pub(crate) fn own(bytes: Bytes) -> Self {
        Self::gate(GateBody::own(bytes))
    }

    /// The same body, which takes up the caller's seat while it lasts.
    pub(crate) fn holding(self, seat: Option<Seat>) -> Self {
        Self { seat, ..self }
    }

    /// A stream under inspection.
    pub(crate) fn events(stream: Pin<Box<Stream<B>>>) -> Self {
        Self { state: State::Events { stream }, seat: None }
    }
}

impl<B> Body for FilterBody<B>
where
    B: Body<Data = Bytes>,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.as_mut().project().state.project() {
            StateProj::Gate { body } => body.poll_frame(cx),
            StateProj::Events { stream } => {
                let next = stream.as_mut().poll_next(cx);
                if stream.events().is_over() {
                    // The service behind learns at once that nobody listens any more.
                    self.project().state.set(State::Gate { body: GateBody::own(Bytes::new()) });
                }
                next.map(|next| next.map(|piece| piece.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Gate { body } => body.is_end_stream(),
            State::Events { stream } => stream.events().is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Gate { body } => body.size_hint(),
            State::Events { .. } => SizeHint::default(),
        }
    }
}
