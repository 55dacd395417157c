//! Refusals: what kind, why, and what the answer needs.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode, header};

use crate::challenge::{INVALID_REQUEST, INVALID_TOKEN};
use crate::rejection::{json_string, rpc_error};
use crate::{Challenge, Era, McpRequest, Reason, TargetKind, Text, Version};

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
    Json(Cow<'static, str>),
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
    /// The service behind the gate failed: 502.
    Upstream,
    /// The decision could not be recorded: 503.
    AuditUnavailable,
    /// A layer is missing: 500.
    Miswired,
}

/// How a policy denial looks to the caller (R-232).
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

    /// What is said of DPoP besides `Bearer` (R-169).
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
        Self::new(kind, reason, status, Body::Json(Cow::Borrowed(body)))
            .with(header::WWW_AUTHENTICATE, challenge)
            .no_store()
    }
}

/// Sign-in (recipes 4.1, 4.2, 4.3, 4.16).
impl Denial {
    /// No credentials: 401 without an `error` parameter (recipe 4.1).
    #[must_use]
    pub fn no_token(challenge: &Challenge) -> Self {
        Self::oauth(
            DenialKind::NoToken,
            Reason::NoToken,
            StatusCode::UNAUTHORIZED,
            challenge.no_token(),
            r#"{"error":"unauthorized","error_description":"Authentication required"}"#,
        )
        .and_second_line(challenge)
    }

    /// Credentials that do not verify: the same 401 whatever `reason` says (recipe 4.2, R-133).
    #[must_use]
    pub fn invalid_token(challenge: &Challenge, reason: Reason) -> Self {
        const BODY: &str = r#"{"error":"invalid_token","error_description":"The access token is invalid or expired"}"#;
        debug_assert!(BODY.contains(INVALID_TOKEN), "header and body say the same");
        Self::oauth(
            DenialKind::InvalidToken,
            reason,
            StatusCode::UNAUTHORIZED,
            challenge.invalid_token(),
            BODY,
        )
        .and_second_line(challenge)
    }

    /// A DPoP proof that is missing, does not verify or was used before: the same 401 whatever
    /// `reason` says (recipe 4.2, R-137).
    #[must_use]
    pub fn invalid_dpop_proof(challenge: &Challenge, reason: Reason) -> Self {
        let Some(line) = challenge.invalid_dpop_proof() else {
            return Self::miswired("a DPoP proof was asked for, and no challenge says so");
        };
        Self::oauth(
            DenialKind::InvalidToken,
            reason,
            StatusCode::UNAUTHORIZED,
            line,
            r#"{"error":"invalid_dpop_proof","error_description":"The DPoP proof is invalid"}"#,
        )
    }

    /// A DPoP proof without a nonce of ours: 401 with the one to use (RFC 9449 §9, R-138).
    #[must_use]
    pub fn use_dpop_nonce(challenge: &Challenge, nonce: &str) -> Self {
        let (Some(line), Ok(nonce)) = (challenge.use_dpop_nonce(), HeaderValue::try_from(nonce))
        else {
            return Self::miswired("a DPoP nonce was asked for, and no challenge can carry it");
        };
        Self::oauth(
            DenialKind::InvalidToken,
            Reason::DpopNonce,
            StatusCode::UNAUTHORIZED,
            line,
            r#"{"error":"use_dpop_nonce","error_description":"The DPoP proof needs this nonce"}"#,
        )
        .with(HeaderName::from_static("dpop-nonce"), nonce)
    }

    /// A person who signed in too weakly or too long ago: 401 that names what is accepted
    /// (RFC 9470 §3, R-140). `max_age` is said in whole seconds.
    #[must_use]
    pub fn insufficient_authentication(
        challenge: &Challenge,
        acr_values: &[String],
        max_age: Option<Duration>,
    ) -> Self {
        let max_age = max_age.map(|age| age.as_secs());
        let Ok(line) = challenge.insufficient_authentication(acr_values, max_age) else {
            return Self::miswired("an authentication is required that no challenge can carry");
        };
        Self::oauth(
            DenialKind::InvalidToken,
            Reason::WeakAuthentication,
            StatusCode::UNAUTHORIZED,
            line,
            r#"{"error":"insufficient_user_authentication","error_description":"A more recent or stronger sign-in is required"}"#,
        )
    }

    /// Credentials in the wrong number or place: 400 (recipe 4.2).
    #[must_use]
    pub fn invalid_credentials(challenge: &Challenge, reason: Reason) -> Self {
        const BODY: &str = r#"{"error":"invalid_request","error_description":"Exactly one access token in the Authorization header is required"}"#;
        debug_assert!(BODY.contains(INVALID_REQUEST), "header and body say the same");
        Self::oauth(
            DenialKind::InvalidCredentials,
            reason,
            StatusCode::BAD_REQUEST,
            challenge.invalid_request(),
            BODY,
        )
    }

    /// The issuer's keys are out of reach: 503, never 401, so that clients keep good tokens
    /// (recipe 4.16, R-117).
    #[must_use]
    pub fn keys_unavailable(retry_after: Duration) -> Self {
        Self::new(
            DenialKind::KeysUnavailable,
            Reason::JwksUnavailable,
            StatusCode::SERVICE_UNAVAILABLE,
            Body::Json(Cow::Borrowed(
                r#"{"error":"temporarily_unavailable","error_description":"Token verification is temporarily unavailable"}"#,
            )),
        )
        .with(header::RETRY_AFTER, HeaderValue::from(retry_after.as_secs()))
        .no_store()
    }

    /// A new token with `scopes` would help: 403 with a challenge that names all the scopes of the
    /// operation (recipe 4.3, R-163). Scopes that a challenge cannot carry turn this into a
    /// wiring fault: policies are checked when they are built.
    #[must_use]
    pub fn insufficient_scope(challenge: &Challenge, id: &Text, scopes: Vec<String>) -> Self {
        let scope = scopes.join(" ");
        let Ok(line) = challenge.insufficient_scope(&scope) else {
            return Self::miswired("a policy requires a scope that no challenge can carry");
        };
        let data = format!(r#"{{"reason":"insufficient_scope","scope":{}}}"#, json_string(&scope));
        Self::rpc(
            DenialKind::InsufficientScope,
            Reason::InsufficientScope,
            StatusCode::FORBIDDEN,
            Some(id),
            (-31403, "Insufficient scope", Some(&data)),
        )
        .with(header::WWW_AUTHENTICATE, line)
        .no_store()
        .change(|inner| inner.scopes = scopes)
    }
}

/// Policy (recipe 4.12).
impl Denial {
    /// Policy says no, and the caller sees what an unknown target looks like (recipe 4.12, hide).
    #[must_use]
    pub fn hidden(request: &McpRequest, hidden: HiddenAs<'_>, reason: Reason) -> Self {
        let id = Some(request.id());
        let (code, message, data) = match hidden {
            HiddenAs::UnknownMethod => {
                return Self::unknown_method(request.id(), request.era())
                    .change(|inner| inner.kind = DenialKind::Policy)
                    .because(reason);
            }
            HiddenAs::Unknown(TargetKind::Tool, name) => {
                (-32602, Cow::Owned(format!("Unknown tool: {name}")), None)
            }
            HiddenAs::Unknown(TargetKind::Prompt, name) => {
                (-32602, Cow::Owned(format!("Unknown prompt: {name}")), None)
            }
            HiddenAs::Unknown(TargetKind::Resource | TargetKind::ResourceTemplate, uri) => {
                let code = match request.era() {
                    Era::Legacy => -32002,
                    Era::Modern => -32602,
                };
                let data = format!(r#"{{"uri":{}}}"#, json_string(uri));
                (code, Cow::Borrowed("Resource not found"), Some(data))
            }
            HiddenAs::Unknown(TargetKind::Task, _) => {
                (-32602, Cow::Borrowed("Task not found"), None)
            }
        };
        Self::rpc(DenialKind::Policy, reason, StatusCode::OK, id, (code, &message, data.as_deref()))
            .no_store()
    }

    /// Policy says no, and says so (recipe 4.12, explain). `decision_id` finds the audit record.
    #[must_use]
    pub fn explained(request: &McpRequest, decision_id: &str, reason: Reason) -> Self {
        let data =
            format!(r#"{{"reason":"policy_denied","decisionId":{}}}"#, json_string(decision_id));
        Self::rpc(
            DenialKind::Policy,
            reason,
            StatusCode::OK,
            Some(request.id()),
            (-31403, "Forbidden by policy", Some(&data)),
        )
        .no_store()
    }

    /// Policy says no to a notification, which is dropped: 202, because clients give up on anything
    /// else (R-032).
    #[must_use]
    pub fn dropped(reason: Reason) -> Self {
        Self::new(DenialKind::Policy, reason, StatusCode::ACCEPTED, Body::Empty)
    }

    /// Policy says no to a `tools/call`, as a tool result that the model reads (recipe 4.12).
    #[must_use]
    pub fn tool_result(request: &McpRequest, reason: Reason) -> Self {
        let result_type = match request.era() {
            Era::Legacy => "",
            Era::Modern => r#""resultType":"complete","#,
        };
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":{},"result":{{{result_type}"content":[{{"type":"text","text":"You are not permitted to use this tool."}}],"isError":true}}}}"#,
            request.id()
        );
        let body = Body::Rpc { text, code: None };
        Self::new(DenialKind::Policy, reason, StatusCode::OK, body).no_store()
    }
}

/// The HTTP edge (recipes 4.5 to 4.9).
impl Denial {
    /// 403 for an `Origin` that is not allowed (recipe 4.5).
    #[must_use]
    pub fn origin() -> Self {
        Self::rpc(
            DenialKind::Edge,
            Reason::BadOrigin,
            StatusCode::FORBIDDEN,
            None,
            (-32600, "Origin not allowed", None),
        )
        .no_store()
    }

    /// 403 for a `Host` that is not allowed (recipe 4.5).
    #[must_use]
    pub fn host() -> Self {
        Self::rpc(
            DenialKind::Edge,
            Reason::BadHost,
            StatusCode::FORBIDDEN,
            None,
            (-32600, "Host not allowed", None),
        )
        .no_store()
    }

    /// 400 for a request that HTTP itself does not allow: no `Host`, two of them, an authority
    /// that contradicts it (R-006).
    #[must_use]
    pub fn bad_http(reason: Reason) -> Self {
        Self::rpc(
            DenialKind::Malformed,
            reason,
            StatusCode::BAD_REQUEST,
            None,
            (-32600, "Invalid Request", None),
        )
        .no_store()
    }

    /// 404 for a path where no MCP endpoint is (R-002). Not JSON-RPC: the body is unread.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(
            DenialKind::NotFound,
            Reason::BadPath,
            StatusCode::NOT_FOUND,
            Body::Plain("Not found"),
        )
        .no_store()
    }

    /// 431 for headers past the limits (R-013).
    #[must_use]
    pub fn headers_too_large() -> Self {
        Self::rpc(
            DenialKind::Malformed,
            Reason::TooLarge,
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            None,
            (-32600, "Request header fields too large", None),
        )
        .no_store()
    }

    /// 413 for a body past the limit (recipe 4.6).
    #[must_use]
    pub fn body_too_large() -> Self {
        Self::rpc(
            DenialKind::Malformed,
            Reason::TooLarge,
            StatusCode::PAYLOAD_TOO_LARGE,
            None,
            (-32600, "Request body too large", None),
        )
        .with(header::CONNECTION, HeaderValue::from_static("close"))
    }

    /// 408 for a body that does not arrive in time (recipe 4.6).
    #[must_use]
    pub fn body_too_slow() -> Self {
        Self::rpc(
            DenialKind::Malformed,
            Reason::TooSlow,
            StatusCode::REQUEST_TIMEOUT,
            None,
            (-32600, "Request body timeout", None),
        )
        .with(header::CONNECTION, HeaderValue::from_static("close"))
    }

    /// 415 for a `Content-Type` other than `application/json` (recipe 4.7).
    #[must_use]
    pub fn content_type() -> Self {
        Self::rpc(
            DenialKind::Malformed,
            Reason::BadMedia,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            None,
            (-32600, "Content-Type must be application/json", None),
        )
        .with(HeaderName::from_static("accept-post"), HeaderValue::from_static("application/json"))
    }

    /// 415 for a content coding (recipe 4.7).
    #[must_use]
    pub fn content_encoding() -> Self {
        Self::rpc(
            DenialKind::Malformed,
            Reason::BadMedia,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            None,
            (-32600, "Content-Encoding not supported", None),
        )
        .with(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))
    }

    /// 406 for an `Accept` that leaves out a type the answer may have (recipe 4.8).
    #[must_use]
    pub fn not_acceptable() -> Self {
        Self::rpc(
            DenialKind::Malformed,
            Reason::BadMedia,
            StatusCode::NOT_ACCEPTABLE,
            None,
            (-32600, "Accept must include application/json and text/event-stream", None),
        )
    }

    /// 405 with the methods that are offered (recipe 4.9).
    #[must_use]
    pub fn method_not_allowed(allow: &'static str) -> Self {
        Self::new(
            DenialKind::Malformed,
            Reason::BadHttpMethod,
            StatusCode::METHOD_NOT_ALLOWED,
            Body::Empty,
        )
        .with(header::ALLOW, HeaderValue::from_static(allow))
    }
}

/// JSON-RPC, versions and sessions (recipes 4.4, 4.10, 4.11).
impl Denial {
    /// 400 `-32700`: not JSON (recipe 4.11).
    #[must_use]
    pub fn parse_error() -> Self {
        Self::rpc(
            DenialKind::Malformed,
            Reason::BadJson,
            StatusCode::BAD_REQUEST,
            None,
            (-32700, "Parse error", None),
        )
        .no_store()
    }

    /// 400 `-32600`: JSON, but not a message that may be sent here (recipe 4.11).
    #[must_use]
    pub fn invalid_request(reason: Reason) -> Self {
        Self::rpc(
            DenialKind::Malformed,
            reason,
            StatusCode::BAD_REQUEST,
            None,
            (-32600, "Invalid Request", None),
        )
        .no_store()
    }

    /// 400 `-32602` for parameters that are missing or of the wrong type. `what` is a fixed phrase,
    /// never a client's text.
    #[must_use]
    pub fn invalid_params(id: &Text, what: &'static str, reason: Reason) -> Self {
        Self::rpc(
            DenialKind::Malformed,
            reason,
            StatusCode::BAD_REQUEST,
            Some(id),
            (-32602, &format!("Invalid params: {what}"), None),
        )
        .no_store()
    }

    /// 400 `-32020` (recipe 4.4). `what` is a fixed phrase; the two values are never echoed.
    #[must_use]
    pub fn header_mismatch(id: Option<&Text>, what: &'static str) -> Self {
        Self::rpc(
            DenialKind::HeaderMismatch,
            Reason::HeaderMismatch,
            StatusCode::BAD_REQUEST,
            id,
            (-32020, &format!("Header mismatch: {what}"), None),
        )
        .no_store()
    }

    /// 400 `-32022` with the versions that are supported (recipe 4.11, R-040). The client's string
    /// is echoed up to 64 characters.
    #[must_use]
    pub fn unsupported_version(id: Option<&Text>, requested: &str, supported: &[Version]) -> Self {
        Self::version_error(id, "Unsupported protocol version", requested, supported)
    }

    /// 400 `-32022` for `initialize` at an endpoint without sessions (recipe 4.11, R-042).
    #[must_use]
    pub fn no_handshake(id: &Text, requested: &str, supported: &[Version]) -> Self {
        let names: Vec<_> = supported.iter().map(|version| version.as_str()).collect();
        let message = format!(
            "Unsupported protocol version. This server supports only {} (no initialize handshake)",
            names.join(", ")
        );
        Self::version_error(Some(id), &message, requested, supported)
    }

    fn version_error(
        id: Option<&Text>,
        message: &str,
        requested: &str,
        supported: &[Version],
    ) -> Self {
        let requested: String = requested.chars().take(64).collect();
        let supported: Vec<_> = supported.iter().map(|version| format!("\"{version}\"")).collect();
        let data = format!(
            r#"{{"supported":[{}],"requested":{}}}"#,
            supported.join(","),
            json_string(&requested)
        );
        Self::rpc(
            DenialKind::Version,
            Reason::BadVersion,
            StatusCode::BAD_REQUEST,
            id,
            (-32022, message, Some(&data)),
        )
        .no_store()
    }

    /// 400 for a version header that differs from what the session negotiated (recipe 4.11, R-041).
    #[must_use]
    pub fn not_negotiated(id: Option<&Text>, negotiated: Version) -> Self {
        Self::rpc(
            DenialKind::Version,
            Reason::BadVersion,
            StatusCode::BAD_REQUEST,
            id,
            (
                -32600,
                &format!("MCP-Protocol-Version does not match the negotiated version {negotiated}"),
                None,
            ),
        )
        .no_store()
    }

    /// 400 `-32602` for a `_meta` member that a modern request must have (recipe 4.11, R-038).
    #[must_use]
    pub fn missing_meta(id: &Text, member: &'static str) -> Self {
        Self::rpc(
            DenialKind::Version,
            Reason::BadMeta,
            StatusCode::BAD_REQUEST,
            Some(id),
            (-32602, &format!("Invalid params: missing _meta field {member}"), None),
        )
        .no_store()
    }

    /// A method that this revision does not have: 404 in the modern era, in-band in the legacy one,
    /// where a 404 would end the session (recipe 4.11).
    #[must_use]
    pub fn unknown_method(id: &Text, era: Era) -> Self {
        let status = match era {
            Era::Legacy => StatusCode::OK,
            Era::Modern => StatusCode::NOT_FOUND,
        };
        Self::rpc(
            DenialKind::UnknownMethod,
            Reason::UnknownMethod,
            status,
            Some(id),
            (-32601, "Method not found", None),
        )
        .no_store()
    }

    /// 404 for a session that is unknown, ended, forged or somebody else's: the same bytes for all
    /// (recipe 4.10, R-433).
    #[must_use]
    pub fn session_not_found(reason: Reason) -> Self {
        Self::new(
            DenialKind::Session,
            reason,
            StatusCode::NOT_FOUND,
            Body::Plain("Session not found"),
        )
        .no_store()
    }

    /// 400 for a request without the session id it needs (recipe 4.10).
    #[must_use]
    pub fn session_required(id: Option<&Text>) -> Self {
        Self::rpc(
            DenialKind::Session,
            Reason::SessionRequired,
            StatusCode::BAD_REQUEST,
            id,
            (-32600, "Mcp-Session-Id header required", None),
        )
        .no_store()
    }
}

/// Trouble on our side (recipe 4.16).
impl Denial {
    /// 429 with `-31429` (recipe 4.16).
    #[must_use]
    pub fn rate_limited(id: Option<&Text>, retry_after: Duration) -> Self {
        Self::rpc(
            DenialKind::RateLimited,
            Reason::RateLimited,
            StatusCode::TOO_MANY_REQUESTS,
            id,
            (-31429, "Too many requests", None),
        )
        .with(header::RETRY_AFTER, HeaderValue::from(retry_after.as_secs()))
        .no_store()
    }

    /// 502 for a service that failed or broke the protocol (recipe 4.16, R-086).
    #[must_use]
    pub fn upstream(id: Option<&Text>) -> Self {
        Self::rpc(
            DenialKind::Upstream,
            Reason::UpstreamError,
            StatusCode::BAD_GATEWAY,
            id,
            (-32603, "Upstream error", None),
        )
        .no_store()
    }

    /// 400 `-32021` for an answer that needs client capabilities which the request did not declare
    /// (R-063, R-080). `capabilities` is a JSON object shaped like the client's own declaration.
    #[must_use]
    pub fn missing_capability(id: Option<&Text>, capabilities: &'static str) -> Self {
        let data = format!(r#"{{"requiredCapabilities":{capabilities}}}"#);
        Self::rpc(
            DenialKind::Upstream,
            Reason::UpstreamError,
            StatusCode::BAD_REQUEST,
            id,
            (-32021, "Missing required client capability", Some(&data)),
        )
        .no_store()
    }

    /// 503 for a decision that could not be recorded (R-267).
    #[must_use]
    pub fn audit_unavailable(id: Option<&Text>) -> Self {
        Self::rpc(
            DenialKind::AuditUnavailable,
            Reason::AuditUnavailable,
            StatusCode::SERVICE_UNAVAILABLE,
            id,
            (-32603, "Temporarily unavailable", None),
        )
        .with(header::RETRY_AFTER, HeaderValue::from_static("5"))
        .no_store()
    }

    /// 500 for a stack with a layer missing. `what` goes to the error log, never to the client.
    #[must_use]
    pub fn miswired(what: &'static str) -> Self {
        tracing::error!(target: "portcullis", "miswired stack: {what}");
        Self::rpc(
            DenialKind::Miswired,
            Reason::Miswired,
            StatusCode::INTERNAL_SERVER_ERROR,
            None,
            (-32603, "Internal error", None),
        )
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
