//! Records in the Common Event Format.
//!
//! `CEF:0|vendor|product|version|class|name|severity|extension`. In the first seven fields, `|` and
//! `\` are escaped; in the extension, `=` and `\` in values. A line break is `\n` in a value and may
//! not be in a field.

use std::fmt::Write as _;
use std::io;

use serde_json::{Map, Value};

use crate::Record;
use crate::escape::is_deceptive;
use crate::record::Verdict;

/// Our members and the extension's keys for them. `cs1` and the like are custom strings, and have labels.
const KEYS: [(&str, &str); 14] = [
    ("event_id", "externalId"),
    ("source_ip", "src"),
    ("reason", "reason"),
    ("method", "requestMethod"),
    ("target", "destinationServiceName"),
    ("unverified_user_agent", "requestClientApplication"),
    ("duration_ms", "cn1"),
    ("http_status", "cn2"),
    ("error_code", "cn3"),
    ("bytes_in", "in"),
    ("bytes_out", "out"),
    ("dropped", "cnt"),
    ("count", "cnt"),
    ("resource", "request"),
];

/// Custom strings: our members and what they are called.
const CUSTOM: [(&str, &str, &str); 8] = [
    ("rule_id", "cs1", "rule_id"),
    ("policy_version", "cs2", "policy_version"),
    ("request_id", "cs3", "request_id"),
    ("trace_id", "cs4", "trace_id"),
    ("session_hash", "cs5", "session_hash"),
    ("about", "cs6", "about"),
    ("server", "flexString1", "server"),
    ("upstream", "flexString2", "upstream"),
];

const LABELS: [(&str, &str); 3] =
    [("cn1", "duration_ms"), ("cn2", "http_status"), ("cn3", "error_code")];

pub(crate) fn encode(record: &Record, line: &mut Vec<u8>) -> io::Result<()> {
    let Value::Object(own) = serde_json::to_value(record)? else {
        return Err(io::Error::other("a record is an object"));
    };
    let (class, name, severity) = head(record, &own);
    let mut text = String::with_capacity(512);
    text.push_str("CEF:0|portcullis|portcullis|");
    text.push_str(env!("CARGO_PKG_VERSION"));
    for field in [class.as_str(), name.as_str()] {
        text.push('|');
        push_field(&mut text, field);
    }
    let millis = record.at().as_millis();
    // Writing to a string cannot fail.
    let _ = write!(text, "|{severity}|rt={millis}");
    extend(&mut text, &own);
    line.extend_from_slice(text.as_bytes());
    line.push(b'\n');
    Ok(())
}

/// The class of the event, its name, and how much it matters, from 0 to 10.
fn head(record: &Record, own: &Map<String, Value>) -> (String, String, u8) {
    let word = |name: &str| own.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    match record {
        Record::Decision(decision) => {
            let severity = match decision.verdict() {
                Verdict::Allow | Verdict::Undecided => 1,
                Verdict::Challenge => 3,
                Verdict::Deny => 5,
                Verdict::Error => 6,
            };
            let verdict = decision.verdict().as_str();
            (format!("decision:{verdict}"), format!("MCP request: {verdict}"), severity)
        }
        Record::Outcome(_) => {
            let result = word("result_type");
            (format!("outcome:{result}"), format!("MCP answer: {result}"), 1)
        }
        Record::Gap(_) => ("gap".into(), "Audit records are missing".into(), 7),
        Record::Suppressed(_) => ("suppressed".into(), "Failures were counted".into(), 5),
        Record::Event(_) => (word("event"), format!("Event: {}", word("event")), 3),
        Record::Chain(_) | Record::Checkpoint(_) => (word("record"), word("record"), 1),
    }
}

fn extend(text: &mut String, own: &Map<String, Value>) {
    let mut put = |key: &str, value: &Value| {
        text.push(' ');
        text.push_str(key);
        text.push('=');
        match value {
            Value::String(value) => push_value(text, value),
            other => push_value(text, &other.to_string()),
        }
    };
    for (name, key) in KEYS {
        let Some(value) = own.get(name) else { continue };
        put(key, value);
        for (labelled, label) in LABELS {
            if labelled == key {
                put(&format!("{key}Label"), &label.into());
            }
        }
    }
    for (name, key, label) in CUSTOM {
        let Some(value) = own.get(name) else { continue };
        put(key, value);
        put(&format!("{key}Label"), &label.into());
    }
    let Some(principal) = own.get("principal") else { return };
    for (name, key) in [("sub", "suser"), ("iss", "sntdom"), ("client_id", "sourceServiceName")] {
        if let Some(value) = principal.get(name) {
            put(key, value);
        }
    }
}

/// A field of the head: one line, `|` and `\` escaped.
fn push_field(text: &mut String, field: &str) {
    for character in field.chars() {
        match character {
            '|' | '\\' => text.extend(['\\', character]),
            _ if character.is_control() || is_deceptive(character) => text.push(' '),
            _ => text.push(character),
        }
    }
}

/// A value of the extension: `=` and `\` escaped, and every break of a line.
fn push_value(text: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '=' | '\\' => text.extend(['\\', character]),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            _ if character.is_control() || is_deceptive(character) => {
                // No escape of the format: shown as JSON would.
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    let _ = write!(text, "\\\\u{unit:04x}");
                }
            }
            _ => text.push(character),
        }
    }
}

#[cfg(test)]
mod tests;
