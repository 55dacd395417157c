//! What a far side can search by, read back from a record's own line.

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

/// The members of a record that sinks index. A line in another format has none of them.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Fields<'a> {
    #[serde(borrow)]
    ts: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) request_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) gate_trace_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) trace_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) target: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) decision: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) reason: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) result_type: Option<Cow<'a, str>>,
    pub(crate) http_status: Option<i64>,
    #[serde(borrow)]
    principal: Option<Principal<'a>>,
}

#[derive(Debug, Default, Deserialize)]
struct Principal<'a> {
    #[serde(borrow)]
    iss: Option<Cow<'a, str>>,
    #[serde(borrow)]
    sub: Option<Cow<'a, str>>,
    #[serde(borrow)]
    client_id: Option<Cow<'a, str>>,
}

impl<'a> Fields<'a> {
    /// Reads `line`; what is not the JSON of a record has no fields.
    pub(crate) fn of(line: &'a [u8]) -> Self {
        serde_json::from_slice(line).unwrap_or_default()
    }

    /// When it happened, as time since the Unix epoch.
    pub(crate) fn at(&self) -> Option<Duration> {
        let time: Timestamp = self.ts.as_ref()?.parse().ok()?;
        u64::try_from(time.as_millisecond()).ok().map(Duration::from_millis)
    }

    pub(crate) fn issuer(&self) -> Option<&str> {
        self.principal.as_ref()?.iss.as_deref()
    }

    pub(crate) fn subject(&self) -> Option<&str> {
        self.principal.as_ref()?.sub.as_deref()
    }

    pub(crate) fn client_id(&self) -> Option<&str> {
        self.principal.as_ref()?.client_id.as_deref()
    }
}

/// The line without its newline.
pub(crate) fn trim(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_another_format_has_no_fields() {
        let line = br#"{"ts":"2026-11-21T08:00:00.250Z","decision":"allow","target":"a\nb","principal":{"iss":"i","sub":"s"},"new":[1]}"#;
        let fields = Fields::of(line);
        assert_eq!(fields.at(), Some(Duration::from_millis(1_795_248_000_250)));
        assert_eq!(fields.decision.as_deref(), Some("allow"));
        assert_eq!(fields.target.as_deref(), Some("a\nb"));
        assert_eq!((fields.issuer(), fields.subject()), (Some("i"), Some("s")));
        for other in ["CEF:0|portcullis|…", "", "[]", r#"{"decision":1}"#, "null"] {
            let fields = Fields::of(other.as_bytes());
            assert!(fields.at().is_none() && fields.decision.is_none(), "{other}");
        }
    }
}
