//! What happens to the gate itself, or across requests.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{Principal, Reason};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::EventId;
use crate::encode::Members;
use crate::site::Site;
use crate::text::clip;

/// An event: something that no single request is the whole story of.
///
/// Made with [`Event::new`], filled in, and given to [`AuditLog::record`](crate::AuditLog::record).
/// Never put a secret in: the texts are recorded as they are, cut to 1024 bytes.
#[derive(Clone, Debug)]
#[must_use = "an event is not on record until it is recorded"]
pub struct Event {
    pub(crate) at: Duration,
    pub(crate) event_id: EventId,
    kind: EventKind,
    about: Option<String>,
    from: Option<String>,
    to: Option<String>,
    reason: Option<Reason>,
    detail: Option<String>,
    count: Option<u64>,
    by: Option<Box<By>>,
    pub(crate) site: Option<Arc<Site>>,
}

#[derive(Clone, Debug)]
struct By {
    issuer: String,
    subject: String,
    client_id: Option<String>,
}

/// What happened.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum EventKind {
    /// Auditing began: the gate starts.
    Started,
    /// Auditing ends in order.
    Stopped,
    /// Another policy is in force: `from` and `to` are its versions.
    PolicyChanged,
    /// A policy could not be loaded; what was in force stays so.
    PolicyFailed,
    /// An issuer (`about`) has other keys than before.
    KeysChanged,
    /// Tokens of an issuer (`about`) are accepted from now on.
    IssuerAdded,
    /// Tokens of an issuer (`about`) are no longer accepted.
    IssuerRemoved,
    /// Settings were loaded again.
    Reloaded,
    /// A session (`about`, by its digest) ended.
    SessionEnded,
    /// A broken stream of answers (`about`, by its digest) was taken up again; no call was made
    ///
    StreamResumed,
    /// The wall clock moved against the monotonic one, by `count` milliseconds.
    ClockJumped,
    /// A caller was told which scopes an operation (`about`) needs; `to` lists them.
    ScopesAsked,
    /// The same caller came back and the operation (`about`) was permitted.
    ScopesGranted,
    /// A person (`about`) was blocked.
    Blocked,
    /// A person (`about`) is no longer blocked.
    Unblocked,
    /// A tool (`about`) was listed with a definition that nobody approved: `from` is the digest that was
    /// approved, if one was, and `to` the one that was seen.
    ToolChanged,
    /// Something that this crate has no word for; `detail` says what.
    Other,
}

impl EventKind {
    /// The word for it in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "audit.started",
            Self::Stopped => "audit.stopped",
            Self::PolicyChanged => "policy.changed",
            Self::PolicyFailed => "policy.failed",
            Self::KeysChanged => "keys.changed",
            Self::IssuerAdded => "issuer.added",
            Self::IssuerRemoved => "issuer.removed",
            Self::Reloaded => "settings.reloaded",
            Self::SessionEnded => "session.ended",
            Self::StreamResumed => "stream.resumed",
            Self::ClockJumped => "clock.jumped",
            Self::ScopesAsked => "scopes.asked",
            Self::ScopesGranted => "scopes.granted",
            Self::Blocked => "person.blocked",
            Self::Unblocked => "person.unblocked",
            Self::ToolChanged => "tool.changed",
            Self::Other => "other",
        }
    }
}

impl Event {
    /// An event of `kind`. Its time and id are set when it is recorded.
    pub fn new(kind: EventKind) -> Self {
        Self {
            at: Duration::ZERO,
            event_id: EventId::nil(),
            kind,
            about: None,
            from: None,
            to: None,
            reason: None,
            detail: None,
            count: None,
            by: None,
            site: None,
        }
    }

    /// What it is about: an issuer, a file, an operation.
    pub fn about(mut self, what: impl Into<String>) -> Self {
        self.about = Some(what.into());
        self
    }

    /// What was so before.
    pub fn from(mut self, before: impl Into<String>) -> Self {
        self.from = Some(before.into());
        self
    }

    /// What is so now.
    pub fn to(mut self, now: impl Into<String>) -> Self {
        self.to = Some(now.into());
        self
    }

    /// Why.
    pub fn reason(mut self, reason: Reason) -> Self {
        self.reason = Some(reason);
        self
    }

    /// More about it, for people.
    pub fn detail(mut self, text: impl Into<String>) -> Self {
        self.detail = Some(text.into());
        self
    }

    /// How many, or how much.
    pub fn count(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }

    /// Who did it, or whom it happened to.
    pub fn by(mut self, principal: &Principal) -> Self {
        self.by = Some(Box::new(By {
            issuer: principal.issuer().to_owned(),
            subject: principal.subject().to_owned(),
            client_id: principal.client_id().map(str::to_owned),
        }));
        self
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        self.kind
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let texts = [&self.about, &self.from, &self.to, &self.detail];
        let cut = texts.into_iter().flatten().any(|text| clip(text).len() < text.len());
        let mut members = Members(serializer.serialize_map(None)?);
        members.head("event", self.at, self.event_id)?;
        members.put("event", &self.kind.as_str())?;
        let site = self.site.as_deref();
        members.put_some("resource", site.and_then(|site| site.resource.as_deref()))?;
        members.put_some("server", site.and_then(|site| site.server.as_deref()))?;
        members.put_some("principal", self.by.as_deref())?;
        members.put_some("about", self.about.as_deref().map(clip))?;
        members.put_some("from", self.from.as_deref().map(clip))?;
        members.put_some("to", self.to.as_deref().map(clip))?;
        members.put_some("reason", self.reason.map(|reason| reason.as_str()))?;
        members.put_some("detail", self.detail.as_deref().map(clip))?;
        members.put_some("count", self.count)?;
        members.put_some("truncated", cut.then_some(true))?;
        members.0.end()
    }
}

impl Serialize for By {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = Members(serializer.serialize_map(None)?);
        members.put("iss", &clip(&self.issuer))?;
        members.put("sub", &clip(&self.subject))?;
        members.put_some("client_id", self.client_id.as_deref().map(clip))?;
        members.0.end()
    }
}
