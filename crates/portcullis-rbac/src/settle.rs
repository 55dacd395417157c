//! Turns a decision about one message into a rule to pass by, or a denial.

use portcullis_core::{
    Caller, Challenge, Denial, Era, HiddenAs, McpMessage, McpRequest, Method, Reason, TargetKind,
    Text, Trail,
};

use crate::docket::{Finding, add_scopes};
use crate::{Decision, DenialStyle};

/// The rule in records when no rule matched.
pub(crate) const DEFAULT_DENY: Text = Text::from_static("default-deny");

/// What a settlement depends on besides the finding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) challenge: &'a Challenge,
    pub(crate) policy_version: &'a Text,
    /// Names the record of an explained denial. Asked only then: each name costs an allocation.
    pub(crate) trail: Option<&'a Trail>,
    pub(crate) element: usize,
}

/// The rule that lets `message` pass, or the answer that refuses it.
pub(crate) fn settle(
    finding: Finding,
    message: &McpMessage,
    circumstances: &Circumstances<'_>,
) -> Result<Text, Denial> {
    let Finding::Decided(decision, target) = finding else {
        return Err(Denial::miswired(
            "portcullis-rbac got a message that no inspection lets through: is the inspection layer portcullis-mcp?",
        ));
    };
    let Circumstances { caller, challenge, policy_version, .. } = *circumstances;
    let (rule, denial) = match decision {
        Decision::Allow { rule } => return Ok(rule),
        Decision::Deny { rule, reason, style, explanation } => {
            let text = explanation.as_ref().map(Text::as_str);
            (rule, denied(message, target, (style, text), reason, circumstances))
        }
        Decision::NeedsScopes { rule, scopes } => {
            let denial = match message {
                McpMessage::Request(request) if scopes_would_help(caller, &scopes) => {
                    step_up(request, caller, challenge, scopes)
                }
                // The token has them all and it is still no: asking again would never end.
                message => {
                    let hidden = (DenialStyle::Hide, None);
                    denied(message, target, hidden, Reason::PolicyDenied, circumstances)
                }
            };
            (Some(rule), denial)
        }
    };
    Err(denial.by_rule(rule.unwrap_or(DEFAULT_DENY), policy_version.clone()))
}

/// Whether a token with `scopes` would be another token than the caller has.
pub(crate) fn scopes_would_help(caller: &Caller, scopes: &[String]) -> bool {
    match caller.principal() {
        Some(principal) => scopes.iter().any(|scope| !principal.has_scope(scope)),
        None => true,
    }
}

fn step_up(
    request: &McpRequest,
    caller: &Caller,
    challenge: &Challenge,
    mut scopes: Vec<String>,
) -> Denial {
    let Some(principal) = caller.principal() else {
        // A token at all comes first.
        return Denial::no_token(challenge);
    };
    if request.version().era() == Era::Legacy {
        // Clients of these revisions ask for exactly what they are told, so that a challenge
        // without the scopes they have would lose these. The row has 2025-11-25 only,
        // the first that defines this answer; its clients also talk to servers of older ones.
        let base = challenge.scopes().iter();
        add_scopes(&mut scopes, base.filter(|scope| principal.has_scope(scope)).cloned().collect());
    }
    Denial::insufficient_scope(challenge, request.id(), scopes)
}

fn denied(
    message: &McpMessage,
    target: usize,
    (style, text): (DenialStyle, Option<&str>),
    reason: Reason,
    circumstances: &Circumstances<'_>,
) -> Denial {
    let McpMessage::Request(request) = message else { return Denial::dropped(reason) };
    match style {
        DenialStyle::Hide => {
            let hidden = match request.targets().nth(target) {
                // Not the tool it runs: to others there is no such task.
                Some(_) if request.method().is_about_task() => {
                    HiddenAs::Unknown(TargetKind::Task, "")
                }
                Some(target) => HiddenAs::Unknown(target.kind(), target.name()),
                None => HiddenAs::UnknownMethod,
            };
            Denial::hidden(request, hidden, reason)
        }
        DenialStyle::ToolResult if request.method() == Method::ToolsCall => {
            Denial::tool_result_with(request, reason, text)
        }
        DenialStyle::Explain | DenialStyle::ToolResult => {
            let Circumstances { trail, element, .. } = *circumstances;
            let id = trail.and_then(|trail| trail.decision_id(element));
            let id = id.as_ref().map_or("unrecorded", Text::as_str);
            Denial::explained_with(request, id, reason, text)
        }
    }
}
