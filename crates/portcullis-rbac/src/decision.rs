//! What an authorizer answers.

use portcullis_core::{Reason, Text};

/// The answer to a [`Query`](crate::Query).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Decision {
    /// Yes.
    Allow {
        /// The rule that says so.
        rule: Text,
    },
    /// No.
    Deny {
        /// The rule that says so; `None` when no rule matched.
        rule: Option<Text>,
        /// Why, for the record.
        reason: Reason,
        /// How it looks to the caller.
        style: DenialStyle,
        /// What the policy's author has to say about it, for denials that are not hidden.
        explanation: Option<Text>,
    },
    /// Yes, once the caller's token has more scopes.
    NeedsScopes {
        /// The rule that would allow it.
        rule: Text,
        /// Every scope that the operation needs, whether the token has it or not.
        scopes: Vec<String>,
    },
}

impl Decision {
    /// Yes, says `rule`.
    #[must_use]
    pub fn allow(rule: impl Into<Text>) -> Self {
        Self::Allow { rule: rule.into() }
    }

    /// No, says `rule`; hidden from the caller.
    #[must_use]
    pub fn deny(rule: impl Into<Text>) -> Self {
        Self::Deny {
            rule: Some(rule.into()),
            reason: Reason::PolicyDenied,
            style: DenialStyle::Hide,
            explanation: None,
        }
    }

    /// No, because nothing says yes; hidden from the caller.
    #[must_use]
    pub fn default_deny() -> Self {
        Self::Deny {
            rule: None,
            reason: Reason::DefaultDeny,
            style: DenialStyle::Hide,
            explanation: None,
        }
    }

    /// No, because the question could not be answered; hidden from the caller. The answer to every
    /// error, timeout and missing attribute.
    #[must_use]
    pub fn unavailable() -> Self {
        Self::Deny {
            rule: None,
            reason: Reason::PdpUnavailable,
            style: DenialStyle::Hide,
            explanation: None,
        }
    }

    /// Yes by `rule`, once the token has all of `scopes`: every scope of the operation, held ones
    /// included.
    #[must_use]
    pub fn needs_scopes(rule: impl Into<Text>, scopes: Vec<String>) -> Self {
        Self::NeedsScopes { rule: rule.into(), scopes }
    }

    /// Changes how a denial looks; other decisions stay as they are.
    #[must_use]
    pub fn shown_as(mut self, shown: DenialStyle) -> Self {
        if let Self::Deny { style, .. } = &mut self {
            *style = shown;
        }
        self
    }

    /// Adds a text for the caller to a denial that is not hidden; other decisions stay as they are.
    #[must_use]
    pub fn explained_by(mut self, text: impl Into<Text>) -> Self {
        if let Self::Deny { explanation, .. } = &mut self {
            *explanation = Some(text.into());
        }
        self
    }
}

/// How a denial looks to the caller.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum DenialStyle {
    /// Like a target that does not exist.
    #[default]
    Hide,
    /// Error `-31403` with the id of the decision's record.
    Explain,
    /// A tool result with `isError: true`, which the model reads. For `tools/call`; anything else
    /// is explained.
    ToolResult,
}
