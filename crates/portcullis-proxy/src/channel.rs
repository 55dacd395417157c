//! A body that is written elsewhere while it is read.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;
use tokio::sync::mpsc;

use crate::{ProxyBody, ProxyError, ProxyErrorKind};

/// The reading end; held by a [`ProxyBody`].
pub(crate) struct Channel(mpsc::Receiver<Result<Bytes, ProxyError>>);

/// The writing end of a [`ProxyBody`]. Dropping it ends the body well.
#[derive(Clone, Debug)]
pub(crate) struct BodySender(mpsc::Sender<Result<Bytes, ProxyError>>);

/// Nobody reads the body any more: the client went away.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone;

#[cfg_attr(not(feature = "stdio"), expect(dead_code, reason = "commands write answers so"))]
impl BodySender {
    /// A body, and its writing end, which waits while `capacity` pieces are unread.
    pub(crate) fn channel(capacity: usize) -> (Self, ProxyBody) {
        let (sender, receiver) = mpsc::channel(capacity);
        (Self(sender), ProxyBody::channel(Channel(receiver)))
    }

    /// Writes, when there is room.
    pub(crate) async fn send(&self, bytes: Bytes) -> Result<(), Gone> {
        self.0.send(Ok(bytes)).await.map_err(|_| Gone)
    }

    /// Ends the body as one that is not whole.
    pub(crate) async fn fail(self, kind: ProxyErrorKind) {
        let _ = self.0.send(Err(ProxyError::new(kind))).await;
    }

    /// Waits until nobody reads the body any more.
    pub(crate) async fn gone(&self) {
        self.0.closed().await;
    }

    /// Whether nobody reads the body any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.0.is_closed()
    }
}

impl Channel {
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ProxyError>>> {
        Pin::new(&mut self.0).poll_recv(cx).map(|read| Some(read?.map(Frame::data)))
    }
}
