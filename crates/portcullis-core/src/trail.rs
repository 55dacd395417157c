//! The handle through which every layer adds to the audit record of a request.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::StatusCode;

use crate::{Caller, Denial, McpMessage, Permit, Reason, TargetKind, Text};

/// A shared, append-only handle to the audit record of one request.
///
/// Request extensions flow only inward, so the outermost layer could otherwise never see what the
/// inner ones learned. The audit layer creates the trail; [`RequestFacts`](crate::RequestFacts)
/// appends the caller and the message as they are set, and the layer that authorizes appends its
/// decision *before* anything executes. Absence means that auditing is off.
///
/// Besides its recorder a trail may have an [`Observer`], who is told the same and decides nothing.
#[derive(Clone)]
pub struct Trail {
    recorder: Option<Arc<dyn Recorder>>,
    observer: Option<Arc<dyn Observer>>,
}

impl Trail {
    /// A trail that ends in `recorder`.
    #[must_use]
    pub fn new(recorder: Arc<dyn Recorder>) -> Self {
        Self { recorder: Some(recorder), observer: None }
    }

    /// A trail that is watched and not recorded: auditing is off, as far as this trail knows.
    #[must_use]
    pub fn watched(observer: Arc<dyn Observer>) -> Self {
        Self { recorder: None, observer: Some(observer) }
    }

    /// The same trail, watched by `observer` in place of whoever watched it.
    #[must_use]
    pub fn observed_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self.introduce();
        self
    }

    /// The same trail, watched by who watches `outer`, unless somebody watches it already. This is
    /// how a layer outside the audit layer goes on to see what happens inside.
    pub(crate) fn within(mut self, outer: Option<&Self>) -> Self {
        if self.observer.is_none() {
            self.observer = outer.and_then(|outer| outer.observer.clone());
            self.introduce();
        }
        self
    }

    /// Tells recorder and observer what the other one calls this request.
    fn introduce(&self) {
        let (Some(recorder), Some(observer)) = (&self.recorder, &self.observer) else { return };
        if let Some(id) = recorder.request_id() {
            observer.recorded_as(id);
        }
        if let Some(id) = observer.trace_id() {
            recorder.traced_as(id);
        }
    }

    /// Appends who is calling.
    pub fn caller(&self, caller: &Caller) {
        if let Some(recorder) = &self.recorder {
            recorder.caller(caller);
        }
        if let Some(observer) = &self.observer {
            observer.caller(caller);
        }
    }

    /// Appends what is asked.
    pub fn message(&self, message: &McpMessage) {
        if let Some(recorder) = &self.recorder {
            recorder.message(message);
        }
        if let Some(observer) = &self.observer {
            observer.message(message);
        }
    }

    /// Appends a decision. Nothing may execute before the acknowledgement says so.
    #[must_use = "execute only after the decision is on record"]
    pub fn decided(&self, decided: &Decided<'_>) -> Acknowledgement {
        if let Some(observer) = &self.observer {
            observer.decided(decided);
        }
        match &self.recorder {
            Some(recorder) => recorder.decided(decided),
            None => Acknowledgement::Recorded,
        }
    }

    /// The id under which the decision about `element` will be found, for answers that name it.
    #[must_use]
    pub fn decision_id(&self, element: usize) -> Option<Text> {
        self.recorder.as_ref()?.decision_id(element)
    }

    /// Appends something worth knowing about the answer.
    pub fn note(&self, note: Note<'_>) {
        if let Some(recorder) = &self.recorder {
            recorder.note(note);
        }
        if let Some(observer) = &self.observer {
            observer.note(note);
        }
    }

    /// Appends something worth knowing about the answer to one element of a batch.
    pub fn note_for(&self, element: usize, note: Note<'_>) {
        if let Some(recorder) = &self.recorder {
            recorder.note_for(element, note);
        }
        if let Some(observer) = &self.observer {
            observer.note(note);
        }
    }
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trail").finish_non_exhaustive()
    }
}

/// Who watches a [`Trail`] besides its recorder: metrics and traces.
///
/// An observer decides nothing and stops nothing. Every method may be called from any thread and
/// must return at once.
pub trait Observer: Send + Sync + 'static {
    /// Somebody is calling.
    fn caller(&self, caller: &Caller);

    /// Something is asked.
    fn message(&self, message: &McpMessage);

    /// Something was decided, before it executes and before it is on record.
    fn decided(&self, decided: &Decided<'_>);

    /// Something happened to the answer, or to the answer to one element of a batch.
    fn note(&self, note: Note<'_>);

    /// The trace that the observer's own span of this request belongs to (W3C Trace Context), where it
    /// knows that at once.
    fn trace_id(&self) -> Option<[u8; 16]> {
        None
    }

    /// The records of this request will have `request_id`, a UUID. Told first of all, where there is a
    /// recorder.
    fn recorded_as(&self, request_id: [u8; 16]) {
        let _ = request_id;
    }
}

/// Where a [`Trail`] ends: one value per request, made by the audit layer.
///
/// Every method may be called from any thread and must return at once.
pub trait Recorder: Send + Sync + 'static {
    /// Somebody is calling.
    fn caller(&self, caller: &Caller);

    /// Something is asked.
    fn message(&self, message: &McpMessage);

    /// Something was decided, before it executes.
    fn decided(&self, decided: &Decided<'_>) -> Acknowledgement;

    /// Something happened to the answer.
    fn note(&self, note: Note<'_>);

    /// The id that all records of this request have, a UUID, when they have one.
    fn request_id(&self) -> Option<[u8; 16]> {
        None
    }

    /// Whoever watches this request has a span of it in this trace. Told first of all.
    fn traced_as(&self, trace_id: [u8; 16]) {
        let _ = trace_id;
    }

    /// The id under which the decision about `element` will be found, when records have ids.
    fn decision_id(&self, element: usize) -> Option<Text> {
        let _ = element;
        None
    }

    /// Something happened to the answer to one element of a batch. Unless a recorder says
    /// otherwise, this is a [`note`](Self::note) about the whole answer.
    fn note_for(&self, element: usize, note: Note<'_>) {
        let _ = element;
        self.note(note);
    }
}

/// One decision about one message.
#[derive(Clone, Copy, Debug)]
pub struct Decided<'a> {
    /// The place of the message in its batch; 0 outside one.
    pub element: usize,
    /// The message that was decided.
    pub message: &'a McpMessage,
    /// The verdict.
    pub verdict: Result<&'a Permit, &'a Denial>,
}

/// Where a credential for the service behind the gate comes from.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum CredentialSource {
    /// Configuration: all callers share it.
    Shared,
}

impl CredentialSource {
    /// The word for it in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "shared",
        }
    }
}

/// Something worth knowing about an answer, for the outcome record.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Note<'a> {
    /// An item was left out of a list.
    Hidden {
        /// The kind of the item.
        kind: TargetKind,
        /// Its name or URI.
        name: &'a str,
    },
    /// The JSON-RPC answer to an element of the request was an error with this code.
    RpcError {
        /// The JSON-RPC error code.
        code: i64,
    },
    /// The answer to a `tools/call` was a tool result with `isError: true`.
    ToolError,
    /// The service behind the gate broke the protocol, and something was withheld.
    Violation(Reason),
    /// The answer asks the caller for more input before there is a result.
    InputRequired,
    /// The answer names a task that goes on behind the gate; the result is asked for later.
    TaskBegun,
    /// The service behind the gate answered with this HTTP status.
    UpstreamStatus(StatusCode),
    /// A hook of the deployment's own withheld the answer.
    Hook {
        /// The hook's name.
        name: &'a str,
        /// Whether it refused or failed.
        reason: Reason,
    },
    /// The service behind the gate is called with a credential that is not the caller's.
    UpstreamCredential(CredentialSource),
    /// The service behind the gate says who it is. Anyone can say anything: for records only.
    ServerInfo {
        /// What it calls itself.
        name: Option<&'a str>,
        /// What it says its version is.
        version: Option<&'a str>,
    },
    /// The service behind the gate gave the head of its answer.
    Answered {
        /// How long that took, from the call to the head.
        took: Duration,
    },
}

/// Whether a decision is on record.
#[derive(Debug)]
#[must_use = "execute only after the decision is on record"]
#[expect(
    clippy::exhaustive_enums,
    reason = "a caller must handle every case before it executes anything"
)]
pub enum Acknowledgement {
    /// It is, or the sink's policy does not require it to be.
    Recorded,
    /// It is not and cannot be: refuse the request.
    Refused,
    /// Wait for the receipt.
    Pending(Receipt),
}

#[derive(Debug, Default)]
struct Slot {
    outcome: Option<bool>,
    waker: Option<Waker>,
}

/// Resolves to whether the decision was recorded; `false` when the sink gave up.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Receipt(Arc<Mutex<Slot>>);

impl Receipt {
    /// A receipt, and the handle that resolves it from any thread.
    pub fn pair() -> (ReceiptSender, Self) {
        let slot = Arc::new(Mutex::new(Slot::default()));
        (ReceiptSender(Arc::clone(&slot)), Self(slot))
    }
}

impl Future for Receipt {
    type Output = bool;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(recorded) = slot.outcome {
            return Poll::Ready(recorded);
        }
        slot.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Resolves a [`Receipt`]. Dropped without a word, it says `false`.
#[derive(Debug)]
pub struct ReceiptSender(Arc<Mutex<Slot>>);

impl ReceiptSender {
    /// Says whether the decision was recorded.
    pub fn send(self, recorded: bool) {
        self.resolve(recorded);
    }

    /// Whether the receipt is still there: `false` once whoever waited has gone away.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    fn resolve(&self, recorded: bool) {
        let waker = {
            let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if slot.outcome.is_some() {
                return;
            }
            slot.outcome = Some(recorded);
            slot.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for ReceiptSender {
    fn drop(&mut self) {
        self.resolve(false);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    fn poll(receipt: &mut Receipt) -> Poll<bool> {
        pin!(receipt).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_receipt_says_what_its_sender_said() {
        let (sender, mut receipt) = Receipt::pair();
        assert_eq!(poll(&mut receipt), Poll::Pending);
        assert!(sender.is_awaited());
        sender.send(true);
        assert_eq!(poll(&mut receipt), Poll::Ready(true));
        let (sender, receipt) = Receipt::pair();
        drop(receipt);
        assert!(!sender.is_awaited());
    }

    #[derive(Default)]
    struct Told(Mutex<Vec<&'static str>>);

    impl Told {
        fn say(&self, what: &'static str) {
            self.0.lock().unwrap().push(what);
        }
    }

    impl Observer for Told {
        fn caller(&self, _: &Caller) {
            self.say("caller");
        }
        fn message(&self, _: &McpMessage) {
            self.say("message");
        }
        fn decided(&self, _: &Decided<'_>) {
            self.say("decided");
        }
        fn note(&self, _: Note<'_>) {
            self.say("note");
        }
    }

    impl Recorder for Told {
        fn caller(&self, _: &Caller) {}
        fn message(&self, _: &McpMessage) {}
        fn decided(&self, _: &Decided<'_>) -> Acknowledgement {
            Acknowledgement::Refused
        }
        fn note(&self, _: Note<'_>) {}
    }

    #[test]
    fn an_observer_sees_everything_and_decides_nothing() {
        use crate::{AnonymousReason, NoMessage, RequestFacts as _, Version};

        let told = Arc::new(Told::default());
        let mut request = http::Request::new(());
        request.set_trail(Trail::watched(Arc::clone(&told) as _));
        request.set_caller(Caller::Anonymous(AnonymousReason::NoCredentials));
        let message = McpMessage::NoMessage(NoMessage::EndSession(Version::V2025_11_25));
        let denial = Denial::miswired("test");
        let decided = Decided { element: 0, message: &message, verdict: Err(&denial) };
        let unrecorded = request.trail().unwrap().decided(&decided);
        assert!(matches!(unrecorded, Acknowledgement::Recorded), "nobody insists on a record");

        // The audit layer stands inside: its trail takes the place, and the observer stays.
        request.set_trail(Trail::new(Arc::new(Told::default())));
        request.set_message(message.clone());
        let trail = request.trail().unwrap();
        assert!(matches!(trail.decided(&decided), Acknowledgement::Refused), "the recorder's word");
        trail.note(Note::ToolError);
        trail.note_for(1, Note::ToolError);
        let told = told.0.lock().unwrap().clone();
        assert_eq!(told, ["caller", "decided", "message", "decided", "note", "note"]);
    }

    #[test]
    fn a_dropped_sender_means_not_recorded() {
        let (sender, mut receipt) = Receipt::pair();
        drop(sender);
        assert_eq!(poll(&mut receipt), Poll::Ready(false));
    }
}
