//! Refusals: what kind, why, and what the answer needs.

mod edge;
mod ours;
mod policy;
mod protocol;
mod sign_in;

use std::fmt;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, StatusCode, header};

use crate::rejection::rpc_error;
use crate::{Challenge, Reason, TargetKind, Text};

/// A refusal.
///
/// It knows its kind, a stable [`Reason`] for the audit record, and the exact bytes of the answer
/// (requirements section 4). It travels in the response's extensions, so that audit and a user's own
/// outer layers see why, and may answer in another form. The client never learns the reason.
#[derive(Clone)]
pub struct Denial(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: DenialKind,
    reason: Reason,
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Body,
    scopes: Vec<String>,
    rule: Option<Text>,
    policy_version: Option<Text>,
}

/// The body of a refusal. JSON-RPC bodies are also what a batch merges into its answer.
#[derive(Clone)]
pub(crate) enum Body {
    Json(&'static str),
    Rpc { text: String, code: Option<i64> },
    Plain(&'static str),
    Empty,
}

/// The category of a [`Denial`], fit for metrics and alerts.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum DenialKind {
    /// No credentials: 401 with a challenge.
    NoToken,
    /// Bad credentials: 401 with a challenge.
    InvalidToken,
    /// Credentials in the wrong form or number: 400 with a challenge.
    InvalidCredentials,
    /// Keys are out of reach: 503.
    KeysUnavailable,
    /// A scope would fix it: 403 with a challenge.
    InsufficientScope,
    /// Policy says no.
    Policy,
    /// Bad `Origin` or `Host`: 403.
    Edge,
    /// No endpoint here: 404.
    NotFound,
    /// Broken HTTP, JSON or JSON-RPC: 4xx.
    Malformed,
    /// Header and body disagree: 400.
    HeaderMismatch,
    /// Protocol version trouble: 400.
    Version,
    /// A method that this revision does not have: 404 or 200.
    UnknownMethod,
    /// Session trouble: 400 or 404.
    Session,
    /// Too many requests: 429.
    RateLimited,
    /// Too many requests, where 429 would mislead, or nobody knows how many: 503.
    Overloaded,
    /// The service behind the gate failed: 502.
    Upstream,
    /// The decision could not be recorded: 503.
    AuditUnavailable,
    /// A hook that has to be asked failed: 503.
    HookFailed,
    /// A layer is missing: 500.
    Miswired,
}

/// How a policy denial looks to the caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum HiddenAs<'a> {
    /// Like a target that does not exist.
    Unknown(TargetKind, &'a str),
    /// Like a method that does not exist, for methods without a target.
    UnknownMethod,
}

impl Denial {
    /// The kind.
    #[must_use]
    pub fn kind(&self) -> DenialKind {
        self.0.kind
    }

    /// Why, as a stable code. For records, never for clients.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// The HTTP status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The JSON-RPC error code of the answer, where the body is JSON-RPC.
    #[must_use]
    pub fn rpc_code(&self) -> Option<i64> {
        match self.0.body {
            Body::Rpc { code, .. } => code,
            Body::Json(_) | Body::Plain(_) | Body::Empty => None,
        }
    }

    /// The answer's JSON-RPC object, where it has one: what a batch merges into its own answer.
    #[must_use]
    pub fn rpc_object(&self) -> Option<&str> {
        match &self.0.body {
            Body::Rpc { text, .. } => Some(text),
            Body::Json(_) | Body::Plain(_) | Body::Empty => None,
        }
    }

    /// The scopes that a challenge asked for.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.0.scopes
    }

    /// The rule that denied, when one did.
    #[must_use]
    pub fn rule(&self) -> Option<&Text> {
        self.0.rule.as_ref()
    }

    /// The version of the policy that denied, when one did.
    #[must_use]
    pub fn policy_version(&self) -> Option<&Text> {
        self.0.policy_version.as_ref()
    }

    /// Names the rule and the policy version behind the denial, for records.
    #[must_use]
    pub fn by_rule(self, rule: Text, policy_version: Text) -> Self {
        self.change(|inner| {
            inner.rule = Some(rule);
            inner.policy_version = Some(policy_version);
        })
    }

    /// Names the hook behind the denial, for records: as the rule `hook:` and its name.
    #[must_use]
    pub fn by_hook(self, name: &str) -> Self {
        let rule = Text::from(format!("hook:{name}"));
        self.change(|inner| inner.rule = Some(rule))
    }

    /// Replaces the reason, for records.
    #[must_use]
    pub fn because(self, reason: Reason) -> Self {
        self.change(|inner| inner.reason = reason)
    }

    pub(crate) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.0.headers
    }

    pub(crate) fn body(&self) -> &Body {
        &self.0.body
    }

    fn change(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    fn new(kind: DenialKind, reason: Reason, status: StatusCode, body: Body) -> Self {
        Self(Arc::new(Inner {
            kind,
            reason,
            status,
            headers: Vec::new(),
            body,
            scopes: Vec::new(),
            rule: None,
            policy_version: None,
        }))
    }

    fn with(self, name: HeaderName, value: HeaderValue) -> Self {
        self.change(|inner| inner.headers.push((name, value)))
    }

    fn no_store(self) -> Self {
        self.with(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
    }

    /// What is said of DPoP besides `Bearer`.
    fn and_second_line(self, challenge: &Challenge) -> Self {
        match challenge.second_line() {
            Some(line) => self.with(header::WWW_AUTHENTICATE, line),
            None => self,
        }
    }

    /// A refusal whose body is a JSON-RPC error. Without `id`, the member is left out: MCP forbids
    /// `null` there (requirements 6.3 no. 16).
    fn rpc(
        kind: DenialKind,
        reason: Reason,
        status: StatusCode,
        id: Option<&Text>,
        error: (i64, &str, Option<&str>),
    ) -> Self {
        let (code, message, data) = error;
        let text = rpc_error(id.map(Text::as_str), code, message, data);
        Self::new(kind, reason, status, Body::Rpc { text, code: Some(code) })
    }

    fn oauth(
        kind: DenialKind,
        reason: Reason,
        status: StatusCode,
        challenge: HeaderValue,
        body: &'static str,
    ) -> Self {
        Self::new(kind, reason, status, Body::Json(body))
            .with(header::WWW_AUTHENTICATE, challenge)
            .no_store()
    }
}

// By hand: bodies echo client text.
impl fmt::Debug for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Denial")
            .field("kind", &self.0.kind)
            .field("reason", &self.0.reason)
            .field("rule", &self.0.rule)
            .finish_non_exhaustive()
    }
}
