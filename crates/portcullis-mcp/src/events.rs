//! A stream of server-sent events on its way to the client, one event at a time.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use portcullis_core::{Denial, Note, Reason};
use tokio::time::{Instant, Sleep};

use crate::exchange::{Asked, Exchange, Interception, Place, Question, Reading};
use crate::hook::answer;
use crate::judge::Answers;
use crate::sse::{self, Event, Item, Parser};
use crate::violation::Violation;

mod stream;
mod timer;

pub(crate) use stream::Stream;

/// After so many steps without a pause the task lets others run.
const STEPS_PER_POLL: usize = 64;
/// After so many steps a stream that never pauses gets its timer all the same.
const STEPS_UNTIMED: usize = 16;
/// What a token that was accepted after its expiry still gets: the leeway.
const LEEWAY: Duration = Duration::from_secs(30);

/// The inspection of one stream.
#[derive(Debug)]
pub(crate) struct Events {
    exchange: Exchange,
    parser: Parser,
    ready: VecDeque<Bytes>,
    asking: Option<(Question, Event)>,
    revising: Option<(answer::Run, Event)>,
    over: bool,
    ends_at: Option<Instant>,
    /// Whether the stream is one that waits for news.
    long_lived: bool,
    /// Whether the service sent anything since the timer was set.
    spoke: bool,
    steps: usize,
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether a message came.
    begun: bool,
    /// Whether an event passed with an id, from which the stream can be resumed.
    named: bool,
    /// Whether the head of the answer waits for the first message.
    peeking: bool,
    /// The answer in place of the stream.
    instead: Option<Denial>,
}

impl Events {
    pub(crate) fn new(exchange: Exchange) -> Self {
        let left = exchange.proof_left().map(|left| if left.is_zero() { LEEWAY } else { left });
        let long_lived =
            matches!(exchange.asked(), Asked::Stream { .. }) || exchange.listen().is_some();
        let mut ready = VecDeque::new();
        if let Some(refusals) = exchange.refusals() {
            ready.push_back(sse::event(format!("[{refusals}]").as_bytes()));
        }
        Self {
            parser: Parser::new(exchange.config().limits.event),
            exchange,
            ready,
            asking: None,
            revising: None,
            over: false,
            // A proof without end in sight sets no timer.
            ends_at: left.and_then(|left| Instant::now().checked_add(left)),
            long_lived,
            spoke: false,
            steps: 0,
            timer: None,
            begun: false,
            named: false,
            peeking: false,
            instead: None,
        }
    }

    pub(crate) fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// Whether a message came.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Whether nothing more will come.
    pub(crate) fn is_over(&self) -> bool {
        self.over && self.ready.is_empty()
    }

    /// The next piece of the stream; `None` at its end.
    fn poll_next<B: Body<Data = Bytes>>(
        &mut self,
        mut body: Pin<&mut B>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, B::Error>>> {
        for _ in 0..STEPS_PER_POLL {
            if let Some(piece) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(piece)));
            }
            if self.over {
                return Poll::Ready(None);
            }
            self.steps = self.steps.saturating_add(1);
            if (self.timer.is_some() || self.steps > STEPS_UNTIMED)
                && self.poll_timer(cx).is_ready()
            {
                continue;
            }
            if let Some((run, _)) = &mut self.revising {
                if let Poll::Ready(revised) = Pin::new(run).poll(cx) {
                    self.exchange.revised(&revised);
                    if let Some((_, event)) = self.revising.take() {
                        self.inspect(event.instead(revised.document), None);
                    }
                    continue;
                }
                match self.poll_timer(cx) {
                    Poll::Ready(()) => continue,
                    Poll::Pending => return Poll::Pending,
                }
            }
            if let Some((question, _)) = &mut self.asking {
                match Pin::new(question).poll(cx) {
                    Poll::Ready(answers) => {
                        if let Some((_, event)) = self.asking.take() {
                            self.inspect(event, Some(&answers));
                        }
                        continue;
                    }
                    Poll::Pending => match self.poll_timer(cx) {
                        Poll::Ready(()) => continue,
                        Poll::Pending => return Poll::Pending,
                    },
                }
            }
            match self.parser.next() {
                Ok(Some(Item::Comment)) => {
                    self.pass(Bytes::from_static(sse::KEEP_ALIVE));
                }
                Ok(Some(Item::Event(event))) => {
                    let event = self.exchange.name_event(event);
                    self.arrived(event);
                }
                Ok(None) => match body.as_mut().poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => {
                        if let Ok(chunk) = frame.into_data() {
                            self.parser.push(chunk);
                        }
                    }
                    Poll::Ready(Some(Err(error))) => {
                        self.over = true;
                        if self.peeking || self.must_be_seen_to_break() {
                            return Poll::Ready(Some(Err(error)));
                        }
                        if self.owes_answers() {
                            self.fail(Violation::new(Reason::UpstreamError));
                        }
                    }
                    // An event without its blank line is discarded.
                    Poll::Ready(None) => {
                        self.over = true;
                        if self.owes_answers() {
                            self.fail(Violation::new(Reason::UpstreamError));
                        }
                    }
                    Poll::Pending if self.poll_timer(cx).is_pending() => return Poll::Pending,
                    Poll::Pending => {}
                },
                Err(sse::TooLong) => self.fail(Violation::new(Reason::TooLarge)),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether, when the service says no more, it is for us to answer what still waits.
    ///
    /// A client that can take up the stream of its session where it ended may get the answer yet, and must
    /// see that it ended. So must one that waits for news, to subscribe again.
    fn owes_answers(&self) -> bool {
        let can_resume = self.named && self.exchange.is_in_session();
        !self.long_lived && !can_resume && self.exchange.waiting().next().is_some()
    }

    /// Whether a client that waits for more must see that the service broke off. To one that has all its answers it is
    /// an end like any other: an error would take with it what is not written yet.
    fn must_be_seen_to_break(&self) -> bool {
        let waits = self.long_lived || self.exchange.waiting().next().is_some();
        waits && !self.owes_answers()
    }

    /// Ends the stream, of which a part has passed already, because the service broke off.
    fn break_off(&mut self) {
        if self.owes_answers() {
            self.fail(Violation::new(Reason::UpstreamError));
        }
    }

    /// Asks the hooks about what came, if there are any for it.
    fn arrived(&mut self, event: Event) {
        if !event.is_message() || event.data().is_empty() {
            return self.inspect(event, None);
        }
        match self.exchange.intercept(event.data()) {
            Ok(Interception::None) => self.inspect(event, None),
            Ok(Interception::Run(run)) => self.revising = Some((run, event)),
            Ok(Interception::Withhold) => {
                self.exchange.note(Note::Violation(Reason::UnexpectedResponse));
            }
            Err(violation) => self.fail(violation),
        }
    }

    fn inspect(&mut self, event: Event, answers: Option<&Answers>) {
        if !event.is_message() {
            self.exchange.note(Note::Violation(Reason::BadRpc));
            return;
        }
        if event.data().is_empty() {
            // Only an id to resume from, or a delay.
            self.named |= event.is_named();
            self.pass(event.unchanged());
            return;
        }
        self.begun = true;
        let data = event.data().clone();
        let named = event.is_named();
        match self.exchange.read(&data, Place::Event, answers) {
            Ok(Reading::Unchanged) => {
                self.named |= named;
                self.pass(event.unchanged());
            }
            Ok(Reading::Changed(data)) => {
                self.named |= named;
                self.pass(event.with(&data));
            }
            Ok(Reading::Dropped) => {}
            Ok(Reading::Instead(denial)) if self.peeking => {
                self.instead = Some(denial);
                self.over = true;
            }
            Ok(Reading::Instead(denial)) => {
                let object = denial.rpc_object().unwrap_or_default();
                self.pass(event.with(object.as_bytes()));
            }
            Ok(Reading::Ask(question)) => self.asking = Some((question, event)),
            Err(violation) => self.fail(violation),
        }
        if self.exchange.listen().is_some() && self.exchange.waiting().next().is_none() {
            self.over = true; // The answer to a listen request is its last word.
        }
    }

    fn pass(&mut self, event: Bytes) {
        self.spoke = true;
        self.ready.push_back(event);
    }

    /// Ends the stream with an error under each id that still waits.
    fn fail(&mut self, violation: Violation) {
        self.exchange.note(Note::Violation(violation.reason()));
        self.answer_waiting(violation);
        self.over = true;
    }

    /// Answers each request that still waits with an error.
    fn answer_waiting(&mut self, violation: Violation) {
        for id in self.exchange.waiting() {
            if let Some(object) = violation.denial(self.exchange.version(), Some(id)).rpc_object() {
                self.ready.push_back(sse::event(object.as_bytes()));
            }
        }
    }
}
