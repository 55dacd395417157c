//! What a verifier found.

use std::fmt;

use serde::Serialize;

/// What a [`Verifier`](crate::Verifier) found. Times are RFC 3339, UTC.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Files or streams that were read.
    pub sources: u64,
    /// Lines that were read.
    pub lines: u64,
    /// Chained records among them.
    pub records: u64,
    /// Every chain, in order of time.
    pub chains: Vec<ChainReport>,
    /// Records that the writers say they lost: the sum of all `gap` records.
    pub dropped: u64,
    /// Unfinished lines that a writer left when it was killed, which the next start accounts for.
    pub torn: u64,
    /// What is wrong, in the order in which it was found: the first 1000.
    pub findings: Vec<Finding>,
    /// How many findings there are.
    pub found: u64,
    /// What is no proof of anything wrong and worth a look: the first 1000.
    pub notes: Vec<Finding>,
    /// Ids of keys that signed checkpoints and are not among the trusted ones.
    pub unknown_keys: Vec<String>,
    /// Whether any key was trusted: without one, signatures are not checked.
    pub signatures_checked: bool,
}

impl Report {
    /// Whether nothing is wrong with what was read. It says nothing of what was not read, and without
    /// trusted keys it only says that the chains are in themselves consistent.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.found == 0
    }
}

/// What one writer wrote between its start and its end.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct ChainReport {
    /// The chain's id.
    pub id: String,
    /// The chain that it continues.
    pub continues: Option<String>,
    /// The number of its first record that was read. Not 0: earlier files were not given.
    pub first_seq: u64,
    /// The number of its last record.
    pub last_seq: u64,
    /// How many records were read.
    pub records: u64,
    /// The time of its first record.
    pub from: Option<String>,
    /// The time of its last record.
    pub to: Option<String>,
    /// How it ends.
    pub end: ChainEnd,
    /// The number of the last record that a good signature vouches for.
    pub signed_seq: Option<u64>,
    /// The time of that record: the chain is proved from `from` to here, but for the findings.
    pub signed_to: Option<String>,
    /// Records behind it, which are chained only.
    pub unsigned: u64,
    /// Ids of the keys whose signatures were good.
    pub keys: Vec<String>,
}

/// How a chain ends.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChainEnd {
    /// Its writer ended in order.
    Clean,
    /// It was killed, or lost track of its file, and another chain goes on from its last record.
    Continued,
    /// It is being written, was killed, or was cut off.
    #[default]
    Open,
}

/// One thing that was found.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The file or stream.
    pub source: String,
    /// The line in it, counted from 1.
    pub line: u64,
    /// The chain.
    pub chain: Option<String>,
    /// The number of the record.
    pub seq: Option<u64>,
    /// What it is.
    pub kind: FindingKind,
}

/// What can be found.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FindingKind {
    /// The record is not what it was when the next one was written: one of the two was changed.
    Changed,
    /// `count` records before this one are gone.
    Missing {
        /// How many.
        count: u64,
    },
    /// The record is out of place, or here twice.
    Reordered,
    /// The line belongs to no chain: it was put in, or cannot be read any more. Of lines that only an
    /// unsigned start calls unfinished, the first is named.
    Unchained,
    /// The line is longer than any record.
    TooLong,
    /// The chain begins with something else than a record that says so.
    NoStart,
    /// The chain says that it continues another, which ends otherwise: its end was cut off, or put in
    /// its place.
    BrokenLink,
    /// The signature is not by the key that it names; or there is none, and keys are trusted.
    BadSignature,
    /// A key signed that is not trusted.
    UnknownKey,
    /// No good signature vouches for any record of the chain.
    Unsigned,
    /// A checkpoint that was kept elsewhere is not here: `count` says how many of the chain's last
    /// records are gone at least; 0: the whole chain, or it is another.
    AnchorMissing {
        /// How many.
        count: u64,
    },
    /// Older chains are here, and earlier files of this chain, or the chain before it, are not: see
    /// [`Verifier::from_middle`](crate::Verifier::from_middle).
    FilesMissing,
    /// There are more chains than a verifier keeps in mind.
    TooMany,
    /// A note: the last line is not finished. Its writer was killed, or is at work.
    Torn,
    /// A note: the chain is a start alone, without a signature. Its writer was killed at once, its
    /// signer failed, or it was put in. It holds no record of anything.
    OnlyStart,
    /// A note: more records are unsigned than the chain's settings allow, or for longer by more than
    /// a minute. Its signer failed, its writer was killed at a rare instant, or its end is not genuine.
    Overdue,
    /// A note: earlier files of the chain, or the chain before it, were not given. It is the oldest
    /// chain here, or the verifier was told that it may be so.
    BeginsLate,
    /// A note: the clock went back by more than 5 seconds.
    ClockBack,
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Changed => "this record or the one after it was changed",
            Self::Missing { count: 1 } => "1 record before this one is missing",
            Self::Missing { count } => {
                return write!(f, "{count} records before this one are missing");
            }
            Self::Reordered => "this record is out of place",
            Self::Unchained => "this line belongs to no chain",
            Self::TooLong => "this line is longer than any record",
            Self::NoStart => "the chain does not begin with its start",
            Self::BrokenLink => "the chain before this one does not end as this one says",
            Self::BadSignature => "the signature of this checkpoint is not good",
            Self::UnknownKey => "the key of this checkpoint is not trusted",
            Self::Unsigned => "no good signature vouches for this chain",
            Self::AnchorMissing { count: 0 } => "a checkpoint that was kept elsewhere is not here",
            Self::AnchorMissing { count } => {
                return write!(
                    f,
                    "a checkpoint that was kept elsewhere is not here: the chain's last {count} \
                     records at least are missing"
                );
            }
            Self::FilesMissing => "files between older records and this one are missing",
            Self::TooMany => "there are too many chains",
            Self::Torn => "the last line is not finished",
            Self::OnlyStart => "this start stands alone and is not signed",
            Self::Overdue => "the end is not signed, and is longer than the settings allow",
            Self::BeginsLate => "earlier files were not given",
            Self::ClockBack => "the clock went back",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A file's name is anyone's choice, and this is one line.
        write!(f, "{}:{}: {}", self.source.escape_debug(), self.line, self.kind)?;
        match self.seq {
            Some(seq) => write!(f, " (record {seq})"),
            None => Ok(()),
        }
    }
}
