//! How it stands with the parts of a gate, as metrics and health checks ask for it.

use std::time::Duration;

/// Says how it stands with a part of a gate. Asked for every scrape and every health check.
///
/// The `portcullis` crate has one for a whole gate.
pub trait Source: Send + Sync + 'static {
    /// Adds what there is to say. Must not block.
    fn report(&self, report: &mut Report);
}

impl<F: Fn(&mut Report) + Send + Sync + 'static> Source for F {
    fn report(&self, report: &mut Report) {
        self(report);
    }
}

/// What [sources](Source) say of one gate.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub(crate) keys: Vec<Keys>,
    pub(crate) cache: Option<TokenCache>,
    pub(crate) policy: Option<Policy>,
    pub(crate) roster: Option<Roster>,
    pub(crate) sinks: Vec<AuditSink>,
    pub(crate) expiries: Vec<Expiry>,
}

impl Report {
    /// Adds how it stands with the keys of an issuer.
    pub fn keys(&mut self, keys: Keys) {
        self.keys.push(keys);
    }

    /// Says how it stands with the cache of verified tokens.
    pub fn token_cache(&mut self, cache: TokenCache) {
        self.cache = Some(cache);
    }

    /// Says how it stands with the policy.
    pub fn policy(&mut self, policy: Policy) {
        self.policy = Some(policy);
    }

    /// Says how it stands with the roster of users.
    pub fn roster(&mut self, roster: Roster) {
        self.roster = Some(roster);
    }

    /// Adds how it stands with a sink of audit records.
    pub fn sink(&mut self, sink: AuditSink) {
        self.sinks.push(sink);
    }

    /// Adds when a certificate or a key runs out.
    pub fn expiry(&mut self, expiry: Expiry) {
        self.expiries.push(expiry);
    }
}

/// How it stands with the keys of one issuer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Keys {
    /// The issuer. It becomes a label: of those that are configured, never of a token.
    pub issuer: String,
    /// Whether the keys are fetched; if not, nothing below matters.
    pub fetched: bool,
    /// Whether signatures can be verified now.
    pub usable: bool,
    /// How long ago the keys were fetched.
    pub age: Option<Duration>,
    /// How much longer they may be used if they cannot be fetched again.
    pub usable_for: Duration,
    /// Whether the latest fetch failed.
    pub failing: bool,
    /// How many fetches have ended.
    pub fetches: u64,
    /// How many of them failed.
    pub failures: u64,
    /// How often the keys became others.
    pub changes: u64,
}

impl Keys {
    /// Keys of `issuer` that are usable and are not fetched.
    #[must_use]
    pub fn new(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
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

/// How it stands with the cache of verified tokens.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct TokenCache {
    /// How many it holds.
    pub entries: u64,
    /// How often a token was found in it.
    pub hits: u64,
    /// How often one was not.
    pub misses: u64,
}

/// How it stands with the policy.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Policy {
    /// When it came into force, as time since the Unix epoch.
    pub loaded_at: Option<Duration>,
    /// How many versions have been in force.
    pub loads: u64,
    /// How often a newer one could not be used.
    pub failures: u64,
    /// Since when a newer one cannot be used, as time since the Unix epoch.
    pub failing: Option<Duration>,
}

/// How it stands with the roster of users, and with its list of those who are blocked.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Roster {
    /// Whether its store fails, or does not answer.
    pub failing: bool,
    /// Whether the list of blocks is so old that nobody is let in.
    pub refusing: bool,
    /// How old the list of blocks is.
    pub blocks_age: Duration,
    /// How many people are blocked.
    pub blocked: u64,
    /// How many requests will never be on the roster.
    pub lost: u64,
}

/// How it stands with one sink of audit records.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AuditSink {
    /// What operators call it. It becomes a label.
    pub name: String,
    /// How many records wait.
    pub queued: u64,
    /// How many may wait.
    pub capacity: u64,
    /// How many records it never got.
    pub lost: u64,
    /// Whether it takes records now.
    pub accepting: bool,
    /// Whether requests are held up or refused when it does not.
    pub required: bool,
}

impl AuditSink {
    /// A sink that takes records, must take them, and has none waiting.
    #[must_use]
    pub fn new(name: impl Into<String>, capacity: u64) -> Self {
        Self { name: name.into(), queued: 0, capacity, lost: 0, accepting: true, required: true }
    }
}

/// When something runs out.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Expiry {
    /// What it is.
    pub kind: ExpiryKind,
    /// What operators call it. It becomes a label.
    pub name: String,
    /// When, as time since the Unix epoch; `None` when it cannot be read.
    pub at: Option<Duration>,
}

impl Expiry {
    /// A thing of `kind` called `name` that runs out `at`.
    #[must_use]
    pub fn new(kind: ExpiryKind, name: impl Into<String>, at: Option<Duration>) -> Self {
        Self { kind, name: name.into(), at }
    }
}

/// What runs out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ExpiryKind {
    /// An X.509 certificate.
    Certificate,
    /// A key, a client's secret.
    Key,
}

impl ExpiryKind {
    /// The word for it in labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Key => "key",
        }
    }
}
