//! One record as one framed syslog message (RFC 5424 §6).

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;

use crate::ConfigError;
use crate::fields::Fields;

/// What is the same in every message.
#[derive(Debug)]
pub(super) struct Header {
    facility: u8,
    hostname: String,
    app_name: String,
    process: u32,
    enterprise: u32,
}

impl Header {
    pub(super) fn new(
        facility: u8,
        hostname: String,
        app_name: String,
        enterprise: u32,
    ) -> Result<Self, ConfigError> {
        if !is_word(&hostname, 255) {
            return Err(ConfigError::new(
                "the host name of syslog is 255 printable characters at most",
            ));
        }
        if !is_word(&app_name, 48) {
            return Err(ConfigError::new(
                "the app name of syslog is 48 printable characters at most",
            ));
        }
        Ok(Self { facility, hostname, app_name, process: std::process::id(), enterprise })
    }

    /// The message, with its length before it.
    pub(super) fn frame(
        &self,
        kind: &str,
        event_id: &str,
        at: Duration,
        fields: &Fields<'_>,
        line: &[u8],
    ) -> Vec<u8> {
        let priority = u16::from(self.facility) * 8 + u16::from(severity(kind, fields));
        let millis = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
        let time = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX);
        let kind = if is_word(kind, 32) { kind } else { "-" };
        // Writing to a `String` cannot fail.
        let mut head = String::with_capacity(320);
        let _ = write!(
            head,
            "<{priority}>1 {time:.3} {} {} {} {kind} [portcullis@{}",
            self.hostname, self.app_name, self.process, self.enterprise
        );
        let status = fields.http_status.map(|status| status.to_string());
        let params = [
            ("event_id", Some(event_id)),
            ("record", Some(kind)),
            ("decision", fields.decision.as_deref()),
            ("reason", fields.reason.as_deref()),
            ("method", fields.method.as_deref()),
            ("result_type", fields.result_type.as_deref()),
            ("http_status", status.as_deref()),
            ("iss", fields.issuer()),
            ("sub", fields.subject()),
        ];
        for (name, value) in params {
            if let Some(value) = value {
                let _ = write!(head, " {name}=\"");
                escape(value, &mut head);
                head.push('"');
            }
        }
        head.push_str("] ");
        let length = head.len() + line.len();
        let mut frame = format!("{length} ").into_bytes();
        frame.reserve(length);
        frame.extend_from_slice(head.as_bytes());
        frame.extend_from_slice(line);
        frame
    }
}

/// How much it matters (RFC 5424 §6.2.1).
fn severity(kind: &str, fields: &Fields<'_>) -> u8 {
    const CRITICAL: u8 = 2;
    const ERROR: u8 = 3;
    const WARNING: u8 = 4;
    const NOTICE: u8 = 5;
    const INFORMATIONAL: u8 = 6;
    match (kind, fields.decision.as_deref()) {
        ("gap", _) => CRITICAL,
        ("suppressed", _) => WARNING,
        (_, Some("error")) => ERROR,
        (_, Some("deny" | "challenge")) => NOTICE,
        ("decision" | "outcome", _) => INFORMATIONAL,
        _ => NOTICE,
    }
}

/// A parameter's value (RFC 5424 §6.3.3). Controls, which it advises against, become U+FFFD.
fn escape(value: &str, text: &mut String) {
    for character in value.chars() {
        match character {
            '"' | '\\' | ']' => text.extend(['\\', character]),
            character if character.is_control() => text.push('\u{fffd}'),
            character => text.push(character),
        }
    }
}

/// Printable US-ASCII without spaces (RFC 5424 §6: `PRINTUSASCII`).
fn is_word(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What this machine is called, or the word for not knowing.
pub(super) fn own_name() -> String {
    let name = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let name = name.trim();
    if is_word(name, 255) { name.to_owned() } else { "-".to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header() -> Header {
        Header { process: 7, ..Header::new(13, "gate".into(), "portcullis".into(), 32473).unwrap() }
    }

    fn shown(kind: &str, line: &str) -> String {
        let fields = Fields::of(line.as_bytes());
        let at = Duration::from_millis(1_795_248_000_250);
        String::from_utf8(header().frame(kind, "id-1", at, &fields, line.as_bytes())).unwrap()
    }

    #[test]
    fn a_message_is_what_rfc_5424_says() {
        let line = r#"{"decision":"deny","reason":"policy_denied","method":"tools/call","http_status":200,"principal":{"iss":"https://id","sub":"a]\"\\b"},"target":"é"}"#;
        let expected = format!(
            "<109>1 2026-11-21T08:00:00.250Z gate portcullis 7 decision [portcullis@32473 \
             event_id=\"id-1\" record=\"decision\" decision=\"deny\" reason=\"policy_denied\" \
             method=\"tools/call\" http_status=\"200\" iss=\"https://id\" sub=\"a\\]\\\"\\\\b\"] {line}"
        );
        assert_eq!(shown("decision", line), format!("{} {expected}", expected.len()));
    }

    #[test]
    fn what_matters_is_said_so() {
        let rows = [
            ("decision", r#"{"decision":"allow"}"#, 6),
            ("decision", r#"{"decision":"deny"}"#, 5),
            ("decision", r#"{"decision":"challenge"}"#, 5),
            ("decision", r#"{"decision":"error"}"#, 3),
            ("outcome", "{}", 6),
            ("gap", "{}", 2),
            ("suppressed", "{}", 4),
            ("policy.changed", "{}", 5),
        ];
        for (kind, line, severity) in rows {
            let expected = format!("<{}>1 ", 13 * 8 + severity);
            assert!(shown(kind, line).contains(&expected), "{kind} {line}");
        }
    }

    #[test]
    fn names_are_words() {
        for (host, app, expected) in [
            ("gate", "portcullis", true),
            ("-", "a", true),
            ("", "a", false),
            ("a b", "a", false),
            ("a", "a\n", false),
            ("gäte", "a", false),
        ] {
            let made = Header::new(1, host.into(), app.into(), 1);
            assert_eq!(made.is_ok(), expected, "{host:?} {app:?}");
        }
        assert!(Header::new(1, "h".into(), "a".repeat(49), 1).is_err());
    }

    proptest! {
        /// However a value looks, the structured data ends where it should and nothing but one message is
        /// in the frame.
        #[test]
        fn a_value_cannot_leave_its_place(value in any::<String>()) {
            let line = serde_json::json!({"principal": {"iss": "i", "sub": value}}).to_string();
            let shown = shown("decision", &line);
            let (length, message) = shown.split_once(' ').unwrap();
            prop_assert_eq!(length.parse::<usize>().unwrap(), message.len());
            let data = message.strip_suffix(&format!(" {line}")).unwrap();
            prop_assert!(!data.chars().any(char::is_control));
            // Walk the value as a reader does: the first `"` without a backslash before it ends it.
            let value = data.split_once(" sub=\"").unwrap().1;
            let mut characters = value.chars();
            while let Some(character) = characters.next() {
                match character {
                    '\\' => drop(characters.next()),
                    '"' => break,
                    ']' => prop_assert!(false, "unescaped ]"),
                    _ => {}
                }
            }
            prop_assert_eq!(characters.as_str(), "]");
        }
    }
}
