//! One question to an introspection endpoint (RFC 7662 §2.1).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{StatusCode, Uri};

use super::answer::{Answer, read};
use super::flight::Outcome;
use super::{ClientAuth, Introspection};
use crate::discovery::Found;
use crate::fetch::{FetchError, HttpClient, Posted, check_url};
use crate::{ConfigError, Issuer};

/// The longest answer that is read, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// The least time between two lines about failures: senders of tokens can cause them.
const SILENCE: Duration = Duration::from_secs(60);

/// Asks one issuer.
pub(super) struct Asker {
    http: HttpClient,
    auth: ClientAuth,
    issuer: String,
    place: Place,
    /// From when on the next failure is worth a line, in seconds since the Unix epoch.
    next_line: AtomicU64,
}

/// Where to ask.
enum Place {
    Known(Uri),
    /// With the issuer's own URL.
    Metadata {
        found: Found,
        issuer: Uri,
        internal: bool,
    },
}

impl Asker {
    pub(super) fn new(
        issuer: &Issuer,
        settings: &Introspection,
        found: &Found,
    ) -> Result<Self, ConfigError> {
        let (name, internal) = (&issuer.name, issuer.internal);
        let place = match &settings.endpoint {
            Some(url) => Place::Known(check_url(url, internal).map_err(|error| {
                ConfigError::new(format!("the introspection endpoint of {name}: {error}"))
            })?),
            None => {
                let issuer = check_url(name, internal)?;
                Place::Metadata { found: Arc::clone(found), issuer, internal }
            }
        };
        let (Place::Known(url) | Place::Metadata { issuer: url, .. }) = &place;
        Ok(Self {
            http: HttpClient::new(url, internal)?,
            auth: settings.auth.clone(),
            issuer: name.clone(),
            place,
            next_line: AtomicU64::new(0),
        })
    }

    /// Whether it is known where to ask.
    pub(super) fn has_endpoint(&self) -> bool {
        match &self.place {
            Place::Known(_) => true,
            Place::Metadata { found, .. } => found.load().is_some(),
        }
    }

    /// Asks about `token`. Sets no time limit.
    pub(super) async fn ask(&self, token: &str, now: Duration) -> Result<Outcome, FetchError> {
        let url = self.endpoint()?;
        let fields = [("token", token), ("token_type_hint", "access_token")];
        let signed = self
            .auth
            .sign(&fields, &self.issuer, now)
            .ok_or_else(|| FetchError::new("our client authentication cannot be made"))?;
        match self.http.post_form(&url, signed.form, signed.authorization, MAX_BODY).await? {
            Posted::Json(body) => match read(&body) {
                Some(Answer::Active(claims)) => Ok(Outcome::Active(claims)),
                Some(Answer::Inactive) => Ok(Outcome::Inactive),
                None => Err(FetchError::new("the answer is not a strict JSON object with active")),
            },
            Posted::Status(status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)) => {
                Err(FetchError::new(format!("our client credentials are refused: {status}")))
            }
            Posted::Status(status) => Err(FetchError::new(format!("the status is {status}"))),
        }
    }

    /// Writes why a question failed into the log, once in a while.
    pub(super) fn report(&self, error: &FetchError, now: Duration) {
        let next = now.saturating_add(SILENCE).as_secs();
        let due = |line: u64| (line <= now.as_secs()).then_some(next);
        if self.next_line.fetch_update(Ordering::Relaxed, Ordering::Relaxed, due).is_ok() {
            tracing::error!(issuer = self.issuer, %error, "cannot ask about tokens");
        }
    }

    fn endpoint(&self) -> Result<Uri, FetchError> {
        let (found, issuer, internal) = match &self.place {
            Place::Known(url) => return Ok(url.clone()),
            Place::Metadata { found, issuer, internal } => (found, issuer, *internal),
        };
        let metadata = found.load_full().ok_or_else(|| FetchError::new("there is no metadata"))?;
        let url = metadata
            .introspection_endpoint()
            .ok_or_else(|| FetchError::new("the metadata has no introspection_endpoint"))?;
        let url = check_url(url, internal)
            .map_err(|error| FetchError::new(format!("introspection_endpoint: {error}")))?;
        if url.scheme_str() != Some("https") && url.authority() != issuer.authority() {
            return Err(FetchError::new(
                "introspection_endpoint leads to another host without TLS",
            ));
        }
        Ok(url)
    }
}
