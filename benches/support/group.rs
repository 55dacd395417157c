//! What is measured, and what is asked of it.

use std::hint::black_box;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Works that take turns, and questions about them.
#[derive(Default)]
pub struct Group {
    pub(super) works: Vec<Work>,
    pub(super) questions: Vec<Question>,
    pub(super) notes: Vec<String>,
}

pub(super) struct Work {
    pub(super) name: String,
    /// Runs so many times and says how long it took.
    pub(super) run: Box<dyn FnMut(u64) -> Duration>,
}

/// A work, or what it takes more than another one.
#[derive(Clone, Copy)]
pub struct Side {
    pub(super) work: usize,
    pub(super) floor: Option<usize>,
}

pub(super) struct Question {
    pub(super) target: &'static str,
    pub(super) ask: Ask,
}

pub(super) enum Ask {
    /// The first is at most so many times the second.
    AtMost(Side, Side, f64),
    /// The second is at least so many times the first.
    Faster(Side, Side, f64),
    /// At most so many nanoseconds.
    Within(Side, f64),
    /// At most so many allocations.
    Allocations(Side, i64),
}

impl Group {
    /// Adds a work: what `once` does.
    pub fn work<T>(
        &mut self,
        name: impl Into<String>,
        mut once: impl FnMut() -> T + 'static,
    ) -> Side {
        self.timed(name, move |times| {
            let start = processor_time();
            for _ in 0..times {
                black_box(once());
            }
            processor_time().saturating_sub(start)
        })
    }

    /// Adds a work that takes its own time.
    pub fn timed(
        &mut self,
        name: impl Into<String>,
        run: impl FnMut(u64) -> Duration + 'static,
    ) -> Side {
        self.works.push(Work { name: name.into(), run: Box::new(run) });
        Side { work: self.works.len() - 1, floor: None }
    }

    /// The ratio of `ours` to `theirs` shall be at most `bound`.
    pub fn at_most(&mut self, target: &'static str, ours: Side, theirs: Side, bound: f64) {
        self.ask(target, Ask::AtMost(ours, theirs, bound));
    }

    /// `ours` shall be at least `bound` times as fast as `theirs`.
    pub fn faster(&mut self, target: &'static str, ours: Side, theirs: Side, bound: f64) {
        self.ask(target, Ask::Faster(ours, theirs, bound));
    }

    /// `ours` shall take at most so many nanoseconds.
    pub fn within(&mut self, target: &'static str, ours: Side, nanoseconds: f64) {
        self.ask(target, Ask::Within(ours, nanoseconds));
    }

    /// `ours` shall make at most so many allocations.
    pub fn allocations(&mut self, target: &'static str, ours: Side, count: i64) {
        self.ask(target, Ask::Allocations(ours, count));
    }

    /// Says something that is no ratio.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    fn ask(&mut self, target: &'static str, ask: Ask) {
        self.questions.push(Question { target, ask });
    }
}

impl Side {
    /// What it takes more than `floor` does.
    #[must_use]
    pub fn over(self, floor: Self) -> Self {
        Self { floor: Some(floor.work), ..self }
    }
}

/// How long this thread has been on a processor.
pub fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}
