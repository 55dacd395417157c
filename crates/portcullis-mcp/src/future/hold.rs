//! A stream whose head is held back until it has answered.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body::Body;
use portcullis_core::Reason;

use super::{Early, Head, State};
use crate::FilterBody;
use crate::events::Stream;
use crate::violation::Violation;

/// Takes pieces of a stream until it has answered, ended, or grown too long.
pub(super) fn poll_hold<B: Body<Data = Bytes>>(
    stream: &mut Option<Pin<Box<Stream<B>>>>,
    early: &mut Early,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let Some(stream) = stream else { return Poll::Ready(()) };
    loop {
        let limit = stream.events().exchange().config().limits.event;
        match ready!(stream.as_mut().poll_next(cx)) {
            Some(Ok(piece)) if early.bytes + piece.len() <= limit => {
                early.bytes += piece.len();
                early.pieces.push_back(piece);
            }
            _ => return Poll::Ready(()),
        }
        if stream.events().exchange().waiting().next().is_none() {
            return Poll::Ready(());
        }
    }
}

/// Lets a stream go whose head was held back.
pub(super) fn release<S, F, ReqBody, ResBody>(
    mut stream: Pin<Box<Stream<ResBody>>>,
    early: Early,
    head: Head,
) -> State<S, F, ReqBody, ResBody> {
    let exchange = stream.as_mut().exchange_mut();
    if exchange.waiting().next().is_some() {
        return State::refuse(exchange.refuse(Violation::new(Reason::UpstreamError)));
    }
    match head.named(exchange) {
        Ok(parts) => {
            stream.as_mut().give_back(early.pieces);
            State::done(Response::from_parts(parts, FilterBody::events(stream)))
        }
        Err(violation) => State::refuse(exchange.refuse(violation)),
    }
}
