//! What a record says.

use std::time::Duration;

use crate::EventId;
use crate::chain::record::{Checkpoint, Start};
use crate::event::Event;

mod decision;
mod outcome;
mod summary;
mod words;

pub use decision::Decision;
pub(crate) use decision::{KeptArguments, Private};
pub use outcome::Outcome;
pub(crate) use outcome::ServerInfo;
pub use summary::{Gap, Suppressed};
pub use words::{ResultType, Verdict};

/// The version of the record format, in every record as `schema`. It grows when a member changes its
/// meaning or goes; new members do not change it.
pub const SCHEMA: u32 = 1;

/// One audit record.
///
/// Serializes to the members that the [crate docs](crate#records) list, always in the same order. A
/// member that does not apply is left out.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[expect(
    clippy::large_enum_variant,
    reason = "always behind an `Arc`; a box would be a second one"
)]
pub enum Record {
    /// What was decided, before anything ran.
    Decision(Decision),
    /// What came of it, when the answer had ended.
    Outcome(Outcome),
    /// Records are missing here: the sink was slower than the requests, or failed.
    Gap(Gap),
    /// Unauthenticated failures that were counted instead of recorded.
    Suppressed(Suppressed),
    /// Something happened to the gate itself, or across requests.
    Event(Event),
    /// A hash chain begins. Only what [`Chaining`](crate::Chaining) adds to a sink's lines.
    Chain(Start),
    /// Vouches for the chain so far. Only what [`Chaining`](crate::Chaining) adds.
    Checkpoint(Checkpoint),
}

impl Record {
    /// The decision, if this is one.
    #[must_use]
    pub fn as_decision(&self) -> Option<&Decision> {
        match self {
            Self::Decision(decision) => Some(decision),
            _ => None,
        }
    }

    /// The outcome, if this is one.
    #[must_use]
    pub fn as_outcome(&self) -> Option<&Outcome> {
        match self {
            Self::Outcome(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// The id of the event that the record is about.
    #[must_use]
    pub fn event_id(&self) -> EventId {
        match self {
            Self::Decision(decision) => decision.event_id,
            Self::Outcome(outcome) => outcome.event_id,
            Self::Gap(gap) => gap.event_id,
            Self::Suppressed(suppressed) => suppressed.event_id,
            Self::Event(event) => event.event_id,
            Self::Chain(start) => start.event_id,
            Self::Checkpoint(checkpoint) => checkpoint.event_id,
        }
    }

    /// When it was made, as time since the Unix epoch.
    #[must_use]
    pub fn at(&self) -> Duration {
        match self {
            Self::Decision(decision) => decision.at,
            Self::Outcome(outcome) => outcome.at,
            Self::Gap(gap) => gap.at,
            Self::Suppressed(suppressed) => suppressed.at,
            Self::Event(event) => event.at,
            Self::Chain(start) => start.at,
            Self::Checkpoint(checkpoint) => checkpoint.at,
        }
    }

    /// The event, if this is one.
    #[must_use]
    pub fn as_event(&self) -> Option<&Event> {
        match self {
            Self::Event(event) => Some(event),
            _ => None,
        }
    }

    /// The word for this kind of record: `decision`, `outcome`, `gap`, `suppressed`, `event`, `chain`
    /// or `checkpoint`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Decision(_) => "decision",
            Self::Outcome(_) => "outcome",
            Self::Gap(_) => "gap",
            Self::Suppressed(_) => "suppressed",
            Self::Event(_) => "event",
            Self::Chain(_) => "chain",
            Self::Checkpoint(_) => "checkpoint",
        }
    }
}
