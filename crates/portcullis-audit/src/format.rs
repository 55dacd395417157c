//! The forms that a record may take on its line.

use std::io;

use crate::Record;
use crate::encode::encode;

pub(crate) mod cef;
pub(crate) mod ocsf;

/// How records are written; see [`SinkOptions::format`](crate::SinkOptions::format).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Format {
    /// JSON in the format of this crate, which the [crate docs](crate#records) describe.
    #[default]
    Json,
    /// JSON as the Open Cybersecurity Schema Framework has it, version 1.8: decisions about requests
    /// of a caller, outcomes and events as *API Activity* (class 6003), refusals of callers who are not
    /// known as *Authentication* (class 3002). What has no attribute there is in `unmapped`, under
    /// the names of our own format. A chain's own records stay in that format.
    Ocsf,
    /// One line of the Common Event Format, version 0, for collectors that know no JSON. Lines are
    /// not chained: a sink that chains its lines refuses it. Only what has a field is in it.
    Cef,
}

impl Format {
    /// Appends `record` as one line, newline included.
    pub(crate) fn encode(self, record: &Record, line: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Json => encode(record, line),
            Self::Ocsf => ocsf::encode(record, line),
            Self::Cef => cef::encode(record, line),
        }
    }
}
