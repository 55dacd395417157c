//! OpenTelemetry logs (OTLP over HTTP, in JSON).

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::batch::Batch;
use super::client::Answer;
use super::settings::{Settings, setters};
use super::sink::{Form as Any, HttpSink};
use crate::ConfigError;
use crate::fields::Fields;
use crate::retry::Fault;

/// An OpenTelemetry collector, or anything else that takes OTLP logs over HTTP.
///
/// Each record is one log record: its body is the record's own line, `eventName` is
/// `portcullis.audit.` and its kind, and attributes have the words to search by (`event_id`, `request_id`,
/// `decision`, `reason`, `method`, `target`, `iss`, `sub`, `client_id`, `http_status`). It belongs to
/// the trace that the record names: `gate_trace_id`, or else the client's `trace_id`.
///
/// Written by hand, because the exporters of the OpenTelemetry SDK do not say which records a collector
/// rejected: a flush would promise more than is known.
#[derive(Clone, Debug)]
#[must_use = "nothing is sent until a sink is built and handed to the audit layer"]
pub struct Otlp {
    settings: Settings,
    service: String,
    attributes: Vec<(String, String)>,
}

setters!(Otlp);

impl Otlp {
    /// The collector at `url`, without the path `/v1/logs`; its port is usually 4318.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            settings: Settings::new(url.into()),
            service: "portcullis".into(),
            attributes: Vec::new(),
        }
    }

    /// The name of this service (`service.name`): `portcullis` by default.
    pub fn service_name(mut self, name: impl Into<String>) -> Self {
        self.service = name.into();
        self
    }

    /// Adds an attribute of the resource, such as `deployment.environment.name`.
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push((name.into(), value.into()));
        self
    }

    /// The sink. It connects when the first record comes.
    ///
    /// # Errors
    /// The URL is not one that is allowed, a header is not one, or there is no library for TLS.
    pub fn build(self) -> Result<HttpSink, ConfigError> {
        let (client, path, mut headers) = self.settings.open("/v1/logs")?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let mut attributes = vec![attribute("service.name", &self.service)];
        attributes.extend(self.attributes.iter().map(|(name, value)| attribute(name, value)));
        let resource = json!({ "attributes": attributes });
        let scope = json!({ "name": "portcullis-audit", "version": env!("CARGO_PKG_VERSION") });
        let before = format!(
            "{{\"resourceLogs\":[{{\"resource\":{resource},\"scopeLogs\":[{{\"scope\":{scope},\"logRecords\":["
        );
        let form = Form { before: before.into() };
        Ok(HttpSink::new(Any::Otlp(form), (client, path, headers), self.settings.retry))
    }
}

#[derive(Clone, Debug)]
pub(super) struct Form {
    before: std::sync::Arc<str>,
}

impl Form {
    pub(super) fn body(&self, batch: &Batch) -> Bytes {
        Bytes::from([self.before.as_bytes(), &batch.body, b"]}]}]}"].concat())
    }
}

fn attribute(name: &str, value: &str) -> Value {
    json!({ "key": name, "value": { "stringValue": value } })
}

/// Adds a log record. Numbers of 64 bits are strings in OTLP's JSON, and ids are hexadecimal.
pub(super) fn append(
    batch: &mut Batch,
    kind: &str,
    event_id: &str,
    at: Duration,
    fields: &Fields<'_>,
    line: &[u8],
) -> io::Result<()> {
    let texts = [
        ("event_id", Some(event_id)),
        ("request_id", fields.request_id.as_deref()),
        ("decision", fields.decision.as_deref()),
        ("reason", fields.reason.as_deref()),
        ("method", fields.method.as_deref()),
        ("target", fields.target.as_deref()),
        ("result_type", fields.result_type.as_deref()),
        ("iss", fields.issuer()),
        ("sub", fields.subject()),
        ("client_id", fields.client_id()),
    ];
    let texts = texts.into_iter().filter_map(|(name, value)| Some(attribute(name, value?)));
    let mut attributes: Vec<Value> = texts.collect();
    if let Some(status) = fields.http_status {
        attributes
            .push(json!({ "key": "http_status", "value": { "intValue": status.to_string() } }));
    }
    let (number, text) = severity(kind, fields);
    let time = at.as_nanos().to_string();
    let mut record = json!({
        "timeUnixNano": time,
        "observedTimeUnixNano": time,
        "severityNumber": number,
        "severityText": text,
        "eventName": format!("portcullis.audit.{kind}"),
        "body": { "stringValue": String::from_utf8_lossy(line) },
        "attributes": attributes,
    });
    let trace = fields.gate_trace_id.as_deref().or(fields.trace_id.as_deref());
    if let Some(id) = trace.filter(|id| is_trace_id(id))
        && let Some(record) = record.as_object_mut()
    {
        record.insert("traceId".into(), id.into());
    }
    if !batch.body.is_empty() {
        batch.body.push(b',');
    }
    serde_json::to_writer(&mut batch.body, &record)?;
    Ok(())
}

fn is_trace_id(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()) && id.bytes().any(|b| b != b'0')
}

/// The number and the word of OpenTelemetry's logs data model.
fn severity(kind: &str, fields: &Fields<'_>) -> (u8, &'static str) {
    match (kind, fields.decision.as_deref()) {
        ("gap", _) => (18, "ERROR2"),
        (_, Some("error")) => (17, "ERROR"),
        ("suppressed", _) | (_, Some("deny" | "challenge")) => (13, "WARN"),
        _ => (9, "INFO"),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Said {
    partial_success: Option<Partial>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Partial {
    /// A string by the rules of protocol buffers; some collectors send a number.
    rejected_log_records: Option<Value>,
}

/// Whether the collector has all of them. A partial success is final: what was accepted must not be sent again.
pub(super) fn judge(answer: &Answer) -> Result<(), Fault> {
    match answer.status {
        StatusCode::OK => {}
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => return Err(answer.fault()),
        _ => return Err(Fault { again: false, after: None, ..answer.fault() }),
    }
    let said = match answer.body.trim_ascii() {
        [] => Said::default(),
        // Whatever else answers, such as a proxy's page to sign in, has taken nothing.
        body => serde_json::from_slice(body).ok().filter(|_| body.starts_with(b"{")).ok_or_else(
            || Fault::last(io::ErrorKind::InvalidData, "the answer is not one of a collector"),
        )?,
    };
    let rejected = said.partial_success.and_then(|partial| partial.rejected_log_records);
    match rejected {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(count)) if count == "0" => Ok(()),
        Some(Value::Number(count)) if count.as_i64() == Some(0) => Ok(()),
        Some(_) => {
            Err(Fault::last(io::ErrorKind::InvalidData, "the collector rejected log records"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejected_record_is_not_a_success() {
        let rows = [
            (200, "", Ok(())),
            (200, "{}", Ok(())),
            (200, r#"{"partialSuccess":{}}"#, Ok(())),
            (200, r#"{"partialSuccess":{"rejectedLogRecords":"0","errorMessage":"slow"}}"#, Ok(())),
            (200, r#"{"partialSuccess":{"rejectedLogRecords":0}}"#, Ok(())),
            (200, r#"{"partialSuccess":{"rejectedLogRecords":"2"}}"#, Err(false)),
            (200, r#"{"partialSuccess":{"rejectedLogRecords":2}}"#, Err(false)),
            (200, " \n", Ok(())),
            (200, r#"{"partialSuccess":null}"#, Ok(())),
            (200, "<html>sign in</html>", Err(false)),
            (200, r#"{"partialSuccess":{"#, Err(false)),
            (200, r#"{"partialSuccess":"x"}"#, Err(false)),
            (
                200,
                r#"{"partialSuccess":{"rejectedLogRecords":"2"},"partialSuccess":{}}"#,
                Err(false),
            ),
            (200, "[]", Err(false)),
            (200, "null", Err(false)),
            (202, "{}", Err(false)),
            (400, "", Err(false)),
            (408, "", Err(false)),
            (429, "", Err(true)),
            (500, "", Err(false)),
            (502, "", Err(true)),
            (503, "", Err(true)),
            (504, "", Err(true)),
        ];
        for (status, body, expected) in rows {
            let status = StatusCode::from_u16(status).unwrap();
            let answer = Answer { status, after: None, body: Bytes::from_static(body.as_bytes()) };
            assert_eq!(judge(&answer).map_err(|fault| fault.again), expected, "{status} {body}");
        }
    }

    #[test]
    fn a_record_is_a_log_record() {
        let form = Form { before: "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[".into() };
        let mut batch = Batch::default();
        let line = r#"{"gate_trace_id":"1af7651916cd43dd8448eb211c80319c","decision":"deny","http_status":200,"trace_id":"0af7651916cd43dd8448eb211c80319c","target":"a\nb"}"#;
        let at = Duration::from_millis(1_795_248_000_050);
        for line in [line, "CEF:0|"] {
            let fields = Fields::of(line.as_bytes());
            append(&mut batch, "decision", "id-1", at, &fields, line.as_bytes()).unwrap();
        }
        let body: Value = serde_json::from_slice(&form.body(&batch)).unwrap();
        let records = &body["resourceLogs"][0]["scopeLogs"][0]["logRecords"];
        assert_eq!(records[0]["timeUnixNano"], "1795248000050000000");
        assert_eq!(records[0]["body"]["stringValue"], line);
        assert_eq!(records[0]["traceId"], "1af7651916cd43dd8448eb211c80319c");
        assert_eq!(records[0]["severityText"], "WARN");
        assert_eq!(records[0]["attributes"][1]["value"]["stringValue"], "deny");
        assert_eq!(records[1]["body"]["stringValue"], "CEF:0|");
        assert!(records[1].get("traceId").is_none());
        assert!(!is_trace_id(&"0".repeat(32)) && !is_trace_id("xyz"));
    }
}
