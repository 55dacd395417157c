//! The way of one HTTP answer: what is to be said in it, until somebody takes it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::fault::Fault;

/// The most messages that wait for a slow client.
const MAX_WAITING: usize = 256;

/// Where what a command says for one HTTP request goes. Never blocks who writes.
#[derive(Debug)]
pub(super) struct Outlet {
    state: Mutex<State>,
    /// The most bytes of messages that wait.
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Item>,
    bytes: usize,
    /// How many answers are still to come; `None` for streams that have none.
    left: Option<usize>,
    ended: bool,
    closed: bool,
    waker: Option<Waker>,
}

/// Something to say.
#[derive(Debug)]
pub(super) enum Item {
    /// A notification, or a request of the server's.
    Message(Bytes),
    /// An answer, and its code when it is an error.
    Answer(Bytes, Option<i64>),
    /// There will be no answer to the request with this id.
    Failed(Fault, Box<str>),
}

impl Outlet {
    /// The way for `answers` answers, after the last of which it ends.
    pub(super) fn for_answers(answers: usize, max_bytes: usize) -> Arc<Self> {
        let state = State { left: Some(answers), ended: answers == 0, ..State::default() };
        Arc::new(Self { state: Mutex::new(state), max_bytes })
    }

    /// The way for whatever comes, until it is ended.
    pub(super) fn for_messages(messages: VecDeque<Bytes>, max_bytes: usize) -> Arc<Self> {
        let bytes = messages.iter().map(Bytes::len).sum();
        let items = messages.into_iter().map(Item::Message).collect();
        let state = State { items, bytes, ..State::default() };
        Arc::new(Self { state: Mutex::new(state), max_bytes })
    }

    /// Whether the message was taken. It is not when nobody reads any more, or too slowly.
    pub(super) fn say(&self, message: &Bytes) -> bool {
        let mut state = self.lock();
        let full = state.items.len() >= MAX_WAITING
            || (state.bytes > 0 && state.bytes + message.len() > self.max_bytes);
        if state.closed || state.ended || full {
            return false;
        }
        state.bytes += message.len();
        state.items.push_back(Item::Message(message.clone()));
        state.wake();
        true
    }

    /// Takes an answer, always: there are no more of them than requests.
    pub(super) fn answer(&self, answer: Item) {
        let mut state = self.lock();
        if state.ended {
            return;
        }
        if let Some(left) = &mut state.left {
            *left = left.saturating_sub(1);
        }
        state.ended |= state.left == Some(0);
        if !state.closed {
            state.items.push_back(answer);
        }
        state.wake();
    }

    /// One answer less is to come: nobody wants it any more.
    pub(super) fn forgo(&self) {
        let mut state = self.lock();
        if let Some(left) = &mut state.left {
            *left = left.saturating_sub(1);
        }
        state.ended |= state.left == Some(0);
        state.wake();
    }

    /// Nothing more will be said. What waits is still to be read.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.wake();
    }

    /// Nobody reads any more.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.items = VecDeque::new();
        state.bytes = 0;
    }

    /// Whether somebody still reads, and more may be said.
    pub(super) fn is_open(&self) -> bool {
        let state = self.lock();
        !state.closed && !state.ended
    }

    /// What is next; `None` at the end.
    pub(super) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        let mut state = self.lock();
        match state.items.pop_front() {
            Some(item) => {
                if let Item::Message(message) = &item {
                    state.bytes = state.bytes.saturating_sub(message.len());
                }
                Poll::Ready(Some(item))
            }
            None if state.ended => Poll::Ready(None),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// What is next; `None` at the end.
    pub(super) async fn next(&self) -> Option<Item> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that runs under it can panic half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_has_room_where_messages_have_none() {
        let outlet = Outlet::for_answers(1, 10);
        let message = Bytes::from_static(b"1234567");
        assert!(outlet.say(&message));
        assert!(!outlet.say(&message), "more bytes than may wait");
        outlet.answer(Item::Answer(Bytes::from_static(b"{}"), None));
        assert!(!outlet.say(&Bytes::new()), "after the last answer");
        assert!(matches!(outlet.next().await, Some(Item::Message(_))));
        assert!(matches!(outlet.next().await, Some(Item::Answer(..))));
        assert!(outlet.next().await.is_none());
    }

    #[tokio::test]
    async fn messages_that_wait_are_counted() {
        let outlet = Outlet::for_messages(VecDeque::new(), usize::MAX);
        let taken = (0..MAX_WAITING + 10).filter(|_| outlet.say(&Bytes::new())).count();
        assert_eq!(taken, MAX_WAITING);
        outlet.close();
        assert!(!outlet.say(&Bytes::new()) && !outlet.is_open());
    }
}
