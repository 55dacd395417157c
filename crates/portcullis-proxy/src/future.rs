//! Waiting for the head of an answer.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use hyper_util::client::legacy::{self, Client};
use pin_project_lite::pin_project;
use portcullis_core::Denial;
use tokio::time::Sleep;

use crate::ProxyBody;
use crate::connect::Connector;
use crate::exchange::Exchange;
use crate::outgoing::Outgoing;

pin_project! {
    /// The answer of an upstream; the future of [`HttpUpstream`](crate::HttpUpstream).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture {
        #[pin]
        state: State,
    }
}

pin_project! {
    #[project = StateProj]
    enum State {
        Refused { denial: Option<Denial> },
        Asking {
            #[pin] answer: legacy::ResponseFuture,
            #[pin] limit: Sleep,
            exchange: Exchange,
            again: Option<Again>,
        },
    }
}

impl ResponseFuture {
    pub(crate) fn refuse(denial: Denial) -> Self {
        Self { state: State::Refused { denial: Some(denial) } }
    }

    pub(crate) fn asking(
        answer: legacy::ResponseFuture,
        exchange: Exchange,
        again: Option<Again>,
    ) -> Self {
        let limit = tokio::time::sleep(exchange.config.head_limit);
        Self { state: State::Asking { answer, limit, exchange, again } }
    }
}

/// How to send a request once more that a closing connection swallowed. Only for what has no side
/// effects: nobody knows how far it came.
pub(crate) struct Again(Box<(Client<Connector, Outgoing>, Request<()>)>);

impl Again {
    pub(crate) fn new(client: &Client<Connector, Outgoing>, request: &Request<Outgoing>) -> Self {
        let mut copy = Request::new(());
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.headers_mut() = request.headers().clone();
        Self(Box::new((client.clone(), copy)))
    }

    fn send(self) -> legacy::ResponseFuture {
        let (client, request) = *self.0;
        client.request(request.map(|()| Outgoing::empty()))
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<ProxyBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Refused { denial } => {
                let denial = denial.take().unwrap_or_else(|| Denial::miswired("a future twice"));
                Poll::Ready(Ok(ProxyBody::refuse(denial)))
            }
            StateProj::Asking { mut answer, limit, exchange, again } => loop {
                return match answer.as_mut().poll(cx) {
                    Poll::Ready(Ok(response)) => Poll::Ready(Ok(exchange.answered(response))),
                    Poll::Ready(Err(error)) => match again.take_if(|_| !error.is_connect()) {
                        Some(again) => {
                            answer.set(again.send());
                            continue;
                        }
                        None => Poll::Ready(Ok(exchange.failed(&error))),
                    },
                    Poll::Pending => limit.poll(cx).map(|()| Ok(exchange.timed_out())),
                };
            },
        }
    }
}
