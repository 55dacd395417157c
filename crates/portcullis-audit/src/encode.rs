//! Records as JSON: fixed members in a fixed order, on one line whatever a client sent.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use portcullis_core::CredentialSource;

use crate::EventId;
use crate::client::ClientInfo;
use crate::escape::OneLine;
use crate::record::{Decision, Gap, KeptArguments, Outcome, Record, SCHEMA, Suppressed};
use crate::screen;
use crate::text::{Span, clip};
use crate::time::Rfc3339;
use crate::who::{List, Token, Who, is_cut};

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

/// Writes members one by one and leaves out those that do not apply.
pub(crate) struct Members<T>(pub(crate) T);

impl<T: SerializeMap> Members<T> {
    pub(crate) fn put(
        &mut self,
        name: &'static str,
        value: &impl Serialize,
    ) -> Result<(), T::Error> {
        self.0.serialize_entry(name, value)
    }

    pub(crate) fn put_some<V: Serialize>(
        &mut self,
        name: &'static str,
        value: Option<V>,
    ) -> Result<(), T::Error> {
        value.map_or(Ok(()), |value| self.put(name, &value))
    }

    /// Puts what somebody says of themselves, unless it looks like a secret.
    fn put_said(
        &mut self,
        name: &'static str,
        said: Option<&str>,
        redacted: &mut Vec<&'static str>,
    ) -> Result<(), T::Error> {
        let Some((shown, kind)) = said.and_then(screen::word) else {
            return self.put_some(name, said.map(clip));
        };
        redacted.push(kind);
        self.put(name, &shown)
    }

    pub(crate) fn head(
        &mut self,
        record: &'static str,
        at: Duration,
        event_id: EventId,
    ) -> Result<(), T::Error> {
        self.put("schema", &SCHEMA)?;
        self.put("record", &record)?;
        self.put("ts", &Rfc3339(at))?;
        self.put("event_id", &event_id)
    }
}

impl Serialize for Decision {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let principal = self.principal();
        let text = |span: Span| self.shown(span);
        let mut redacted = self.screened().map(|it| it.kinds.clone()).unwrap_or_default();
        let token = Token { principal, digest: self.digest };
        let mut members = Members(serializer.serialize_map(None)?);

        members.head("decision", self.at, self.event_id)?;
        members.put("request_id", &self.request_id)?;
        members.put_some("gate_trace_id", self.gate_trace_id.map(Hex))?;
        members.put_some("element", self.element)?;
        members.put_some("resource", self.site.resource.as_deref())?;
        members.put_some("server", self.site.server.as_deref())?;
        members.put_some("upstream", self.site.upstream.as_deref())?;
        members.put("transport", &self.transport)?;
        members.put_some("mcp_version", self.version.map(|version| version.as_str()))?;
        members.put_some("era", self.version.map(era))?;
        let session = self.private.as_ref().zip(self.texts.get(self.session));
        let session = session.map(|(it, id)| it.digests.of("session", id.as_bytes()));
        members.put_some("session_hash", session)?;
        members.put_some("trace_id", text(self.traceparent).and_then(trace_id))?;
        members.put_some("jsonrpc_id", text(self.jsonrpc_id))?;
        members.put_some("method", self.method.map(|method| method.as_str()))?;
        members.put_some("target_type", self.target_type)?;
        members.put_some("target", text(self.target))?;
        if !self.more_targets.is_empty() {
            members.put("more_targets", &Texts { of: self, spans: &self.more_targets })?;
        }
        if let Some(count) = self.argument_count {
            let keys = Texts { of: self, spans: &self.argument_keys };
            members.put("argument_keys", &keys)?;
            members.put("argument_types", &Kinds(self))?;
            members.put("argument_count", &count)?;
            members.put("argument_bytes", &self.argument_bytes)?;
        }
        let cut = self.put_arguments(&mut members)?;
        members.put_some("principal", self.caller.as_ref().map(Who))?;
        if let Some(principal) = principal {
            members.put("scopes", &List(principal.scopes()))?;
            members.put("roles", &List(principal.roles()))?;
        }
        if !token.is_empty() {
            members.put("token", &token)?;
        }
        members.put("decision", &self.verdict.as_str())?;
        members.put_some("reason", self.reason.map(|reason| reason.as_str()))?;
        members.put_some("rule_id", text(self.rule_id))?;
        members.put_some("policy_version", text(self.policy_version))?;
        members.put_some("http_status", self.http_status.map(|status| status.as_u16()))?;
        members.put_some("error_code", self.error_code)?;
        members.put_some("source_ip", self.source_ip.map(Shown))?;
        members.put_some("unverified_user_agent", text(self.user_agent))?;
        members.put_some("unverified_traceparent", text(self.traceparent))?;
        if let Some(info) = self.message.as_ref().and_then(|it| ClientInfo::of(it.bytes())) {
            let (name, version) = (info.name.as_deref(), info.version.as_deref());
            members.put_said("unverified_client_name", name, &mut redacted)?;
            members.put_said("unverified_client_version", version, &mut redacted)?;
        }
        if !redacted.is_empty() {
            members.put("redacted", &redacted)?;
        }
        if cut || self.texts.truncated() || principal.is_some_and(is_cut) {
            members.put("truncated", &true)?;
        }
        members.0.end()
    }
}

impl Decision {
    /// What is recorded of the arguments besides their names. Whether something was cut.
    fn put_arguments<T: SerializeMap>(&self, members: &mut Members<T>) -> Result<bool, T::Error> {
        let Some((private, arguments)) = self.private.as_deref().zip(self.arguments.as_ref())
        else {
            return Ok(false);
        };
        let digest = match arguments {
            KeptArguments::Digest(digest) => Some(*digest),
            KeptArguments::Whole(all) => {
                private.argument_digests.then(|| private.digests.of("arguments", all.bytes()))
            }
        };
        members.put_some("argument_digest", digest)?;
        let (KeptArguments::Whole(all), Some(tool)) = (arguments, self.texts.get(self.target))
        else {
            return Ok(false);
        };
        let (picked, cut) = private.values.pick(tool, all.bytes());
        members.put_some("argument_values", Some(picked).filter(|picked| !picked.is_empty()))?;
        Ok(cut)
    }
}

/// The trace that a `traceparent` field names (W3C Trace Context §3.2).
fn trace_id(traceparent: &str) -> Option<&str> {
    let (version, rest) = traceparent.split_once('-')?;
    let (id, _) = rest.split_once('-')?;
    let hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let good = version.len() == 2 && hex(version) && id.len() == 32 && hex(id);
    (good && id.bytes().any(|byte| byte != b'0')).then_some(id)
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

fn era(version: portcullis_core::Version) -> &'static str {
    match version.era() {
        portcullis_core::Era::Legacy => "legacy",
        portcullis_core::Era::Modern => "modern",
        _ => "unknown",
    }
}

/// Bytes in hexadecimal digits.
struct Hex([u8; 16]);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

struct Shown(IpAddr);

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Texts of a record's own pack, which cut them when it took them.
struct Texts<'a> {
    of: &'a Decision,
    spans: &'a [Span],
}

impl Serialize for Texts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.spans.iter().map_while(|&span| self.of.shown(span)))
    }
}

/// The types of the arguments whose names are shown.
struct Kinds<'a>(&'a Decision);

impl Serialize for Kinds<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(decision) = self;
        let count = decision.argument_count.unwrap_or_default();
        let kinds = decision.argument_kinds.iter().take(count).zip(&decision.argument_keys);
        let shown = kinds.take_while(|(_, key)| decision.shown(**key).is_some());
        serializer.collect_seq(shown.map(|(kind, _)| kind.as_str()))
    }
}

#[cfg(test)]
pub(crate) mod tests;
