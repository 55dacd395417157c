//! The handle that everything hangs on.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use portcullis_core::{Clock, Text};

use crate::export::Export;
use crate::family::{self, Family, Value};
use crate::ready::{self, Readiness, Warning};
use crate::report::{Report, Source};
use crate::route::{Families, Route};
use crate::tools::{FixedNames, ToolNames};
use crate::{Health, StopwatchLayer, WatchLayer, text};

/// How long ahead of its end something is warned of, by default.
const SOON: Duration = Duration::from_secs(21 * 86_400);

/// The metrics of a process and how it stands with its gates; cheap to clone, and clones share
/// everything.
#[derive(Clone)]
pub struct Telemetry(Arc<Inner>);

struct Inner {
    clock: Clock,
    soon: Duration,
    started: Instant,
    ending: AtomicBool,
    export: Arc<Export>,
    routes: Mutex<Vec<Arc<Route>>>,
    sources: Mutex<Vec<(String, Arc<dyn Source>)>>,
}

/// Settings of a [`Telemetry`]; made by [`Telemetry::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct TelemetryBuilder {
    clock: Clock,
    soon: Duration,
}

impl TelemetryBuilder {
    /// Takes the time from `clock`; the system's by default.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Warns this long before a certificate or a key runs out; 21 days by default.
    pub fn warn_before(mut self, time: Duration) -> Self {
        self.soon = time;
        self
    }

    /// The handle.
    #[must_use]
    pub fn build(self) -> Telemetry {
        Telemetry(Arc::new(Inner {
            started: self.clock.instant(),
            clock: self.clock,
            soon: self.soon,
            ending: AtomicBool::new(false),
            export: Arc::default(),
            routes: Mutex::default(),
            sources: Mutex::default(),
        }))
    }
}

impl Telemetry {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Starts with settings.
    pub fn builder() -> TelemetryBuilder {
        TelemetryBuilder { clock: Clock::system(), soon: SOON }
    }

    /// The layer that watches the requests to one gate. `route` is what operators call the gate: it
    /// is a label of every metric, so let there be few. Two layers of one name count together.
    pub fn layer(&self, route: &str) -> WatchLayer {
        WatchLayer::new(self.route(route), self.0.clock.clone())
    }

    /// The layer that measures the service behind the gate. Only with it is it known what the gate
    /// adds (`portcullis_added_duration_seconds`).
    pub fn stopwatch(&self) -> StopwatchLayer {
        StopwatchLayer::new(self.0.clock.clone())
    }

    /// Tells apart the tools that `names` says, in metrics of `route`. All others count as one,
    /// `other`, so that no request can make a time series. 1000 names at most, of 128 bytes at most.
    pub fn tools(&self, route: &str, names: impl ToolNames) {
        self.route(route).tools.set(Arc::new(names));
    }

    /// Tells apart these tools, for good; see [`tools`](Self::tools).
    pub fn tool_names<T: Into<Text>>(&self, route: &str, names: impl IntoIterator<Item = T>) {
        self.tools(route, FixedNames(names.into_iter().map(Into::into).collect()));
    }

    /// Asks `source` how it stands with a part of the gate `route`, in every scrape and every health
    /// check.
    pub fn watch(&self, route: &str, source: impl Source) {
        self.sources().push((route.to_owned(), Arc::new(source)));
    }

    /// Forgets the sources of `route`, when its gate is no more. What was counted stays.
    pub fn forget(&self, route: &str) {
        self.sources().retain(|(of, _)| of != route);
    }

    /// Says that the process is about to end: from now on it is not ready, so that no new requests
    /// are sent here while those under way are finished.
    pub fn shut_down(&self) {
        self.0.ending.store(true, Ordering::Relaxed);
    }

    /// Whether to send requests here.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        self.judge(&self.reports())
    }

    /// All metrics in Prometheus's text format, version 0.0.4.
    #[must_use]
    pub fn metrics_text(&self) -> String {
        text::text(&self.gather())
    }

    /// The service that answers health checks and scrapes.
    pub fn health(&self) -> Health {
        Health::new(self.clone())
    }

    pub(crate) fn gather(&self) -> Vec<Family> {
        let reports = self.reports();
        let readiness = self.judge(&reports);
        let mut families = Families::default();
        let mut add = |metric, labels: &[&str], value| families.add(metric, labels, value);
        let routes = locked(&self.0.routes).clone();
        for route in routes {
            route.gather(&mut add);
        }
        for (route, report) in &reports {
            tell(route, report, self.0.clock.unix(), &mut add);
        }
        add(&family::READY, &[], Value::Whole(u64::from(readiness.ready)));
        for warning in Warning::ALL {
            let code = warning.as_str();
            let count = readiness.warnings.iter().filter(|finding| finding.code == code).count();
            add(&family::WARNINGS, &[code], Value::Whole(u64::try_from(count).unwrap_or_default()));
        }
        let uptime = self.0.clock.instant().saturating_duration_since(self.0.started);
        add(&family::UPTIME, &[], seconds(uptime));
        add(&family::BUILD, &[env!("CARGO_PKG_VERSION")], Value::Whole(1));
        families.sorted()
    }

    #[cfg(feature = "opentelemetry")]
    pub(crate) fn downgrade(&self) -> WeakTelemetry {
        WeakTelemetry(Arc::downgrade(&self.0))
    }

    #[cfg(feature = "opentelemetry")]
    pub(crate) fn export(&self) -> &Export {
        &self.0.export
    }

    #[cfg(feature = "opentelemetry")]
    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    fn judge(&self, reports: &[(String, Report)]) -> Readiness {
        let ending = self.0.ending.load(Ordering::Relaxed);
        ready::judge(reports, self.0.clock.unix(), self.0.soon, ending)
    }

    /// What the sources of each route say.
    fn reports(&self) -> Vec<(String, Report)> {
        // Not asked under the lock: a source may take locks of its own.
        let sources = self.sources().clone();
        let mut reports: Vec<(String, Report)> = Vec::new();
        for (route, source) in sources {
            let at = reports.iter().position(|(of, _)| *of == route);
            let at = at.unwrap_or_else(|| {
                reports.push((route, Report::default()));
                reports.len() - 1
            });
            if let Some((_, report)) = reports.get_mut(at) {
                source.report(report);
            }
        }
        reports
    }

    fn route(&self, name: &str) -> Arc<Route> {
        let mut routes = locked(&self.0.routes);
        if let Some(route) = routes.iter().find(|route| route.name() == name) {
            return Arc::clone(route);
        }
        let route = Arc::new(Route::new(name, Arc::clone(&self.0.export)));
        routes.push(Arc::clone(&route));
        route
    }

    fn sources(&self) -> MutexGuard<'_, Vec<(String, Arc<dyn Source>)>> {
        locked(&self.0.sources)
    }
}

/// For callbacks that must not keep what they read alive.
#[cfg(feature = "opentelemetry")]
#[derive(Clone)]
pub(crate) struct WeakTelemetry(std::sync::Weak<Inner>);

#[cfg(feature = "opentelemetry")]
impl WeakTelemetry {
    pub(crate) fn upgrade(&self) -> Option<Telemetry> {
        self.0.upgrade().map(Telemetry)
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes = locked(&self.0.routes);
        f.debug_list().entries(routes.iter().map(|route| route.name().to_owned())).finish()
    }
}

/// Nothing panics under these locks, and what a panic would leave behind is consistent.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn seconds(time: Duration) -> Value {
    Value::Real(time.as_secs_f64())
}

/// Adds what a report says to the families.
fn tell(
    route: &str,
    report: &Report,
    now: Duration,
    add: &mut impl FnMut(&'static family::Metric, &[&str], Value),
) {
    let whole = |flag: bool| Value::Whole(u64::from(flag));
    for keys in &report.keys {
        let labels = [route, keys.issuer.as_str()];
        add(&family::KEYS_USABLE, &labels, whole(keys.usable));
        if !keys.fetched {
            continue;
        }
        if let Some(age) = keys.age {
            add(&family::KEYS_AGE, &labels, seconds(age));
        }
        add(&family::KEYS_LEFT, &labels, seconds(keys.usable_for));
        add(&family::KEYS_CHANGES, &labels, Value::Whole(keys.changes));
        let good = keys.fetches.saturating_sub(keys.failures);
        for (result, count) in [("ok", good), ("failed", keys.failures)] {
            add(&family::KEYS_FETCHES, &[route, &keys.issuer, result], Value::Whole(count));
        }
    }
    if let Some(cache) = report.cache {
        add(&family::CACHE_ENTRIES, &[route], Value::Whole(cache.entries));
        for (result, count) in [("hit", cache.hits), ("miss", cache.misses)] {
            add(&family::CACHE_LOOKUPS, &[route, result], Value::Whole(count));
        }
    }
    if let Some(policy) = report.policy {
        if let Some(loaded_at) = policy.loaded_at {
            add(&family::POLICY_AGE, &[route], seconds(now.saturating_sub(loaded_at)));
        }
        add(&family::POLICY_LOADS, &[route], Value::Whole(policy.loads));
        add(&family::POLICY_FAILURES, &[route], Value::Whole(policy.failures));
        add(&family::POLICY_FAILING, &[route], whole(policy.failing.is_some()));
    }
    if let Some(roster) = report.roster {
        add(&family::ROSTER_AGE, &[route], seconds(roster.blocks_age));
        add(&family::ROSTER_BLOCKED, &[route], Value::Whole(roster.blocked));
        add(&family::ROSTER_FAILING, &[route], whole(roster.failing));
        add(&family::ROSTER_LOST, &[route], Value::Whole(roster.lost));
    }
    for sink in &report.sinks {
        let labels = [route, sink.name.as_str()];
        add(&family::SINK_QUEUED, &labels, Value::Whole(sink.queued));
        add(&family::SINK_CAPACITY, &labels, Value::Whole(sink.capacity));
        add(&family::SINK_LOST, &labels, Value::Whole(sink.lost));
        add(&family::SINK_ACCEPTING, &labels, whole(sink.accepting));
    }
    for expiry in &report.expiries {
        if let Some(at) = expiry.at {
            let labels = [route, expiry.kind.as_str(), expiry.name.as_str()];
            add(&family::EXPIRES, &labels, seconds(at));
        }
    }
}
