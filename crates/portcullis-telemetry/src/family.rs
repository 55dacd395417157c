//! The metrics that there are, and what they say now.

use crate::instrument::Distribution;

/// What kind of number a metric is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum MetricKind {
    /// It only grows, until the process ends.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How long things took.
    Histogram,
}

impl MetricKind {
    /// The word for it in Prometheus's text format.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric: its name, what it means and which labels it has. [`METRICS`] has all of them.
#[derive(Debug)]
#[non_exhaustive]
pub struct Metric {
    /// The name in Prometheus. Histograms add `_bucket`, `_sum` and `_count`.
    pub name: &'static str,
    /// What it says.
    pub help: &'static str,
    /// What kind of number it is.
    pub kind: MetricKind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
}

macro_rules! metrics {
    ($($constant:ident: $kind:ident $name:literal [$($label:literal)*] $help:literal;)+) => {
        $(pub(crate) static $constant: Metric = Metric {
            name: concat!("portcullis_", $name),
            help: $help,
            kind: MetricKind::$kind,
            labels: &[$($label),*],
        };)+

        /// Every metric that there is, for checking dashboards and alerts against.
        pub static METRICS: &[&Metric] = &[$(&$constant),+];
    };
}

metrics! {
    REQUESTS: Counter "requests_total" ["route" "outcome" "status"]
        "HTTP requests by what came of them. Streams of server messages count when they open, others when their answer has ended.";
    DECISIONS: Counter "decisions_total" ["route" "method" "decision" "reason"]
        "Decisions about MCP messages, one for each message of a batch.";
    TOOL_CALLS: Counter "tool_calls_total" ["route" "tool" "decision"]
        "Decisions about tools/call. Tools that policy does not spell out are counted as other.";
    HIDDEN: Counter "hidden_items_total" ["route" "kind"]
        "Items that were left out of lists and results because their caller may not use them.";
    VIOLATIONS: Counter "service_violations_total" ["route" "reason"]
        "Answers of the service behind the gate that broke the protocol, so that something was withheld.";
    IN_FLIGHT: Gauge "requests_in_flight" ["route"]
        "HTTP requests whose answer has not ended, streams included.";
    STREAMS: Gauge "streams_open" ["route"]
        "Answers that are event streams and have not ended.";
    DECISION_TIME: Histogram "decision_duration_seconds" ["route"]
        "From the arrival of a request to the decision about it: sign-in, reading, inspection, policy.";
    POLICY_TIME: Histogram "policy_duration_seconds" ["route"]
        "From the end of inspection to the decision.";
    ADDED_TIME: Histogram "added_duration_seconds" ["route"]
        "What the gate added until the head of the answer: all the time that the service behind it did not take.";
    REQUEST_TIME: Histogram "request_duration_seconds" ["route" "method"]
        "From the arrival of a request to the head of its answer.";
    KEYS_AGE: Gauge "jwks_age_seconds" ["route" "issuer"]
        "How long ago the keys of an issuer were fetched.";
    KEYS_LEFT: Gauge "jwks_usable_seconds" ["route" "issuer"]
        "How much longer the keys of an issuer may be used if they cannot be fetched again.";
    KEYS_USABLE: Gauge "jwks_usable" ["route" "issuer"]
        "Whether signatures of an issuer can be verified: 1 or 0.";
    KEYS_FETCHES: Counter "jwks_fetches_total" ["route" "issuer" "result"]
        "Fetches of the keys of an issuer.";
    KEYS_CHANGES: Counter "jwks_changes_total" ["route" "issuer"]
        "How often the keys of an issuer became others.";
    CACHE_LOOKUPS: Counter "token_cache_lookups_total" ["route" "result"]
        "Tokens that were looked for among those verified before.";
    CACHE_ENTRIES: Gauge "token_cache_entries" ["route"]
        "Verified tokens that are remembered.";
    SINK_QUEUED: Gauge "audit_queue_depth" ["route" "sink"]
        "Audit records that wait for a sink.";
    SINK_CAPACITY: Gauge "audit_queue_capacity" ["route" "sink"]
        "How many audit records may wait for a sink.";
    SINK_LOST: Counter "audit_records_lost_total" ["route" "sink"]
        "Audit records that a sink never got.";
    SINK_ACCEPTING: Gauge "audit_sink_accepting" ["route" "sink"]
        "Whether a sink takes records: 1 or 0.";
    POLICY_AGE: Gauge "policy_age_seconds" ["route"]
        "How long the policy has been in force.";
    POLICY_LOADS: Counter "policy_loads_total" ["route"]
        "Versions of the policy that have been in force.";
    POLICY_FAILURES: Counter "policy_reload_failures_total" ["route"]
        "Newer versions of the policy that could not be used.";
    POLICY_FAILING: Gauge "policy_reload_failing" ["route"]
        "Whether the newest version of the policy cannot be used, so that an older one is in force: 1 or 0.";
    ROSTER_AGE: Gauge "roster_blocks_age_seconds" ["route"]
        "How old the list of blocked people is.";
    ROSTER_BLOCKED: Gauge "roster_blocked" ["route"]
        "How many people are blocked.";
    ROSTER_FAILING: Gauge "roster_failing" ["route"]
        "Whether the store of the roster is out of reach: 1 or 0.";
    ROSTER_LOST: Counter "roster_lost_total" ["route"]
        "Requests that will never be on the roster.";
    EXPIRES: Gauge "expiry_timestamp_seconds" ["route" "kind" "name"]
        "When a certificate or a key runs out, in seconds since 1970.";
    READY: Gauge "ready" []
        "What /ready says: 1 or 0.";
    WARNINGS: Gauge "warnings" ["warning"]
        "Warnings that /ready gives, by their code.";
    UPTIME: Gauge "uptime_seconds" []
        "How long the process has been measured.";
    BUILD: Gauge "build_info" ["version"]
        "Always 1.";
}

/// A metric and all that it says now.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) metric: &'static Metric,
    pub(crate) samples: Vec<Sample>,
}

/// One number, or one distribution, and what its labels say.
#[derive(Debug)]
pub(crate) struct Sample {
    /// In the order of the metric's labels.
    pub(crate) labels: Vec<String>,
    pub(crate) value: Value,
}

#[derive(Debug)]
pub(crate) enum Value {
    Whole(u64),
    Real(f64),
    Spread(Distribution),
}

impl Family {
    pub(crate) fn new(metric: &'static Metric) -> Self {
        Self { metric, samples: Vec::new() }
    }

    pub(crate) fn add(&mut self, labels: &[&str], value: Value) {
        debug_assert_eq!(labels.len(), self.metric.labels.len(), "{}", self.metric.name);
        let labels = labels.iter().map(|&label| label.to_owned()).collect();
        self.samples.push(Sample { labels, value });
    }
}

impl Sample {
    /// The labels as pairs of name and value.
    pub(crate) fn pairs(&self, metric: &Metric) -> impl Iterator<Item = (&'static str, &str)> {
        metric.labels.iter().copied().zip(self.labels.iter().map(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_prometheus() {
        let mut names = std::collections::HashSet::new();
        for metric in METRICS {
            let Metric { name, help, kind, labels } = metric;
            assert!(names.insert(*name), "{name} twice");
            assert!(help.ends_with('.') && !help.contains('\n'), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == MetricKind::Counter, "{name}");
            let timed = name.ends_with("_duration_seconds");
            assert_eq!(timed, *kind == MetricKind::Histogram, "{name}");
            for word in labels.iter().chain([name]) {
                let plain = |c: char| c.is_ascii_lowercase() || c == '_';
                assert!(word.chars().all(plain), "{word}");
            }
            // Nobody's identity is a label.
            for label in *labels {
                assert!(!["sub", "subject", "user", "client", "principal"].contains(label));
            }
        }
    }
}
