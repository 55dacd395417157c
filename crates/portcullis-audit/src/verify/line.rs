//! What a verifier reads of a line besides its trailer.

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

/// Members of a line that matter to its chain.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Facts<'a> {
    #[serde(borrow)]
    record: Option<Cow<'a, str>>,
    #[serde(borrow)]
    ts: Option<Cow<'a, str>>,
    /// Milliseconds since the epoch, in OCSF.
    time: Option<i64>,
    occasion: Option<Cow<'a, str>>,
    key: Option<Cow<'a, str>>,
    continues: Option<Continues>,
    torn: Option<u64>,
    checkpoint_records: Option<u64>,
    checkpoint_seconds: Option<u64>,
    dropped: Option<u64>,
    #[serde(borrow)]
    unmapped: Option<Unmapped<'a>>,
}

/// Where our members are in OCSF.
#[derive(Debug, Default, Deserialize)]
struct Unmapped<'a> {
    #[serde(borrow)]
    record: Option<Cow<'a, str>>,
    dropped: Option<u64>,
}

/// Which chain a new one continues.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub(crate) struct Continues {
    pub(crate) chain: String,
    pub(crate) seq: u64,
    #[serde(default)]
    pub(crate) clean: bool,
}

impl<'a> Facts<'a> {
    /// `None`: not a JSON object, or one with members that mean something else.
    pub(crate) fn read(line: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    /// When the record was made, as time since the Unix epoch.
    pub(crate) fn at(&self) -> Option<Duration> {
        let millis = match &self.ts {
            Some(ts) => ts.parse::<Timestamp>().ok()?.as_millisecond(),
            None => self.time?,
        };
        Some(Duration::from_millis(u64::try_from(millis).ok()?))
    }

    /// The word for the kind of record.
    pub(crate) fn kind(&self) -> Option<&str> {
        let inside = || self.unmapped.as_ref()?.record.as_deref();
        self.record.as_deref().or_else(inside)
    }

    pub(crate) fn is_start(&self) -> bool {
        self.kind() == Some("chain")
    }

    pub(crate) fn is_checkpoint(&self) -> bool {
        self.kind() == Some("checkpoint")
    }

    pub(crate) fn is_shutdown(&self) -> bool {
        self.is_checkpoint() && self.occasion.as_deref() == Some("shutdown")
    }

    pub(crate) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    pub(crate) fn continues(&self) -> Option<&Continues> {
        self.continues.as_ref()
    }

    pub(crate) fn torn(&self) -> u64 {
        self.torn.unwrap_or(0)
    }

    pub(crate) fn checkpoint_records(&self) -> Option<u64> {
        self.checkpoint_records
    }

    pub(crate) fn checkpoint_seconds(&self) -> Option<u64> {
        self.checkpoint_seconds
    }

    /// Records that a gap reports missing.
    pub(crate) fn dropped(&self) -> u64 {
        if self.kind() != Some("gap") {
            return 0;
        }
        let inside = || self.unmapped.as_ref()?.dropped;
        self.dropped.or_else(inside).unwrap_or(0)
    }
}
