//! The words for things, the same in text and in JSON.

use portcullis_core::TargetKind;
use portcullis_rbac::{Audience, Decision, DenialStyle};

pub(crate) fn kind(kind: TargetKind) -> &'static str {
    match kind {
        TargetKind::ResourceTemplate => "resource template",
        other => other.as_str(),
    }
}

pub(crate) fn style(style: DenialStyle) -> &'static str {
    match style {
        DenialStyle::Explain => "explain",
        DenialStyle::ToolResult => "tool_result",
        _ => "hide",
    }
}

/// A word for a decision: `allow`, `deny` or `challenge`.
pub(crate) fn decision(decision: &Decision) -> &'static str {
    match decision {
        Decision::Allow { .. } => "allow",
        Decision::NeedsScopes { .. } => "challenge",
        _ => "deny",
    }
}

pub(crate) fn rule(decision: &Decision) -> Option<&str> {
    match decision {
        Decision::Allow { rule } | Decision::NeedsScopes { rule, .. } => Some(rule.as_str()),
        Decision::Deny { rule, .. } => rule.as_ref().map(|rule| rule.as_str()),
        _ => None,
    }
}

/// Who `audience` is, in words.
pub(crate) fn audience(audience: &Audience) -> String {
    match audience {
        Audience::Anonymous => "anonymous".to_owned(),
        Audience::Everyone => "everyone".to_owned(),
        Audience::Role(role) => format!("role {role}"),
        Audience::Both(one, other) => format!("roles {one} and {other}"),
        _ => "others".to_owned(),
    }
}
