//! An answer as a stream of server-sent events.

use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use pin_project_lite::pin_project;
use portcullis_core::Text;
use tokio::time::{Instant, Sleep};

use super::child::Child;
use super::outlet::{Item, Outlet};
use crate::ProxyError;

/// How long a stream may be silent until a comment shows that it lives.
const QUIET: Duration = Duration::from_secs(20);

/// Who reads what a child says for one HTTP request. Dropping it tells the child, where that is to cancel.
pub(super) struct Listener {
    pub(super) child: Arc<Child>,
    pub(super) outlet: Arc<Outlet>,
    /// The requests that are answered here.
    pub(super) numbers: Vec<u64>,
}

impl Listener {
    /// Waits no longer for the answers.
    pub(super) fn give_up(&self) {
        let lines = self.child.table().give_up(&self.numbers);
        self.child.mention(lines);
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.outlet.close();
        let lines = self.child.table().abandon(&self.numbers);
        self.child.mention(lines);
    }
}

pin_project! {
    /// The events of an answer.
    pub(crate) struct Events {
        listener: Listener,
        early: VecDeque<Item>,
        #[pin]
        quiet: Sleep,
    }
}

impl Events {
    /// First `early`, then what comes.
    pub(super) fn new(listener: Listener, early: VecDeque<Item>) -> Self {
        Self { listener, early, quiet: tokio::time::sleep(QUIET) }
    }

    pub(crate) fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ProxyError>>> {
        let mut this = self.project();
        let next = match this.early.pop_front() {
            Some(item) => Poll::Ready(Some(item)),
            None => this.listener.outlet.poll_next(cx),
        };
        let piece = match next {
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(item)) => event(&item),
            Poll::Pending => {
                std::task::ready!(this.quiet.as_mut().poll(cx));
                Bytes::from_static(b":\n\n")
            }
        };
        this.quiet.as_mut().reset(Instant::now() + QUIET);
        // The timer has to know whom to wake.
        let _pending = this.quiet.poll(cx);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

/// The message as an event. It has no line breaks.
fn event(item: &Item) -> Bytes {
    let refused;
    let message: &[u8] = match item {
        Item::Message(message) | Item::Answer(message, _) => message,
        Item::Failed(fault, id) => {
            refused = fault.denial(Some(&Text::from(&**id)));
            refused.rpc_object().unwrap_or_default().as_bytes()
        }
    };
    [b"data: ", message, b"\n\n"].concat().into()
}
