//! One record, as a line that people read.

use crate::audit::read::Record;
use crate::page::{BAD, BOLD, CARE, DIM, GOOD, NAME, PLAIN, Span, span};
use crate::{escape, time};

/// How much is shown of a name: whoever calls chooses it, and the next line is of interest too.
const MAX_NAME: usize = 160;

/// One record; `decision` is what an outcome belongs to.
pub(super) fn line(at: i64, record: &Record, decision: Option<&Record>) -> Vec<Span> {
    let mut line = vec![span(DIM, time::of_millis(at)), span(PLAIN, " ")];
    let about = decision.unwrap_or(record);
    match record.record.as_str() {
        "decision" => {
            let word = record.decision.as_deref().unwrap_or("decision");
            let style = match word {
                "allow" => GOOD,
                "challenge" | "undecided" => CARE,
                _ => BAD.bold(),
            };
            line.push(span(style, format!("{word:<9} ")));
            line.extend(subject(about));
            let mut why: Vec<&str> = Vec::new();
            why.extend(record.reason.as_deref());
            why.extend(record.rule_id.as_deref().filter(|rule| !why.contains(rule)));
            if !why.is_empty() {
                line.push(span(DIM, format!(" ({})", why.join(", "))));
            }
        }
        "outcome" => {
            let word = record.result_type.as_deref().unwrap_or("outcome");
            let style = if ended_well(record) { DIM } else { CARE };
            line.push(span(style, format!("{word:<9} ")));
            line.extend(subject(about));
            let mut how = Vec::new();
            how.extend(record.http_status.map(|status| format!("HTTP {status}")));
            how.extend(record.duration_ms.map(|millis| format!("{millis} ms")));
            how.extend(record.bytes_out.map(|bytes| format!("{bytes} bytes")));
            how.extend(record.reason.clone());
            line.push(span(DIM, format!(" ({})", how.join(", "))));
        }
        "gap" => {
            let lost = record.dropped.unwrap_or_default();
            line.push(span(BAD.bold(), format!("gap       {lost} records are missing")));
        }
        "suppressed" => {
            let count = record.count.unwrap_or_default();
            line.push(span(CARE, format!("not shown {count} failures to sign in")));
        }
        "chain" => line.push(span(DIM, "start     a writer begins a chain of records")),
        "event" => {
            line.push(span(CARE, format!("{:<9} ", "event")));
            line.push(span(BOLD, record.event.as_deref().unwrap_or_default()));
            let change = match (&record.from, &record.to) {
                (Some(from), Some(to)) => Some(format!("{from} to {to}")),
                (from, to) => from.clone().or_else(|| to.clone()),
            };
            let told = [record.about.clone(), change, record.reason.clone(), record.detail.clone()];
            for text in told.into_iter().flatten() {
                line.push(span(PLAIN, format!("  {}", escape::shortened(&text, MAX_NAME))));
            }
        }
        other => line.push(span(BOLD, other)),
    }
    line
}

/// Whether an outcome is no error.
pub(super) fn ended_well(outcome: &Record) -> bool {
    !matches!(outcome.result_type.as_deref(), Some("error" | "is_error" | "aborted"))
}

/// Who did what.
fn subject(record: &Record) -> Vec<Span> {
    let person = record.principal.clone().unwrap_or_default();
    let mut who = person.shown();
    if let (Some(client), Some(_)) = (&person.client_id, &person.sub) {
        who = format!("{} ({client})", escape::shortened(&who, MAX_NAME));
    }
    who = escape::shortened(&who, MAX_NAME);
    if record.principal.is_none() {
        who = match &record.source_ip {
            Some(address) => format!("({address})"),
            None => "(nobody)".to_owned(),
        };
    }
    let method = record.method.as_deref().unwrap_or("request");
    let mut spans = vec![span(NAME, who), span(PLAIN, format!("  {method}"))];
    if let Some(target) = &record.target {
        spans.push(span(BOLD, format!(" {}", escape::shortened(target, MAX_NAME))));
    }
    if let Some(server) = &record.server {
        spans.push(span(DIM, format!(" at {}", escape::shortened(server, MAX_NAME))));
    }
    spans
}
