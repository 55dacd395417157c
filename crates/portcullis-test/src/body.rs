//! Bodies whose frames a test decides.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use tokio::sync::mpsc;

use crate::{DropGuard, DropProbe};

/// A body that yields exactly the given chunks, one a frame, and then ends as told.
///
/// It never tells its size in advance, so HTTP/1.1 sends it chunked.
#[derive(Debug, Default)]
pub struct ChunkedBody {
    chunks: VecDeque<Bytes>,
    live: Option<mpsc::UnboundedReceiver<Bytes>>,
    end: End,
    yields: bool,
    yielded: bool,
    _guard: Option<DropGuard>,
}

#[derive(Debug, Default)]
enum End {
    #[default]
    Done,
    Trailers(Box<HeaderMap>),
    Failure,
    Never,
}

impl ChunkedBody {
    /// A body of these chunks.
    pub fn new<C: Into<Bytes>>(chunks: impl IntoIterator<Item = C>) -> Self {
        Self { chunks: chunks.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// A body without content.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// A body that yields what the sender sends, and ends when the sender is dropped.
    #[must_use]
    pub fn live() -> (mpsc::UnboundedSender<Bytes>, Self) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (sender, Self { live: Some(receiver), ..Self::default() })
    }

    /// After the chunks, stays open for ever.
    #[must_use]
    pub fn then_never_ends(mut self) -> Self {
        self.end = End::Never;
        self
    }

    /// After the chunks, fails as a broken connection does.
    #[must_use]
    pub fn then_fails(mut self) -> Self {
        self.end = End::Failure;
        self
    }

    /// After the chunks, sends trailers.
    #[must_use]
    pub fn then_trailers(mut self, trailers: HeaderMap) -> Self {
        self.end = End::Trailers(Box::new(trailers));
        self
    }

    /// Is pending once before each frame, as a network is.
    #[must_use]
    pub fn yielding(mut self) -> Self {
        self.yields = true;
        self
    }

    /// Reports to `probe` when the body is dropped.
    #[must_use]
    pub fn probed(mut self, probe: &DropProbe) -> Self {
        self._guard = Some(probe.guard());
        self
    }
}

impl Body for ChunkedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.yields && !self.yielded {
            self.yielded = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.yielded = false;
        if let Some(chunk) = self.chunks.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        if let Some(live) = &mut self.live
            && let Some(chunk) = std::task::ready!(live.poll_recv(cx))
        {
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        match std::mem::take(&mut self.end) {
            End::Done => Poll::Ready(None),
            End::Trailers(trailers) => Poll::Ready(Some(Ok(Frame::trailers(*trailers)))),
            End::Failure => Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into()))),
            End::Never => {
                // Nothing will ever wake the task for this body; dropping it is the only way out.
                self.end = End::Never;
                Poll::Pending
            }
        }
    }
}
