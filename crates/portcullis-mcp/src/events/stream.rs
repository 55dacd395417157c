//! A stream and its inspection, as one.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Body;
use pin_project_lite::pin_project;
use portcullis_core::Denial;

use super::Events;
use crate::exchange::Exchange;

pin_project! {
    /// A stream and its inspection.
    #[derive(Debug)]
    pub(crate) struct Stream<B> {
        #[pin]
        body: B,
        events: Events,
    }
}

impl<B> Stream<B> {
    pub(crate) fn new(body: B, events: Events) -> Self {
        Self { body, events }
    }

    pub(crate) fn events(&self) -> &Events {
        &self.events
    }

    pub(crate) fn exchange_mut(self: Pin<&mut Self>) -> &mut Exchange {
        &mut self.project().events.exchange
    }

    /// Says that the head of the answer waits for the first message.
    pub(crate) fn hold(self: Pin<&mut Self>) {
        self.project().events.peeking = true;
    }

    /// Says that the head of the answer waits no longer.
    pub(crate) fn let_go(self: Pin<&mut Self>) {
        self.project().events.peeking = false;
    }

    /// The answer in place of the stream, when its first message was not to pass.
    pub(crate) fn take_instead(self: Pin<&mut Self>) -> Option<Denial> {
        self.project().events.instead.take()
    }

    /// Says that the service broke off, after a part of the stream was taken.
    pub(crate) fn break_off(self: Pin<&mut Self>) {
        self.project().events.break_off();
    }

    /// Gives back pieces that were taken too early, to be sent first.
    pub(crate) fn give_back(self: Pin<&mut Self>, pieces: VecDeque<Bytes>) {
        let ready = &mut self.project().events.ready;
        let later = std::mem::replace(ready, pieces);
        ready.extend(later);
    }

    /// The next piece of the stream; `None` at its end.
    pub(crate) fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, B::Error>>>
    where
        B: Body<Data = Bytes>,
    {
        let this = self.project();
        this.events.poll_next(this.body, cx)
    }
}
