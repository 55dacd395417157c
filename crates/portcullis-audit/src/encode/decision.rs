//! The record of a decision.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use portcullis_core::{Era, Version};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::Members;
use crate::client::ClientInfo;
use crate::record::{Decision, KeptArguments};
use crate::text::Span;
use crate::trace;
use crate::who::{List, Token, Who, is_cut};

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
        let traceparent = self.traceparent();
        members.put_some("trace_id", traceparent.as_deref().and_then(trace::trace_id))?;
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
        members.put_some("unverified_traceparent", traceparent.as_deref())?;
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
    /// What the header says, or where there is none a modern message itself.
    fn traceparent(&self) -> Option<Cow<'_, str>> {
        let is_modern = self.version.is_some_and(|version| version.era() == Era::Modern);
        let message = self.message.as_ref().filter(|_| is_modern);
        self.shown(self.traceparent).map(Cow::Borrowed).or_else(|| trace::said_in(message?.bytes()))
    }

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

fn era(version: Version) -> &'static str {
    match version.era() {
        Era::Legacy => "legacy",
        Era::Modern => "modern",
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
