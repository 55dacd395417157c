//! What a decision record says about a message and about the ground of its decision.

use portcullis_core::{Denial, McpMessage, NoMessage, Permit};

use crate::classify::verdict;
use crate::record::{Decision, Verdict};

/// Why a message may pass or not, for its record.
#[derive(Clone, Copy)]
pub(crate) enum Ground<'a> {
    Permit(&'a Permit),
    Denial(&'a Denial),
    Nothing,
}

/// Copies what a record shows of a message. Argument values are not among it.
pub(crate) fn describe(decision: &mut Decision, message: &McpMessage) {
    let texts = &mut decision.texts;
    match message {
        McpMessage::Request(request) => {
            decision.version = Some(request.version());
            decision.method = Some(request.method());
            decision.jsonrpc_id = texts.push(request.id().as_str());
            let mut targets = request.targets();
            if let Some(target) = targets.next() {
                decision.target_type = Some(target.kind().as_str());
                decision.target = texts.push(target.name());
            }
            let mut used = 0;
            decision.more_targets =
                targets.map_while(|target| texts.push_item(&mut used, target.name())).collect();
            if let Some(arguments) = request.arguments() {
                decision.argument_count = Some(arguments.len());
                let mut used = 0;
                for (slot, key) in decision.argument_keys.iter_mut().zip(arguments.keys()) {
                    let Some(span) = texts.push_item(&mut used, &key) else { break };
                    *slot = span;
                }
            }
        }
        McpMessage::Notification(notification) => {
            decision.version = Some(notification.version());
            decision.method = Some(notification.method());
        }
        McpMessage::Response(response) => {
            decision.version = Some(response.version());
            decision.target_type = Some("response");
            decision.jsonrpc_id = texts.push(response.id().as_str());
        }
        McpMessage::NoMessage(NoMessage::Stream(version)) => {
            decision.version = Some(*version);
            decision.target_type = Some("stream");
        }
        McpMessage::NoMessage(NoMessage::EndSession(version)) => {
            decision.version = Some(*version);
            decision.target_type = Some("session");
        }
        _ => {}
    }
}

/// Says why the message may pass or not.
pub(crate) fn ground_on(decision: &mut Decision, ground: Ground<'_>, batch: bool) {
    let (rule, version) = match ground {
        Ground::Permit(permit) => {
            decision.verdict = Verdict::Allow;
            (Some(permit.rule()), Some(permit.policy_version()))
        }
        Ground::Denial(denial) => {
            decision.verdict = verdict(denial);
            decision.reason = Some(denial.reason());
            // The elements of a batch share one answer, whose status is not this denial's.
            decision.http_status = (!batch).then_some(denial.status());
            decision.error_code = denial.rpc_code();
            (denial.rule(), denial.policy_version())
        }
        Ground::Nothing => (None, None),
    };
    if let Some(rule) = rule {
        decision.rule_id = decision.texts.push(rule.as_str());
    }
    if let Some(version) = version {
        decision.policy_version = decision.texts.push(version.as_str());
    }
}
