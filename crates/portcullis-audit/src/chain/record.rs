//! The records that a chain writes about itself.

use std::time::Duration;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::chain::Left;
use crate::encode::Members;
use crate::id::EventId;

/// A chain begins, or goes on in another file.
#[derive(Clone, Debug)]
pub struct Start {
    pub(crate) at: Duration,
    pub(crate) event_id: EventId,
    pub(crate) continues: Option<Left>,
    pub(crate) torn: u64,
    pub(crate) part: Option<u64>,
    pub(crate) key: Option<String>,
    pub(crate) checkpoint_records: Option<u64>,
    pub(crate) checkpoint_seconds: Option<u64>,
}

impl Start {
    /// Which file of the chain begins here, from the second on.
    #[must_use]
    pub fn part(&self) -> Option<u64> {
        self.part
    }

    /// The id of the chain that this one continues, in the same place.
    #[must_use]
    pub fn continues(&self) -> Option<&str> {
        self.continues.as_ref().map(|left| left.chain.as_str())
    }

    /// How many bytes right before this record are no record: lines that were not finished, with
    /// their newlines.
    #[must_use]
    pub fn torn(&self) -> u64 {
        self.torn
    }
}

/// A signature over everything before it.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    pub(crate) at: Duration,
    pub(crate) event_id: EventId,
    pub(crate) occasion: Occasion,
    pub(crate) key: Option<String>,
    pub(crate) previous_key: Option<String>,
}

impl Checkpoint {
    /// Why it was made.
    #[must_use]
    pub fn occasion(&self) -> Occasion {
        self.occasion
    }
}

/// Why a checkpoint was made.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Occasion {
    /// The chain begins.
    Start,
    /// So many records came.
    Records,
    /// So much time passed.
    Time,
    /// The file ends, and another goes on.
    Rotation,
    /// The writer ends in order: no record of this chain follows.
    Shutdown,
}

impl Occasion {
    /// The word for it in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Records => "records",
            Self::Time => "time",
            Self::Rotation => "rotation",
            Self::Shutdown => "shutdown",
        }
    }
}

impl Serialize for Start {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = Members(serializer.serialize_map(None)?);
        members.head("chain", self.at, self.event_id)?;
        members.put_some("continues", self.continues.as_ref().map(Continues))?;
        members.put_some("torn", Some(self.torn).filter(|&torn| torn > 0))?;
        members.put_some("part", self.part)?;
        members.put_some("key", self.key.as_deref())?;
        members.put_some("checkpoint_records", self.checkpoint_records)?;
        members.put_some("checkpoint_seconds", self.checkpoint_seconds)?;
        members.0.end()
    }
}

struct Continues<'a>(&'a Left);

impl Serialize for Continues<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = Members(serializer.serialize_map(None)?);
        members.put("chain", &self.0.chain)?;
        members.put("seq", &self.0.seq)?;
        members.put("clean", &self.0.clean)?;
        members.0.end()
    }
}

impl Serialize for Checkpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = Members(serializer.serialize_map(None)?);
        members.head("checkpoint", self.at, self.event_id)?;
        members.put("occasion", &self.occasion.as_str())?;
        members.put_some("key", self.key.as_deref())?;
        members.put_some("previous_key", self.previous_key.as_deref())?;
        members.0.end()
    }
}
