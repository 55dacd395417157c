//! How it stands with keys and with the cache of tokens, for health checks and metrics.

use std::time::Duration;

/// How it stands with the keys of one issuer; one of
/// [`Verifier::key_status`](crate::Verifier::key_status).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct KeyStatus {
    /// The issuer.
    pub issuer: String,
    /// Whether the keys are fetched. Keys that are not are usable for ever, and have no numbers.
    pub fetched: bool,
    /// Whether signatures can be verified now. Tokens of an issuer whose keys are not usable are
    /// answered 503.
    pub usable: bool,
    /// How long ago the keys were fetched; `None` before they were for the first time.
    pub age: Option<Duration>,
    /// How much longer they may be used if they cannot be fetched again.
    pub usable_for: Duration,
    /// Whether the latest fetch failed.
    pub failing: bool,
    /// How many fetches have ended, those that failed included.
    pub fetches: u64,
    /// How many of them failed.
    pub failures: u64,
    /// How often the keys became others, the first time included.
    pub changes: u64,
}

impl KeyStatus {
    pub(crate) fn fixed(issuer: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            fetched: false,
            usable: true,
            age: None,
            usable_for: Duration::MAX,
            failing: false,
            fetches: 0,
            failures: 0,
            changes: 0,
        }
    }
}

/// How it stands with the cache of verified tokens; see
/// [`Verifier::token_cache_status`](crate::Verifier::token_cache_status).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct TokenCacheStatus {
    /// How many verified tokens it holds; some of them may be void.
    pub entries: u64,
    /// How often a token was found in it.
    pub hits: u64,
    /// How often one was not.
    pub misses: u64,
}
