//! The words that labels are made of. There is a known number of each.

use portcullis_core::{Denial, DenialKind, McpMessage, Method, NoMessage, Reason, TargetKind};

use crate::{ExpiryKind, Warning};

/// What a request asks for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Asked {
    Method(Method),
    /// An answer to the server.
    Response,
    Batch,
    /// A legacy stream of server messages.
    Stream,
    EndSession,
    /// A notification that goes no further.
    Dropped,
    /// No message, or none that was read.
    Nothing,
}

impl Asked {
    /// Besides methods.
    const OTHERS: [Self; 6] =
        [Self::Response, Self::Batch, Self::Stream, Self::EndSession, Self::Dropped, Self::Nothing];

    pub(crate) fn of(message: &McpMessage) -> Self {
        match message {
            McpMessage::Request(request) => Self::Method(request.method()),
            McpMessage::Notification(notification) => Self::Method(notification.method()),
            McpMessage::Response(_) => Self::Response,
            McpMessage::Batch(_) => Self::Batch,
            McpMessage::NoMessage(NoMessage::Stream(_)) => Self::Stream,
            McpMessage::NoMessage(NoMessage::EndSession(_)) => Self::EndSession,
            McpMessage::NoMessage(NoMessage::Dropped(_)) => Self::Dropped,
            _ => Self::Nothing,
        }
    }

    /// Whether the answer has no end of its own.
    pub(crate) fn is_long_lived(self) -> bool {
        matches!(self, Self::Stream | Self::Method(Method::SubscriptionsListen))
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Method(method) => method.as_str(),
            Self::Response => "response",
            Self::Batch => "batch",
            Self::Stream => "stream",
            Self::EndSession => "end_session",
            Self::Dropped => "dropped",
            Self::Nothing => "none",
        }
    }
}

/// What was decided about a message; the words are those of audit records, and `public`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Ruling {
    Allow,
    Deny,
    Challenge,
    Error,
    /// A caller was signed in, and policy was never asked.
    Undecided,
    /// Nobody was signed in and nobody was refused: metadata, preflights.
    Public,
}

impl Ruling {
    const ALL: [Self; 6] =
        [Self::Allow, Self::Deny, Self::Challenge, Self::Error, Self::Undecided, Self::Public];

    pub(crate) fn of(denial: &Denial) -> Self {
        match denial.kind() {
            DenialKind::NoToken
            | DenialKind::InvalidToken
            | DenialKind::InvalidCredentials
            | DenialKind::InsufficientScope => Self::Challenge,
            DenialKind::Policy
            | DenialKind::Edge
            | DenialKind::NotFound
            | DenialKind::Malformed
            | DenialKind::HeaderMismatch
            | DenialKind::Version
            | DenialKind::UnknownMethod
            | DenialKind::Session
            | DenialKind::RateLimited => Self::Deny,
            // Our own trouble; kinds that core may add are not known to be anyone else's.
            _ => Self::Error,
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Challenge => "challenge",
            Self::Error => "error",
            Self::Undecided => "undecided",
            Self::Public => "public",
        }
    }
}

/// What came of an HTTP request. An identity regression (`unauthenticated`, `forbidden`) must not look
/// like an outage (`gate_error`, `service_error`), nor the other way round.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Outcome {
    Ok,
    /// The service answered with a tool result that says no.
    ToolError,
    /// The service answered with a JSON-RPC error.
    RpcError,
    Unauthenticated,
    Forbidden,
    /// Policy said no.
    Denied,
    /// Malformed, of an unknown version, of no session, ….
    Rejected,
    /// Too many requests.
    Limited,
    /// The gate could not do its work.
    GateError,
    /// The service behind the gate failed, or broke the protocol.
    ServiceError,
    /// The client went away.
    Aborted,
}

impl Outcome {
    const ALL: [Self; 11] = [
        Self::Ok,
        Self::ToolError,
        Self::RpcError,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::Denied,
        Self::Rejected,
        Self::Limited,
        Self::GateError,
        Self::ServiceError,
        Self::Aborted,
    ];

    pub(crate) fn of_denial(denial: &Denial) -> Self {
        match denial.kind() {
            DenialKind::NoToken | DenialKind::InvalidToken | DenialKind::InvalidCredentials => {
                Self::Unauthenticated
            }
            DenialKind::InsufficientScope => Self::Forbidden,
            DenialKind::Policy => Self::Denied,
            DenialKind::Edge
            | DenialKind::NotFound
            | DenialKind::Malformed
            | DenialKind::HeaderMismatch
            | DenialKind::Version
            | DenialKind::UnknownMethod
            | DenialKind::Session => Self::Rejected,
            DenialKind::RateLimited | DenialKind::Overloaded => Self::Limited,
            DenialKind::Upstream => Self::ServiceError,
            _ => Self::GateError,
        }
    }

    /// By the status alone: nobody refused it.
    pub(crate) fn of_status(status: u16) -> Self {
        match status {
            401 => Self::Unauthenticated,
            403 => Self::Forbidden,
            429 => Self::Limited,
            400..=499 => Self::Rejected,
            500.. => Self::ServiceError,
            _ => Self::Ok,
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ToolError => "tool_error",
            Self::RpcError => "rpc_error",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::Denied => "denied",
            Self::Rejected => "rejected",
            Self::Limited => "limited",
            Self::GateError => "gate_error",
            Self::ServiceError => "service_error",
            Self::Aborted => "aborted",
        }
    }

    pub(crate) const fn is_error(self) -> bool {
        !matches!(self, Self::Ok | Self::Aborted)
    }
}

/// The words that a label may have, for checking dashboards and alerts against; `None` for labels
/// whose words are of a configuration: `route`, `tool`, `issuer`, `sink`, `name`, `version`.
#[must_use]
pub fn label_words(label: &str) -> Option<Vec<&'static str>> {
    Some(match label {
        "outcome" => Outcome::ALL.map(Outcome::as_str).to_vec(),
        "decision" => Ruling::ALL.map(Ruling::as_str).to_vec(),
        "reason" => {
            let reasons = Reason::ALL.iter().map(|reason| reason.as_str());
            reasons.chain(["none"]).collect()
        }
        "method" => {
            let methods = Method::ALL.iter().map(|method| method.as_str());
            methods.chain(Asked::OTHERS.map(Asked::as_str)).collect()
        }
        "status" => {
            let codes = (100..600).map(Some).chain([None]);
            let mut words: Vec<_> = codes.map(status_label).collect();
            words.sort_unstable();
            words.dedup();
            words
        }
        "warning" => Warning::ALL.iter().map(|warning| warning.as_str()).collect(),
        "result" => vec!["ok", "failed", "hit", "miss"],
        "kind" => {
            let kinds = [
                TargetKind::Tool,
                TargetKind::Prompt,
                TargetKind::Resource,
                TargetKind::ResourceTemplate,
                TargetKind::Task,
            ];
            let kinds = kinds.map(TargetKind::as_str).into_iter();
            let expiries = [ExpiryKind::Certificate, ExpiryKind::Key].map(ExpiryKind::as_str);
            kinds.chain(expiries).collect()
        }
        _ => return None,
    })
}

/// The status as a label: those that a gate answers with by themselves, others by their class, so
/// that a service cannot make up a thousand.
pub(crate) const fn status_label(status: Option<u16>) -> &'static str {
    match status {
        None => "none",
        Some(200) => "200",
        Some(202) => "202",
        Some(204) => "204",
        Some(400) => "400",
        Some(401) => "401",
        Some(403) => "403",
        Some(404) => "404",
        Some(405) => "405",
        Some(406) => "406",
        Some(408) => "408",
        Some(413) => "413",
        Some(415) => "415",
        Some(429) => "429",
        Some(431) => "431",
        Some(500) => "500",
        Some(502) => "502",
        Some(503) => "503",
        Some(504) => "504",
        Some(100..=199) => "1xx",
        Some(200..=299) => "2xx",
        Some(300..=399) => "3xx",
        Some(400..=499) => "4xx",
        Some(_) => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::Challenge;

    use super::*;

    #[test]
    fn identity_trouble_and_outages_are_told_apart() {
        let challenge = Challenge::without_metadata(["a"]).unwrap();
        let rows = [
            ("no token", Denial::no_token(&challenge), Ruling::Challenge, Outcome::Unauthenticated),
            (
                "bad token",
                Denial::invalid_token(&challenge, Reason::Expired),
                Ruling::Challenge,
                Outcome::Unauthenticated,
            ),
            ("miswired", Denial::miswired("test"), Ruling::Error, Outcome::GateError),
        ];
        for (name, denial, ruling, outcome) in rows {
            assert_eq!(Ruling::of(&denial), ruling, "{name}");
            assert_eq!(Outcome::of_denial(&denial), outcome, "{name}");
        }
        let rows = [
            (200, Outcome::Ok),
            (202, Outcome::Ok),
            (401, Outcome::Unauthenticated),
            (403, Outcome::Forbidden),
            (404, Outcome::Rejected),
            (429, Outcome::Limited),
            (500, Outcome::ServiceError),
            (503, Outcome::ServiceError),
        ];
        for (status, outcome) in rows {
            assert_eq!(Outcome::of_status(status), outcome, "{status}");
        }
    }

    #[test]
    fn statuses_are_few() {
        let labels: std::collections::HashSet<_> =
            (100..1000).map(|status| status_label(Some(status))).collect();
        assert!(labels.len() < 30, "{labels:?}");
        assert_eq!(status_label(Some(418)), "4xx");
        assert_eq!(status_label(Some(599)), "5xx");
    }

    #[test]
    fn outcomes_have_words_of_their_own() {
        let words: std::collections::HashSet<_> = Outcome::ALL.map(Outcome::as_str).into();
        assert_eq!(words.len(), Outcome::ALL.len());
    }
}
