//! The report for machines.

use schemars::JsonSchema;
use serde::Serialize;

use crate::audit::read;
use crate::audit::tally::{Counts, Tally, Target};
use crate::time;

/// What `portcullis audit report --json` writes.
#[derive(JsonSchema, Serialize)]
pub(crate) struct AuditReport {
    /// The version of this format: 1.
    schema: u32,
    /// `audit report`.
    command: &'static str,
    /// The time of the first record (RFC 3339); null where there is none.
    from: Option<String>,
    /// The time of the last.
    until: Option<String>,
    /// How many records were counted.
    records: u64,
    /// Lines that are no records.
    unreadable: u64,
    /// Records that the trail itself says are missing.
    missing: u64,
    /// Failures to sign in that were counted and not recorded one by one.
    suppressed: u64,
    /// Refusals of too many kinds to tell all apart: of each person, `denied` has them together, with
    /// `(others)` for a name.
    denied_together: u64,
    /// Messages about nothing in particular (lists, pings, notifications), which are not calls.
    other_messages: u64,
    /// All calls.
    calls: Calls,
    /// Who called, by last use.
    people: Vec<PersonRow>,
    /// What was used, by calls.
    tools: Vec<ToolRow>,
    /// What was refused, latest first.
    denied: Vec<DenialRow>,
}

/// Calls, and how they went.
#[derive(JsonSchema, Serialize)]
struct Calls {
    /// How many.
    calls: u64,
    /// How many were allowed.
    allowed: u64,
    /// How many policy denied.
    denied: u64,
    /// How many were answered with a challenge.
    challenged: u64,
    /// How many were refused because something failed at the gate.
    errors: u64,
    /// How many of those allowed ended in an error, or broke off.
    failed: u64,
}

/// A person or client.
#[derive(JsonSchema, Serialize)]
struct PersonRow {
    /// `sub`, or what stands for it.
    person: String,
    /// Who vouches for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    /// The OAuth client.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(flatten)]
    calls: Calls,
    /// How many different tools, prompts and resources.
    targets: usize,
    /// The first call.
    first_use: String,
    /// The last call.
    last_use: String,
}

/// A tool, prompt or resource.
#[derive(JsonSchema, Serialize)]
struct ToolRow {
    /// `tool`, `prompt`, `resource`, …, or the method.
    kind: String,
    /// Its name or URI.
    name: String,
    /// The server that has it, by its name, or by its resource where it has none; empty where records do not say.
    server: String,
    #[serde(flatten)]
    calls: Calls,
    /// How many people and clients.
    people: usize,
    /// How long calls took on average, in milliseconds; null where none ended.
    mean_ms: Option<u64>,
    /// The last call.
    last_use: String,
}

/// What was refused to whom.
#[derive(JsonSchema, Serialize)]
struct DenialRow {
    /// `sub`, or what stands for it.
    person: String,
    /// `tool`, `prompt`, `resource`, …, or the method.
    kind: String,
    /// Its name or URI.
    name: String,
    /// The server that has it, as above.
    server: String,
    /// `deny`, `challenge` or `error`.
    decision: String,
    /// Why.
    reason: String,
    /// The rule.
    rule: String,
    /// How often.
    times: u64,
    /// The last time.
    last: String,
}

fn calls(counts: Counts) -> Calls {
    let Counts { calls, allowed, denied, challenged, errors, failed } = counts;
    Calls { calls, allowed, denied, challenged, errors, failed }
}

pub(super) fn report(tally: &Tally) -> AuditReport {
    let at = |millis: i64| time::format(millis, "%Y-%m-%dT%H:%M:%SZ");
    let mut people: Vec<_> = tally.person_names.names.iter().zip(&tally.people).collect();
    people.sort_by_key(|(name, person)| (std::cmp::Reverse(person.last), (*name).clone()));
    let mut tools: Vec<_> = tally.target_names.names.iter().zip(&tally.targets).collect();
    tools.sort_by_key(|(name, tool)| (std::cmp::Reverse(tool.counts.calls), (*name).clone()));
    let mut denied: Vec<_> = tally.denials.iter().collect();
    denied.sort_by_key(|(denial, (_, last))| (std::cmp::Reverse(*last), (*denial).clone()));
    AuditReport {
        schema: 1,
        command: "audit report",
        from: tally.span.map(|(first, _)| at(first)),
        until: tally.span.map(|(_, last)| at(last)),
        records: tally.records,
        unreadable: tally.unreadable,
        missing: tally.dropped,
        suppressed: tally.suppressed,
        denied_together: tally.folded,
        other_messages: tally.other,
        calls: calls(tally.total),
        people: people
            .into_iter()
            .map(|(name, person)| PersonRow {
                person: name.shown(),
                issuer: name.iss.clone(),
                client_id: name.client_id.clone(),
                calls: calls(person.counts),
                targets: person.others.len(),
                first_use: at(person.first),
                last_use: at(person.last),
            })
            .collect(),
        tools: tools
            .into_iter()
            .map(|(target, tool)| ToolRow {
                kind: target.kind.clone(),
                name: target.name.clone(),
                server: target.server.clone(),
                calls: calls(tool.counts),
                people: tool.others.len(),
                mean_ms: tool.millis.checked_div(tool.ended),
                last_use: at(tool.last),
            })
            .collect(),
        denied: denied
            .into_iter()
            .map(|(denial, (times, last))| {
                let person = tally.person_names.names.get(denial.person);
                let Target { kind, name, server } = tally.target(denial.target);
                DenialRow {
                    person: person.map(read::Person::shown).unwrap_or_default(),
                    kind,
                    name,
                    server,
                    decision: denial.decision.clone(),
                    reason: denial.reason.clone(),
                    rule: denial.rule.clone(),
                    times: *times,
                    last: at(*last),
                }
            })
            .collect(),
    }
}
