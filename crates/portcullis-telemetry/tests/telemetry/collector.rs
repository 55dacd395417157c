//! Metrics and traces before an OpenTelemetry collector that others made: `tests/stores/run` installs it.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::SdkTracerProvider;
use portcullis_telemetry::{OtelJoin, Telemetry};
use tower::{Layer as _, ServiceExt as _};
use tracing_subscriber::layer::SubscriberExt as _;

use crate::common::*;
use crate::otel::some_traffic;

/// A program, ended when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for another program, which tells us nothing.
fn wait(what: &str, mut until: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !until() {
        assert!(Instant::now() < deadline, "it did not happen: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
#[ignore = "tests/stores/run starts it"]
fn an_opentelemetry_collector_takes_metrics_and_spans() {
    let folder = tempfile::tempdir().unwrap();
    let (out, http, grpc) = (folder.path().join("out"), free_port(), free_port());
    let rotel = std::env::var_os("STORES_ROTEL").expect("tests/stores/run says where it is");
    let mut command = Command::new(rotel);
    command.args(["start", "--exporter", "blackhole", "--debug-log", "traces"]);
    command.args(["--debug-log", "metrics", "--debug-log-verbosity", "detailed"]);
    command.args(["--otlp-http-endpoint", &format!("127.0.0.1:{http}")]);
    command.args(["--otlp-grpc-endpoint", &format!("127.0.0.1:{grpc}")]);
    let file = std::fs::File::create(&out).unwrap();
    command.stderr(file.try_clone().unwrap()).stdout(file).current_dir(folder.path());
    let _collector = Running(command.stdin(Stdio::null()).spawn().unwrap());
    wait("it listens", || TcpStream::connect(("127.0.0.1", http)).is_ok());

    // As a program sets it up that hands both to a collector.
    let at = |signal| format!("http://127.0.0.1:{http}/v1/{signal}");
    let named = Resource::builder().with_service_name("gate-1").build();
    let spans = SpanExporter::builder().with_http().with_endpoint(at("traces")).build().unwrap();
    let tracers = SdkTracerProvider::builder()
        .with_batch_exporter(spans)
        .with_resource(named.clone())
        .build();
    let metrics =
        MetricExporter::builder().with_http().with_endpoint(at("metrics")).build().unwrap();
    let meters = SdkMeterProvider::builder()
        .with_reader(PeriodicReader::builder(metrics).build())
        .with_resource(named)
        .build();
    let telemetry = Telemetry::new();
    assert!(telemetry.export_to(&meters.meter("portcullis")));

    let layer = tracing_opentelemetry::layer().with_tracer(tracers.tracer("portcullis"));
    let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        some_traffic(&telemetry).await;
        let watch = telemetry.layer("notes").join(OtelJoin::linked());
        let request = with_headers(&[(
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        )]);
        let service = watch.layer(gate(|request| {
            sign_in(request, &call("read"));
            allow(request, 0, &call("read"));
            text("{}")
        }));
        drop(service.oneshot(request).await.unwrap());
    });
    drop(guard);
    tracers.force_flush().unwrap();
    meters.force_flush().unwrap();

    let text = || std::fs::read_to_string(&out).unwrap();
    let parts = [
        "-> service.name: Str(gate-1)",
        "Name           : tools/call read",
        "SPAN_KIND_SERVER",
        "-> mcp.method.name: Str(tools/call)",
        // The link to the client's own trace.
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "-> Name: portcullis.requests\n",
        "-> Name: portcullis.decision_duration\n",
        "-> outcome: Str(denied)",
        "-> reason: Str(default_deny)",
    ];
    for part in parts {
        wait(part, || text().contains(part));
    }
    // A name that somebody made up is in the trace, where it costs nothing, and in no label.
    let text = text();
    assert!(
        !text.contains("-> tool: Str(made_up)") && text.contains("-> tool: Str(other)"),
        "{text}"
    );
    tracers.shutdown().unwrap();
    meters.shutdown().unwrap();
}
