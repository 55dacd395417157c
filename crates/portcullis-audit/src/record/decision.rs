//! What was decided about one message.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::StatusCode;
use portcullis_core::{Arguments, Caller, Method, Principal, Reason, ValueKind, Version};

use super::Verdict;
use crate::copied::Copied;
use crate::keyed::{Digest, Digests};
use crate::screen::Screened;
use crate::site::Site;
use crate::text::{Pack, Span};
use crate::token::TokenDigest;
use crate::{ArgumentValues, EventId};

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
