//! What is counted of the requests to one gate.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use portcullis_core::{Reason, TargetKind};

use crate::export::Export;
use crate::family::{self, Family, Metric, Value};
use crate::instrument::{Counters, Each, Gauge, Histogram};
use crate::tools::{Catalogue, ToolId};
use crate::words::{Asked, Outcome, Ruling};

/// From ten microseconds to ten seconds: a decision in memory and one by a remote decision point.
pub(crate) static GATE_BOUNDS: [f64; 19] = [
    0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Those that OpenTelemetry advises for the duration of MCP operations.
pub(crate) static REQUEST_BOUNDS: [f64; 14] =
    [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

/// One gate, by the name that its operator gave it.
#[derive(Debug)]
pub(crate) struct Route {
    name: Arc<str>,
    requests: Counters<(Outcome, &'static str)>,
    decisions: Counters<(Asked, Ruling, Option<Reason>)>,
    tool_calls: Counters<(ToolId, Ruling)>,
    hidden: Counters<TargetKind>,
    violations: Counters<Reason>,
    pub(crate) in_flight: Gauge,
    pub(crate) streams: Gauge,
    decision_time: Histogram,
    policy_time: Histogram,
    added_time: Histogram,
    request_time: Each<Asked, Histogram>,
    pub(crate) tools: Catalogue,
    export: Arc<Export>,
}

impl Route {
    pub(crate) fn new(name: &str, export: Arc<Export>) -> Self {
        Self {
            name: name.into(),
            requests: Counters::default(),
            decisions: Counters::default(),
            tool_calls: Counters::default(),
            hidden: Counters::default(),
            violations: Counters::default(),
            in_flight: Gauge::default(),
            streams: Gauge::default(),
            decision_time: Histogram::new(&GATE_BOUNDS),
            policy_time: Histogram::new(&GATE_BOUNDS),
            added_time: Histogram::new(&GATE_BOUNDS),
            request_time: Each::default(),
            tools: Catalogue::default(),
            export,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn request(&self, outcome: Outcome, status: &'static str) {
        self.requests.add((outcome, status));
    }

    pub(crate) fn decision(&self, asked: Asked, ruling: Ruling, reason: Option<Reason>) {
        self.decisions.add((asked, ruling, reason));
    }

    pub(crate) fn tool_call(&self, tool: ToolId, ruling: Ruling) {
        self.tool_calls.add((tool, ruling));
    }

    pub(crate) fn hide(&self, kind: TargetKind) {
        self.hidden.add(kind);
    }

    pub(crate) fn violation(&self, reason: Reason) {
        self.violations.add(reason);
    }

    pub(crate) fn decided_after(&self, took: Duration) {
        self.decision_time.record(took);
        self.export.record(&family::DECISION_TIME, &[&self.name], took);
    }

    pub(crate) fn policy_took(&self, took: Duration) {
        self.policy_time.record(took);
        self.export.record(&family::POLICY_TIME, &[&self.name], took);
    }

    pub(crate) fn added(&self, took: Duration) {
        self.added_time.record(took);
        self.export.record(&family::ADDED_TIME, &[&self.name], took);
    }

    pub(crate) fn answered_after(&self, asked: Asked, took: Duration) {
        self.request_time.get(asked, || Histogram::new(&REQUEST_BOUNDS)).record(took);
        self.export.record(&family::REQUEST_TIME, &[&self.name, asked.as_str()], took);
    }

    /// Adds what was counted to the families.
    pub(crate) fn gather(&self, into: &mut impl FnMut(&'static Metric, &[&str], Value)) {
        let route = self.name();
        let count = |counter: &AtomicU64| Value::Whole(counter.load(Ordering::Relaxed));
        for ((outcome, status), n) in self.requests.all() {
            into(&family::REQUESTS, &[route, outcome.as_str(), status], count(&n));
        }
        for ((asked, ruling, reason), n) in self.decisions.all() {
            let reason = reason.map_or("none", Reason::as_str);
            let labels = [route, asked.as_str(), ruling.as_str(), reason];
            into(&family::DECISIONS, &labels, count(&n));
        }
        for ((tool, ruling), n) in self.tool_calls.all() {
            let tool = self.tools.name(tool);
            into(&family::TOOL_CALLS, &[route, tool.as_str(), ruling.as_str()], count(&n));
        }
        for (kind, n) in self.hidden.all() {
            into(&family::HIDDEN, &[route, kind.as_str()], count(&n));
        }
        for (reason, n) in self.violations.all() {
            into(&family::VIOLATIONS, &[route, reason.as_str()], count(&n));
        }
        let gauge = |gauge: &Gauge| Value::Whole(u64::try_from(gauge.now()).unwrap_or_default());
        into(&family::IN_FLIGHT, &[route], gauge(&self.in_flight));
        into(&family::STREAMS, &[route], gauge(&self.streams));
        let spread = |histogram: &Histogram| Value::Spread(histogram.read());
        into(&family::DECISION_TIME, &[route], spread(&self.decision_time));
        into(&family::POLICY_TIME, &[route], spread(&self.policy_time));
        into(&family::ADDED_TIME, &[route], spread(&self.added_time));
        for (asked, histogram) in self.request_time.all() {
            into(&family::REQUEST_TIME, &[route, asked.as_str()], spread(&histogram));
        }
    }
}

/// `families` in the order of [`family::METRICS`], each made when it is first added to.
#[derive(Debug, Default)]
pub(crate) struct Families(Vec<Family>);

impl Families {
    pub(crate) fn add(&mut self, metric: &'static Metric, labels: &[&str], value: Value) {
        let known = self.0.iter_mut().find(|family| std::ptr::eq(family.metric, metric));
        match known {
            Some(family) => family.add(labels, value),
            None => {
                let mut family = Family::new(metric);
                family.add(labels, value);
                self.0.push(family);
            }
        }
    }

    /// In the order in which metrics are listed, and samples by their labels.
    pub(crate) fn sorted(self) -> Vec<Family> {
        let mut families = self.0;
        let place = |family: &Family| {
            family::METRICS.iter().position(|metric| std::ptr::eq(*metric, family.metric))
        };
        families.sort_by_key(place);
        for family in &mut families {
            family.samples.sort_by(|a, b| a.labels.cmp(&b.labels));
        }
        families
    }
}
