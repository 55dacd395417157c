//! What the benches share: a small harness that compares, and futures that are run in place.
//!
//! All works of a group take turns, a few milliseconds each, round after round, so that a machine
//! whose speed drifts is as slow for one as for the other. A ratio is taken within each round; the
//! median of the rounds is told. Time is the processor time of the measuring thread: what other
//! threads and other programs do is not counted.
#![allow(dead_code, unused_imports, reason = "each bench uses its part")]

mod group;
mod run;
mod show;

pub use group::{Group, Side, processor_time};
pub use run::Bench;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

/// Something that lives as long as the program, for works to share.
pub fn keep<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// Runs a future on this thread. Most are ready at once; if not, the thread sleeps until woken.
pub fn now<F: Future>(future: F) -> F::Output {
    WAKER.with(|waker| {
        let mut context = Context::from_waker(waker);
        let mut future = pin!(future);
        loop {
            match future.as_mut().poll(&mut context) {
                Poll::Ready(output) => return output,
                Poll::Pending => std::thread::park(),
            }
        }
    })
}

/// Runs futures side by side on this thread, as a server does with its connections.
pub fn together<F: Future>(futures: impl IntoIterator<Item = F>, mut done: impl FnMut(F::Output)) {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    WAKER.with(|waker| {
        let mut context = Context::from_waker(waker);
        loop {
            futures.retain_mut(|future| match future.as_mut().poll(&mut context) {
                Poll::Ready(output) => {
                    done(output);
                    false
                }
                Poll::Pending => true,
            });
            if futures.is_empty() {
                return;
            }
            std::thread::park();
        }
    });
}

thread_local! {
    static WAKER: Waker = Waker::from(Arc::new(Unpark(std::thread::current())));
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// Numbers that look random and are the same in every run.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        // Knuth's MMIX multiplier; the high bits are the good ones.
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    /// `length` letters.
    pub fn word(&mut self, length: usize) -> String {
        (0..length).map(|_| char::from(b'a' + u8::try_from(self.below(26)).unwrap())).collect()
    }
}
