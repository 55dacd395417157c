//! Many questions, asked together.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use crate::{Answer, Authorizer, Decision, Query};

/// How many questions are open at a decision point at the same time.
const AT_ONCE: usize = 16;

/// The future of [`Authorizer::authorize_list`]: a decision for each question, in order.
///
/// Boxed because only what a decision point outside the process must see comes here.
pub type Together = Pin<Box<dyn Future<Output = Vec<Decision>> + Send>>;

/// Asks about each, a few at a time.
pub(crate) fn one_by_one<A>(authorizer: &A, queries: &[Query<'_>]) -> Together
where
    A: Authorizer + ?Sized,
{
    let mut slots: Vec<Slot<A::Later>> = queries
        .iter()
        .map(|query| match authorizer.authorize(query) {
            Answer::Now(decision) => Slot::Known(decision),
            Answer::Later(later) => Slot::Open(Box::pin(later)),
        })
        .collect();
    Box::pin(async move {
        for some in slots.chunks_mut(AT_ONCE) {
            all(some).await;
        }
        slots.into_iter().map(Slot::decision).collect()
    })
}

enum Slot<L> {
    Known(Decision),
    Open(Pin<Box<L>>),
}

impl<L> Slot<L> {
    fn decision(self) -> Decision {
        match self {
            Self::Known(decision) => decision,
            Self::Open(_) => Decision::unavailable(),
        }
    }
}

/// Waits for every answer, letting them arrive in any order.
async fn all<L: Future<Output = Decision>>(slots: &mut [Slot<L>]) {
    poll_fn(|cx| {
        let mut waiting = false;
        for slot in slots.iter_mut() {
            if let Slot::Open(later) = slot {
                match later.as_mut().poll(cx) {
                    Poll::Ready(decision) => *slot = Slot::Known(decision),
                    Poll::Pending => waiting = true,
                }
            }
        }
        if waiting { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
}
