//! What becomes of a batch some of whose elements were refused.

use bytes::{BufMut as _, Bytes, BytesMut};
use portcullis_core::{Challenge, Denial, DenialKind, McpMessage, Reason, Text};

use crate::docket::add_scopes;

/// What becomes of a batch.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Forward it, or what is left of it.
    Forward {
        /// The body, where something was left out.
        body: Option<Bytes>,
        /// The answers to the requests that were left out.
        refused: Vec<Denial>,
    },
    /// Answer everything with one denial.
    Whole(Denial),
    /// Answer every request with its own denial.
    Each(Vec<Denial>),
}

/// Decides what becomes of `elements`, and corrects the `verdicts` of those that do not execute
/// because of others.
///
/// A batch never executes in part while its caller is told to come back with another token: if one
/// element needs a scope, nothing is forwarded and one challenge asks for the scopes of all.
pub(crate) fn conclude(
    elements: &[McpMessage],
    verdicts: &mut [Result<Text, Denial>],
    challenge: &Challenge,
) -> Outcome {
    if let Some(whole) = whole(elements, verdicts, challenge) {
        for verdict in verdicts {
            if verdict.as_ref().map_or_else(|denial| concerns_all(denial.kind()), |_| true) {
                *verdict = Err(whole.clone());
            }
        }
        return Outcome::Whole(whole);
    }
    let refused: Vec<Denial> =
        verdicts.iter().filter_map(|verdict| verdict.as_ref().err()).cloned().collect();
    if refused.is_empty() {
        return Outcome::Forward { body: None, refused };
    }
    let mut pairs = elements.iter().zip(verdicts.iter());
    if pairs.any(|(element, verdict)| verdict.is_ok() && matches!(element, McpMessage::Request(_)))
    {
        return Outcome::Forward { body: Some(join(elements, verdicts)), refused };
    }
    // A server answers notifications with 202, which has no place for the refusals.
    for verdict in verdicts.iter_mut().filter(|verdict| verdict.is_ok()) {
        *verdict = Err(Denial::dropped(Reason::PolicyDenied));
    }
    Outcome::Each(refused)
}

/// Whether a denial of one element is the answer to the whole batch.
fn concerns_all(kind: DenialKind) -> bool {
    matches!(kind, DenialKind::InsufficientScope | DenialKind::NoToken | DenialKind::Miswired)
}

fn whole(
    elements: &[McpMessage],
    verdicts: &[Result<Text, Denial>],
    challenge: &Challenge,
) -> Option<Denial> {
    let denials = || verdicts.iter().filter_map(|verdict| verdict.as_ref().err());
    let of = |kind| denials().find(|denial| denial.kind() == kind);
    if let Some(denial) = of(DenialKind::Miswired).or_else(|| of(DenialKind::NoToken)) {
        return Some(denial.clone());
    }
    let mut asking = elements.iter().zip(verdicts).filter_map(|(element, verdict)| {
        let denial = verdict.as_ref().err()?;
        match element {
            McpMessage::Request(request) if denial.kind() == DenialKind::InsufficientScope => {
                Some((request, denial))
            }
            _ => None,
        }
    });
    let (request, first) = asking.next()?;
    let mut scopes = first.scopes().to_vec();
    asking.for_each(|(_, denial)| add_scopes(&mut scopes, denial.scopes().to_vec()));
    let denial = Denial::insufficient_scope(challenge, request.id(), scopes);
    Some(match (first.rule(), first.policy_version()) {
        (Some(rule), Some(version)) => denial.by_rule(rule.clone(), version.clone()),
        _ => denial,
    })
}

/// The array of the elements that pass, each with its own bytes.
fn join(elements: &[McpMessage], verdicts: &[Result<Text, Denial>]) -> Bytes {
    let passing = elements.iter().zip(verdicts).filter(|(_, verdict)| verdict.is_ok());
    let mut body = BytesMut::new();
    let mut separator = b'[';
    for (element, _) in passing {
        let raw: &[u8] = match element {
            McpMessage::Request(request) => request.raw(),
            McpMessage::Notification(notification) => notification.raw(),
            McpMessage::Response(response) => response.raw(),
            // Refused as nonsense before.
            _ => continue,
        };
        body.put_u8(separator);
        body.put_slice(raw);
        separator = b',';
    }
    body.put_u8(b']');
    body.freeze()
}
