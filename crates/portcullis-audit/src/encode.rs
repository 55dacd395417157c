//! Records as JSON: fixed members in a fixed order, on one line whatever a client sent.

use std::io;

use portcullis_core::CredentialSource;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::escape::OneLine;
use crate::record::{Gap, Outcome, Record, Suppressed};
use crate::time::Rfc3339;
use crate::who::List;

mod decision;
mod members;

pub(crate) use members::Members;

/// Appends `record` to `line` as one line of JSON, newline included.
pub(crate) fn encode(record: &Record, line: &mut Vec<u8>) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(&mut *line, OneLine);
    record.serialize(&mut serializer)?;
    line.push(b'\n');
    Ok(())
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Decision(decision) => decision.serialize(serializer),
            Self::Outcome(outcome) => outcome.serialize(serializer),
            Self::Gap(gap) => gap.serialize(serializer),
            Self::Suppressed(suppressed) => suppressed.serialize(serializer),
            Self::Event(event) => event.serialize(serializer),
            Self::Chain(start) => start.serialize(serializer),
            Self::Checkpoint(checkpoint) => checkpoint.serialize(serializer),
        }
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = Members(serializer.serialize_map(None)?);
        let mut redacted = Vec::new();
        members.head("outcome", self.at, self.event_id)?;
        members.put_some("server", self.site.server.as_deref())?;
        let millis = u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX);
        members.put("duration_ms", &millis)?;
        members.put_some("http_status", self.http_status.map(|status| status.as_u16()))?;
        members.put("result_type", &self.result_type.as_str())?;
        members.put_some("error_code", self.error_code)?;
        members.put_some("reason", self.reason.map(|reason| reason.as_str()))?;
        members.put_some("hook", self.hook.as_deref())?;
        members.put_some("upstream_status", self.upstream_status.map(|status| status.as_u16()))?;
        members.put_some("cred_source", self.cred_source.map(CredentialSource::as_str))?;
        members.put_some("bytes_in", self.bytes_in)?;
        members.put("bytes_out", &self.bytes_out)?;
        members.put("filtered_count", &self.filtered_count)?;
        if !self.filtered.is_empty() {
            members.put("filtered", &List(&self.filtered))?;
        }
        if let Some(info) = self.server_info.as_deref() {
            let (name, version) = (info.name.as_deref(), info.version.as_deref());
            members.put_said("unverified_server_name", name, &mut redacted)?;
            members.put_said("unverified_server_version", version, &mut redacted)?;
        }
        redacted.extend(&self.redacted);
        if !redacted.is_empty() {
            members.put("redacted", &redacted)?;
        }
        if self.truncated {
            members.put("truncated", &true)?;
        }
        members.0.end()
    }
}

impl Serialize for Gap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = Members(serializer.serialize_map(None)?);
        members.head("gap", self.at, self.event_id)?;
        members.put_some("since", self.since.map(Rfc3339))?;
        members.put("dropped", &self.dropped)?;
        members.0.end()
    }
}

impl Serialize for Suppressed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = Members(serializer.serialize_map(None)?);
        members.head("suppressed", self.at, self.event_id)?;
        members.put("count", &self.count)?;
        members.0.end()
    }
}

#[cfg(test)]
pub(crate) mod tests;
