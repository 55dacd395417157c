//! Bodies: of requests as they come in, and of answers that may have to end.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;

/// The body of a request, frame by frame as it arrives.
pub struct RequestBody(pub(crate) Incoming);

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.0).poll_frame(cx).map_err(BodyError)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").finish_non_exhaustive()
    }
}

/// Why a request's body did not arrive as a whole.
#[derive(Debug)]
pub struct BodyError(hyper::Error);

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body of the request broke off")
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

pin_project! {
    /// A body that ends when a future does, for streams that would last for ever: when the program stops, or
    /// when what they are about is no more.
    ///
    /// What has arrived by then is passed on first. The end is an orderly one: the client sees no broken
    /// connection.
    #[derive(Debug)]
    pub struct EndsWith<B, F> {
        #[pin]
        body: B,
        #[pin]
        end: F,
        ended: bool,
    }
}

impl<B, F> EndsWith<B, F> {
    /// `body`, as long as `end` is not ready.
    pub fn new(body: B, end: F) -> Self {
        Self { body, end, ended: false }
    }
}

impl<B: Body, F: Future<Output = ()>> Body for EndsWith<B, F> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        if *this.ended {
            return Poll::Ready(None);
        }
        let frame = this.body.poll_frame(cx);
        if frame.is_pending() && this.end.poll(cx).is_ready() {
            *this.ended = true;
            return Poll::Ready(None);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::{BodyExt as _, Channel};

    use super::*;

    #[tokio::test]
    async fn what_has_arrived_is_passed_on_before_the_end() {
        let (mut sender, body) = Channel::<Bytes, Infallible>::new(4);
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let body = EndsWith::new(body, async move { drop(ended.await) });
        let mut body = std::pin::pin!(body);
        let mut frame = async || body.frame().await.map(|it| it.unwrap().into_data().unwrap());
        sender.send_data("one".into()).await.unwrap();
        assert_eq!(frame().await.unwrap(), "one");
        sender.send_data("two".into()).await.unwrap();
        end.send(()).unwrap();
        assert_eq!(frame().await.unwrap(), "two");
        assert_eq!(frame().await, None);
        sender.send_data("three".into()).await.unwrap();
        assert_eq!(frame().await, None, "an end is an end");
    }
}
