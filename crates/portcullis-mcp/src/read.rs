//! Reads a whole body, within bounds.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

/// After so many frames without a pause the task lets others run.
const FRAMES_PER_POLL: usize = 32;

/// How long a body may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// From the first wait to the end.
    pub(crate) total: Duration,
    /// Without a byte.
    pub(crate) idle: Duration,
}

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ReadError {
    /// It has more bytes than the limit.
    TooLarge,
    /// It took longer than its pace allows.
    TooSlow,
    /// Its source failed.
    Failed,
}

pin_project! {
    /// The bytes of a body. Trailers are dropped: they influence nothing.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub(crate) struct Read<B> {
        #[pin]
        body: B,
        // Boxed: most bodies are there at once.
        timer: Option<Pin<Box<Sleep>>>,
        limit: usize,
        pace: Option<Pace>,
        deadline: Option<Instant>,
        progress: bool,
        gathered: Gathered,
    }
}

impl<B> Read<B> {
    /// Reads `body` up to `limit` bytes, at its own pace or at least at `pace`.
    pub(crate) fn new(body: B, limit: usize, pace: Option<Pace>) -> Self {
        Self {
            body,
            timer: None,
            limit,
            pace,
            deadline: None,
            progress: false,
            gathered: Gathered::Nothing,
        }
    }
}

impl<B: Body> Future for Read<B> {
    type Output = Result<Bytes, ReadError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        for _ in 0..FRAMES_PER_POLL {
            let mut this = self.as_mut().project();
            // The usual body is one frame that says it is the last: it is taken as it is.
            if this.body.is_end_stream() {
                return Poll::Ready(Ok(this.gathered.take()));
            }
            let frame = match this.body.as_mut().poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(ReadError::Failed)),
                Poll::Ready(None) => return Poll::Ready(Ok(this.gathered.take())),
                Poll::Pending => return self.poll_late(cx),
            };
            let Ok(mut data) = frame.into_data() else { continue };
            let length = data.remaining();
            if length > this.limit.saturating_sub(this.gathered.len()) {
                return Poll::Ready(Err(ReadError::TooLarge));
            }
            if length > 0 {
                *this.progress = true;
                let more = usize::try_from(this.body.size_hint().lower()).unwrap_or(usize::MAX);
                this.gathered.push(data.copy_to_bytes(length), more.min(*this.limit));
            }
        }
        cx.waker().wake_by_ref();
        self.poll_late(cx)
    }
}

impl<B> Read<B> {
    /// Is it too late? Timers start with the first wait: most bodies are there at once.
    fn poll_late(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Bytes, ReadError>> {
        let this = self.project();
        let Some(pace) = *this.pace else { return Poll::Pending };
        if this.timer.is_none() || *this.progress {
            *this.progress = false;
            let now = Instant::now();
            let deadline = *this.deadline.get_or_insert(now + pace.total);
            let end = deadline.min(now + pace.idle);
            match this.timer {
                Some(timer) => timer.as_mut().reset(end),
                None => *this.timer = Some(Box::pin(sleep_until(end))),
            }
        }
        if let Some(timer) = this.timer {
            ready!(timer.as_mut().poll(cx));
        }
        Poll::Ready(Err(ReadError::TooSlow))
    }
}

#[derive(Debug)]
enum Gathered {
    Nothing,
    One(Bytes),
    Several(BytesMut),
}

impl Gathered {
    fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One(bytes) => bytes.len(),
            Self::Several(bytes) => bytes.len(),
        }
    }

    /// Appends `bytes`, after which at least `more` will come.
    fn push(&mut self, bytes: Bytes, more: usize) {
        match self {
            Self::Nothing => *self = Self::One(bytes),
            Self::One(first) => {
                let mut all = BytesMut::with_capacity(first.len() + bytes.len() + more);
                all.extend_from_slice(first);
                all.extend_from_slice(&bytes);
                *self = Self::Several(all);
            }
            Self::Several(all) => all.extend_from_slice(&bytes),
        }
    }

    fn take(&mut self) -> Bytes {
        match std::mem::replace(self, Self::Nothing) {
            Self::Nothing => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Several(bytes) => bytes.freeze(),
        }
    }
}

#[cfg(test)]
mod tests;
