//! A decision point outside the process: where it is and how it is asked. Settings.

mod cache;
mod client;
mod desk;
mod lists;
mod question;

use std::fmt;
use std::time::Duration;

use http::{HeaderValue, Uri};
use portcullis_core::Clock;

use crate::ConfigError;

pub(crate) use client::Client;
pub use desk::Asking;
pub(crate) use desk::Desk;
pub(crate) use question::{Listed, Names, Question, Wire};

/// The longest that an answer is used (R-219).
const MAX_CACHE: Duration = Duration::from_secs(60);
/// The longest that a caller waits for an answer.
const MAX_TIMEOUT: Duration = Duration::from_secs(30);
/// The bytes of remembered questions, and about how many those are.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;

/// A decision point outside the process, asked over HTTP: where it is, and how patient we are.
///
/// ```
/// use std::time::Duration;
///
/// use portcullis_engines::DecisionPoint;
///
/// # fn secret() -> String { "secret".into() }
/// let point = DecisionPoint::new("https://pdp.example.com")
///     .bearer_token(secret())
///     .timeout(Duration::from_secs(1))
///     .cache_for(Duration::from_secs(10));
/// ```
///
/// Whatever goes wrong is a denial with the reason `pdp_unavailable` (R-200), and is not remembered:
/// no connection, no answer in time, a status other than 200, an answer that is too large or not
/// what the protocol says. The log says why, once a minute at most. Redirects are not followed.
///
/// The decision point sees who calls and what they call. It must be one you trust with that, and
/// so must the way to it: `https` only, verified with the platform's root certificates, or `http` to
/// a loopback address.
#[derive(Clone)]
#[must_use = "nothing is asked until an engine is given this"]
pub struct DecisionPoint {
    url: String,
    token: Option<String>,
    plain_http: bool,
    timeout: Duration,
    cache_for: Duration,
    cache_bytes: u64,
    in_flight: usize,
    clock: Clock,
}

impl DecisionPoint {
    /// The decision point whose paths start at `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            token: None,
            plain_http: false,
            timeout: Duration::from_secs(2),
            cache_for: Duration::from_secs(5),
            cache_bytes: CACHE_BYTES,
            in_flight: 32,
            clock: Clock::system(),
        }
    }

    /// Sends `token` with each request, as `Authorization: Bearer`. It is never shown.
    pub fn bearer_token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// How long a question may take, all in all: 2 seconds by default, 30 at most.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = time;
        self
    }

    /// For how long an answer is used without asking again, and so how late a change at the decision
    /// point is noticed: 5 seconds by default, 60 at most, and never past the end of the caller's
    /// token. Zero asks each time. Yes and no are remembered alike, errors are not (R-219).
    ///
    /// An answer counts for exactly the question: the same caller with the same token contents, the
    /// same action on the same target, and the same arguments where arguments are sent.
    pub fn cache_for(mut self, time: Duration) -> Self {
        self.cache_for = time;
        self
    }

    /// How much memory remembered questions may take, in bytes: 16 MiB by default. What is seldom
    /// asked makes room.
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// How many requests may be under way at once: 32 by default. Eight times as many questions may
    /// wait for their turn; further ones are denied at once. Lists and batches, of all callers, have at most
    /// half of the requests, so that calls get through beside them; they wait for their turn, each request
    /// as long as [`timeout`](Self::timeout) says.
    pub fn max_in_flight(mut self, requests: usize) -> Self {
        self.in_flight = requests;
        self
    }

    /// Takes the time from `clock`.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Allows `http` to addresses that are not loopback.
    ///
    /// Danger: whoever is on the way can read who calls what, read the credential, and answer yes.
    pub fn danger_plain_http(mut self) -> Self {
        self.plain_http = true;
        self
    }

    /// The URL, as it was given.
    #[cfg(feature = "authzen")]
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// How long a question may take.
    pub(crate) fn patience(&self) -> Duration {
        self.timeout
    }

    /// Refuses settings that cannot be honoured.
    fn check(&self) -> Result<(), ConfigError> {
        let fault = if self.timeout.is_zero() || self.timeout > MAX_TIMEOUT {
            "the timeout of a decision point is more than nothing and at most 30 seconds"
        } else if self.cache_for > MAX_CACHE {
            "answers of a decision point are used for at most 60 seconds"
        } else if !(1..=10_000).contains(&self.in_flight) {
            "between 1 and 10 000 requests to a decision point may be under way"
        } else {
            return Ok(());
        };
        Err(ConfigError::new(fault))
    }

    fn credential(&self) -> Result<Option<HeaderValue>, ConfigError> {
        let Some(token) = &self.token else { return Ok(None) };
        let fault = || ConfigError::new("the credential of the decision point is not a token");
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(fault());
        }
        let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| fault())?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

// By hand: the credential stays out of it, and so does one that somebody put into the URL.
impl fmt::Debug for DecisionPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url: Option<Uri> = self.url.parse().ok();
        f.debug_struct("DecisionPoint")
            .field("host", &url.as_ref().and_then(Uri::host))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_credential_is_shown() {
        for url in ["https://user:hush@pdp.example.com/", "https://user:hush@[pdp"] {
            let point = DecisionPoint::new(url).bearer_token("hush");
            let shown = format!("{point:?}");
            assert!(!shown.contains("hush"), "{shown}");
        }
        let shown = format!("{:?}", DecisionPoint::new("https://pdp.example.com/x"));
        assert!(shown.contains("pdp.example.com"), "{shown}");
    }
}
