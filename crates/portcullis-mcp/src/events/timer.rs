//! How long a stream lasts, and how it says that it is alive.

use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use portcullis_core::Reason;
use tokio::time::{Instant, sleep_until};

use super::Events;
use crate::sse;
use crate::violation::Violation;

/// How often a silent long-lived stream says that it is alive, and looks whether policy has
/// changed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

impl Events {
    /// Ready when something was done: the stream ended with its session or by the timer, or it said that
    /// it is alive.
    pub(super) fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.exchange.poll_session_end(cx).is_ready() {
            self.end_with_session();
            return Poll::Ready(());
        }
        let next_sign = |now: Instant| self.long_lived.then(|| now + KEEP_ALIVE);
        let now = Instant::now();
        if self.timer.is_none() {
            let until = [self.ends_at, next_sign(now)].into_iter().flatten().min();
            self.timer = until.map(|until| Box::pin(sleep_until(until)));
        }
        let Some(timer) = &mut self.timer else { return Poll::Pending };
        if timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        if self.ends_at.is_some_and(|ends_at| ends_at <= now) {
            self.expire();
            return Poll::Ready(());
        }
        self.timer = None;
        for news in self.exchange.policy_news() {
            self.pass(sse::event(news.as_bytes()));
        }
        if !std::mem::take(&mut self.spoke) {
            self.ready.push_back(Bytes::from_static(sse::KEEP_ALIVE));
        }
        Poll::Ready(())
    }

    /// Ends the stream because the caller's proof has ended.
    fn expire(&mut self) {
        if let Some(listen) = self.exchange.listen() {
            self.ready.push_back(sse::event(listen.closing().as_bytes()));
        }
        self.end();
    }

    /// Ends the stream because its session has ended: what it still owes, no other stream will bring.
    fn end_with_session(&mut self) {
        if !self.long_lived {
            self.answer_waiting(Violation::new(Reason::UpstreamError));
        }
        self.end();
    }

    fn end(&mut self) {
        self.asking = None;
        self.revising = None;
        self.over = true;
    }
}
