//! The same metrics for OpenTelemetry.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram, Meter};

use crate::family::{Family, METRICS, Metric, MetricKind, Value};
use crate::route::{GATE_BOUNDS, REQUEST_BOUNDS};
use crate::telemetry::WeakTelemetry;
use crate::{Telemetry, family};

/// How long what was gathered is good for: an exporter asks for each metric by itself.
const FRESH: Duration = Duration::from_millis(500);

impl Telemetry {
    /// Hands all metrics to `meter`: whatever exporter its provider has, such as OTLP, then pushes
    /// the numbers that `/metrics` shows. Names are those of [`METRICS`] as OpenTelemetry spells
    /// them: `portcullis_requests_total` is `portcullis.requests`, and
    /// `portcullis_decision_duration_seconds` is `portcullis.decision_duration` in `s`.
    ///
    /// Once per process: a second meter gets everything but durations, and `false` says so.
    ///
    /// The meter does not keep this alive.
    pub fn export_to(&self, meter: &Meter) -> bool {
        let gathered = Arc::new(Gathered { telemetry: self.downgrade(), last: Mutex::default() });
        for metric in METRICS.iter().copied() {
            let gathered = Arc::clone(&gathered);
            let name = name_of(metric);
            let unit = if is_seconds(metric) { "s" } else { "1" };
            match metric.kind {
                MetricKind::Counter => {
                    let _kept_by_the_meter = meter
                        .u64_observable_counter(name)
                        .with_description(metric.help)
                        .with_unit(unit)
                        .with_callback(move |observer| {
                            gathered.each(metric, |value, labels| {
                                if let Value::Whole(number) = value {
                                    observer.observe(*number, labels);
                                }
                            });
                        })
                        .build();
                }
                MetricKind::Gauge => {
                    let _kept_by_the_meter = meter
                        .f64_observable_gauge(name)
                        .with_description(metric.help)
                        .with_unit(unit)
                        .with_callback(move |observer| {
                            gathered.each(metric, |value, labels| match value {
                                #[expect(clippy::cast_precision_loss, reason = "counts are small")]
                                Value::Whole(number) => observer.observe(*number as f64, labels),
                                Value::Real(number) => observer.observe(*number, labels),
                                Value::Spread(_) => {}
                            });
                        })
                        .build();
                }
                MetricKind::Histogram => {}
            }
        }
        let histograms: Vec<(&'static Metric, Histogram<f64>)> = METRICS
            .iter()
            .filter(|metric| metric.kind == MetricKind::Histogram)
            .map(|metric| (*metric, histogram(meter, metric)))
            .collect();
        self.export().to(Box::new(move |metric, labels, took| {
            let known = histograms.iter().find(|(of, _)| std::ptr::eq(*of, metric));
            if let Some((_, histogram)) = known {
                let labels = metric.labels.iter().zip(labels);
                let labels: Vec<_> =
                    labels.map(|(name, value)| KeyValue::new(*name, (*value).to_owned())).collect();
                histogram.record(took.as_secs_f64(), &labels);
            }
        }))
    }
}

fn histogram(meter: &Meter, metric: &Metric) -> Histogram<f64> {
    let bounds = if std::ptr::eq(metric, &raw const family::REQUEST_TIME) {
        REQUEST_BOUNDS.to_vec()
    } else {
        GATE_BOUNDS.to_vec()
    };
    meter
        .f64_histogram(name_of(metric))
        .with_description(metric.help)
        .with_unit("s")
        .with_boundaries(bounds)
        .build()
}

fn is_seconds(metric: &Metric) -> bool {
    metric.name.ends_with("_seconds")
}

/// Units and the mark of counters are no part of a name in OpenTelemetry; exporters that write for
/// Prometheus put them back.
fn name_of(metric: &Metric) -> String {
    let name = metric.name.strip_prefix("portcullis_").unwrap_or(metric.name);
    let name = name.strip_suffix("_total").or(name.strip_suffix("_seconds")).unwrap_or(name);
    format!("portcullis.{name}")
}

struct Gathered {
    telemetry: WeakTelemetry,
    last: Mutex<Option<(Instant, Arc<Vec<Family>>)>>,
}

impl Gathered {
    fn each(&self, metric: &Metric, mut tell: impl FnMut(&Value, &[KeyValue])) {
        let Some(telemetry) = self.telemetry.upgrade() else { return };
        let families = self.families(&telemetry);
        for family in families.iter().filter(|family| std::ptr::eq(family.metric, metric)) {
            for sample in &family.samples {
                let labels: Vec<_> = sample
                    .pairs(metric)
                    .map(|(name, value)| KeyValue::new(name, value.to_owned()))
                    .collect();
                tell(&sample.value, &labels);
            }
        }
    }

    fn families(&self, telemetry: &Telemetry) -> Arc<Vec<Family>> {
        let now = telemetry.clock().instant();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, families)) = &*last
            && now.saturating_duration_since(*at) < FRESH
        {
            return Arc::clone(families);
        }
        let families = Arc::new(telemetry.gather());
        *last = Some((now, Arc::clone(&families)));
        families
    }
}
