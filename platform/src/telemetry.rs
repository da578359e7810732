//! Logs, metrics and traces, set up once in `main`.

mod lines;

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    num::NonZeroU16,
    panic::{self, PanicHookInfo},
    sync::OnceLock,
    thread,
    time::Duration,
};

use lines::Lines;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry::{KeyValue, global, trace::TracerProvider as _};
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{Sampler, SdkTracerProvider},
};
use serde::{Deserialize, Serialize};
use tokio::{sync::oneshot, time::timeout};
use tracing::Level;
use tracing_subscriber::{
    EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

/// For what is buffered to get out at the end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    Json,
    /// Coloured text, for people.
    Text,
}

/// Settings of logs and traces.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct TelemetrySettings {
    /// `json` or `text`.
    pub log_format: LogFormat,
    /// What is logged, in `tracing`'s filter syntax: `info,bff=debug`.
    pub log_filter: String,
    /// Lines that wait for whoever reads the log; further ones are dropped, and counted.
    pub log_waiting: NonZeroU16,
    /// An OTLP gRPC endpoint such as `http://collector:4317`; empty: no traces are sent.
    pub otlp_endpoint: String,
    /// The share of traces begun here that are recorded, 0 to 1. A caller's decision wins.
    pub trace_ratio: f64,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self {
            log_format: LogFormat::Json,
            log_filter: "info".into(),
            log_waiting: const { NonZeroU16::new(10_000).expect("some") },
            otlp_endpoint: String::new(),
            trace_ratio: 0.1,
        }
    }
}

/// Flushes what is buffered when the process ends; keep it until then.
#[derive(Debug)]
#[must_use = "what is buffered is flushed through it"]
pub struct Telemetry {
    tracer: Option<SdkTracerProvider>,
    log: Lines,
}

impl Telemetry {
    /// Runs a program, however it ends, and then sends what is buffered, as far as
    /// somebody takes it within two seconds.
    pub async fn during<T>(self, program: impl Future<Output = T>) -> T {
        let outcome = program.await;
        self.shutdown().await;
        outcome
    }

    async fn shutdown(self) {
        let (sent, traces) = oneshot::channel();
        // The exporter's own shutdown blocks until its last batch is out. The runtime
        // would wait for a thread of its own without end.
        thread::spawn(move || {
            let _ = self.tracer.map(|tracer| tracer.shutdown());
            let _ = sent.send(());
        });
        let last_words = futures::future::join(traces, self.log.flush());
        let _ = timeout(LAST_WORDS, last_words).await;
    }
}

/// Installs the subscriber for logs and, when an endpoint is set, traces. Lines go to
/// standard error from a thread of their own: when nobody reads there, lines are lost
/// and nothing else waits. A panic is a line, too.
///
/// # Errors
/// When the filter or the endpoint can't be used, or a subscriber is installed already.
pub fn init(service: &'static str, settings: &TelemetrySettings) -> anyhow::Result<Telemetry> {
    global::set_text_map_propagator(TraceContextPropagator::new());
    let filter = EnvFilter::try_new(&settings.log_filter)?;
    let lines = Lines::to_stderr(settings.log_waiting)?;
    let log = lines.clone();
    let logs = match settings.log_format {
        LogFormat::Json => tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .with_writer(lines)
            .boxed(),
        LogFormat::Text => tracing_subscriber::fmt::layer().with_writer(lines).boxed(),
    };
    let tracer = if settings.otlp_endpoint.is_empty() {
        None
    } else {
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .with_endpoint(&settings.otlp_endpoint)
            .with_timeout(Duration::from_secs(5))
            .build()?;
        let resource = Resource::builder()
            .with_service_name(service)
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        Some(
            SdkTracerProvider::builder()
                .with_batch_exporter(exporter)
                .with_resource(resource)
                .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(
                    settings.trace_ratio,
                ))))
                .build(),
        )
    };
    let traces = tracer
        .as_ref()
        .map(|tracer| tracing_opentelemetry::layer().with_tracer(tracer.tracer(service)));
    tracing_subscriber::registry()
        .with(traces)
        .with(logs.with_filter(filter))
        .try_init()?;
    log_panics();
    Ok(Telemetry { tracer, log })
}

/// From here on a panic is a line of the log, as long as errors are logged.
fn log_panics() {
    let unlogged = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if tracing::enabled!(Level::ERROR) {
            log_panic(panic);
        } else {
            unlogged(panic);
        }
    }));
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    // There is one when `RUST_BACKTRACE` asks for it.
    let backtrace = Backtrace::capture();
    let captured = backtrace.status() == BacktraceStatus::Captured;
    tracing::error!(
        panic = panic.payload_as_str().unwrap_or("without words"),
        location = panic.location().map(display),
        thread = thread::current().name(),
        backtrace = captured.then(|| display(&backtrace)),
        "panicked"
    );
}

/// From 100 µs to 10 s: what a request, a part or an upstream call may take.
const DURATION_BUCKETS: &[f64] = &[
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

/// The process's metrics, installed at the first call.
///
/// # Panics
/// When another recorder was installed, which only this function does.
#[must_use]
pub fn metrics_handle() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), DURATION_BUCKETS)
                .expect("the buckets are not empty")
                .build_recorder();
            let handle = recorder.handle();
            metrics::set_global_recorder(recorder).expect("only this function installs a recorder");
            handle
        })
        .clone()
}

/// Keeps the recorder's memory flat: histograms are drained every five seconds,
/// scraped or not. Runs until `lifetime` ends.
pub async fn upkeep(handle: PrometheusHandle, lifetime: crate::shutdown::Lifetime) {
    lines::count_dropped(0);
    let mut tick = tokio::time::interval(Duration::from_secs(5));
    loop {
        tokio::select! {
            _ = tick.tick() => handle.run_upkeep(),
            () = lifetime.stopping() => return,
        }
    }
}

/// Registers what is running as the gauge `build_info`.
pub fn describe_build(service: &'static str) {
    metrics::gauge!("build_info", "service" => service, "version" => env!("CARGO_PKG_VERSION"))
        .set(1.0);
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Read as _},
        sync::Arc,
    };

    use serde_json::Value;

    use super::*;

    #[test]
    fn a_panic_is_one_line_of_the_log() {
        let (mut log, writer) = io::pipe().expect("a pipe");
        let lines = tracing_subscriber::fmt().json().flatten_event(true);
        let lines = lines.with_writer(Arc::new(writer)).finish();
        log_panics();
        tracing::subscriber::with_default(lines, || {
            let panicked = panic::catch_unwind(|| panic!("on {}", "purpose"));
            panicked.expect_err("it panics");
        });
        let mut line = String::new();
        log.read_to_string(&mut line).expect("its writer is gone");
        let line: Value = serde_json::from_str(&line).expect("one line, and JSON");
        assert_eq!(line["level"], "ERROR");
        assert_eq!(line["panic"], "on purpose");
        let place = line["location"].as_str().expect("a location");
        assert!(place.contains("telemetry.rs:"), "{place}");
    }
}
