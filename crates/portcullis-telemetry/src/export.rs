//! Where durations go besides our own histograms.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use crate::family::Metric;

type Hook = Box<dyn Fn(&'static Metric, &[&str], Duration) + Send + Sync>;

/// OpenTelemetry has no histograms that are read when they are exported, so durations are told to it
/// as they happen. Everything else it reads from us.
#[derive(Default)]
pub(crate) struct Export(OnceLock<Hook>);

impl Export {
    #[cfg_attr(not(feature = "opentelemetry"), expect(dead_code, reason = "nobody to tell"))]
    pub(crate) fn to(&self, hook: Hook) -> bool {
        self.0.set(hook).is_ok()
    }

    pub(crate) fn record(&self, metric: &'static Metric, labels: &[&str], took: Duration) {
        if let Some(hook) = self.0.get() {
            hook(metric, labels, took);
        }
    }
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Export").field(&self.0.get().is_some()).finish()
    }
}
