//! What a decision record says about a message and about the ground of its decision.

use std::sync::Arc;

use portcullis_core::{Arguments, Denial, Era, McpMessage, Method, NoMessage, Permit};

use crate::arguments::ARGUMENTS_MAX;
use crate::classify::verdict;
use crate::client::MESSAGE_MAX;
use crate::hub::Hub;
use crate::record::{Decision, KeptArguments, Verdict};

/// Why a message may pass or not, for its record.
#[derive(Clone, Copy)]
pub(crate) enum Ground<'a> {
    Permit(&'a Permit),
    Denial(&'a Denial),
    Nothing,
}

/// Copies what a record shows of a message. Argument values are not among it, unless settings
/// say that the writer may look for them.
pub(crate) fn describe(decision: &mut Decision, message: &McpMessage, hub: &Hub) {
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
                decision.argument_bytes = arguments.json().len();
                for (slot, kind) in decision.argument_kinds.iter_mut().zip(arguments.kinds()) {
                    *slot = kind;
                }
                let mut used = 0;
                for (slot, key) in decision.argument_keys.iter_mut().zip(arguments.keys()) {
                    let Some(span) = texts.push_item(&mut used, &key) else { break };
                    *slot = span;
                }
                if request.method() == Method::ToolsCall {
                    keep(decision, arguments, hub);
                }
            }
            if request.method() == Method::Initialize || request.era() == Era::Modern {
                decision.message = hub.budget.copy(request.raw(), MESSAGE_MAX);
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

/// Keeps arguments of which more than the names is recorded.
fn keep(decision: &mut Decision, arguments: &Arguments, hub: &Hub) {
    let private = &hub.private;
    let target = decision.texts.get(decision.target);
    let values = !private.values.is_empty() && target.is_some_and(|it| private.values.names(it));
    if !values && !private.argument_digests {
        return;
    }
    decision.arguments = match hub.budget.copy(arguments.json(), ARGUMENTS_MAX) {
        Some(copied) => Some(KeptArguments::Whole(copied)),
        None => {
            if values {
                decision.texts.cut();
            }
            let digest = || private.digests.of("arguments", arguments.json());
            private.argument_digests.then(|| KeptArguments::Digest(digest()))
        }
    };
    decision.private = Some(Arc::clone(private));
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
