//! The words for how a request was decided and for what came of it.

/// How a request was decided.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// Policy permits it.
    Allow,
    /// It was refused.
    Deny,
    /// It was refused with a challenge: other credentials would help.
    Challenge,
    /// It was refused because something on our side failed.
    Error,
    /// Nobody asked policy: the gate answered by itself (a notification that it drops), the caller
    /// went away first, or the stack has no policy layer.
    Undecided,
}

impl Verdict {
    /// The word for it in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Challenge => "challenge",
            Self::Error => "error",
            Self::Undecided => "undecided",
        }
    }
}

/// What came of a request.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ResultType {
    /// The answer was delivered.
    Complete,
    /// A stream of server messages was open and has closed, from whichever side.
    Stream,
    /// The answer was an error, or broke off.
    Error,
    /// The answer was a tool result with `isError: true`.
    IsError,
    /// The answer asks the caller for more input before there is a result.
    InputRequired,
    /// The answer names a task that goes on; the result is asked for later.
    Task,
    /// The caller went away before the answer had ended.
    Aborted,
}

impl ResultType {
    /// The word for it in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Stream => "stream",
            Self::Error => "error",
            Self::IsError => "is_error",
            Self::InputRequired => "input_required",
            Self::Task => "task",
            Self::Aborted => "aborted",
        }
    }
}
