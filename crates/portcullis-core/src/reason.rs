//! Stable codes for why something was refused.

use std::fmt;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $code:literal,)+) => {
        /// Why a request was refused, as a stable code for audit records and metrics.
        ///
        /// Clients never see it: what they are told is fixed by the kind of the denial, so that an
        /// attacker cannot learn which check failed.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Reason {
            /// Every reason there is, for tests and for the vocabulary of dashboards.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The code in records.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)+
                }
            }
        }
    };
}

reasons! {
    /// No credentials.
    NoToken = "no_token",
    /// More than one `Authorization` field line, or a malformed one.
    MultipleAuth = "multiple_auth",
    /// A token in the query string.
    QueryToken = "query_token",
    /// Not a JWS in compact form, or broken inside.
    MalformedToken = "malformed_token",
    /// The algorithm is not allowed, or does not fit the key.
    BadAlg = "bad_alg",
    /// The signature does not verify.
    BadSig = "bad_sig",
    /// No key of the issuer has this id.
    UnknownKid = "unknown_kid",
    /// The issuer's keys cannot be had.
    JwksUnavailable = "jwks_unavailable",
    /// The token has expired, or lives too long.
    Expired = "expired",
    /// `nbf` or `iat` is in the future.
    NotYetValid = "not_yet_valid",
    /// The issuer is not one of ours.
    BadIss = "bad_iss",
    /// The token is not for this resource.
    BadAud = "bad_aud",
    /// The token is of another type: an ID token, an assertion, a logout token.
    BadTyp = "bad_typ",
    /// A required claim is missing or has the wrong type.
    BadClaim = "bad_claim",
    /// A claim says what this issuer's rules refuse: another tenant, client, repository, ….
    ClaimMismatch = "claim_mismatch",
    /// The token was revoked.
    Revoked = "revoked",
    /// The issuer says that the token is not active: expired, revoked or unknown (RFC 7662 §2.2).
    Inactive = "inactive",
    /// The issuer cannot be asked about the token.
    IntrospectionUnavailable = "introspection_unavailable",
    /// The token is bound to a key that the caller did not prove.
    CnfMismatch = "cnf_mismatch",
    /// The DPoP proof is not valid.
    DpopInvalid = "dpop_invalid",
    /// The DPoP proof has been used before.
    DpopReplayed = "dpop_replayed",
    /// The DPoP proof has no nonce of ours, or an old one.
    DpopNonce = "dpop_nonce",
    /// It cannot be said whether a DPoP proof has been used before.
    ReplayUnavailable = "replay_unavailable",
    /// The person signed in too weakly, or too long ago (RFC 9470).
    WeakAuthentication = "weak_authentication",
    /// No such API key.
    BadApiKey = "bad_api_key",
    /// Identity headers, but not from a peer that is trusted to set them.
    UntrustedPeer = "untrusted_peer",
    /// Identity headers of a trusted peer that are repeated, malformed or too large.
    BadIdentity = "bad_identity",
    /// A scope is missing.
    InsufficientScope = "insufficient_scope",
    /// A deny rule matched.
    PolicyDenied = "policy_denied",
    /// No rule allows it.
    DefaultDeny = "default_deny",
    /// A rule turns on a group, and the token does not list all groups.
    GroupsUnknown = "groups_unknown",
    /// An administrator has blocked the caller.
    Blocked = "blocked",
    /// It cannot be said whether the caller is blocked.
    RosterUnavailable = "roster_unavailable",
    /// The decision point did not answer, or a rule failed to evaluate.
    PdpUnavailable = "pdp_unavailable",
    /// A hook of the deployment's own refused it, or its answer.
    HookRefused = "hook_refused",
    /// A hook failed: an error, a panic, no answer in time, or a change that cannot pass.
    HookFailed = "hook_failed",
    /// Mirrored headers disagree with the body, are missing or repeated.
    HeaderMismatch = "header_mismatch",
    /// The protocol version is unknown, unsupported or not the negotiated one.
    BadVersion = "bad_version",
    /// Required `_meta` members are missing or have the wrong type.
    BadMeta = "bad_meta",
    /// Not JSON as RFC 8259 has it, or past its limits.
    BadJson = "bad_json",
    /// A member name appears twice, or in another letter case.
    DupKey = "dup_key",
    /// JSON, but not a JSON-RPC message.
    BadRpc = "bad_rpc",
    /// A batch where none is allowed.
    BatchRefused = "batch_refused",
    /// A method this revision does not have.
    UnknownMethod = "unknown_method",
    /// A response nobody waits for.
    UnexpectedResponse = "unexpected_response",
    /// The `Origin` is not allowed.
    BadOrigin = "bad_origin",
    /// The `Host` is not allowed.
    BadHost = "bad_host",
    /// The framing of the HTTP request contradicts itself.
    BadFraming = "bad_framing",
    /// No MCP endpoint at this path.
    BadPath = "bad_path",
    /// The HTTP method is not offered.
    BadHttpMethod = "bad_http_method",
    /// Headers or body are larger than the limits.
    TooLarge = "too_large",
    /// The body did not arrive in time.
    TooSlow = "too_slow",
    /// The body could not be read to its end.
    BodyFailed = "body_failed",
    /// The media type or content coding is not acceptable.
    BadMedia = "bad_media",
    /// The session id is unknown, ended or forged.
    SessionUnknown = "session_unknown",
    /// The session belongs to someone else.
    SessionPrincipalMismatch = "session_principal_mismatch",
    /// A session id is required.
    SessionRequired = "session_required",
    /// The task belongs to someone else.
    TaskNotOwned = "task_not_owned",
    /// Nobody approved the tool as its server defines it now.
    ToolUnapproved = "tool_unapproved",
    /// `requestState` does not verify.
    StateInvalid = "state_invalid",
    /// The upstream needs the person's consent.
    ElicitationRequired = "elicitation_required",
    /// The browser's user is not the one who was asked.
    ElicitationUserMismatch = "elicitation_user_mismatch",
    /// No upstream credential.
    UpstreamAuthFailed = "upstream_auth_failed",
    /// The service behind the gate failed, or broke the protocol.
    UpstreamError = "upstream_error",
    /// Too many requests.
    RateLimited = "rate_limited",
    /// Too many requests or streams at once.
    ConcurrencyLimited = "concurrency_limited",
    /// It cannot be said whether there are too many requests.
    RateUnavailable = "rate_unavailable",
    /// The audit record could not be written.
    AuditUnavailable = "audit_unavailable",
    /// A layer is missing from the stack.
    Miswired = "miswired",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_distinct() {
        let codes: HashSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
    }
}
