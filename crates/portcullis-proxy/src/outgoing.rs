//! The body of a request on its way to an upstream.

use std::any::Any;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use portcullis_core::Buffered;

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// What is sent: bytes that are all there, as behind an inspecting layer, or a body that is read as it
/// is sent. Trailers are left out.
pub(crate) enum Outgoing {
    Whole(Buffered),
    Streamed(Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>),
}

impl Outgoing {
    pub(crate) fn new<B>(mut body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        if body.is_end_stream() {
            return Self::empty();
        }
        // One client serves bodies of every type; the usual one needs no box for that.
        if let Some(whole) = (&mut body as &mut dyn Any).downcast_mut::<Buffered>() {
            return Self::Whole(std::mem::take(whole));
        }
        Self::Streamed(Box::pin(Uniform { body }))
    }

    pub(crate) fn empty() -> Self {
        Self::Whole(Buffered::empty())
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Self::Streamed(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Streamed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Streamed(body) => body.size_hint(),
        }
    }
}

pin_project_lite::pin_project! {
    /// A body with the one error type, and without trailers.
    struct Uniform<B> {
        #[pin]
        body: B,
    }
}

impl<B> Body for Uniform<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut body = self.project().body;
        loop {
            return match std::task::ready!(body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
                    Err(_) => continue,
                },
                Some(Err(error)) => Poll::Ready(Some(Err(error.into()))),
                None => Poll::Ready(None),
            };
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http_body_util::{BodyExt as _, Full};

    use super::*;

    /// what comes behind a body goes no further, whatever the protocol to the upstream is.
    #[tokio::test]
    async fn trailers_are_left_out() {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-user", "admin".parse().unwrap());
        let body = Full::new(Bytes::from_static(b"{}"));
        let body = body.with_trailers(std::future::ready(Some(Ok(trailers))));
        let sent = Outgoing::new(body).collect().await.unwrap();
        assert_eq!(sent.trailers(), None);
        assert_eq!(sent.to_bytes(), "{}");
    }
}
