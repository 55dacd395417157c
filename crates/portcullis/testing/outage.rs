//! How an authority fails.

/// What an [`Authority`](crate::testing::Authority) does in place of answering.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Outage {
    /// Answers 500.
    Errors,
    /// Accepts the connection and never answers.
    Hangs,
    /// Closes the connection without an answer.
    Disconnects,
    /// Answers 200 with JSON that is cut off.
    Garbage,
}
