//! What a record says.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::StatusCode;
use portcullis_core::{
    Arguments, Caller, CredentialSource, Method, Principal, Reason, ValueKind, Version,
};

use crate::chain::record::{Checkpoint, Start};
use crate::copied::Copied;
use crate::event::Event;
use crate::keyed::{Digest, Digests};
use crate::screen::Screened;
use crate::site::Site;
use crate::text::{Pack, Span};
use crate::token::TokenDigest;
use crate::{ArgumentValues, EventId};

/// The version of the record format, in every record as `schema`. It grows when a member changes its
/// meaning or goes; new members do not change it.
pub const SCHEMA: u32 = 1;

/// One audit record.
///
/// Serializes to the members that the [crate docs](crate#records) list, always in the same order. A
/// member that does not apply is left out.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[expect(
    clippy::large_enum_variant,
    reason = "always behind an `Arc`; a box would be a second one"
)]
pub enum Record {
    /// What was decided, before anything ran.
    Decision(Decision),
    /// What came of it, when the answer had ended.
    Outcome(Outcome),
    /// Records are missing here: the sink was slower than the requests, or failed.
    Gap(Gap),
    /// Unauthenticated failures that were counted instead of recorded.
    Suppressed(Suppressed),
    /// Something happened to the gate itself, or across requests.
    Event(Event),
    /// A hash chain begins. Only what [`Chaining`](crate::Chaining) adds to a sink's lines.
    Chain(Start),
    /// Vouches for the chain so far. Only what [`Chaining`](crate::Chaining) adds.
    Checkpoint(Checkpoint),
}

impl Record {
    /// The decision, if this is one.
    #[must_use]
    pub fn as_decision(&self) -> Option<&Decision> {
        match self {
            Self::Decision(decision) => Some(decision),
            _ => None,
        }
    }

    /// The outcome, if this is one.
    #[must_use]
    pub fn as_outcome(&self) -> Option<&Outcome> {
        match self {
            Self::Outcome(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// The id of the event that the record is about.
    #[must_use]
    pub fn event_id(&self) -> EventId {
        match self {
            Self::Decision(decision) => decision.event_id,
            Self::Outcome(outcome) => outcome.event_id,
            Self::Gap(gap) => gap.event_id,
            Self::Suppressed(suppressed) => suppressed.event_id,
            Self::Event(event) => event.event_id,
            Self::Chain(start) => start.event_id,
            Self::Checkpoint(checkpoint) => checkpoint.event_id,
        }
    }

    /// When it was made, as time since the Unix epoch.
    #[must_use]
    pub fn at(&self) -> Duration {
        match self {
            Self::Decision(decision) => decision.at,
            Self::Outcome(outcome) => outcome.at,
            Self::Gap(gap) => gap.at,
            Self::Suppressed(suppressed) => suppressed.at,
            Self::Event(event) => event.at,
            Self::Chain(start) => start.at,
            Self::Checkpoint(checkpoint) => checkpoint.at,
        }
    }

    /// The event, if this is one.
    #[must_use]
    pub fn as_event(&self) -> Option<&Event> {
        match self {
            Self::Event(event) => Some(event),
            _ => None,
        }
    }

    /// The word for this kind of record: `decision`, `outcome`, `gap`, `suppressed`, `event`, `chain`
    /// or `checkpoint`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Decision(_) => "decision",
            Self::Outcome(_) => "outcome",
            Self::Gap(_) => "gap",
            Self::Suppressed(_) => "suppressed",
            Self::Event(_) => "event",
            Self::Chain(_) => "chain",
            Self::Checkpoint(_) => "checkpoint",
        }
    }
}

/// How a request was decided.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// Policy permits it.
    Allow,
    /// It was refused.
    Deny,
    /// It was refused with a challenge: other credentials would help.
    Challenge,
    /// It was refused because something on our side failed.
    Error,
    /// Nobody asked policy: the gate answered by itself (a notification that it drops), the caller
    /// went away first, or the stack has no policy layer.
    Undecided,
}

impl Verdict {
    /// The word for it in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Challenge => "challenge",
            Self::Error => "error",
            Self::Undecided => "undecided",
        }
    }
}

/// What came of a request.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ResultType {
    /// The answer was delivered.
    Complete,
    /// A stream of server messages was open and has closed, from whichever side.
    Stream,
    /// The answer was an error, or broke off.
    Error,
    /// The answer was a tool result with `isError: true`.
    IsError,
    /// The answer asks the caller for more input before there is a result.
    InputRequired,
    /// The answer names a task that goes on; the result is asked for later.
    Task,
    /// The caller went away before the answer had ended.
    Aborted,
}

impl ResultType {
    /// The word for it in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Stream => "stream",
            Self::Error => "error",
            Self::IsError => "is_error",
            Self::InputRequired => "input_required",
            Self::Task => "task",
            Self::Aborted => "aborted",
        }
    }
}

/// What was decided about one message.
#[derive(Clone)]
pub struct Decision {
    pub(crate) at: Duration,
    pub(crate) event_id: EventId,
    pub(crate) request_id: EventId,
    pub(crate) element: Option<usize>,
    pub(crate) gate_trace_id: Option<[u8; 16]>,
    pub(crate) site: Arc<Site>,
    pub(crate) transport: &'static str,
    pub(crate) version: Option<Version>,
    pub(crate) method: Option<Method>,
    pub(crate) target_type: Option<&'static str>,
    pub(crate) caller: Option<Caller>,
    pub(crate) digest: Option<TokenDigest>,
    pub(crate) verdict: Verdict,
    pub(crate) reason: Option<Reason>,
    pub(crate) http_status: Option<StatusCode>,
    pub(crate) error_code: Option<i64>,
    pub(crate) source_ip: Option<IpAddr>,
    pub(crate) argument_count: Option<usize>,
    pub(crate) argument_bytes: usize,
    pub(crate) argument_kinds: [ValueKind; Arguments::MAX_KEYS],
    /// What the writer looks into, and how.
    pub(crate) arguments: Option<KeptArguments>,
    pub(crate) message: Option<Copied>,
    pub(crate) private: Option<Arc<Private>>,
    pub(crate) texts: Pack,
    pub(crate) jsonrpc_id: Span,
    pub(crate) target: Span,
    pub(crate) more_targets: Vec<Span>,
    pub(crate) rule_id: Span,
    pub(crate) policy_version: Span,
    pub(crate) argument_keys: [Span; Arguments::MAX_KEYS],
    pub(crate) user_agent: Span,
    pub(crate) traceparent: Span,
    /// Recorded as a keyed digest only.
    pub(crate) session: Span,
    /// What is shown in place of some texts; looked for by whoever asks first, which is a writer.
    pub(crate) screened: OnceLock<Option<Box<Screened>>>,
}

/// The arguments of a call, until its record is written.
#[derive(Clone, Debug)]
pub(crate) enum KeptArguments {
    /// All of them.
    Whole(Copied),
    /// There were too many: only what names them.
    Digest(Digest),
}

/// How what must not be recorded itself is recorded.
#[derive(Debug)]
pub(crate) struct Private {
    pub(crate) digests: Digests,
    pub(crate) argument_digests: bool,
    pub(crate) values: ArgumentValues,
}

impl Decision {
    /// When it was decided, as time since the Unix epoch.
    #[must_use]
    pub fn at(&self) -> Duration {
        self.at
    }

    /// The id that the outcome carries too.
    #[must_use]
    pub fn event_id(&self) -> EventId {
        self.event_id
    }

    /// The id of the HTTP request: the same for all elements of a batch.
    #[must_use]
    pub fn request_id(&self) -> EventId {
        self.request_id
    }

    /// The trace that the gate's own span of the request belongs to, where it has one that is
    /// exported.
    #[must_use]
    pub fn gate_trace_id(&self) -> Option<[u8; 16]> {
        self.gate_trace_id
    }

    /// The place in the batch, inside one.
    #[must_use]
    pub fn element(&self) -> Option<usize> {
        self.element
    }

    /// The protected resource, as configuration names it.
    #[must_use]
    pub fn resource(&self) -> Option<&str> {
        self.site.resource.as_deref()
    }

    /// The server, by the name that policy and the roster know.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        self.site.server.as_deref()
    }

    /// Where the request is forwarded to if it may pass, as configuration names it.
    #[must_use]
    pub fn upstream(&self) -> Option<&str> {
        self.site.upstream.as_deref()
    }

    /// The verdict.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Why it was refused, if it was.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.reason
    }

    /// The caller, once somebody said who that is.
    #[must_use]
    pub fn caller(&self) -> Option<&Caller> {
        self.caller.as_ref()
    }

    /// The verified caller, if there is one.
    #[must_use]
    pub fn principal(&self) -> Option<&Principal> {
        self.caller()?.principal()
    }

    /// The method, once the message was inspected.
    #[must_use]
    pub fn method(&self) -> Option<Method> {
        self.method
    }

    /// The name or URI of what the message acts on, without what looks like a secret.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.shown(self.target)
    }

    /// The rule that decided.
    #[must_use]
    pub fn rule_id(&self) -> Option<&str> {
        self.texts.get(self.rule_id)
    }

    /// The version of the policy that holds the rule.
    #[must_use]
    pub fn policy_version(&self) -> Option<&str> {
        self.texts.get(self.policy_version)
    }

    /// The HTTP status of the refusal, if it is one.
    #[must_use]
    pub fn http_status(&self) -> Option<StatusCode> {
        self.http_status
    }

    /// The names of the arguments, the first [`Arguments::MAX_KEYS`] of them, without those that look
    /// like a secret. Never their values.
    pub fn argument_keys(&self) -> impl Iterator<Item = &str> {
        self.argument_keys.iter().map_while(|&key| self.shown(key))
    }

    /// What is recorded of a text.
    pub(crate) fn shown(&self, span: Span) -> Option<&str> {
        self.screened().and_then(|it| it.text(span)).or_else(|| self.texts.get(span))
    }

    pub(crate) fn screened(&self) -> Option<&Screened> {
        self.screened.get_or_init(|| Screened::of(self)).as_deref()
    }
}

// By hand: the whole record is what `Serialize` is for.
impl fmt::Debug for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decision")
            .field("event_id", &self.event_id)
            .field("verdict", &self.verdict)
            .field("reason", &self.reason)
            .field("method", &self.method)
            .field("target", &self.target())
            .finish_non_exhaustive()
    }
}

/// What came of one message.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub(crate) at: Duration,
    pub(crate) event_id: EventId,
    pub(crate) site: Arc<Site>,
    pub(crate) duration: Duration,
    pub(crate) http_status: Option<StatusCode>,
    pub(crate) result_type: ResultType,
    pub(crate) error_code: Option<i64>,
    pub(crate) reason: Option<Reason>,
    pub(crate) hook: Option<String>,
    pub(crate) upstream_status: Option<StatusCode>,
    pub(crate) cred_source: Option<CredentialSource>,
    pub(crate) bytes_in: Option<u64>,
    pub(crate) bytes_out: u64,
    pub(crate) filtered_count: u64,
    pub(crate) filtered: Vec<String>,
    /// What the server says of itself.
    pub(crate) server_info: Option<Box<ServerInfo>>,
    /// What was left out of those looked like.
    pub(crate) redacted: Vec<&'static str>,
    pub(crate) truncated: bool,
}

impl Outcome {
    /// When the answer had ended, as time since the Unix epoch.
    #[must_use]
    pub fn at(&self) -> Duration {
        self.at
    }

    /// The id of the decision.
    #[must_use]
    pub fn event_id(&self) -> EventId {
        self.event_id
    }

    /// The server, by the name that policy and the roster know.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        self.site.server.as_deref()
    }

    /// From the request's arrival to the end of the answer.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// The status of the answer; `None` when there was no answer.
    #[must_use]
    pub fn http_status(&self) -> Option<StatusCode> {
        self.http_status
    }

    /// What came of it.
    #[must_use]
    pub fn result_type(&self) -> ResultType {
        self.result_type
    }

    /// The JSON-RPC error code of the answer, if it was an error.
    #[must_use]
    pub fn error_code(&self) -> Option<i64> {
        self.error_code
    }

    /// Why the answer is not what the decision promised: what the service behind the gate did wrong,
    /// or why nothing could run after all.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.reason
    }

    /// The hook that withheld the answer.
    #[must_use]
    pub fn hook(&self) -> Option<&str> {
        self.hook.as_deref()
    }

    /// The status with which the service behind the gate answered, where it was no success.
    #[must_use]
    pub fn upstream_status(&self) -> Option<StatusCode> {
        self.upstream_status
    }

    /// Where the credential came from with which the service behind the gate was called; `None` when it
    /// got none.
    #[must_use]
    pub fn credential_source(&self) -> Option<CredentialSource> {
        self.cred_source
    }

    /// How many bytes of the answer's body were handed on.
    #[must_use]
    pub fn bytes_out(&self) -> u64 {
        self.bytes_out
    }

    /// How many items were left out of a list.
    #[must_use]
    pub fn filtered_count(&self) -> u64 {
        self.filtered_count
    }
}

/// What a server says of itself in an answer. Anyone can say anything.
#[derive(Clone, Debug)]
pub(crate) struct ServerInfo {
    pub(crate) name: Option<String>,
    pub(crate) version: Option<String>,
}

/// Records that are missing from a sink.
#[derive(Clone, Debug)]
pub struct Gap {
    pub(crate) at: Duration,
    pub(crate) event_id: EventId,
    pub(crate) since: Option<Duration>,
    pub(crate) dropped: u64,
}

impl Gap {
    /// When the first of them was lost, as time since the Unix epoch.
    #[must_use]
    pub fn since(&self) -> Option<Duration> {
        self.since
    }

    /// How many.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// Unauthenticated failures that were not recorded one by one.
#[derive(Clone, Debug)]
pub struct Suppressed {
    pub(crate) at: Duration,
    pub(crate) event_id: EventId,
    pub(crate) count: u64,
}

impl Suppressed {
    /// How many requests.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }
}
