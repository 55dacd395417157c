//! Records as JSON: fixed members in a fixed order, on one line whatever a client sent.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use portcullis_core::{Actor, Caller, Principal};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::ser::Formatter;

use crate::EventId;
use crate::record::{Decision, Gap, Outcome, Record, SCHEMA, Suppressed};
use crate::text::{FIELD_MAX, Pack, Span, clip, clip_list};
use crate::token::TokenDigest;

/// Appends `record` to `line` as one line of JSON, newline included.
pub(crate) fn encode(record: &Record, line: &mut Vec<u8>) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(&mut *line, OneLine);
    record.serialize(&mut serializer)?;
    line.push(b'\n');
    Ok(())
}

/// Escapes what JSON allows in a string but a terminal, a log viewer or a line-based tool may take
/// for something else. `serde_json` itself escapes U+0000 to U+001F.
struct OneLine;

impl Formatter for OneLine {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        if fragment.bytes().all(|byte| byte < 0x7f) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut units = [0; 2];
        let mut utf8 = [0; 4];
        for character in fragment.chars() {
            if is_deceptive(character) {
                for unit in character.encode_utf16(&mut units) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            } else {
                writer.write_all(character.encode_utf8(&mut utf8).as_bytes())?;
            }
        }
        Ok(())
    }
}

/// Controls, line and paragraph separators, and characters that are invisible or reorder the text
/// around them.
fn is_deceptive(character: char) -> bool {
    matches!(character,
        '\u{7f}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Decision(decision) => decision.serialize(serializer),
            Self::Outcome(outcome) => outcome.serialize(serializer),
            Self::Gap(gap) => gap.serialize(serializer),
            Self::Suppressed(suppressed) => suppressed.serialize(serializer),
        }
    }
}

/// Writes members one by one and leaves out those that do not apply.
struct Members<T>(T);

impl<T: SerializeMap> Members<T> {
    fn put(&mut self, name: &'static str, value: &impl Serialize) -> Result<(), T::Error> {
        self.0.serialize_entry(name, value)
    }

    fn put_some<V: Serialize>(
        &mut self,
        name: &'static str,
        value: Option<V>,
    ) -> Result<(), T::Error> {
        value.map_or(Ok(()), |value| self.put(name, &value))
    }

    fn head(
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
        let text = |span: Span| self.texts.get(span);
        let token = Token { principal, digest: self.digest };
        let mut members = Members(serializer.serialize_map(None)?);

        members.head("decision", self.at, self.event_id)?;
        members.put("request_id", &self.request_id)?;
        members.put_some("element", self.element)?;
        members.put_some("resource", self.resource.as_deref())?;
        members.put_some("mcp_version", self.version.map(|version| version.as_str()))?;
        members.put_some("era", self.version.map(era))?;
        members.put_some("jsonrpc_id", text(self.jsonrpc_id))?;
        members.put_some("method", self.method.map(|method| method.as_str()))?;
        members.put_some("target_type", self.target_type)?;
        members.put_some("target", text(self.target))?;
        if !self.more_targets.is_empty() {
            members
                .put("more_targets", &Texts { texts: &self.texts, spans: &self.more_targets })?;
        }
        if let Some(count) = self.argument_count {
            let keys = Texts { texts: &self.texts, spans: &self.argument_keys };
            members.put("argument_keys", &keys)?;
            members.put("argument_count", &count)?;
        }
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
        if self.texts.truncated() || principal.is_some_and(is_cut) {
            members.put("truncated", &true)?;
        }
        members.0.end()
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = Members(serializer.serialize_map(None)?);
        members.head("outcome", self.at, self.event_id)?;
        let millis = u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX);
        members.put("duration_ms", &millis)?;
        members.put_some("http_status", self.http_status.map(|status| status.as_u16()))?;
        members.put("result_type", &self.result_type.as_str())?;
        members.put_some("error_code", self.error_code)?;
        members.put_some("reason", self.reason.map(|reason| reason.as_str()))?;
        members.put_some("bytes_in", self.bytes_in)?;
        members.put("bytes_out", &self.bytes_out)?;
        members.put("filtered_count", &self.filtered_count)?;
        if !self.filtered.is_empty() {
            members.put("filtered", &List(&self.filtered))?;
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

/// Time since the epoch as RFC 3339 UTC with milliseconds.
struct Rfc3339(Duration);

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let millis = i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX);
        let time = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX);
        serializer.collect_str(&format_args!("{time:.3}"))
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
    texts: &'a Pack,
    spans: &'a [Span],
}

impl Serialize for Texts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.spans.iter().map_while(|&span| self.texts.get(span)))
    }
}

/// A principal's own list, cut here.
struct List<'a>(&'a [String]);

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(clip_list(self.0.iter().map(String::as_str)))
    }
}

struct Who<'a>(&'a Caller);

impl Serialize for Who<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = Members(serializer.serialize_map(None)?);
        let Some(principal) = self.0.principal() else {
            members.put("kind", &"anonymous")?;
            return members.0.end();
        };
        members.put("iss", &clip(principal.issuer()))?;
        members.put("sub", &clip(principal.subject()))?;
        members.put_some("client_id", principal.client_id().map(clip))?;
        members.put("kind", &if principal.is_client() { "client" } else { "user" })?;
        if !principal.actors().is_empty() {
            members.put("act", &Actors(principal.actors()))?;
        }
        members.0.end()
    }
}

/// The actors whose names fit a member.
struct Actors<'a>(&'a [Actor]);

impl Serialize for Actors<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut actors = serializer.serialize_seq(None)?;
        for actor in kept_actors(self.0) {
            actors.serialize_element(&Act(actor))?;
        }
        actors.end()
    }
}

struct Act<'a>(&'a Actor);

impl Serialize for Act<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = Members(serializer.serialize_map(None)?);
        members.put_some("iss", self.0.issuer().map(clip))?;
        members.put("sub", &clip(self.0.subject()))?;
        members.0.end()
    }
}

fn kept_actors(actors: &[Actor]) -> impl Iterator<Item = &Actor> {
    actors.iter().scan(0, |used: &mut usize, actor| {
        let size = actor.issuer().map_or(0, |issuer| clip(issuer).len());
        *used = used.saturating_add(size).saturating_add(clip(actor.subject()).len());
        (*used <= FIELD_MAX).then_some(actor)
    })
}

/// What identifies the token: its own id, or else its digest.
struct Token<'a> {
    principal: Option<&'a Principal>,
    digest: Option<TokenDigest>,
}

impl Token<'_> {
    fn is_empty(&self) -> bool {
        let known = self.principal.is_some_and(|principal| {
            let token = principal.token();
            token.id.is_some()
                || token.algorithm.is_some()
                || token.key_id.is_some()
                || principal.expires_at().is_some()
        });
        !known && self.digest.is_none()
    }
}

impl Serialize for Token<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = Members(serializer.serialize_map(None)?);
        let token = self.principal.map(Principal::token);
        members.put_some("jti", token.and_then(|token| token.id.as_deref()).map(clip))?;
        members.put_some("sha256", self.digest)?;
        members.put_some("alg", token.and_then(|token| token.algorithm))?;
        members.put_some("kid", token.and_then(|token| token.key_id.as_deref()).map(clip))?;
        let expiry = self.principal.and_then(Principal::expires_at);
        members.put_some("exp", expiry.map(|unix| unix.as_secs()))?;
        members.0.end()
    }
}

/// Whether the encoding of `principal` leaves something out.
fn is_cut(principal: &Principal) -> bool {
    let long = |text: &str| text.len() > FIELD_MAX;
    let cut = |list: &[String]| {
        let kept: usize = clip_list(list.iter().map(String::as_str)).map(str::len).sum();
        kept < list.iter().map(String::len).sum()
    };
    let token = principal.token();
    long(principal.issuer())
        || long(principal.subject())
        || principal.client_id().is_some_and(long)
        || token.id.as_deref().is_some_and(long)
        || token.key_id.as_deref().is_some_and(long)
        || cut(principal.scopes())
        || cut(principal.roles())
        || kept_actors(principal.actors()).count() < principal.actors().len()
        || principal
            .actors()
            .iter()
            .any(|actor| long(actor.subject()) || actor.issuer().is_some_and(long))
}

#[cfg(test)]
mod tests;
