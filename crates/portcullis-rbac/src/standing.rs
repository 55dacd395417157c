//! How it stands with an authorizer, for health checks and metrics.

use std::time::Duration;

use portcullis_core::Text;

/// How it stands with an authorizer; see [`Authorizer::standing`](crate::Authorizer::standing).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Standing {
    /// The tools that the policy spells out, patterns left out, in the order of their names. Metrics
    /// tell these apart and no others.
    pub tools: Vec<Text>,
    /// When the policy came into force, as time since the Unix epoch; `None` when nobody knows.
    pub loaded_at: Option<Duration>,
    /// How many versions have been in force, this one included; 0 for a policy that stays.
    pub loads: u64,
    /// How often a newer version could not be used: once for each error and not for each look.
    pub failures: u64,
    /// Since when a newer version cannot be used, as time since the Unix epoch. The one before it is
    /// in force.
    pub failing: Option<Duration>,
}

impl Standing {
    /// That of two authorizers which decide together: the tools of both, and whichever is worse off.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.tools.extend(other.tools);
        self.tools.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        self.tools.dedup();
        self.loaded_at = self.loaded_at.into_iter().chain(other.loaded_at).min();
        self.loads = self.loads.saturating_add(other.loads);
        self.failures = self.failures.saturating_add(other.failures);
        self.failing = self.failing.into_iter().chain(other.failing).min();
        self
    }
}
