//! Splunk's HTTP Event Collector.

use std::fmt;
use std::io;
use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;

use super::batch::Batch;
use super::client::{Answer, Client};
use super::settings::{Settings, setters};
use super::sink::{Form as Any, HttpSink};
use crate::ConfigError;
use crate::retry::Fault;

const CHANNEL: HeaderName = HeaderName::from_static("x-splunk-request-channel");
/// How long after the events the first question is whether they are indexed, and the longest time between
/// two: indexers are slow, and Splunk asks for at most a few questions a second.
const FIRST_QUESTION: Duration = Duration::from_millis(100);
const LONGEST_BETWEEN: Duration = Duration::from_secs(2);

/// Splunk's HTTP Event Collector, or one that speaks as it does.
///
/// ```
/// use portcullis_audit_sinks::Splunk;
///
/// # fn token() -> String { "00000000-0000-0000-0000-000000000000".into() }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # #[cfg(feature = "aws-lc-rs")] {
/// let sink = Splunk::new("https://splunk.example.com:8088", token())
///     .index("mcp_audit")
///     .acknowledged()
///     .build()?;
/// # }
/// # Ok(())
/// # }
/// ```
///
/// Each record is one event, whose `event` is the record's own JSON.
#[derive(Clone)]
#[must_use = "nothing is sent until a sink is built and handed to the audit layer"]
pub struct Splunk {
    settings: Settings,
    token: String,
    acknowledged: bool,
    index: Option<String>,
    source: String,
    source_type: String,
    host: Option<String>,
}

setters!(Splunk);

impl Splunk {
    /// The collector at `url`, without the path `/services/collector`; `token` is never shown.
    pub fn new(url: impl Into<String>, token: impl Into<String>) -> Self {
        Self {
            settings: Settings::new(url.into()),
            token: token.into(),
            acknowledged: false,
            index: None,
            source: "portcullis".into(),
            source_type: "portcullis:audit".into(),
            host: None,
        }
    }

    /// Also waits until the events are indexed, before anyone is told that a decision is on record. The token
    /// must have indexer acknowledgement turned on. Acknowledgements take Splunk some seconds: set the
    /// [timeout](crate::Retry::timeout) of the [`retry`](Self::retry) to what you will wait. Events that were
    /// not acknowledged by then are sent again.
    pub fn acknowledged(mut self) -> Self {
        self.acknowledged = true;
        self
    }

    /// The index; the token's own if this is not called.
    pub fn index(mut self, name: impl Into<String>) -> Self {
        self.index = Some(name.into());
        self
    }

    /// The source: `portcullis` by default.
    pub fn source(mut self, name: impl Into<String>) -> Self {
        self.source = name.into();
        self
    }

    /// The source type: `portcullis:audit` by default.
    pub fn source_type(mut self, name: impl Into<String>) -> Self {
        self.source_type = name.into();
        self
    }

    /// The host that events come from; Splunk's own guess if this is not called.
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.host = Some(name.into());
        self
    }

    /// The sink. It connects when the first record comes.
    ///
    /// # Errors
    /// The URL is not one that is allowed, the token or a header is not one, there is no library for TLS, or
    /// the system gives no random bytes.
    pub fn build(self) -> Result<HttpSink, ConfigError> {
        let fault = || ConfigError::new("the token of Splunk is not one");
        if self.token.is_empty() || !self.token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(fault());
        }
        let (client, path, mut headers) = self.settings.open("/services/collector")?;
        let mut token =
            HeaderValue::try_from(format!("Splunk {}", self.token)).map_err(|_| fault())?;
        token.set_sensitive(true);
        headers.insert(AUTHORIZATION, token);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.acknowledged {
            let channel = HeaderValue::try_from(channel()?).map_err(|_| fault())?;
            headers.insert(CHANNEL, channel);
        }
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let mut common =
            format!("\"source\":{},\"sourcetype\":{}", text(&self.source), text(&self.source_type));
        for (name, value) in [("index", &self.index), ("host", &self.host)] {
            if let Some(value) = value {
                common.push_str(&format!(",\"{name}\":{}", text(value)));
            }
        }
        let form = Form { common, acknowledged: self.acknowledged };
        Ok(HttpSink::new(Any::Splunk(form), (client, path, headers), self.settings.retry))
    }
}

// By hand: the token stays out of it.
impl fmt::Debug for Splunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Splunk").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// A name for this sink's events: a random UUID (RFC 9562 §5.4), as Splunk asks for.
fn channel() -> Result<String, ConfigError> {
    let mut random = [0; 16];
    portcullis_crypto::fill_random(&mut random)
        .map_err(|_| ConfigError::new("no random bytes to be had"))?;
    let number = u128::from_be_bytes(random);
    let number = number & !(0xf << 76) | (4 << 76);
    let number = number & !(0b11 << 62) | (0b10 << 62);
    let hex = format!("{number:032x}");
    let mut text = String::with_capacity(36);
    for (index, digit) in hex.chars().enumerate() {
        if matches!(index, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    Ok(text)
}

#[derive(Clone, Debug)]
pub(super) struct Form {
    /// Members that are the same for every event.
    common: String,
    acknowledged: bool,
}

#[derive(Debug, Default, Deserialize)]
struct Said {
    code: Option<i64>,
    #[serde(rename = "ackId")]
    ack_id: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
struct Acks {
    #[serde(default)]
    acks: std::collections::BTreeMap<String, bool>,
}

impl Form {
    pub(super) fn append(&self, batch: &mut Batch, at: Duration, line: &[u8]) -> io::Result<()> {
        let body = &mut batch.body;
        let millis = at.subsec_millis();
        write!(body, "{{\"time\":{}.{millis:03},{},\"event\":", at.as_secs(), self.common)?;
        // A line in another format than JSON is a string.
        if serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok() {
            body.extend_from_slice(line);
        } else {
            serde_json::to_writer(&mut *body, &String::from_utf8_lossy(line))?;
        }
        body.push(b'}');
        Ok(())
    }

    pub(super) async fn carry(
        &self,
        client: &mut Client,
        path: &str,
        headers: HeaderMap,
        batch: &Batch,
    ) -> Result<(), Fault> {
        let events = format!("{path}/event");
        let body = Bytes::copy_from_slice(&batch.body);
        let answer = client.post(&events, headers.clone(), body).await?;
        let Some(id) = judge(&answer, self.acknowledged)? else { return Ok(()) };

        // The time limit of the attempt ends this.
        let (ack, question) = (format!("{path}/ack"), format!("{{\"acks\":[{id}]}}"));
        let mut wait = FIRST_QUESTION;
        loop {
            tokio::time::sleep(wait).await;
            wait = wait.saturating_mul(2).min(LONGEST_BETWEEN);
            let body = Bytes::from(question.clone());
            let answer = client.post(&ack, headers.clone(), body).await?;
            if answer.status != StatusCode::OK {
                return Err(answer.fault());
            }
            let said: Acks = serde_json::from_slice(&answer.body).unwrap_or_default();
            if said.acks.get(&id.to_string()) == Some(&true) {
                return Ok(());
            }
        }
    }
}

/// The number to ask about, where there is one.
fn judge(answer: &Answer, acknowledged: bool) -> Result<Option<u64>, Fault> {
    let said: Said = serde_json::from_slice(&answer.body).unwrap_or_default();
    if answer.status != StatusCode::OK {
        return Err(answer.fault());
    }
    // Anything in between that answers 200 is not Splunk.
    if said.code != Some(0) {
        return Err(Fault::last(io::ErrorKind::InvalidData, "the answer is not one of Splunk's"));
    }
    match (acknowledged, said.ack_id) {
        (false, _) => Ok(None),
        (true, Some(id)) => Ok(Some(id)),
        (true, None) => Err(Fault::last(
            io::ErrorKind::Unsupported,
            "the Splunk token has no indexer acknowledgement",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &'static str) -> Answer {
        let status = StatusCode::from_u16(status).unwrap();
        Answer { status, after: None, body: Bytes::from_static(body.as_bytes()) }
    }

    /// What Splunk documents for its collector.
    #[test]
    fn answers_are_read_as_documented() {
        let rows = [
            (200, r#"{"text":"Success","code":0}"#, false, Ok(None)),
            (200, r#"{"text":"Success","code":0,"ackId":7}"#, false, Ok(None)),
            (200, r#"{"text":"Success","code":0,"ackId":7}"#, true, Ok(Some(7))),
            (200, r#"{"text":"Success","code":0}"#, true, Err(false)),
            (200, "<html>sign in</html>", false, Err(false)),
            (
                400,
                r#"{"text":"Incorrect index","code":7,"invalid-event-number":0}"#,
                false,
                Err(false),
            ),
            (400, r#"{"text":"ACK is disabled","code":14}"#, true, Err(false)),
            (401, r#"{"text":"Token is required","code":2}"#, false, Err(false)),
            (403, r#"{"text":"Invalid token","code":4}"#, false, Err(false)),
            (429, "", false, Err(true)),
            (500, r#"{"text":"Internal server error","code":8}"#, false, Err(true)),
            (503, r#"{"text":"Server is busy","code":9}"#, false, Err(true)),
        ];
        for (status, body, acknowledged, expected) in rows {
            let judged = judge(&answer(status, body), acknowledged).map_err(|fault| fault.again);
            assert_eq!(judged, expected, "{status} {body}");
        }
    }

    #[test]
    fn a_record_is_one_event() {
        let form = Form { common: "\"source\":\"x\"".into(), acknowledged: false };
        let mut batch = Batch::default();
        let at = Duration::from_millis(1_795_248_000_050);
        form.append(&mut batch, at, br#"{"a":1}"#).unwrap();
        form.append(&mut batch, at, b"CEF:0|\"x\"").unwrap();
        assert_eq!(
            String::from_utf8(batch.body).unwrap(),
            "{\"time\":1795248000.050,\"source\":\"x\",\"event\":{\"a\":1}}\
             {\"time\":1795248000.050,\"source\":\"x\",\"event\":\"CEF:0|\\\"x\\\"\"}"
        );
    }

    #[test]
    fn a_channel_is_a_random_uuid() {
        let (one, two) = (channel().unwrap(), channel().unwrap());
        assert_ne!(one, two);
        let parts: Vec<_> = one.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12], "{one}");
        let digit = |place: usize| one.chars().nth(place).unwrap();
        assert!(digit(14) == '4' && matches!(digit(19), '8' | '9' | 'a' | 'b'), "{one}");
    }

    #[test]
    fn the_token_is_not_shown() {
        let splunk = Splunk::new("https://s.example", "hunter2");
        assert!(!format!("{splunk:?}").contains("hunter"));
        assert!(Splunk::new("http://127.0.0.1", "a\nb").build().is_err());
        assert!(Splunk::new("http://127.0.0.1", "").build().is_err());
        let sink = Splunk::new("http://127.0.0.1", "hunter2").build().unwrap();
        assert!(!format!("{sink:?}").contains("hunter"));
    }
}
