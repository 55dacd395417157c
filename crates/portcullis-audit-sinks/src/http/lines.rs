//! Lines of JSON, for collectors that take the body as it is.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::batch::Batch;
use super::client::Answer;
use super::settings::{Settings, setters};
use super::sink::{Form as Any, HttpSink};
use crate::ConfigError;
use crate::retry::Fault;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A collector that takes one JSON object on each line of a body (`application/x-ndjson`), such as Vector,
/// Fluent Bit or a service of your own. Any answer of 2xx means that it has them all.
///
/// `Idempotency-Key` is the same for every attempt at the same records, so that a collector can tell.
#[derive(Clone, Debug)]
#[must_use = "nothing is sent until a sink is built and handed to the audit layer"]
pub struct HttpLines {
    settings: Settings,
}

setters!(HttpLines);

impl HttpLines {
    /// The collector that takes records at `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self { settings: Settings::new(url.into()) }
    }

    /// Sends `token` with each request, as `Authorization: Bearer`. It is never shown.
    pub fn bearer_token(self, token: impl AsRef<str>) -> Self {
        self.header("authorization", format!("Bearer {}", token.as_ref()))
    }

    /// The sink. It connects when the first record comes.
    ///
    /// # Errors
    /// The URL is not one that is allowed, a header is not one, or there is no library for TLS.
    pub fn build(self) -> Result<HttpSink, ConfigError> {
        let (client, path, mut headers) = self.settings.open("")?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        Ok(HttpSink::new(Any::Lines(Form), (client, path, headers), self.settings.retry))
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Form;

pub(super) fn append(batch: &mut Batch, line: &[u8]) {
    batch.body.extend_from_slice(line);
    batch.body.push(b'\n');
}

pub(super) fn with_key(mut headers: HeaderMap, batch: &Batch) -> HeaderMap {
    if let Ok(key) = HeaderValue::try_from(batch.key()) {
        headers.insert(IDEMPOTENCY_KEY, key);
    }
    headers
}

pub(super) fn judge(answer: &Answer) -> Result<(), Fault> {
    if answer.status.is_success() { Ok(()) } else { Err(answer.fault()) }
}
