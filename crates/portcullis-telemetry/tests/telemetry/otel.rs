//! The same numbers for OpenTelemetry, and spans in its traces.

use http::Request;
use http_body_util::BodyExt as _;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use portcullis_telemetry::{Keys, METRICS, MetricKind, Report, Telemetry};
use tower::{Layer as _, ServiceExt as _};

use crate::common::*;

pub(crate) async fn some_traffic(telemetry: &Telemetry) {
    telemetry.tool_names("notes", ["read"]);
    telemetry.watch("notes", |report: &mut Report| report.keys(Keys::new("https://id.example")));
    let acts: [fn(&mut Request<()>) -> Answer; 2] = [
        |request| {
            sign_in(request, &call("read"));
            allow(request, 0, &call("read"));
            text("{}")
        },
        |request| {
            sign_in(request, &call("made_up"));
            refuse(deny(request, 0, "made_up"))
        },
    ];
    for act in acts {
        let answer = telemetry.layer("notes").layer(gate(act)).oneshot(Request::new(())).await;
        answer.unwrap().into_body().collect().await.unwrap();
    }
}

fn points(exported: &[ResourceMetrics]) -> Vec<String> {
    let mut points = Vec::new();
    for metric in exported.iter().flat_map(ResourceMetrics::scope_metrics).flat_map(|s| s.metrics())
    {
        let name = metric.name();
        let labels = |attributes: Vec<(String, String)>| {
            let mut pairs: Vec<_> =
                attributes.into_iter().map(|(k, v)| format!("{k}={v}")).collect();
            pairs.sort();
            pairs.join(",")
        };
        macro_rules! attributes {
            ($point:expr) => {
                labels(
                    $point.attributes().map(|a| (a.key.to_string(), a.value.to_string())).collect(),
                )
            };
        }
        match metric.data() {
            AggregatedMetrics::U64(MetricData::Sum(sum)) => {
                assert!(sum.is_monotonic(), "{name}");
                points.extend(
                    sum.data_points().map(|p| format!("{name} {} {}", attributes!(p), p.value())),
                );
            }
            AggregatedMetrics::F64(MetricData::Gauge(gauge)) => {
                points.extend(
                    gauge.data_points().map(|p| format!("{name} {} {}", attributes!(p), p.value())),
                );
            }
            AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
                points.extend(
                    histogram
                        .data_points()
                        .map(|p| format!("{name} {} n={}", attributes!(p), p.count())),
                );
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    points
}

#[tokio::test(flavor = "multi_thread")]
async fn a_meter_gets_what_prometheus_gets() {
    let exporter = InMemoryMetricExporter::default();
    let provider = SdkMeterProvider::builder()
        .with_reader(PeriodicReader::builder(exporter.clone()).build())
        .build();
    let telemetry = Telemetry::new();
    assert!(telemetry.export_to(&provider.meter("portcullis")));
    assert!(!telemetry.export_to(&provider.meter("again")), "durations are told once");
    some_traffic(&telemetry).await;
    provider.force_flush().unwrap();
    let points = points(&exporter.get_finished_metrics().unwrap());
    let expected = [
        "portcullis.requests outcome=ok,route=notes,status=200 1",
        "portcullis.requests outcome=denied,route=notes,status=200 1",
        "portcullis.decisions decision=deny,method=tools/call,reason=default_deny,route=notes 1",
        "portcullis.tool_calls decision=allow,route=notes,tool=read 1",
        "portcullis.tool_calls decision=deny,route=notes,tool=other 1",
        "portcullis.requests_in_flight route=notes 0",
        "portcullis.jwks_usable issuer=https://id.example,route=notes 1",
        "portcullis.ready  1",
        "portcullis.decision_duration route=notes n=2",
        "portcullis.request_duration method=tools/call,route=notes n=2",
    ];
    for point in expected {
        assert!(points.iter().any(|found| found == point), "{point}\n{points:#?}");
    }
    // Everything that the text has a sample of is there.
    let text = telemetry.metrics_text();
    for metric in METRICS {
        let suffix = if metric.kind == MetricKind::Histogram { "_count" } else { "" };
        let in_text = text.lines().any(|line| {
            line.strip_prefix(metric.name)
                .and_then(|rest| rest.strip_prefix(suffix))
                .is_some_and(|rest| rest.starts_with(['{', ' ']))
        });
        let name = metric.name.trim_start_matches("portcullis_");
        let name = name.strip_suffix("_total").or(name.strip_suffix("_seconds")).unwrap_or(name);
        let name = format!("portcullis.{name} ");
        let empty = text.contains(&format!("{}_count{{route=\"notes\"}} 0", metric.name));
        let exported = points.iter().any(|point| point.starts_with(&name));
        assert!(!in_text || empty || exported, "{name}\n{points:#?}");
    }
    // The meter does not keep it alive.
    drop(telemetry);
    provider.force_flush().unwrap();
}

#[cfg(feature = "tracing-opentelemetry")]
mod traces {
    use opentelemetry::trace::{SpanId, SpanKind, Status, TraceId, TracerProvider as _};
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
    use portcullis_core::RequestFacts as _;
    use portcullis_telemetry::OtelJoin;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    async fn span(join: OtelJoin, act: fn(&mut Request<()>) -> Answer) -> SpanData {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("portcullis"));
        let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        let telemetry = Telemetry::new();
        telemetry.tool_names("notes", ["read"]);
        let watch = telemetry.layer("notes").join(join);
        let request = with_headers(&[
            ("traceparent", &format!("00-{TRACE}-{PARENT}-01")),
            ("tracestate", "a=1"),
        ]);
        let answer = watch.layer(gate(act)).oneshot(request).await.unwrap();
        answer.into_body().collect().await.unwrap();
        drop((watch, guard));
        let spans = exporter.get_finished_spans().unwrap();
        assert_eq!(spans.len(), 1, "{spans:#?}");
        spans[0].clone()
    }

    fn read(request: &mut Request<()>) -> Answer {
        sign_in(request, &call("read"));
        allow(request, 0, &call("read"));
        text("{}")
    }

    #[tokio::test]
    async fn a_trace_of_our_own_links_to_the_clients() {
        let span = span(OtelJoin::linked(), read).await;
        assert_eq!(span.name, "tools/call read");
        assert_eq!(span.span_kind, SpanKind::Server);
        assert_ne!(span.span_context.trace_id(), TraceId::from_hex(TRACE).unwrap());
        assert_eq!(span.parent_span_id, SpanId::INVALID);
        let link = &span.links[0].span_context;
        assert_eq!(link.trace_id(), TraceId::from_hex(TRACE).unwrap());
        assert_eq!(link.span_id(), SpanId::from_hex(PARENT).unwrap());
        assert!(link.is_remote());
        assert_eq!(link.trace_state().header(), "a=1");
        let attribute = |name: &str| {
            let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == name);
            found.map(|attribute| attribute.value.to_string())
        };
        assert_eq!(attribute("mcp.method.name").as_deref(), Some("tools/call"));
        assert_eq!(attribute("gen_ai.tool.name").as_deref(), Some("read"));
        assert_eq!(attribute("http.response.status_code").as_deref(), Some("200"));
        assert_eq!(span.status, Status::Unset);
    }

    /// What stands for the audit layer.
    #[derive(Default)]
    struct Records(std::sync::Mutex<Option<[u8; 16]>>);

    impl portcullis_core::Recorder for Records {
        fn caller(&self, _: &portcullis_core::Caller) {}
        fn message(&self, _: &portcullis_core::McpMessage) {}
        fn decided(&self, _: &portcullis_core::Decided<'_>) -> portcullis_core::Acknowledgement {
            portcullis_core::Acknowledgement::Recorded
        }
        fn note(&self, _: portcullis_core::Note<'_>) {}
        fn request_id(&self) -> Option<[u8; 16]> {
            Some(*b"0123456789abcdef")
        }
        fn traced_as(&self, trace_id: [u8; 16]) {
            *self.0.lock().unwrap() = Some(trace_id);
        }
    }

    static RECORDS: std::sync::LazyLock<std::sync::Arc<Records>> =
        std::sync::LazyLock::new(Default::default);

    #[tokio::test]
    async fn records_and_spans_name_each_other() {
        let span = span(OtelJoin::linked(), |request| {
            request.set_trail(portcullis_core::Trail::new(RECORDS.clone()));
            read(request)
        })
        .await;
        let id = span.attributes.iter().find(|it| it.key.as_str() == "portcullis.request_id");
        assert_eq!(id.unwrap().value.to_string(), "30313233-3435-3637-3839-616263646566");
        let told = RECORDS.0.lock().unwrap().unwrap();
        assert_eq!(told, span.span_context.trace_id().to_bytes());
        assert_eq!(span.links.len(), 1, "asking for the trace changes nothing");
    }

    #[tokio::test]
    async fn clients_may_be_trusted_to_be_the_parent() {
        let span = span(OtelJoin::danger_parent_by_client(), |request| {
            sign_in(request, &call("made_up"));
            refuse(deny(request, 0, "made_up"))
        })
        .await;
        assert_eq!(span.span_context.trace_id(), TraceId::from_hex(TRACE).unwrap());
        assert_eq!(span.parent_span_id, SpanId::from_hex(PARENT).unwrap());
        assert_eq!(span.name, "tools/call");
        assert!(matches!(span.status, Status::Error { .. }));
        assert!(span.links.is_empty());
    }
}
