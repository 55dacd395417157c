//! Prometheus's text format, version 0.0.4.

use std::fmt::Write as _;

use crate::family::{Family, Metric, Sample, Value};
use crate::instrument::Distribution;

/// The media type of the format.
pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `families` as text. Those without a sample are left out.
pub(crate) fn text(families: &[Family]) -> String {
    let mut text = String::with_capacity(16 * 1024);
    for Family { metric, samples } in families.iter().filter(|family| !family.samples.is_empty()) {
        let Metric { name, help, kind, .. } = metric;
        // Writing to a string does not fail.
        let _ = writeln!(text, "# HELP {name} {}", help.replace('\\', r"\\"));
        let _ = writeln!(text, "# TYPE {name} {}", kind.as_str());
        for sample in samples {
            match &sample.value {
                Value::Whole(number) => line(&mut text, metric, "", sample, None, number),
                Value::Real(number) => line(&mut text, metric, "", sample, None, number),
                Value::Spread(spread) => spread_lines(&mut text, metric, sample, spread),
            }
        }
    }
    text
}

fn spread_lines(text: &mut String, metric: &Metric, sample: &Sample, spread: &Distribution) {
    let mut below = 0_u64;
    for (at, count) in spread.counts.iter().enumerate() {
        below = below.saturating_add(*count);
        let bound = spread.bounds.get(at).map_or_else(|| "+Inf".to_owned(), f64::to_string);
        line(text, metric, "_bucket", sample, Some(&bound), &below);
    }
    line(text, metric, "_sum", sample, None, &spread.seconds);
    line(text, metric, "_count", sample, None, &below);
}

fn line(
    text: &mut String,
    metric: &Metric,
    suffix: &str,
    sample: &Sample,
    bound: Option<&str>,
    value: &dyn std::fmt::Display,
) {
    let _ = write!(text, "{}{suffix}", metric.name);
    let mut before = '{';
    for (name, value) in sample.pairs(metric).chain(bound.map(|bound| ("le", bound))) {
        let _ = write!(text, "{before}{name}=\"");
        escape(text, value);
        text.push('"');
        before = ',';
    }
    text.push_str(if before == ',' { "} " } else { " " });
    let _ = writeln!(text, "{value}");
}

fn escape(text: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => text.push_str(r"\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str(r"\n"),
            // Allowed, and of no use to anybody who reads it.
            c if c.is_control() => text.push('\u{fffd}'),
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::{DECISION_TIME, READY, TOOL_CALLS};

    #[test]
    fn lines_are_as_prometheus_reads_them() {
        let mut calls = Family::new(&TOOL_CALLS);
        calls.add(&["notes", "say \"hi\"\\\n\u{1b}[31m", "allow"], Value::Whole(3));
        let mut time = Family::new(&DECISION_TIME);
        let spread = Distribution { bounds: &[0.00001, 0.5], counts: vec![1, 2, 1], seconds: 1.5 };
        time.add(&["notes"], Value::Spread(spread));
        let mut ready = Family::new(&READY);
        ready.add(&[], Value::Whole(1));
        let text = text(&[calls, time, ready, Family::new(&TOOL_CALLS)]);
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with("# HELP")).collect();
        assert_eq!(
            lines,
            [
                "# TYPE portcullis_tool_calls_total counter",
                "portcullis_tool_calls_total{route=\"notes\",tool=\"say \\\"hi\\\"\\\\\\n\u{fffd}[31m\",decision=\"allow\"} 3",
                "# TYPE portcullis_decision_duration_seconds histogram",
                "portcullis_decision_duration_seconds_bucket{route=\"notes\",le=\"0.00001\"} 1",
                "portcullis_decision_duration_seconds_bucket{route=\"notes\",le=\"0.5\"} 3",
                "portcullis_decision_duration_seconds_bucket{route=\"notes\",le=\"+Inf\"} 4",
                "portcullis_decision_duration_seconds_sum{route=\"notes\"} 1.5",
                "portcullis_decision_duration_seconds_count{route=\"notes\"} 4",
                "# TYPE portcullis_ready gauge",
                "portcullis_ready 1",
            ]
        );
        assert!(text.ends_with('\n'));
    }
}
