//! What a stream says first: a target that does not exist must look like one that is hidden.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, response};
use http_body::Body;
use portcullis_core::{Denial, Reason, ResponseFacts as _};
use tokio::time::{Sleep, sleep};

use super::State;
use super::way_out::refused;
use crate::FilterBody;
use crate::events::Stream;
use crate::violation::Violation;

/// How long a stream's head waits for the first message. A server that does not know the target
/// says so at once: there is nothing to execute.
const PATIENCE: Duration = Duration::from_millis(250);
/// How much may come before the first message.
const PRELUDE: usize = 4096;

/// A stream whose head waits for its first message.
#[derive(Debug)]
pub(super) struct Peek<B> {
    stream: Pin<Box<Stream<B>>>,
    parts: response::Parts,
    pieces: VecDeque<Bytes>,
    bytes: usize,
    failed: bool,
    patience: Option<Pin<Box<Sleep>>>,
}

impl<B: Body<Data = Bytes>> Peek<B> {
    pub(super) fn new(stream: Pin<Box<Stream<B>>>, parts: response::Parts) -> Self {
        let pieces = VecDeque::new();
        Self { stream, parts, pieces, bytes: 0, failed: false, patience: None }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match self.stream.as_mut().poll_next(cx) {
                Poll::Ready(Some(Ok(piece))) => {
                    self.bytes += piece.len();
                    self.pieces.push_back(piece);
                    if self.stream.events().has_begun() || self.bytes > PRELUDE {
                        return Poll::Ready(());
                    }
                }
                Poll::Ready(Some(Err(_))) => {
                    self.failed = true;
                    return Poll::Ready(());
                }
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => {
                    let patience = self.patience.get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
                    return patience.as_mut().poll(cx);
                }
            }
        }
    }

    /// Answers, or lets the stream go.
    pub(super) fn finish<S, F, ReqBody>(mut self) -> State<S, F, ReqBody, B> {
        if let Some(denial) = self.stream.as_mut().take_instead() {
            return State::done(instead(denial));
        }
        if self.failed && self.pieces.is_empty() {
            let exchange = self.stream.events().exchange();
            return State::refuse(exchange.refuse(Violation::new(Reason::UpstreamError)));
        }
        if self.failed {
            self.stream.as_mut().break_off();
        }
        self.stream.as_mut().give_back(self.pieces);
        self.stream.as_mut().let_go();
        State::done(Response::from_parts(self.parts, FilterBody::events(self.stream)))
    }
}

/// The answer of the service in the words of the gate.
pub(super) fn instead<B>(denial: Denial) -> Response<FilterBody<B>> {
    let mut response = refused(denial);
    // For the record it is a call that failed: nobody refused it.
    response.clear();
    response
}
