//! Asks a decision point: remembers answers, joins equal questions, limits how many are under way.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use portcullis_core::{Clock, Text};
use portcullis_rbac::{Answer, Decision, Together};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::cache::Answers;
use super::lists::Open;
use super::{Client, DecisionPoint, Question, Wire};

/// The least time between two lines about failures.
const SILENCE: Duration = Duration::from_secs(60);

/// What the question under way brought: nothing yet, or an answer, or that there is none.
type Outcome = Option<Option<bool>>;

/// A question under way, and how often all had been forgotten before it was asked: what is asked after
/// that must not get the answer to what was asked before.
type Flight = (u64, Arc<str>);

/// One decision point, and all that is known about it.
pub(crate) struct Desk<W> {
    pub(super) wire: W,
    client: Client,
    pub(super) answers: Answers,
    flights: Mutex<HashMap<Flight, watch::Receiver<Outcome>>>,
    /// How many questions may be under way or wait.
    most: usize,
    turns: Semaphore,
    /// Those of the turns that lists may have.
    pub(super) lists: Semaphore,
    pub(super) timeout: Duration,
    clock: Clock,
    /// The rule in records.
    rule: Text,
    /// From when on the next failure is worth a line, in seconds since the Unix epoch.
    next_line: AtomicU64,
}

impl<W: Wire> Desk<W> {
    pub(crate) fn new(wire: W, client: Client, point: &DecisionPoint, rule: Text) -> Self {
        Self {
            wire,
            client,
            answers: Answers::new(point.cache_for, point.cache_bytes),
            flights: Mutex::default(),
            most: point.in_flight.saturating_mul(8),
            turns: Semaphore::new(point.in_flight),
            lists: Semaphore::new((point.in_flight / 2).max(1)),
            timeout: point.timeout,
            clock: point.clock.clone(),
            rule,
            next_line: AtomicU64::new(0),
        }
    }

    pub(crate) fn rule(&self) -> Text {
        self.rule.clone()
    }

    pub(crate) fn forget(&self) {
        self.answers.forget();
    }

    /// Answers from memory, or asks when polled.
    pub(crate) fn answer(self: &Arc<Self>, question: Question) -> Answer<Asking> {
        let key = question.key();
        match self.answers.get(&key, self.clock.unix()) {
            Some(allowed) => Answer::Now(self.decision(Some(allowed))),
            None => {
                let desk = Arc::clone(self);
                let asking = async move {
                    let answer = desk.ask(key, question).await;
                    desk.decision(answer)
                };
                // Boxed: a question to another process costs far more.
                Answer::Later(Asking(Box::pin(asking)))
            }
        }
    }

    /// Answers each, in order, with as few requests as the protocol allows. `None` is not asked about
    /// and denied.
    pub(crate) fn answer_all(self: &Arc<Self>, questions: Vec<Option<Question>>) -> Together {
        let desk = Arc::clone(self);
        Box::pin(async move {
            let now = desk.clock.unix();
            let mut decisions = Vec::with_capacity(questions.len());
            let mut open = Vec::new();
            for (place, question) in questions.into_iter().enumerate() {
                let Some(question) = question else {
                    decisions.push(Decision::default_deny());
                    continue;
                };
                let key = question.key();
                let known = desk.answers.get(&key, now);
                decisions.push(desk.decision(known));
                if known.is_none() {
                    open.push(Open { place, key, question });
                }
            }
            for (place, answer) in desk.ask_all(open).await {
                if let Some(decision) = decisions.get_mut(place) {
                    *decision = desk.decision(answer);
                }
            }
            decisions
        })
    }

    fn decision(&self, answer: Option<bool>) -> Decision {
        match answer {
            Some(true) => Decision::allow(self.rule()),
            Some(false) => Decision::deny(self.rule()),
            None => Decision::unavailable(),
        }
    }

    /// The answer, which all who ask the same at the same time share.
    pub(super) async fn ask(self: &Arc<Self>, key: Arc<str>, question: Question) -> Option<bool> {
        // The same question may have been answered since.
        if let Some(allowed) = self.answers.get(&key, self.clock.unix()) {
            return Some(allowed);
        }
        let mut flight = self.join(key, question)?;
        let outcome = flight.wait_for(Option::is_some).await.ok()?;
        (*outcome).flatten()
    }

    fn join(
        self: &Arc<Self>,
        key: Arc<str>,
        question: Question,
    ) -> Option<watch::Receiver<Outcome>> {
        let runtime = Handle::try_current().ok()?;
        let mut flights = self.flights();
        let id: Flight = (self.answers.revision(), Arc::clone(&key));
        if let Some(flight) = flights.get(&id) {
            return Some(flight.clone());
        }
        if flights.len() >= self.most {
            return None;
        }
        let (sender, flight) = watch::channel(None);
        flights.insert(id.clone(), flight.clone());
        let landing = Landing { desk: Arc::clone(self), id };
        // A task of its own: whoever asked first may go away.
        runtime.spawn(async move {
            let desk = Arc::clone(&landing.desk);
            let (asked, revision) = (desk.clock.unix(), landing.id.0);
            let body = key.to_string();
            let read = |body: &[u8]| desk.wire.read_single(body);
            let answer = desk.exchange(desk.wire.single(), body, read).await;
            if let Some(allowed) = answer {
                desk.answers.keep(key, &question, allowed, asked, revision);
            }
            drop(landing);
            sender.send_replace(Some(answer));
        });
        Some(flight)
    }

    /// One request and its answer, when it is our turn and all within the time limit.
    pub(super) async fn exchange<T>(
        &self,
        url: &Uri,
        body: String,
        read: impl FnOnce(&[u8]) -> Result<T, &'static str>,
    ) -> Option<T> {
        let exchange = async {
            let _turn = self.turns.acquire().await.map_err(|_| "closed")?;
            let body = self.client.post(url, body).await?;
            Ok(read(&body)?)
        };
        let answer = timeout(self.timeout, exchange)
            .await
            .unwrap_or_else(|_| Err(String::from("there was no answer in time")));
        answer.inspect_err(|error| self.report(error)).ok()
    }

    /// Writes why a question failed into the log, once in a while: callers can cause it.
    fn report(&self, error: &str) {
        let now = self.clock.unix();
        let next = now.saturating_add(SILENCE).as_secs();
        let due = |line: u64| (line <= now.as_secs()).then_some(next);
        if self.next_line.fetch_update(Ordering::Relaxed, Ordering::Relaxed, due).is_ok() {
            tracing::error!(engine = self.rule.as_str(), error, "cannot ask the decision point");
        }
    }

    /// Now, and how often all was forgotten until now: to keep an answer with.
    pub(super) fn moment(&self) -> (Duration, u64) {
        (self.clock.unix(), self.answers.revision())
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<Flight, watch::Receiver<Outcome>>> {
        // No code panics while it holds the lock, and any state is a safe one.
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a flight when dropped, whatever became of the question.
struct Landing<W: Wire> {
    desk: Arc<Desk<W>>,
    id: Flight,
}

impl<W: Wire> Drop for Landing<W> {
    fn drop(&mut self) {
        self.desk.flights().remove(&self.id);
    }
}

/// The answer of a decision point outside the process. Boxed: a request over a network costs far more.
#[must_use = "futures do nothing unless polled"]
pub struct Asking(Pin<Box<dyn Future<Output = Decision> + Send>>);

impl Future for Asking {
    type Output = Decision;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Decision> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asking").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It has nothing to say.
    struct Mute(Uri);

    impl Wire for Mute {
        fn single(&self) -> &Uri {
            &self.0
        }

        fn several(&self) -> Option<(&Uri, usize)> {
            None
        }

        fn ask_several(&self, _: &str, _: &[&str]) -> String {
            String::new()
        }

        fn read_single(&self, _: &[u8]) -> Result<bool, &'static str> {
            Err("nothing")
        }

        fn read_several(&self, _: &[u8], _: usize) -> Result<Vec<Option<bool>>, &'static str> {
            Err("nothing")
        }
    }

    /// Callers can cause failures; the log must not be theirs to fill.
    #[test]
    fn failures_are_told_once_a_minute() {
        let (clock, hand) = Clock::manual(1_000);
        let point = DecisionPoint::new("http://127.0.0.1:1").clock(clock);
        let client = Client::new(&point).unwrap();
        let desk = Desk::new(Mute(Uri::default()), client, &point, Text::from_static("x"));
        for (seconds, next) in [(0, 1_060), (1, 1_060), (58, 1_060), (1, 1_120), (90, 1_210)] {
            hand.advance(Duration::from_secs(seconds));
            desk.report("nothing");
            assert_eq!(desk.next_line.load(Ordering::Relaxed), next, "{seconds}");
        }
    }
}
